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

/** In an order that does not change, one after the other: whoever takes them may rest in between. */
export function* familiesOf(seen: Seen): Generator<Family, void, void> {
  for (const { name, type, help, devices, samples } of GAUGES) {
    if (devices === true && !seen.devices) continue
    const all = [...samples(seen)]
    if (all.length > 0) yield { name, type, help, samples: all }
  }
  yield* countersOf(seen)
}

function* countersOf({ report, devices, console: endpoint }: Seen): Generator<Family, void, void> {
  const { connections, sinks, log, processes = [] } = report
  yield* counted('gateway', [{ labels: {}, counters: report.counters }])
  yield* counted(
    'connection',
    connections.map(({ name, counters }) => ({ labels: { connection: name }, counters })),
  )
  const perDevice = report.devices.map(({ name, connection, counters }) => ({
    labels: { connection, device: name },
    counters,
  }))
  yield* counted('device', devices ? perDevice : summed(perDevice))
  yield* counted(
    'sink',
    sinks.map(({ name, counters }) => ({ labels: { sink: name }, counters })),
  )
  if (log !== null) yield* counted('log', [{ labels: {}, counters: log.counters }])
  const perProcess = processes.map(({ side, counters, health }) => ({
    labels: { side },
    counters: { ...counters, ...health?.counters },
  }))
  yield* counted('process', perProcess)
  if (endpoint !== undefined) yield* counted('console', [{ labels: {}, counters: endpoint }])
}

interface Counting {
  readonly labels: Readonly<Record<string, string>>
  readonly counters: Counters
}

function* counted(scope: Scope, all: readonly Counting[]): Generator<Family, void, void> {
  // Those of one scope mostly count the same: a driver that counts something else adds to it.
  const names = new Set<string>()
  for (const { counters } of all) for (const name in counters) names.add(name)
  for (const counter of names) {
    const { name, factor } = metricOf(scope, counter)
    const samples: Sample[] = []
    for (const { labels, counters } of all) {
      const count = counters[counter]
      if (count !== undefined) samples.push({ labels, value: count * factor })
    }
    yield { name, type: 'counter', help: described(scope, counter) ?? `Counts ${counter}.`, samples }
  }
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
