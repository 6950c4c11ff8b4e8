/** Between poller and log: each group's batches become engineering values, and only what is worth it goes on. */
import type { Batch, GroupRef } from '../contracts/batch.ts'
import type { GroupPlan } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'
import { Track } from './track.ts'

export class Pipeline {
  readonly #emit: (batch: Batch) => void
  readonly #note: (event: EventNote) => void
  #tracks = new Map<GroupRef, Track>()

  constructor(options: {
    groups: readonly GroupPlan[]
    emit: (batch: Batch) => void
    note: (event: EventNote) => void
  }) {
    this.#emit = options.emit
    this.#note = options.note
    this.configure(options.groups)
  }

  /** Replaces the set of groups. A group whose `GroupRef` is the same object keeps its state. */
  configure(groups: readonly GroupPlan[], snapshot: readonly Batch[] = []): void {
    const before = this.#tracks
    this.#tracks = new Map(groups.map((plan) => [plan.ref, before.get(plan.ref) ?? new Track(plan, this.#note)]))
    const fresh = snapshot.filter(({ group }) => {
      const track = this.#named(group)
      return track !== undefined && before.get(track.ref) !== track
    })
    this.restore(fresh)
  }

  /** What the log's snapshot says: last reports and counter totals go on from there. */
  restore(snapshot: readonly Batch[]): void {
    for (const batch of snapshot) this.#named(batch.group)?.restore(batch)
  }

  /** Groups that are no longer configured are dropped. */
  onBatch(raw: Batch): void {
    const batch = this.#tracks.get(raw.group)?.pass(raw)
    if (batch !== undefined) this.#emit(batch)
  }

  #named({ device, group }: GroupRef): Track | undefined {
    for (const track of this.#tracks.values()) {
      if (track.ref.device === device && track.ref.group === group) return track
    }
    return undefined
  }
}
