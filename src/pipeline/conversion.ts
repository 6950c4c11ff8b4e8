/** One group's columns from raw to engineering values: compiled once, then a loop over doubles and, for the tags that need
 *  more than a line, a step each. Order: no reading, counter, scaling register, line, precision, clamp, label. */
import { type Batch, type GroupRef, Reason } from '../contracts/batch.ts'
import type { GroupPlan, Tag } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'
import { bad, type Columns, own, put } from './columns.ts'
import { type Course, courseOf, type Factor, factorOf, isNoReading, labelOf, mapped, otherwise } from './element.ts'
import { shortenFloat32, shortFloat32 } from './rounding.ts'
import { alongAll, isIdentity, isOdd, type Line, type Lines, lineOf, linesOf } from './scale.ts'
import { Totals } from './totals.ts'

/** The largest raw number of types that a double always holds. */
const LARGEST: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 2 ** 7,
  uint8: 2 ** 8,
  int16: 2 ** 15,
  uint16: 2 ** 16,
  bcd16: 9999,
  signmag16: 2 ** 15,
  int32: 2 ** 31,
  uint32: 2 ** 32,
  bcd32: 99_999_999,
  int48: 2 ** 47,
  uint48: 2 ** 48,
  // Not whole numbers: their line is as exact as they are.
  float32: 0,
  float64: 0,
}

export class Conversion {
  readonly ref: GroupRef
  readonly #lines: Lines
  /** Every tag is a number as it stands. */
  readonly #plain: boolean
  /** By tag: those that need more than the line. */
  readonly #courses = new Map<number, Course>()
  /** Unscaled float32 tags: shortened in a loop of their own. */
  readonly #floats: Uint32Array
  readonly #keepNaN: Uint8Array
  readonly #totals: Totals
  readonly #factors = new Map<number, Factor>()

  constructor(plan: GroupPlan, note: (event: EventNote) => void) {
    this.ref = plan.ref
    const tags = plan.tags.filter((tag) => tag.index >= 0).sort((a, b) => a.index - b.index)
    const known = new Map<unknown, Line>()
    const lines = tags.map(({ mapping }) => {
      const line = known.get(mapping) ?? lineOf(mapping)
      known.set(mapping, line)
      return line
    })
    this.#lines = linesOf(lines)
    this.#plain = lines.every(isIdentity)
    for (const [at, tag] of tags.entries()) {
      if (isSpecial(tag, lines[at]!)) this.#courses.set(tag.index, courseOf(tag, lines[at]!))
    }
    const floats = tags.filter(({ index, info }) => info.type === 'float32' && !this.#courses.has(index))
    this.#floats = Uint32Array.from(floats, (tag) => tag.index)
    this.#keepNaN = Uint8Array.from(tags, (tag) => Number(tag.mapping.keepNaN))
    this.#totals = new Totals(plan.ref, tags, note)
  }

  /** Goes on from a batch of before a restart, or of an earlier revision. */
  restore(batch: Batch): void {
    this.#totals.restore(batch)
  }

  takeOver(before: Conversion): void {
    this.#totals.takeOver(before.#totals)
  }

  /** What the tag's scaling register said last; undefined: it has none, or none that was good yet. */
  factor(tag: Tag): Factor | undefined {
    return this.#factors.get(tag.index)
  }

  convert(raw: Batch): Batch {
    const columns: Columns = { raw, numbers: raw.numbers, others: null, quality: raw.quality }
    if (raw.others !== null) columns.others = new Map(raw.others)
    const odd = raw.tags === null ? this.#line(columns) : this.#lineOfSome(columns, raw.tags)
    if (raw.quality !== null) this.#blank(columns, raw.quality)
    if (raw.tags === null) {
      for (const course of this.#courses.values()) this.#treat(course, course.tag.index, columns)
    } else {
      for (const [entry, tag] of raw.tags.entries()) {
        const course = this.#courses.get(tag)
        if (course !== undefined) this.#treat(course, entry, columns)
      }
    }
    if (odd) this.#sift(columns)
    const { numbers, others, quality } = columns
    const kept = others !== null && others.size > 0 ? others : null
    return { group: this.ref, at: raw.at, tags: raw.tags, numbers, others: kept, quality, carry: this.#totals.carry() }
  }

  /** The loops over doubles. True: there is something among the results that is no finite number. */
  #line(columns: Columns): boolean {
    const { numbers, quality } = columns.raw
    const floats = this.#floats
    if (!this.#plain) columns.numbers = alongAll(this.#lines, numbers)
    else if (this.#courses.size > 0 || floats.length > 0 || quality !== null) columns.numbers = numbers.slice()
    shortenFloat32(columns.numbers, floats)
    return isOdd(columns.numbers)
  }

  #lineOfSome(columns: Columns, tags: Uint32Array): boolean {
    const { factor, shift, divisor } = this.#lines
    const numbers = columns.raw.numbers.slice()
    for (const [entry, tag] of tags.entries()) {
      const value = (numbers[entry]! * factor[tag]! + shift[tag]!) / divisor[tag]!
      const float = this.ref.tags[tag]!.type === 'float32' && !this.#courses.has(tag)
      numbers[entry] = float ? shortFloat32(value) : value
    }
    columns.numbers = numbers
    return isOdd(numbers)
  }

  /** What has no value shows none, whatever the builder held. */
  #blank({ numbers, others }: Columns, quality: Uint8Array): void {
    for (let entry = 0; entry < quality.length; entry++) {
      if (quality[entry] === Reason.good) continue
      numbers[entry] = Number.NaN
      others?.delete(entry)
    }
  }

  #treat(course: Course, entry: number, columns: Columns): void {
    if (columns.quality !== null && columns.quality[entry] !== Reason.good) return
    const reason = this.#valued(course, entry, columns)
    if (reason !== Reason.good) bad(columns, entry, reason)
  }

  /** Puts the value into its column, or says why there is none. */
  #valued(course: Course, entry: number, columns: Columns): Reason {
    const { tag } = course
    const { scaleFrom, counter } = tag.mapping
    let by: Factor | undefined
    if (scaleFrom !== null) {
      by = this.#scaleBy(scaleFrom, tag.index, columns.raw)
      if (by === undefined) return Reason.noScale
    }
    let raw = columns.raw.numbers[entry]!
    const other = columns.others?.get(entry)
    if (other !== undefined) {
      if (counter === null || typeof other !== 'bigint') {
        const result = otherwise(course, other, by)
        if (result.bad === undefined) put(columns, entry, result.value)
        return result.bad ?? Reason.good
      }
      raw = Number(other)
    }
    if (isNoReading(course, raw)) return Reason.noValue
    if (counter !== null) raw = this.#totals.count(tag, raw, columns.raw.at)
    const label = labelOf(tag.mapping, raw)
    if (label === null) return Reason.outOfRange
    const value = label ?? mapped(course, raw, by)
    if (typeof value === 'number' && !Number.isFinite(value) && Number.isFinite(raw)) return Reason.outOfRange
    put(columns, entry, value)
    return Reason.good
  }

