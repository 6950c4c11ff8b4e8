/** Engineering units back to raw, for writes: the inverse of the mapping, or a refusal that says what would be taken. Pure. */
import { Reason, type Value } from '../contracts/batch.ts'
import type { Tag } from '../contracts/driver.ts'
import { Rejected } from '../contracts/errors.ts'
import { type Course, courseOf, type Factor, mapped } from './element.ts'
import { exactly, quotient } from './scale.ts'

/** What types of whole numbers hold; null: the driver knows. */
const RANGES: Readonly<Record<string, readonly [bigint, bigint] | null>> = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int48: [-(2n ** 47n), 2n ** 47n - 1n],
  uint48: [0n, 2n ** 48n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  bcd16: [0n, 9999n],
  bcd32: [0n, 99_999_999n],
  signmag16: [-32_767n, 32_767n],
  mod10k: null,
}

/** Throws Rejected with what is wrong and what would be right. A tag that is scaled by a register cannot be written so. */
export function invert(tag: Tag, value: Value): Value {
  return invertBy(tag, value, undefined)
}

/** `by`: what the scaling register said last; undefined: it has none, or nothing good was read of it yet. */
export function invertBy(tag: Tag, value: Value, by: Factor | undefined): Value {
  const { info, mapping } = tag
  const { name, kind } = info
  if (mapping.counter !== null) throw refused(`${name} is a counter's total and cannot be written`)
  if (mapping.scaleFrom !== null && by === undefined) {
    throw refused(`${name} is scaled by another register, of which nothing was read yet: it cannot be written`)
  }
  if (value === null) throw refused(`${name} takes a value, not null`)
  const course = courseOf(tag)
  if (kind === 'array') {
    if (!Array.isArray(value)) throw refused(`${name} takes a list, not ${shown(value)}`)
    return value.map((element: Value) => scalar(course, element, by))
  }
  return scalar(course, value, by)
}

function scalar(course: Course, value: Value, by: Factor | undefined): Value {
  const { info, mapping } = course.tag
  if (mapping.enum !== null) return code(course, value, by)
  if (info.kind === 'boolean') return truth(course.tag, value)
  if (info.type === 'datetime' && typeof value === 'number') return value
  if (info.kind === 'bytes' && value instanceof Uint8Array) return value
  if (info.kind === 'text' || info.kind === 'bytes' || info.type === 'string') {
    if (typeof value === 'string') return value
    throw refused(`${info.name} takes ${info.kind === 'bytes' ? 'bytes' : 'a text'}, not ${shown(value)}`)
  }
  return number(course, value, by)
}

/** A label becomes its code; a code may be given as such. */
function code(course: Course, value: Value, by: Factor | undefined): Value {
  const { info, mapping } = course.tag
  const labels = mapping.enum!
  if (typeof value === 'string') {
    const known = [...labels]
    const exact = known.find(([, label]) => label === value)
    if (exact !== undefined) return within(course.tag, exact[0])
    const alike = known.filter(([, label]) => label.toLowerCase() === value.toLowerCase())
    if (alike.length === 1) return within(course.tag, alike[0]![0])
  } else {
    const given = typeof value === 'boolean' ? Number(value) : value
    if (typeof given === 'number' && labels.has(given)) return within(course.tag, given)
    if (mapping.unknown === 'keep' && typeof given !== 'boolean') return number(course, given, by)
  }
  const list = [...labels].map(([raw, label]) => `${label} (${raw})`).join(', ')
  throw refused(`${info.name} has no state ${shown(value)}; it has: ${list}`)
}

/** A code that has a label, where the limits allow it. */
function within({ info, limits }: Tag, given: number): number {
  if (limits === null || (given >= limits[0] && given <= limits[1])) return given
  throw refused(`${info.name} takes ${limits[0]} to ${limits[1]}, not ${given}`)
}

function truth({ info }: Tag, value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (value === 0 || value === 1 || value === 0n || value === 1n) return Number(value) === 1
  throw refused(`${info.name} takes true or false, not ${shown(value)}`)
}

