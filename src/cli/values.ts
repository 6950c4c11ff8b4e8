/** `fieldgate values [DEVICE[/GROUP[/TAG]]] [--follow]`: live values with age and quality. */
import { type ValueRow, valueLine, valueTable } from '../console/terminal/rows.ts'
import { Rejected } from '../contracts/errors.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { withGateway } from './running.ts'

const UNBOUNDED = 240

export const command: Command = (invocation) =>
  withGateway(
    invocation,
    'inspect',
    async (gateway, side) => {
      const { json, screen, options, signal } = invocation
      if (side === 'uplink' && !json)
        screen.complain('the field half is not running: these are the last values of the log')
      const path = pathOf(invocation)
      const wanted = path === undefined ? {} : { path }
      const rows = (await gateway.call('values', wanted)) as readonly ValueRow[]
      if (path !== undefined && rows.length === 0) await known(gateway, path)
      if (options.follow !== true) {
        if (json) screen.document(rows)
        else if (rows.length === 0) screen.complain('no values yet')
        else {
          const columns = screen.isTerminal ? screen.columns : UNBOUNDED
          const style = { colour: screen.colour, unicode: screen.unicode }
          screen.print(valueTable(rows, columns, style).join('\n'))
        }
        return Exit.done
      }
      const show = (row: ValueRow): void => (json ? screen.document(row) : screen.print(stamped(row)))
      for (const row of rows) show(row)
      for await (const news of gateway.stream('follow', wanted, signal)) {
        for (const row of news as readonly ValueRow[]) show(row)
      }
      // The stream ends with Ctrl-C, which is how following ends; any other end is the gateway's.
      if (signal.aborted) return Exit.done
      screen.complain('fieldgate: the gateway has stopped')
      return Exit.noAnswer
    },
    'uplink',
  )

function pathOf({ words }: Invocation): string | undefined {
  const [path] = words
  if (path === undefined || path === '') return undefined
  const parts = path.split('/')
  if (parts.length > 3 || parts.some((part) => part === '')) {
    throw new Rejected(`"${path}" is not a path: write DEVICE, DEVICE/GROUP or DEVICE/GROUP/TAG`)
  }
  return path
}

/** Nothing came for this path: a name that does not exist is said as such. */
async function known(
  gateway: { call(method: string, params: unknown): Promise<unknown> },
  path: string,
): Promise<void> {
  const all = (await gateway.call('values', {})) as readonly ValueRow[]
  const [device, group, tag] = path.split('/')
  const within = all.filter((row) => row.device === device)
  if (within.length === 0) {
    const { devices } = (await gateway.call('status', {})) as { devices: readonly { name: string }[] }
    if (devices.some(({ name }) => name === device)) return
    throw new Rejected(
      `there is no device "${device}"; there are: ${devices.map(({ name }) => name).join(', ') || 'none'}`,
    )
  }
  const groups = [...new Set(within.map((row) => row.group))]
  if (group !== undefined && !groups.includes(group)) {
    throw new Rejected(`device "${device}" has no values of a group "${group}"; it has: ${groups.join(', ')}`)
  }
  const tags = within.filter((row) => row.group === group).map((row) => row.tag)
  throw new Rejected(`group "${device}/${group}" has no tag "${tag}"; it has: ${tags.join(', ')}`)
}

const clock = new Intl.DateTimeFormat('sv-SE', { timeStyle: 'medium' })

function stamped(row: ValueRow): string {
  return `${clock.format(row.at)}.${String(Math.floor(row.at) % 1000).padStart(3, '0')}  ${valueLine(row)}`
}
