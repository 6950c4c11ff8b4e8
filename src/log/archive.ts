/** A log's folder as somebody sees it who only looks, whether its gateway runs or not: nothing is changed in it. */
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import { ConfigurationFault } from '../contracts/errors.ts'
import type { GapEntry, LogReader, Position, Quarantined, Range } from '../contracts/log.ts'
import type { Place } from './ends.ts'
import { streamsOf } from './folder/identity.ts'
import { placesOf, SeenPlaces } from './places/places.ts'
import { BootsSeen, restamped } from './reading/boots.ts'
import { Follower } from './reading/follower.ts'
import type { Damage } from './segments/row.ts'
import { type GapsKept, readGaps } from './writing/gap-ledger.ts'

/** What is kept aside because the far side refused it. */
export interface Aside {
  readonly entries: number
  readonly bytes: number
  /** Of these: cannot be read any more. */
  readonly unreadable: number
  /** What the far side said of the newest; null: there is none. */
  readonly why: string | null
}

/** A place, counted from its file. */
export interface PlaceSeen extends Place {
  /** What it has not confirmed, oldest first. */
  readonly pending: readonly Range[]
  /** Evicted entries of which no gap tells: its quarantine had no room for them, or it was not configured then. */
  readonly dropped: number
  readonly quarantine: Aside
}

export interface Archive {
  readonly reader: LogReader
  /** Where the oldest stored entry is. */
  readonly oldest: Position
  /** Oldest first. */
  readonly segments: readonly { readonly folder: string; readonly bytes: number; readonly base: Position }[]
  /** What could not be read so far. */
  readonly damages: readonly Damage[]
  /** How far every reader has come, and what its sink said last: all of one moment, if nothing is awaited in between. */
  places(): readonly PlaceSeen[]
  /** What a reader's far side refused, oldest first; what cannot be read any more is left out. */
  quarantine(reader: string): Iterable<Quarantined>
  /** What was lost, also long ago. */
  gaps(): GapsKept
  /** What of that is told in the log itself. */
  told(): readonly GapEntry[]
  /** Takes in what has happened since. */
  look(): void
  close(): Promise<void>
}

/** Throws ConfigurationFault when there is no log or it may not be read. */
export function openArchive(options: { readonly path: string; readonly clock: Clock; readonly log: Logger }): Archive {
  const { path } = options
  const streams = streamsOf(path, { evenOfCopy: true })
  if (streams === undefined) {
    throw new ConfigurationFault(`log.path: there is no log in ${path}; it is made when the gateway first runs`)
  }
  const damages: Damage[] = []
  const follower = new Follower({ ...options, streams, onDamage: (damage) => void damages.push(damage) })
  const places = new SeenPlaces({ folder: path, head: () => follower.head, oldest: () => follower.oldest })
  const boots = new BootsSeen(path)
  const failure = follower.failure ?? places.failure
  if (failure !== undefined) {
    throw new ConfigurationFault(`log.path: ${failure}; whoever looks at a log must be of fieldgate's group`)
  }
  return {
    reader: follower,
    damages,
    get oldest() {
      return follower.oldest
    },
    get segments() {
      return follower.segments
    },
    places: () => {
      places.look()
      follower.look()
      return placesOf(places).map((place) => {
        const { ranges = [], dropped = 0 } = places.state(place.reader) ?? {}
        return { ...place, pending: ranges, dropped, quarantine: asideIn(places, place.reader) }
      })
    },
    *quarantine(reader) {
      boots.look()
      for (const { kept } of places.quarantine(reader))
        if (kept !== undefined) yield { entry: restamped(kept.entry, boots.offsetOf), why: kept.why }
    },
    gaps: () => {
      boots.look()
      const kept = readGaps(path)
      return { ...kept, gaps: kept.gaps.map((gap) => restamped(gap, boots.offsetOf) as GapEntry) }
    },
    told: () => follower.told(),
    look: () => {
      places.look()
      follower.look()
    },
    close: async () => {
      await follower.close()
      await places.close()
    },
  }
}

function asideIn(places: SeenPlaces, reader: string): Aside {
  let [entries, bytes, unreadable] = [0, 0, 0]
  let why: string | null = null
  for (const { kept, bytes: size } of places.quarantine(reader)) {
    entries++
    bytes += size
    if (kept === undefined) unreadable++
    else why = kept.why
  }
  return { entries, bytes, unreadable, why }
}
