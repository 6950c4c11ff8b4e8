/** Metrics as Prometheus reads them: its text format, or OpenMetrics where that is asked for. */
import type { Metric, RegistryContentType } from 'prom-client'
import type { Family } from './families.ts'

export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/** The library is loaded with the first one. `rest`: lets others have their turn; awaited between families, so that thousands of
 *  devices do not keep a poll waiting. */
export async function expose(
  families: Iterable<Family>,
  options: { readonly openMetrics: boolean; readonly rest?: () => Promise<void> },
): Promise<Exposition> {
  const { openMetrics, rest } = options
  const { Registry } = await import('prom-client')
  const contentType = openMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE
  const pieces: string[] = []
  for (const family of families) {
    const registry = new Registry<RegistryContentType>()
    registry.setContentType(contentType)
    registry.registerMetric(snapshot(family))
    // It ends OpenMetrics with each; there is one end.
    pieces.push((await registry.metrics()).replace(/# EOF\n$/, ''))
    await rest?.()
  }
  return { contentType, text: pieces.join('') + (openMetrics ? '# EOF\n' : '') }
}

/** The library's own metrics are counted up where things happen; ours are counted elsewhere and only told here. What it asks of a
 *  metric when it writes is this. */
function snapshot({ name, type, help, samples }: Family): Metric<string> {
  const told: object = { name, type, help, values: samples, aggregator: 'sum', get: async () => told }
  return told as unknown as Metric<string>
}

/** Whether an `Accept` header names OpenMetrics. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  return accept?.includes('application/openmetrics-text') ?? false
}
