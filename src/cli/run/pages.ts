/** What is told over HTTP: metrics, whether all is well, and the report. Without secrets: it is what `inspect.sock` tells. */
import { jsonValue } from '../../commands/socket.ts'
import { type Answer, Endpoint, type Pages } from '../../console/http/endpoint.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters, Logger } from '../../contracts/component.ts'
import type { HealthLedger } from '../../contracts/health.ts'
import type { GatewayReport, HealthReport } from '../../contracts/report.ts'
import { expose, wantsOpenMetrics } from '../../health/metrics/exposition.ts'
import { familiesOf } from '../../health/metrics/families.ts'
import { healthsOf } from '../../health/metrics/healths.ts'

/** `report` throws while nobody can say anything. */
function pagesOf(options: { readonly report: () => Promise<GatewayReport>; readonly counters: () => Counters }): Pages {
  const { report, counters } = options
  return {
    '/metrics': async ({ query, accept }) => {
      const families = familiesOf({
        report: await report(),
        devices: query.get('devices') === '1',
        console: counters(),
      })
      const { contentType, text } = await expose(families, { openMetrics: wantsOpenMetrics(accept) })
      return { status: 200, contentType, text }
    },
    '/healthz': async () => healthOf(await report()),
    '/status.json': async () => ({
      status: 200,
      contentType: 'application/json; charset=utf-8',
      text: `${JSON.stringify(await report(), jsonValue)}\n`,
    }),
  }
}

/** The endpoint of a process, shut until it is configured. */
export function openEndpoint(options: {
  readonly clock: Clock
  readonly log: Logger
  readonly health: HealthLedger
  readonly report: () => Promise<GatewayReport>
}): Endpoint {
  const { report, ...surroundings } = options
  const endpoint: Endpoint = new Endpoint({
    ...surroundings,
    pages: pagesOf({ report, counters: () => endpoint.counters() }),
  })
  return endpoint
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
