/** Metrics as Prometheus reads them: its text format, or OpenMetrics where that is asked for. */
import type { Metric, RegistryContentType } from 'prom-client'
import type { Family } from './families.ts'

export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/** The library is loaded with the first one. */
export async function expose(
  families: readonly Family[],
  { openMetrics }: { readonly openMetrics: boolean },
): Promise<Exposition> {
  const { Registry } = await import('prom-client')
  const registry = new Registry<RegistryContentType>()
  registry.setContentType(openMetrics ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE)
  for (const family of families) registry.registerMetric(snapshot(family))
  return { contentType: registry.contentType, text: await registry.metrics() }
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
