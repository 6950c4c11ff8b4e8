/** What of one group is worth reporting: a change beyond the deadband, another quality, or the heartbeat. */
import { type Batch, type GroupRef, Reason, type Value } from '../contracts/batch.ts'
import type { Instant } from '../contracts/clock.ts'
import type { Mapping } from '../contracts/stage.ts'
import { laidOver, pick } from './columns.ts'

/** What of a tag's mapping concerns its reports. */
export type Wish = Pick<Mapping, 'deadband' | 'report' | 'heartbeatMs'>

/** No quality: the tag was never reported. */
const NEVER = 255
const EVENTS = 2

export class Reporting {
  readonly ref: GroupRef
  /** 1: only changes of this tag are worth reporting; a deadband is such a wish. 2: only lists with something in them. */
  readonly #watched: Uint8Array
  readonly #any: boolean
  readonly #absolute: Float64Array
  readonly #share: Float64Array
  readonly #heartbeat: Float64Array
  readonly #numbers: Float64Array
  readonly #quality: Uint8Array
  /** When it was reported last, monotonic; NaN: before a restart. */
  readonly #at: Float64Array
  #others = new Map<number, Value>()
  #restored: Instant | undefined
  #seen: Batch | undefined
  /** No heartbeat is due before this. */
  #nextDue = Number.NEGATIVE_INFINITY

  /** `wishes`: one a tag of the group, in its order. */
  constructor(ref: GroupRef, wishes: readonly Wish[]) {
    this.ref = ref
    const size = wishes.length
    this.#watched = Uint8Array.from(wishes, ({ report, deadband }) =>
      report === 'events' ? EVENTS : Number(report === 'change' || deadband !== null),
    )
    this.#any = this.#watched.some((watched) => watched > 0)
    const kept = this.#any ? size : 0
    this.#absolute = new Float64Array(kept)
    this.#share = new Float64Array(kept)
    this.#heartbeat = new Float64Array(kept)
    this.#numbers = new Float64Array(kept)
    this.#quality = new Uint8Array(kept).fill(NEVER)
    this.#at = new Float64Array(kept)
    if (!this.#any) return
    for (const [tag, { deadband, heartbeatMs }] of wishes.entries()) {
      this.#heartbeat[tag] = heartbeatMs
      if (deadband === null) continue
      if ('absolute' in deadband) this.#absolute[tag] = deadband.absolute
      else this.#share[tag] = deadband.percent / 100
    }
  }

