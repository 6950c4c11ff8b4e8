/** A log's folder as somebody sees it who only looks, whether its gateway runs or not: nothing is changed in it. */
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import { ConfigurationFault } from '../contracts/errors.ts'
import type { LogReader, Position, Quarantined } from '../contracts/log.ts'
import type { Place } from './ends.ts'
import { Follower } from './follower.ts'
import { streamOf } from './identity.ts'
import { placesOf, SeenPlaces } from './places.ts'
import type { Damage } from './row.ts'

export interface Archive {
  readonly reader: LogReader
  /** Where the oldest stored entry is. */
  readonly oldest: Position
  /** Oldest first. */
  readonly segments: readonly { readonly folder: string; readonly bytes: number; readonly base: Position }[]
  /** What could not be read so far. */
  readonly damages: readonly Damage[]
  /** How far every reader has come, and what its sink said last. */
  places(): readonly Place[]
  /** What a reader's far side refused, oldest first. */
  quarantine(reader: string): Iterable<Quarantined>
  /** Takes in what has happened since. */
  look(): void
  close(): Promise<void>
}

/** Throws ConfigurationFault when there is no log or it may not be read. */
export function openArchive(options: { readonly path: string; readonly clock: Clock; readonly log: Logger }): Archive {
  const { path } = options
  const stream = streamOf(path)
  if (stream === undefined) {
    throw new ConfigurationFault(`log.path: there is no log in ${path}; it is made when the gateway first runs`)
  }
  const damages: Damage[] = []
  const follower = new Follower({ ...options, stream, onDamage: (damage) => void damages.push(damage) })
  const places = new SeenPlaces({ folder: path, head: () => follower.head, oldest: () => follower.oldest })
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
    places: () => placesOf(places),
    quarantine: (reader) => places.quarantine(reader),
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
