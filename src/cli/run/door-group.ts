/** Who may transmit on demand and change the configuration, where that is not everybody who may look: `FIELDGATE_DOOR_GROUP`
 *  names the group of `door.sock` and `control.sock`. The uplink's user is not to be in it. */
import { readFileSync } from 'node:fs'
import { ConfigurationFault, sentence } from '../../contracts/errors.ts'

/** undefined: whatever group the process makes its files with. Throws ConfigurationFault where there is no such group. */
export function doorGroup(env: NodeJS.ProcessEnv = process.env, groups = '/etc/group'): number | undefined {
  const given = env.FIELDGATE_DOOR_GROUP
  if (given === undefined || given === '') return undefined
  if (/^\d+$/.test(given)) return Number(given)
  let text: string
  try {
    text = readFileSync(groups, 'utf8')
  } catch (thrown) {
    throw new ConfigurationFault(`FIELDGATE_DOOR_GROUP: ${given} cannot be looked up: ${sentence(thrown)}`)
  }
  // group(5): name:password:number:members
  const entry = text.split('\n').find((line) => line.startsWith(`${given}:`))
  const number = entry?.split(':')[2] ?? ''
  if (/^\d+$/.test(number)) return Number(number)
  throw new ConfigurationFault(
    `FIELDGATE_DOOR_GROUP: there is no group ${given}; make it with "groupadd --system ${given}"`,
  )
}
