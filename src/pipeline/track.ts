/** One group's way through the pipeline: from raw columns to engineering values, and what of them is worth reporting. */
import { type Batch, type GroupRef, Reason, tagAt, type Value, valueAt } from '../contracts/batch.ts'
import type { GroupPlan, Tag } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'
import { type CounterState, count } from './counter.ts'
import { along, isIdentity, type Line, lineOf, rounded, shortFloat32 } from './scale.ts'

/** What was reported of one tag last. */
interface Reported {
  value: Value
  quality: number
  /** Monotonic. */
  at: number
}

/** Three numbers a counter in `Batch.carry`: tag index, total, raw. */
const CARRIED = 3

export class Track {
  readonly ref: GroupRef
  readonly #note: (event: EventNote) => void
  readonly #tags: readonly Tag[]
  readonly #factor: Float64Array
  readonly #shift: Float64Array
  readonly #divisor: Float64Array
  readonly #lines: readonly Line[]
  /** Every tag is a number as it stands: no scaling at all. */
  readonly #plain: boolean
  /** Tags that need more than a line. */
  readonly #special: readonly Tag[]
  readonly #counters: readonly Tag[]
  readonly #changes: boolean
  readonly #totals = new Map<number, CounterState>()
  readonly #reported: Reported[] = []

  constructor(plan: GroupPlan, note: (event: EventNote) => void) {
    this.ref = plan.ref
    this.#note = note
    this.#tags = plan.tags.filter((tag) => tag.index >= 0)
    this.#lines = this.#tags.map((tag) => lineOf(tag.mapping))
    this.#factor = Float64Array.from(this.#lines, (line) => line.factor)
    this.#shift = Float64Array.from(this.#lines, (line) => line.shift)
    this.#divisor = Float64Array.from(this.#lines, (line) => line.divisor)
    this.#plain = this.#lines.every(isIdentity)
    this.#special = this.#tags.filter(isSpecial)
    this.#counters = this.#tags.filter((tag) => tag.mapping.counter !== null)
    this.#changes = this.#tags.some(reportsChanges)
  }

  /** Takes over what a batch from before a restart, or of an earlier revision, says: tags are matched by name. */
  restore(batch: Batch): void {
    const index = new Map(this.ref.tags.map((tag, at) => [tag.name, at]))
    for (let entry = 0; entry < batch.numbers.length; entry++) {
      const tag = index.get(batch.group.tags[tagAt(batch, entry)]!.name)
      if (tag === undefined) continue
      const quality = batch.quality?.[entry] ?? Reason.good
      this.#reported[tag] = { value: valueAt(batch, entry), quality, at: Number.NaN }
    }
    const carry = batch.carry ?? []
    for (let at = 0; at + CARRIED <= carry.length; at += CARRIED) {
      const tag = index.get(batch.group.tags[carry[at]!]?.name ?? '')
      if (tag !== undefined) this.#totals.set(tag, { total: carry[at + 1]!, raw: carry[at + 2]! })
    }
  }

  /** The batch to report, or undefined when nothing in it is worth it. `raw` is whole. */
  pass(raw: Batch): Batch | undefined {
    const whole = this.#mapped(raw)
    return this.#changes ? this.#worthReporting(whole) : whole
  }