  #scaleBy(from: { readonly index: number; readonly as: 'pow10' | 'factor' }, index: number, raw: Batch) {
    const entry = raw.tags === null ? from.index : raw.tags.indexOf(from.index)
    if (entry < 0 || (raw.quality !== null && raw.quality[entry] !== Reason.good)) return undefined
    const other = raw.others?.get(entry)
    const number = typeof other === 'bigint' ? Number(other) : raw.numbers[entry]!
    if (this.#courses.get(from.index)?.noValue.includes(number)) return undefined
    const float = this.ref.tags[from.index]!.type === 'float32'
    const factor = factorOf(float ? shortFloat32(number) : number, from.as)
    if (factor !== undefined) this.#factors.set(index, factor)
    return factor
  }

  /** Numbers that are none: "no reading" where NaN and infinity came from the device, and what only the loop could not hold. */
  #sift(columns: Columns): void {
    const { raw, numbers } = columns
    for (let entry = 0; entry < numbers.length; entry++) {
      const number = numbers[entry]!
      if (number - number === 0) continue
      if (columns.quality !== null && columns.quality[entry] !== Reason.good) continue
      if (columns.others?.has(entry)) continue
      const tag = raw.tags === null ? entry : raw.tags[entry]!
      if (Number.isFinite(raw.numbers[entry]!)) {
        const { factor, shift, divisor } = this.#lines
        const value = raw.numbers[entry]! * (factor[tag]! / divisor[tag]!) + shift[tag]! / divisor[tag]!
        if (Number.isFinite(value)) own(columns)[entry] = value
        else bad(columns, entry, Reason.outOfRange)
      } else if (!this.#keepNaN[tag]) bad(columns, entry, Reason.noValue)
    }
  }
}

function isSpecial({ mapping, info }: Tag, line: Line): boolean {
  return (
    mapping.noValue.length > 0 ||
    mapping.scaleFrom !== null ||
    mapping.counter !== null ||
    mapping.precision !== null ||
    mapping.clamp !== null ||
    mapping.enum !== null ||
    (info.type === 'float32' && !isIdentity(line)) ||
    info.type === 'float16' ||
    info.kind === 'array' ||
    // What a double does not carry may arrive for other types.
    !(info.type in LARGEST) ||
    line.exactTo < LARGEST[info.type]!
  )
}
