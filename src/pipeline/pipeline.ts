/** Between poller and log: each group's batches become engineering values, and only what is worth it goes on. */
import type { Batch, Value } from '../contracts/batch.ts'
import type { Instant } from '../contracts/clock.ts'
import type { Counters } from '../contracts/component.ts'
import type { GroupPlan, Tag } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'
import { DeviceTimes } from './device-time.ts'
import { invertBy } from './invert.ts'
import { ConversionStage, ReportingStage } from './stages.ts'

export class Pipeline {
  readonly #emit: (batch: Batch) => void
  readonly #times: DeviceTimes
  readonly #conversion: ConversionStage
  readonly #reporting: ReportingStage
  #batches = 0
  #reported = 0
  #dropped = 0
  #resets = 0

  constructor(options: {
    groups: readonly GroupPlan[]
    emit: (batch: Batch) => void
    note: (event: EventNote) => void
  }) {
    this.#emit = (batch) => {
      this.#reported++
      options.emit(batch)
    }
    const note = (event: EventNote): void => {
      this.#resets++
      options.note(event)
    }
    this.#times = new DeviceTimes(options.note)
    this.#conversion = new ConversionStage(note)
    this.#reporting = new ReportingStage()
    this.configure(options.groups)
  }

  /** Replaces the set of groups. A group whose `GroupRef` is the same object keeps its state; one that has changed keeps what
   *  belongs to tags of the same name. */
  configure(groups: readonly GroupPlan[]): void {
    this.#times.configure(groups)
    for (const stage of [this.#conversion, this.#reporting]) {
      stage.configure(groups)
      stage.bind(groups.map(({ ref }) => ref))
    }
  }

  /** What the log's snapshot says: last reports and counter totals go on from there. Before the first batch. */
  restore(snapshot: readonly Batch[]): void {
    for (const batch of snapshot) {
      this.#conversion.restore(batch)
      this.#reporting.restore(batch)
    }
  }

  /** A group that is no longer configured has no place here: what was still under way is dropped and counted. */
  onBatch(raw: Batch): void {
    this.#batches++
    if (!this.#conversion.knows(raw.group)) this.#dropped++
    else this.#conversion.onBatch(this.#times.stamp(raw), this.#report)
  }

  /** Heartbeats of groups that are read more rarely than they want to be repeated. */
  onTick(now: Instant): void {
    this.#reporting.onTick(now, this.#emit)
  }

  /** Engineering units to raw, for a write; throws Rejected. A tag that is scaled by a register takes what that said last. */
  invert(tag: Tag, value: Value, plan: GroupPlan): Value {
    return invertBy(tag, value, this.#conversion.factor(plan.ref, tag))
  }

  counters(): Counters {
    return {
      batches: this.#batches,
      batchesReported: this.#reported,
      batchesOfRemovedGroups: this.#dropped,
      totalsReset: this.#resets,
      deviceTimesRefused: this.#times.refused,
    }
  }

  readonly #report = (batch: Batch): void => this.#reporting.onBatch(batch, this.#emit)
}
