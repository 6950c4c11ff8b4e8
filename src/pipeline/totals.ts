/** The totals of one group's counters: carried by every batch, found again after a restart and in a changed group. */
import type { Batch, GroupRef } from '../contracts/batch.ts'
import type { Tag } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'
import { count } from './counter.ts'

/** Three numbers a counter in `Batch.carry`: tag index, total, raw. */
const CARRIED = 3

export class Totals {
  readonly #ref: GroupRef
  readonly #note: (event: EventNote) => void
  /** Tag indices, ascending. */
  readonly #counters: Uint32Array
  /** By tag; NaN: not counted yet. */
  readonly #total: Float64Array
  readonly #last: Float64Array

  /** `tags`: the readable ones in the order of the group. */
  constructor(ref: GroupRef, tags: readonly Tag[], note: (event: EventNote) => void) {
    const counters = tags.filter((tag) => tag.mapping.counter !== null)
    this.#ref = ref
    this.#note = note
    this.#counters = Uint32Array.from(counters, (tag) => tag.index)
    this.#total = new Float64Array(counters.length > 0 ? tags.length : 0).fill(Number.NaN)
    this.#last = this.#total.slice()
  }

  /** From a batch of before a restart, or of an earlier revision: tags are matched by name. */
  restore({ carry, group }: Batch): void {
    if (carry === null) return
    const counters = this.#byName()
    for (let at = 0; at + CARRIED <= carry.length; at += CARRIED) {
      const index = counters.get(group.tags[carry[at]!]?.name ?? '')
      if (index !== undefined) this.#set(index, carry[at + 1]!, carry[at + 2]!)
    }
  }

  /** From an earlier revision of the group, as they stand now. */
  takeOver(before: Totals): void {
    const counters = this.#byName()
    for (const old of before.#counters) {
      const index = counters.get(before.#ref.tags[old]!.name)
      if (index !== undefined) this.#set(index, before.#total[old]!, before.#last[old]!)
    }
  }

  /** The total at this raw number. A reset is an event. */
  count({ index, info, mapping }: Tag, raw: number, at: Batch['at']): number {
    const last = this.#last[index]!
    const before = Number.isNaN(last) ? undefined : { total: this.#total[index]!, raw: last }
    const step = count(before, raw, mapping.counter!)
    this.#set(index, step.total, raw)
    if (step.reset) {
      const { device, group } = this.#ref
      this.#note({
        at,
        name: 'counter.reset',
        text: `${device}/${group}/${info.name} went from ${last} to ${raw}: taken as a reset, the total goes on`,
        facts: { device, group, tag: info.name, before: last, after: raw, total: step.total },
      })
    }
    return step.total
  }

  carry(): Float64Array | null {
    if (this.#counters.length === 0) return null
    const carry = new Float64Array(this.#counters.length * CARRIED)
    let at = 0
    for (const tag of this.#counters) {
      if (Number.isNaN(this.#last[tag]!)) continue
      carry[at++] = tag
      carry[at++] = this.#total[tag]!
      carry[at++] = this.#last[tag]!
    }
    return at === 0 ? null : carry.slice(0, at)
  }

  #set(tag: number, total: number, raw: number): void {
    this.#total[tag] = total
    this.#last[tag] = raw
  }

  #byName(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#counters, (index) => [this.#ref.tags[index]!.name, index]))
  }
}