  #mapped(raw: Batch): Batch {
    const size = raw.numbers.length
    const numbers = new Float64Array(size)
    let quality: Uint8Array | null = raw.quality === null ? null : raw.quality.slice()
    const others = raw.others === null ? null : new Map(raw.others)
    if (this.#plain) numbers.set(raw.numbers)
    else {
      const [from, factor, shift, divisor] = [raw.numbers, this.#factor, this.#shift, this.#divisor]
      for (let tag = 0; tag < size; tag++) numbers[tag] = (from[tag]! * factor[tag]! + shift[tag]!) / divisor[tag]!
    }
    const columns: Columns = { raw, numbers, others, quality }
    for (const tag of this.#special) this.#treat(tag, columns)
    quality = columns.quality
    // "No reading" as NaN or infinity. Where a special tag keeps them, its quality is good and it holds a map entry or a number.
    for (let tag = 0; tag < size; tag++) {
      const number = numbers[tag]!
      if (number - number === 0) continue
      if (quality !== null && quality[tag] !== Reason.good) continue
      if (columns.others?.has(tag) || this.#tags[tag]!.mapping.keepNaN) continue
      numbers[tag] = Number.NaN
      quality ??= new Uint8Array(size)
      quality[tag] = Reason.noValue
    }
    const kept = columns.others !== null && columns.others.size > 0 ? columns.others : null
    return { group: this.ref, at: raw.at, tags: null, numbers, others: kept, quality, carry: this.#carry() }
  }

  #treat(tag: Tag, columns: Columns): void {
    const { index, mapping } = tag
    if (columns.quality !== null && columns.quality[index] !== Reason.good) return
    const line = this.#lines[index]!
    const other = columns.raw.others?.get(index)
    if (other !== undefined) {
      const value = this.#otherwise(tag, other, line)
      if (typeof value === 'number') {
        columns.others!.delete(index)
        columns.numbers[index] = value
      } else columns.others!.set(index, value)
      if (typeof value !== 'number') return
    }
    let raw = other === undefined ? columns.raw.numbers[index]! : Number(other)
    if (mapping.noValue.includes(raw)) {
      bad(columns, index, Reason.noValue)
      return
    }
    if (!Number.isFinite(raw)) return
    if (isFloat32(tag)) raw = shortFloat32(raw)
    if (mapping.counter !== null) raw = this.#counted(tag, raw, columns.raw)
    let value = along(line, raw)
    if (mapping.scaleFrom !== null) {
      const from = mapping.scaleFrom.index
      const by = columns.raw.numbers[from]!
      const known = columns.raw.quality === null || columns.raw.quality[from] === Reason.good
      if (!known || !Number.isFinite(by)) {
        bad(columns, index, Reason.noScale)
        return
      }
      if (mapping.scaleFrom.as === 'factor') value *= by
      else value = by < 0 ? value / 10 ** -by : value * 10 ** by
    }
    if (mapping.precision !== null) value = rounded(value, mapping.precision)
    if (mapping.clamp !== null) value = Math.min(Math.max(value, mapping.clamp[0]), mapping.clamp[1])
    columns.numbers[index] = value
    if (mapping.enum !== null) {
      const label = mapping.enum.get(raw)
      if (label !== undefined) {
        columns.numbers[index] = Number.NaN
        columns.others ??= new Map()
        columns.others.set(index, label)
      } else if (mapping.unknown === 'bad') bad(columns, index, Reason.outOfRange)
    }
  }

  /** What a double does not carry: a bigint stays whole while nothing scales it, an array is mapped element by element. */
  #otherwise(tag: Tag, value: Value, line: Line): Value {
    const { mapping } = tag
    if (typeof value === 'bigint') {
      const whole = isIdentity(line) && mapping.counter === null && mapping.scaleFrom === null && mapping.enum === null
      return whole && !mapping.noValue.includes(Number(value)) ? value : Number(value)
    }
    if (!Array.isArray(value)) return value
    return value.map((element: Value) => {
      if (typeof element === 'bigint') return isIdentity(line) ? element : along(line, Number(element))
      if (typeof element !== 'number') return element
      if (mapping.noValue.includes(element) || !Number.isFinite(element)) return null
      const mapped = along(line, isFloat32(tag) ? shortFloat32(element) : element)
      const short = mapping.precision === null ? mapped : rounded(mapped, mapping.precision)
      return mapping.clamp === null ? short : Math.min(Math.max(short, mapping.clamp[0]), mapping.clamp[1])
    })
  }

  #counted({ index, info, mapping }: Tag, raw: number, batch: Batch): number {
    const before = this.#totals.get(index)
    const step = count(before, raw, mapping.counter!)
    this.#totals.set(index, { total: step.total, raw: step.raw })
    if (step.reset) {
      const { device, group } = this.ref
      this.#note({
        at: batch.at,
        name: 'counter.reset',
        text: `${device}/${group}/${info.name} went from ${before!.raw} to ${raw}: taken as a reset, the total goes on`,
        facts: { device, group, tag: info.name, before: before!.raw, after: raw, total: step.total },
      })
    }
    return step.total
  }

  #carry(): Float64Array | null {
    if (this.#totals.size === 0) return null
    const carry = new Float64Array(this.#totals.size * CARRIED)
    let at = 0
    for (const tag of this.#counters) {
      const state = this.#totals.get(tag.index)
      if (state === undefined) continue
      carry[at++] = tag.index
      carry[at++] = state.total
      carry[at++] = state.raw
    }
    return carry
  }

  #worthReporting(whole: Batch): Batch | undefined {
    const chosen: number[] = []
    for (const tag of this.#tags) {
      const { index } = tag
      if (reportsChanges(tag) && !this.#changed(tag, whole)) continue
      chosen.push(index)
    }
    if (chosen.length === 0) return undefined
    for (const index of chosen) {
      if (!reportsChanges(this.#tags[index]!)) continue
      const quality = whole.quality?.[index] ?? Reason.good
      this.#reported[index] = { value: valueAt(whole, index), quality, at: whole.at.monotonic }
    }
    return chosen.length === whole.numbers.length ? whole : part(whole, chosen)
  }

  #changed({ index, mapping }: Tag, batch: Batch): boolean {
    const last = this.#reported[index]
    if (last === undefined) return true
    if (last.quality !== (batch.quality?.[index] ?? Reason.good)) return true
    // What was restored has no comparable time: its heartbeat begins with the first batch that is seen.
    if (Number.isNaN(last.at)) last.at = batch.at.monotonic
    if (batch.at.monotonic - last.at >= mapping.heartbeatMs) return true
    const value = valueAt(batch, index)
    if (mapping.deadband === null || typeof value !== 'number' || typeof last.value !== 'number') {
      return !same(value, last.value)
    }
    const band =
      'absolute' in mapping.deadband
        ? mapping.deadband.absolute
        : (Math.abs(last.value) * mapping.deadband.percent) / 100
    const distance = Math.abs(value - last.value)
    return band === 0 ? distance > 0 : distance >= band
  }
}

interface Columns {
  readonly raw: Batch
  readonly numbers: Float64Array
  others: Map<number, Value> | null
  quality: Uint8Array | null
}

function bad(columns: Columns, tag: number, reason: Reason): void {
  columns.quality ??= new Uint8Array(columns.numbers.length)
  columns.quality[tag] = reason
  columns.numbers[tag] = Number.NaN
  columns.others?.delete(tag)
}

function isFloat32({ info, mapping }: Tag): boolean {
  return info.type === 'float32' && mapping.precision === null
}

function isSpecial(tag: Tag): boolean {
  const { mapping, info } = tag
  return (
    mapping.noValue.length > 0 ||
    mapping.scaleFrom !== null ||
    mapping.counter !== null ||
    mapping.precision !== null ||
    mapping.clamp !== null ||
    mapping.enum !== null ||
    isFloat32(tag) ||
    // A bigint or an array may arrive for these, whatever their numbers are.
    info.kind === 'array' ||
    info.type.endsWith('64')
  )
}

/** A deadband is a wish to hear of changes only. */
function reportsChanges({ mapping }: Tag): boolean {
  return mapping.report === 'change' || mapping.deadband !== null
}

function same(a: Value, b: Value): boolean {
  if (a === b || Object.is(a, b)) return true
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, at) => same(value, b[at]))
}

function part(whole: Batch, chosen: readonly number[]): Batch {
  const others = new Map<number, Value>()
  const quality = Uint8Array.from(chosen, (index) => whole.quality?.[index] ?? Reason.good)
  for (const [entry, index] of chosen.entries()) {
    const other = whole.others?.get(index)
    if (other !== undefined) others.set(entry, other)
  }
  return {
    ...whole,
    tags: Uint32Array.from(chosen),
    numbers: Float64Array.from(chosen, (index) => whole.numbers[index]!),
    others: others.size > 0 ? others : null,
    quality: quality.some((reason) => reason !== Reason.good) ? quality : null,
  }
}
