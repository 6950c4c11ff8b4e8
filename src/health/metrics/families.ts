/** From what the gateway says of itself to the metrics it is watched by. Pure: one report gives one set of samples. */
import type { Counters } from '../../contracts/component.ts'
import type { GatewayReport } from '../../contracts/report.ts'
import { described, metricOf, type Scope } from './counters.ts'
import { GAUGES } from './gauges.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** All samples of one name. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Seen {
  readonly report: GatewayReport
  /** One series for each device, where otherwise there is one for all devices of a connection: a gateway can have thousands. */
  readonly devices: boolean
  /** What the endpoint that is asked counts. */
  readonly console?: Counters
}

/** In an order that does not change; families without a sample are left out. */
export function familiesOf(seen: Seen): readonly Family[] {
  const gauges = GAUGES.filter((gauge) => seen.devices || gauge.devices !== true).map(
    ({ name, type, help, samples }) => ({ name, type, help, samples: [...samples(seen)] }),
  )
  return [...gauges, ...countersOf(seen)].filter(({ samples }) => samples.length > 0)
}

function countersOf({ report, devices, console: endpoint }: Seen): readonly Family[] {
  const { connections, sinks, log } = report
  const perDevice = report.devices.map(({ name, connection, counters }) => ({
    labels: { connection, device: name },
    counters,
  }))
  return [
    ...counted('gateway', [{ labels: {}, counters: report.counters }]),
    ...counted(
      'connection',
      connections.map(({ name, counters }) => ({ labels: { connection: name }, counters })),
    ),
    ...counted('device', devices ? perDevice : summed(perDevice)),
    ...counted(
      'sink',
      sinks.map(({ name, counters }) => ({ labels: { sink: name }, counters })),
    ),
    ...counted('log', log === null ? [] : [{ labels: {}, counters: log.counters }]),
    ...counted(
      'process',
      (report.processes ?? []).map(({ side, counters, health }) => ({
        labels: { side },
        counters: { ...counters, ...health?.counters },
      })),
    ),
    ...counted('console', endpoint === undefined ? [] : [{ labels: {}, counters: endpoint }]),
  ]
}

interface Counting {
  readonly labels: Readonly<Record<string, string>>
  readonly counters: Counters
}

function counted(scope: Scope, all: readonly Counting[]): readonly Family[] {
  const families = new Map<string, { readonly factor: number; readonly help: string; readonly samples: Sample[] }>()
  for (const { labels, counters } of all) {
    for (const [counter, count] of Object.entries(counters)) {
      const { name, factor } = metricOf(scope, counter)
      const family = families.get(name) ?? {
        factor,
        help: described(scope, counter) ?? `Counts ${counter}.`,
        samples: [],
      }
      families.set(name, family)
      family.samples.push({ labels, value: count * factor })
    }
  }
  return [...families].map(([name, { help, samples }]) => ({ name, type: 'counter', help, samples }))
}

/** What the devices of one connection count together. */
function summed(all: readonly { readonly labels: { readonly connection: string }; readonly counters: Counters }[]) {
  const sums = new Map<string, Record<string, number>>()
  for (const { labels, counters } of all) {
    const sum = sums.get(labels.connection) ?? {}
    sums.set(labels.connection, sum)
    for (const [counter, count] of Object.entries(counters)) sum[counter] = (sum[counter] ?? 0) + count
  }
  return [...sums].map(([connection, counters]) => ({ labels: { connection }, counters }))
}