  /** Goes on from what was reported before a restart, or under an earlier revision: tags are matched by name, and are taken as
   *  never reported when they have become something else. */
  restore(batch: Batch): void {
    if (!this.#any) return
    const same = batch.group === this.ref
    const index = same ? undefined : new Map(this.ref.tags.map((tag, at) => [tag.name, at]))
    for (let entry = 0; entry < batch.numbers.length; entry++) {
      const old = batch.tags === null ? entry : batch.tags[entry]!
      const before = batch.group.tags[old]!
      const tag = index === undefined ? old : index.get(before.name)
      if (tag === undefined) continue
      const { type, kind, unit } = this.ref.tags[tag]!
      if (type !== before.type || kind !== before.kind || unit !== before.unit) continue
      this.#record(tag, entry, batch, Number.NaN)
    }
    this.#restored = batch.at
    this.#nextDue = Number.NEGATIVE_INFINITY
  }

  /** What an earlier revision of the group reported, as it stands now. */
  takeOver(before: Reporting): void {
    const at = before.#seen?.at ?? before.#restored
    if (before.#any && at !== undefined) this.restore(before.#lastReports(at))
  }

  /** The batch to report, or undefined when nothing in it is worth it. */
  report(batch: Batch): Batch | undefined {
    if (!this.#any) return batch
    this.#settleRestored(batch.at)
    this.#crossBoots(batch.at)
    this.#seen = batch.tags === null || this.#seen === undefined ? batch : laidOver(this.#seen, batch)
    const { monotonic } = batch.at
    const size = batch.numbers.length
    const chosen = new Uint32Array(size)
    let count = 0
    for (let entry = 0; entry < size; entry++) {
      const tag = batch.tags === null ? entry : batch.tags[entry]!
      const watched = this.#watched[tag]!
      if (watched === EVENTS) {
        if (!this.#happened(tag, entry, batch)) continue
        this.#record(tag, entry, batch, monotonic)
      } else if (watched > 0) {
        if (monotonic - this.#at[tag]! < this.#heartbeat[tag]! && !this.#changed(tag, entry, batch)) continue
        this.#record(tag, entry, batch, monotonic)
      }
      chosen[count++] = entry
    }
    if (count === size) return batch
    return count === 0 ? undefined : pick(batch, chosen.subarray(0, count))
  }

  /** Values that are due to be repeated although no batch has come: as they were read last, with the time of that reading. */
  repeat(now: Instant): Batch | undefined {
    const seen = this.#seen
    if (seen === undefined || now.monotonic < this.#nextDue) return undefined
    const chosen: number[] = []
    let nextDue = Number.POSITIVE_INFINITY
    for (let entry = 0; entry < seen.numbers.length; entry++) {
      const tag = seen.tags === null ? entry : seen.tags[entry]!
      if (this.#watched[tag] !== 1) continue
      if (now.monotonic - this.#at[tag]! >= this.#heartbeat[tag]!) {
        this.#record(tag, entry, seen, now.monotonic)
        chosen.push(entry)
      }
      nextDue = Math.min(nextDue, this.#at[tag]! + this.#heartbeat[tag]!)
    }
    this.#nextDue = nextDue
    if (chosen.length === 0) return undefined
    return chosen.length === seen.numbers.length ? seen : pick(seen, Uint32Array.from(chosen))
  }

  /** Records that came are always news; that there are none is only when there was no answer before. */
  #happened(tag: number, entry: number, batch: Batch): boolean {
    const other = batch.others?.get(entry)
    const quality = batch.quality === null ? Reason.good : batch.quality[entry]!
    return quality !== this.#quality[tag] || (Array.isArray(other) && other.length > 0)
  }

  #changed(tag: number, entry: number, batch: Batch): boolean {
    const quality = batch.quality === null ? Reason.good : batch.quality[entry]!
    if (quality !== this.#quality[tag]) return true
    const other = batch.others?.get(entry)
    const lastOther = this.#others.get(tag)
    if (other !== undefined || lastOther !== undefined) {
      if (typeof other !== 'bigint' || typeof lastOther !== 'bigint') return !same(other, lastOther)
      return other !== lastOther && Math.abs(Number(other - lastOther)) >= this.#band(tag, Number(lastOther))
    }
    const number = batch.numbers[entry]!
    const last = this.#numbers[tag]!
    if (number === last) return false
    if (Number.isNaN(number - last)) return !Object.is(number, last)
    return this.#leaves(tag, last, number)
  }

  /** A change of the deadband's width or more. Decimals that are equal but for their binary noise count as equal. */
  #leaves(tag: number, last: number, value: number): boolean {
    const band = this.#band(tag, last)
    const noise = Math.max(Math.abs(last), Math.abs(value)) * 2 ** -50
    return band === 0 || Math.abs(value - last) >= band - noise
  }

  #band(tag: number, last: number): number {
    return this.#absolute[tag]! + Math.abs(last) * this.#share[tag]!
  }

  #record(tag: number, entry: number, batch: Batch, at: number): void {
    this.#numbers[tag] = batch.numbers[entry]!
    this.#quality[tag] = batch.quality === null ? Reason.good : batch.quality[entry]!
    this.#at[tag] = at
    const other = batch.others?.get(entry)
    if (other !== undefined) this.#others.set(tag, other)
    else if (this.#others.size > 0) this.#others.delete(tag)
  }

  /** Ages from before a restart. */
  #settleRestored(now: Instant): void {
    if (this.#restored === undefined) return
    const ageMs = elapsedMs(this.#restored, now)
    this.#restored = undefined
    for (let tag = 0; tag < this.#at.length; tag++) {
      if (Number.isNaN(this.#at[tag]!)) this.#at[tag] = now.monotonic - ageMs
    }
  }

  /** A backlog of several boots: monotonic time begins anew with each, ages go on. */
  #crossBoots(now: Instant): void {
    const then = this.#seen?.at
    if (then === undefined || then.boot === now.boot) return
    const shiftMs = now.monotonic - elapsedMs(then, now) - then.monotonic
    for (let tag = 0; tag < this.#at.length; tag++) this.#at[tag]! += shiftMs
  }

  #lastReports(at: Instant): Batch {
    const reported: number[] = []
    for (let tag = 0; tag < this.#quality.length; tag++) if (this.#quality[tag] !== NEVER) reported.push(tag)
    const whole: Batch = {
      group: this.ref,
      at,
      tags: null,
      numbers: this.#numbers,
      others: this.#others,
      quality: this.#quality,
      carry: null,
    }
    return pick(whole, Uint32Array.from(reported))
  }
}

function same(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b || Object.is(a, b)) return true
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, at) => same(value, b[at]))
}

/** Across boots it is measured by the wall clock if that was right both times; else no time is taken to have gone by. */
function elapsedMs(then: Instant, now: Instant): number {
  if (then.boot === now.boot) return Math.max(0, now.monotonic - then.monotonic)
  const trusted = [then, now].every(({ clock }) => clock === 'synced' || clock === 'corrected')
  return trusted ? Math.max(0, now.wall - then.wall) : 0
}
