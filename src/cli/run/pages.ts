/** What is told over HTTP: metrics, whether all is well, and the report. Without secrets: it is what `inspect.sock` tells. */
import { jsonValue } from '../../commands/socket.ts'
import { type Answer, Endpoint } from '../../console/http/endpoint.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters, Logger } from '../../contracts/component.ts'
import type { HealthLedger } from '../../contracts/health.ts'
import type { GatewayReport, HealthReport } from '../../contracts/report.ts'
import { expose, wantsOpenMetrics } from '../../health/metrics/exposition.ts'
import { familiesOf } from '../../health/metrics/families.ts'
import { healthsOf } from '../../health/metrics/healths.ts'

/** So long others wait while metrics are written. */
const TURN_MS = 5

interface Telling {
  readonly clock: Clock
  /** Throws while nobody can say anything. */
  readonly report: () => Promise<GatewayReport>
}

/** The endpoint of a process, shut until it is configured. */
export function openEndpoint(options: Telling & { readonly log: Logger; readonly health: HealthLedger }): Endpoint {
  const { clock, log, health, report } = options
  const metrics = once((kind: Kind) => exposed({ clock, report, kind, counters: endpoint.counters() }))
  const endpoint: Endpoint = new Endpoint({
    clock,
    log,
    health,
    pages: {
      '/metrics': async ({ query, accept }) => {
        const devices = query.get('devices') === '1' ? 'devices' : 'connections'
        return metrics(`${devices} ${wantsOpenMetrics(accept) ? 'openmetrics' : 'text'}`)
      },
      '/healthz': async () => healthOf(await report()),
      '/status.json': async () => ({
        status: 200,
        contentType: 'application/json; charset=utf-8',
        text: `${JSON.stringify(await report(), jsonValue)}\n`,
      }),
    },
  })
  return endpoint
}

type Kind = `${'devices' | 'connections'} ${'openmetrics' | 'text'}`

/** Who asks for what is just being made is given that: a flood of questions costs no more than one after the other. */
function once<K, T>(make: (key: K) => Promise<T>): (key: K) => Promise<T> {
  const making = new Map<K, Promise<T>>()
  return (key) => {
    const made = making.get(key) ?? make(key).finally(() => making.delete(key))
    making.set(key, made)
    return made
  }
}

async function exposed(options: Telling & { readonly kind: Kind; readonly counters: Counters }): Promise<Answer> {
  const { clock, report, kind, counters } = options
  const { signal } = new AbortController()
  const seen = { report: await report(), devices: kind.startsWith('devices'), console: counters }
  let since = clock.monotonic()
  const rest = async (): Promise<void> => {
    if (clock.monotonic() - since < TURN_MS) return
    await clock.sleep(0, signal)
    since = clock.monotonic()
  }
  const { contentType, text } = await expose(familiesOf(seen), { openMetrics: kind.endsWith('openmetrics'), rest })
  return { status: 200, contentType, text }
}

/** Whether everybody makes progress. A far side that is away, or a silent device, is no reason to be restarted. */
function healthOf(report: GatewayReport): Answer {
  const sentences = [
    ...(report.halves ?? []).flatMap(({ half, running, text }) => (running ? [] : [`${half} half: ${text}`])),
    ...healthsOf(report).flatMap(({ health }) => stalledIn(health)),
  ]
  const well = sentences.length === 0
  return {
    status: well ? 200 : 503,
    contentType: 'text/plain; charset=utf-8',
    text: well ? 'all is well\n' : `${sentences.join('\n')}\n`,
  }
}

function stalledIn({ components }: HealthReport): readonly string[] {
  return components.flatMap(({ name, state, stalled }) => (stalled ? [`${name}: ${state.text}`] : []))
}
