/** The sinks as the field half sees them: by what is stored with their places. */
import type { SinkConfiguration } from '../../config/configuration.ts'
import type { State } from '../../contracts/component.ts'
import type { SinkReport } from '../../contracts/report.ts'
import type { Place, SinkSaid } from '../../log/ends.ts'

/** A sink of which nothing was told for so long has nobody who delivers to it. */
const SILENT_MS = 100_000

export function sinksSeen(options: {
  readonly sinks: readonly SinkConfiguration[]
  readonly places: readonly Place[]
  readonly now: SinkSaid['at']
}): readonly SinkReport[] {
  const { sinks, places, now } = options
  return sinks
    .filter(({ enabled }) => enabled)
    .map(({ name, type }) => {
      const place = places.find(({ reader }) => reader === name)
      const said = place?.said
      const state = stateOf(said, now)
      return {
        name,
        type,
        state,
        receipt: place?.receipt ?? null,
        oldest: said?.oldest ?? null,
        rate: state === said?.state ? said.rate : 0,
        counters: said?.counters ?? {},
      }
    })
}

/** Why the uplink half counts as away; undefined: it does not, or there is nothing for it to do. */
export function uplinkSilent(options: {
  readonly sinks: readonly SinkConfiguration[]
  readonly places: readonly Place[]
  readonly now: SinkSaid['at']
  /** Monotonic, of this half: the other one is given as long to come. */
  readonly startedAt: number
}): string | undefined {
  const { sinks, places, now, startedAt } = options
  const names = new Set(sinks.filter(({ enabled }) => enabled).map(({ name }) => name))
  if (names.size === 0 || now.monotonic - startedAt <= SILENT_MS) return undefined
  const heard = places.some(({ reader, said }) => names.has(reader) && said !== undefined && isFresh(said, now))
  return heard ? undefined : `the uplink half has said nothing for ${SILENT_MS / 1000} s: nothing is delivered`
}

function isFresh({ at }: SinkSaid, now: SinkSaid['at']): boolean {
  return at.boot === now.boot && now.monotonic - at.monotonic <= SILENT_MS
}

function stateOf(said: SinkSaid | undefined, now: SinkSaid['at']): State {
  const start = 'see whether it runs: "fieldgate run --side uplink"'
  if (said === undefined) return { condition: 'waiting', text: `the uplink half has not come to it yet; ${start}` }
  if (isFresh(said, now)) return said.state
  return { condition: 'fault', text: `the uplink half tells nothing any more; ${start}` }
}
