/** One raw value to its engineering value: everything that is more than a line through two points. Pure. */
import { Reason, type Value } from '../contracts/batch.ts'
import type { Tag } from '../contracts/driver.ts'
import type { Mapping } from '../contracts/stage.ts'
import { powerOfFloat32, rounded, roundedQuotient, shortFloat16 } from './rounding.ts'
import { along, exactly, isIdentity, type Line, lineOf } from './scale.ts'

/** What one tag needs, compiled once. */
export interface Course {
  readonly tag: Tag
  readonly line: Line
  readonly identity: boolean
  readonly noValue: readonly number[]
  /** Floats of these types stand for the shortest decimal that is still the same float. */
  readonly float: 32 | 16 | null
}

/** What the scaling register says: × times ÷ under. */
export interface Factor {
  readonly times: number
  readonly under: number
}

const ONE: Factor = { times: 1, under: 1 }
/** SunSpec goes from -10 to 10. */
const LARGEST_EXPONENT = 22

export function courseOf(tag: Tag, line: Line = lineOf(tag.mapping)): Course {
  const { mapping, info } = tag
  const float = info.type === 'float32' ? 32 : info.type === 'float16' ? 16 : null
  // "-3.4e38" in a configuration means the float nearest to it.
  const noValue = float === 32 ? [...mapping.noValue, ...mapping.noValue.map(Math.fround)] : mapping.noValue
  return { tag, line, identity: isIdentity(line), noValue, float }
}

/** The scaling register's raw number as a factor; undefined: it is none. */
export function factorOf(raw: number, as: 'pow10' | 'factor'): Factor | undefined {
  if (as === 'factor') return Number.isFinite(raw) ? { times: raw, under: 1 } : undefined
  if (!Number.isInteger(raw) || Math.abs(raw) > LARGEST_EXPONENT) return undefined
  return raw < 0 ? { times: 1, under: 10 ** -raw } : { times: 10 ** raw, under: 1 }
}

/** Whether a raw number says "no reading". */
export function isNoReading({ noValue, tag }: Course, raw: number): boolean {
  return noValue.includes(raw) || (!tag.mapping.keepNaN && !Number.isFinite(raw))
}

/** A raw number that is a reading, on its line, rounded and clamped. */
export function mapped(course: Course, raw: number, by: Factor = ONE): number {
  const { line, float, tag } = course
  const { precision, clamp } = tag.mapping
  let [whole, under] = [raw * by.times, by.under]
  if (float !== null && !Number.isInteger(raw) && Number.isFinite(raw)) {
    const power = float === 32 ? powerOfFloat32(raw) : 0
    if (power > 0) {
      whole = Math.round(raw * power) * by.times
      under *= power
    } else if (float === 16) whole = shortFloat16(raw) * by.times
  }
  let value: number
  if (under === 1) {
    const simple = precision === null || Math.abs(whole) > line.exactTo
    value = simple ? along(line, whole) : roundedQuotient(whole * line.factor + line.shift, line.divisor, precision)
    if (simple && precision !== null) value = rounded(value, precision)
  } else {
    const over = whole * line.factor + line.shift * under
    value = precision === null ? over / (line.divisor * under) : roundedQuotient(over, line.divisor * under, precision)
  }
  return clamp === null ? value : clamped(value, clamp)
}

/** What a double does not carry: a bigint stays whole while nothing scales it, an array is mapped element by element, texts and
 *  bytes pass. A bad `Reason` in `bad`: there is no value. */
export function otherwise(course: Course, raw: Value, by: Factor | undefined): { value: Value; bad?: Reason } {
  if (raw === null) return { value: null, bad: Reason.noValue }
  if (Array.isArray(raw)) {
    const list = raw as readonly Value[]
    const value = list.map((element) => otherwise(course, element, by).value)
    const empty = list.length > 0 && value.every((element) => element === null)
    return empty ? { value: null, bad: Reason.noValue } : { value }
  }
  if (typeof raw === 'number') return numeric(course, raw, by)
  if (typeof raw === 'bigint') return large(course, raw, by)
  return { value: raw }
}

function numeric(course: Course, raw: number, by: Factor | undefined): { value: Value; bad?: Reason } {
  if (isNoReading(course, raw)) return { value: null, bad: Reason.noValue }
  const label = labelOf(course.tag.mapping, raw)
  if (label === undefined) return { value: mapped(course, raw, by) }
  return label === null ? { value: null, bad: Reason.outOfRange } : { value: label }
}

/** undefined: there are no labels, or the number stays; null: the code must be known and is not. */
export function labelOf(mapping: Mapping, raw: number): string | null | undefined {
  if (mapping.enum === null) return undefined
  return mapping.enum.get(raw) ?? (mapping.unknown === 'bad' ? null : undefined)
}

function large(course: Course, raw: bigint, by: Factor | undefined): { value: Value; bad?: Reason } {
  const { tag, line, identity } = course
  const { mapping } = tag
  if (by !== undefined || mapping.enum !== null || course.noValue.includes(Number(raw))) {
    return numeric(course, Number(raw), by)
  }
  if (!identity) {
    const value = exactly(line, raw)
    const short = mapping.precision === null ? value : rounded(value, mapping.precision)
    return { value: mapping.clamp === null ? short : clamped(short, mapping.clamp) }
  }
  if (mapping.clamp === null || (raw >= mapping.clamp[0] && raw <= mapping.clamp[1])) return { value: raw }
  return { value: clamped(Number(raw), mapping.clamp) }
}

function clamped(value: number, [least, most]: readonly [number, number]): number {
  return value < least ? least : value > most ? most : value
}
