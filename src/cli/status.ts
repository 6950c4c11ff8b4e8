/** `fieldgate status`: one screen of what the running gateway says of itself, put together where it is two processes. */
import { renderStatus } from '../console/terminal/status.ts'
import type { GatewayReport, HalfReport, SinkReport, UplinkReport } from '../contracts/report.ts'
import { type Command, Exit } from './command.ts'
import { withHalves } from './running.ts'

/** What is read by a program or a file is not folded to a width nobody looks at. */
const UNBOUNDED = 240

export const command: Command = (invocation) =>
  withHalves(invocation, 'inspect', async (halves) => {
    const { json, screen } = invocation
    const said = new Map(
      await Promise.all(halves.map(async ({ side, gateway }) => [side, await gateway.call('status', {})] as const)),
    )
    const whole = said.get('both') as GatewayReport | undefined
    const field = said.get('field') as GatewayReport | undefined
    const report = whole ?? joined(field, said.get('uplink') as UplinkReport | undefined)
    if (json) screen.document(report)
    else {
      const columns = screen.isTerminal ? screen.columns : UNBOUNDED
      screen.print(renderStatus(report, { columns, style: { colour: screen.colour, unicode: screen.unicode } }))
    }
    return Exit.done
  })

/** One of them is there. What the other one would say is left out, or told as this one knows it. */
function joined(field: GatewayReport | undefined, uplink: UplinkReport | undefined): GatewayReport {
  const halves = [
    halfOf('field', field, 'no device is read; what is stored is delivered'),
    halfOf('uplink', uplink, 'devices are read, and what they say is kept; nothing is delivered'),
  ]
  const known = field ?? { ...uplink!, lights: [], connections: [], devices: [], log: null, counters: {} }
  return {
    ...known,
    sinks: uplink?.sinks ?? known.sinks.map(undelivered),
    notices: [...new Set([...(field?.notices ?? []), ...(uplink?.notices ?? [])])],
    halves,
  }
}

function undelivered(sink: SinkReport): SinkReport {
  return { ...sink, rate: 0, state: { condition: 'fault', text: 'the uplink half is not running' } }
}

function halfOf(
  half: HalfReport['half'],
  report: { readonly revision: string } | undefined,
  without: string,
): HalfReport {
  if (report !== undefined) return { half, running: true, revision: report.revision, text: 'running' }
  const text = `not running: ${without}; start it with "fieldgate run --side ${half}"`
  return { half, running: false, revision: null, text }
}
