/** `fieldgate status`: one screen of what the running gateway says of itself, put together where it is two processes. */
import { renderStatus } from '../console/terminal/status.ts'
import { Reason } from '../contracts/batch.ts'
import { Retryable } from '../contracts/errors.ts'
import type { GatewayReport, HalfReport, SinkReport, UplinkReport } from '../contracts/report.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import type { Side } from './run/half.ts'
import { type Answering, withHalves } from './running.ts'

/** What is read by a program or a file is not folded to a width nobody looks at. */
const UNBOUNDED = 240

/** Who hangs is told apart from who is away. */
const ANSWERS_MS = 5000

/** What a process says of itself; null: nothing, in time. */
type Said = Partial<Record<Side, GatewayReport | UplinkReport | null>>

export const command: Command = (invocation) =>
  withHalves(invocation, 'inspect', async (halves) => {
    const { json, screen } = invocation
    const report = await reportOf(halves, invocation)
    if (json) screen.document(report)
    else {
      const columns = screen.isTerminal ? screen.columns : UNBOUNDED
      screen.print(renderStatus(report, { columns, style: { colour: screen.colour, unicode: screen.unicode } }))
    }
    return Exit.done
  })

/** What the processes of a gateway say of it together. Throws Retryable when none of them answers in time. */
export async function reportOf(
  halves: readonly Answering[],
  { clock, signal }: Pick<Invocation, 'clock' | 'signal'>,
): Promise<GatewayReport> {
  const said: Said = {}
  const ask = async ({ side, gateway }: Answering): Promise<void> => {
    const stop = clock.after(ANSWERS_MS, () => gateway.close())
    said[side] = await (gateway.call('status', {}) as Promise<GatewayReport | UplinkReport>)
      .catch((thrown) => {
        if (thrown instanceof Retryable && !signal.aborted) return null
        throw thrown
      })
      .finally(stop)
  }
  await Promise.all(halves.map(ask))
  const report = (said.both as GatewayReport | undefined) ?? joined(said)
  if (report !== undefined) return report
  const text = `the gateway is there and does not answer within ${ANSWERS_MS / 1000} s: restart the service if it stays so`
  throw new Retryable(text, { reason: Reason.timeout })
}

/** Of a gateway none of whose halves answers; `why` says what is in the way. */
export function absent(
  known: Pick<GatewayReport, 'gateway' | 'version' | 'revision' | 'startedAt' | 'at'>,
  why: string,
): GatewayReport {
  return {
    ...known,
    notices: [why],
    lights: [],
    connections: [],
    devices: [],
    sinks: [],
    log: null,
    counters: {},
    halves: [halfOf('field', undefined, 'no device is read'), halfOf('uplink', undefined, 'nothing is delivered')],
  }
}

/** What one half would say while it is away is left out, or told as the other one knows it. undefined: neither says anything. */
function joined(said: Said): GatewayReport | undefined {
  const field = said.field as GatewayReport | null | undefined
  const uplink = said.uplink as UplinkReport | null | undefined
  const known = field ?? (uplink && { ...uplink, lights: [], connections: [], devices: [], log: null, counters: {} })
  if (!known) return undefined
  const halves = [
    halfOf('field', field, 'no device is read; what is stored is delivered'),
    halfOf('uplink', uplink, 'devices are read, and what they say is kept; nothing is delivered'),
  ]
  return {
    ...known,
    sinks: uplink?.sinks ?? known.sinks.map((sink) => undelivered(sink, uplink === null)),
    notices: [...new Set([...(field?.notices ?? []), ...(uplink?.notices ?? [])])],
    halves,
    processes: [...(field?.processes ?? []), ...(uplink?.processes ?? [])],
  }
}

function undelivered(sink: SinkReport, hangs: boolean): SinkReport {
  const text = `the uplink half ${hangs ? 'does not answer' : 'is not running'}`
  return { ...sink, rate: 0, state: { condition: 'fault', text } }
}

function halfOf(
  half: HalfReport['half'],
  report: { readonly revision: string } | null | undefined,
  without: string,
): HalfReport {
  if (report) return { half, running: true, revision: report.revision, text: 'running' }
  const why = report === null ? `does not answer within ${ANSWERS_MS / 1000} s` : 'not running'
  const todo = report === null ? 'restart it if it stays so' : `start it with "fieldgate run --side ${half}"`
  return { half, running: false, revision: null, text: `${why}: ${without}; ${todo}` }
}
