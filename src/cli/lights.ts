/** `fieldgate lights`: what the lamps of the box show when the service has ended. */
import type { Board, LedRole } from '../../hal/contract.ts'
import { openBoard } from '../../hal/linux/board.ts'
import { boardNameOf } from '../config/board-name.ts'
import { logPathOf } from '../config/sockets.ts'
import { sentence } from '../contracts/errors.ts'
import type { Light } from '../contracts/report.ts'
import { leave } from '../health/lamp.ts'
import { stopped } from '../health/language/stopped.ts'
import { type Command, Exit, type Invocation } from './command.ts'

const ROLES: readonly LedRole[] = ['SYS', 'BUS', 'NET', 'HA']

export const command: Command = async (invocation) => {
  const { options, screen, json } = invocation
  if (options.stopped !== true) {
    const error = 'say what the lights are to do: --stopped'
    screen.complain(`fieldgate: ${error}`)
    if (json) screen.document({ ok: false, error, status: Exit.usage })
    return Exit.usage
  }
  const light = stopped(process.env)
  const faults = showStopped(invocation, light)
  for (const fault of faults) screen.complain(`fieldgate: ${fault}`)
  if (json) screen.document({ light, faults })
  else screen.print(`SYS: ${light.text}`)
  // Whoever ended the service is not to be told of a failure of ours.
  return Exit.done
}

/** The lamps are not given back: they are to show this when this process is gone. Returns what went wrong. */
function showStopped({ file }: Pick<Invocation, 'file'>, light: Light): readonly string[] {
  try {
    const name = boardNameOf(file) ?? boardNameOf(`${logPathOf(file)}/active.yaml`) ?? 'generic'
    const board = openBoard(name) as Partial<Board>
    return ROLES.flatMap((role) => {
      try {
        const led = board.led?.(role)
        if (role === 'SYS' && led !== undefined) leave(led, light)
        else led?.show('off')
        return []
      } catch (thrown) {
        return [`lamp ${role}: ${sentence(thrown)}`]
      }
    })
  } catch (thrown) {
    return [sentence(thrown)]
  }
}