function number(course: Course, given: Value, by: Factor | undefined): Value {
  const { info, mapping, limits } = course.tag
  const { name, type } = info
  if (typeof given !== 'number' && typeof given !== 'bigint') {
    throw refused(`${name} takes a number, not ${shown(given)}`)
  }
  if (typeof given === 'number' && !Number.isFinite(given)) throw refused(`${name} takes a number, not ${given}`)
  for (const range of [limits, mapping.clamp]) {
    if (range === null || (given >= range[0] && given <= range[1])) continue
    throw refused(`${name} takes ${range[0]} to ${range[1]}${units(info.unit)}, not ${given}`)
  }
  const whole = type in RANGES
  if (course.identity && by === undefined && (!whole || typeof given === 'bigint' || Number.isInteger(given))) {
    return checked(course, given, given)
  }
  if (course.line.factor === 0 || by?.times === 0) throw refused(`${name} has scale 0 and cannot be written`)
  const value = Number(given)
  const raw = rawOf(course, value, by)
  if (!whole) return checked(course, raw, given)
  const step = Math.round(raw) + 0
  // What reads back as the value is its raw number. Sums such as 0.1 + 0.2 count as the decimal they mean.
  if (Math.abs(mapped(course, step, by) - value) <= Math.abs(value) * 2 ** -50) return checked(course, step, given)
  const [low, high] = [Math.floor(raw), Math.ceil(raw)].map((near) => mapped(course, near, by)).sort((a, b) => a - b)
  const grid = course.identity && by === undefined ? 'takes whole numbers' : 'moves in steps'
  throw refused(`${name} ${grid}: ${low} or ${high}${units(info.unit)}, not ${given}`)
}

/** The raw number that lies nearest to where the line has this value. */
function rawOf({ line }: Course, value: number, by: Factor = { times: 1, under: 1 }): number {
  const { factor, shift, divisor, exactTo } = line
  const slope = factor * by.times
  const exact = exactTo !== Number.POSITIVE_INFINITY && Number.isInteger(slope)
  if (!exact) return ((value * divisor - shift) * by.under) / slope
  const [digits, decimals] = decimalOf(value)
  const over = (digits * BigInt(divisor) - BigInt(shift) * decimals) * BigInt(by.under)
  const under = BigInt(slope) * decimals
  return under < 0n ? quotient(-over, -under) : quotient(over, under)
}

/** The decimal that a double prints as: digits ÷ a power of ten. */
function decimalOf(value: number): readonly [bigint, bigint] {
  const [mantissa, exponent = '0'] = String(value).split('e') as [string, string?]
  const [before, behind = ''] = mantissa.split('.') as [string, string?]
  const shift = Number(exponent) - behind.length
  const digits = BigInt(before + behind)
  return shift >= 0 ? [digits * 10n ** BigInt(shift), 1n] : [digits, 10n ** BigInt(-shift)]
}

/** The raw number if its type holds it and it does not mean something else. */
function checked(course: Course, raw: number | bigint, given: number | bigint): number | bigint {
  const { info } = course.tag
  const range = RANGES[info.type]
  if (range !== undefined && range !== null && (raw < range[0] || raw > range[1])) {
    const [low, high] = range.map((end) => exactly(course.line, end)).sort((a, b) => a - b)
    throw refused(`${info.name} is of type ${info.type} and takes ${low} to ${high}${units(info.unit)}, not ${given}`)
  }
  if (info.type === 'float32' && !Number.isFinite(Math.fround(Number(raw)))) {
    throw refused(`${info.name} is float32, which does not hold ${given}`)
  }
  if (course.noValue.includes(Number(raw))) {
    throw refused(`${info.name}: ${given} would be ${raw} in the device, which means "no reading"`)
  }
  return raw
}

function units(unit: string | undefined): string {
  return unit === undefined ? '' : ` ${unit}`
}

function refused(text: string): Rejected {
  return new Rejected(text, { reason: Reason.refused })
}

function shown(value: Value): string {
  if (typeof value === 'string') return `"${value}"`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  return Array.isArray(value) ? 'a list' : String(value)
}
