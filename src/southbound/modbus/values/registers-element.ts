/** One element of any format: registers to a value. The general way; plain numbers have faster loops in registers.ts. */
import { Reason } from '../../../contracts/batch.ts'
import type { Format } from '../settings.ts'
import { hasFraction, isoText, readDatetime } from './registers-datetime.ts'

/** What cannot be a value: the device says there is none, or the bytes do not form one. */
export const NO_VALUE = Symbol('no value')
export const NOT_DECODABLE = Symbol('not decodable')

export type Element = number | bigint | boolean | string | Uint8Array | typeof NO_VALUE | typeof NOT_DECODABLE

/** Reads the element whose registers begin at `at`. */
export type ReadElement = (bytes: Uint8Array, at: number) => Element

export function reasonOf(element: typeof NO_VALUE | typeof NOT_DECODABLE): Reason {
  return element === NO_VALUE ? Reason.noValue : Reason.notDecodable
}

const readers = new WeakMap<Format, ReadElement>()

/** The reader of a format; made once. */
export function readerOf(format: Format): ReadElement {
  let reader = readers.get(format)
  if (reader === undefined) {
    reader = withSentinels(format, plainReader(format))
    readers.set(format, reader)
  }
  return reader
}

const scratch = new DataView(new ArrayBuffer(8))

function plainReader(format: Format): ReadElement {
  const { type, permutation } = format
  if (type === 'string' || type === 'bytes') return textReader(format)
  if (format.bits !== null) return bitsReader(format)
  const raw = rawReader(permutation)
  switch (type) {
    case 'bool':
      return (bytes, at) => raw(bytes, at) !== 0
    case 'uint8':
    case 'int8': {
      const place = permutation[format.byte === 'high' ? 0 : 1]!
      return type === 'uint8' ? (bytes, at) => bytes[at + place]! : (bytes, at) => (bytes[at + place]! << 24) >> 24
    }
    case 'uint16':
    case 'uint32':
    case 'uint48':
      return raw
    case 'int16':
    case 'int32':
    case 'int48': {
      const half = 2 ** (8 * permutation.length - 1)
      return (bytes, at) => {
        const value = raw(bytes, at)
        return value >= half ? value - 2 * half : value
      }
    }
    case 'uint64':
    case 'int64': {
      const [high, low] = [rawReader(permutation.slice(0, 4)), rawReader(permutation.slice(4))]
      const signed = type === 'int64'
      return (bytes, at) => {
        const top = signed ? high(bytes, at) | 0 : high(bytes, at)
        const value = top * 2 ** 32 + low(bytes, at)
        return Number.isSafeInteger(value) ? value : (BigInt(top) << 32n) | BigInt(low(bytes, at))
      }
    }
    case 'float16':
      return (bytes, at) => halfFloat(raw(bytes, at))
    case 'float32':
      return (bytes, at) => {
        scratch.setUint32(0, raw(bytes, at))
        return scratch.getFloat32(0)
      }
    case 'float64': {
      const [high, low] = [rawReader(permutation.slice(0, 4)), rawReader(permutation.slice(4))]
      return (bytes, at) => {
        scratch.setUint32(0, high(bytes, at))
        scratch.setUint32(4, low(bytes, at))
        return scratch.getFloat64(0)
      }
    }
    case 'bcd16':
    case 'bcd32':
      return (bytes, at) => bcd(raw(bytes, at))
    case 'signmag16':
      return (bytes, at) => {
        const value = raw(bytes, at)
        // `0 -`, so that a negative zero is 0.
        return value >= 0x8000 ? 0 - (value & 0x7fff) : value
      }
    case 'mod10k':
      return mod10k(permutation)
    case 'datetime': {
      const layout = format.layout!
      const fraction = hasFraction(layout, format.length)
      return (bytes, at) => {
        const moment = readDatetime(layout, format.length, format.timezone, (index) => bytes[at + permutation[index]!]!)
        if (moment === 'noValue') return NO_VALUE
        return moment === null ? NOT_DECODABLE : isoText(moment, fraction)
      }
    }
  }
}

/** Up to six bytes as an unsigned integer. */
function rawReader(permutation: readonly number[]): (bytes: Uint8Array, at: number) => number {
  const [p0, p1, p2, p3] = permutation as [number, number, number, number]
  if (permutation.length === 2) return (bytes, at) => (bytes[at + p0]! << 8) | bytes[at + p1]!
  if (permutation.length === 4) {
    return (bytes, at) =>
      ((bytes[at + p0]! << 24) | (bytes[at + p1]! << 16) | (bytes[at + p2]! << 8) | bytes[at + p3]!) >>> 0
  }
  return (bytes, at) => {
    let sum = 0
    for (const place of permutation) sum = sum * 256 + bytes[at + place]!
    return sum
  }
}

/** The bytes that make up an element, the most significant first. */
function rawBits(bytes: Uint8Array, at: number, permutation: readonly number[]): bigint {
  let sum = 0n
  for (const place of permutation) sum = (sum << 8n) | BigInt(bytes[at + place]!)
  return sum
}

/** The places an integer is made of: all, or the half of a register that an 8-bit type is. */
export function placesOf(format: Format): readonly number[] {
  if (format.byte === null) return format.permutation
  return [format.permutation[format.byte === 'high' ? 0 : 1]!]
}

function withSentinels(format: Format, reader: ReadElement): ReadElement {
  if (format.noValueBits.length === 0) return reader
  const places = placesOf(format)
  if (format.bits !== null) {
    // A field is compared as such: its bits, not the word's.
    const fields = new Set(format.noValueBits)
    return (bytes, at) => {
      const value = reader(bytes, at)
      return (typeof value === 'number' || typeof value === 'bigint') && fields.has(BigInt(value)) ? NO_VALUE : value
    }
  }
  if (places.length <= 6) {
    const raw = places.length === 1 ? (bytes: Uint8Array, at: number) => bytes[at + places[0]!]! : rawReader(places)
    const patterns = format.noValueBits.map(Number)
    return (bytes, at) => (patterns.includes(raw(bytes, at)) ? NO_VALUE : reader(bytes, at))
  }
  const patterns = new Set(format.noValueBits)
  return (bytes, at) => (patterns.has(rawBits(bytes, at, places)) ? NO_VALUE : reader(bytes, at))
}

function bitsReader(format: Format): ReadElement {
  const { from, to, single } = format.bits!
  const places = placesOf(format)
  if (places.length > 6) {
    const mask = (1n << BigInt(to - from + 1)) - 1n
    return (bytes, at) => {
      const field = (rawBits(bytes, at, places) >> BigInt(from)) & mask
      return single ? field !== 0n : field <= Number.MAX_SAFE_INTEGER ? Number(field) : field
    }
  }
  const [divisor, size] = [2 ** from, 2 ** (to - from + 1)]
  const raw = places.length === 1 ? (bytes: Uint8Array, at: number) => bytes[at + places[0]!]! : rawReader(places)
  return (bytes, at) => {
    const field = Math.floor(raw(bytes, at) / divisor) % size
    return single ? field !== 0 : field
  }
}

/** IEEE 754-2008 binary16. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

function bcd(bits: number): number | typeof NOT_DECODABLE {
  let value = 0
  let place = 1
  for (let rest = bits; rest > 0; rest = Math.floor(rest / 16)) {
    const digit = rest % 16
    if (digit > 9) return NOT_DECODABLE
    value += digit * place
    place *= 10
  }
  return value
}

/** Registers of four decimal digits, the most significant first after order; all of one sign (ION INT32-M10K, PowerLogic Mod10). */
function mod10k(permutation: readonly number[]): ReadElement {
  const parts: ((bytes: Uint8Array, at: number) => number)[] = []
  for (let index = 0; index < permutation.length; index += 2) parts.push(rawReader(permutation.slice(index, index + 2)))
  return (bytes, at) => {
    let sum = 0n
    let sign = 0
    for (const part of parts) {
      const digits = (part(bytes, at) << 16) >> 16
      if (digits > 9999 || digits < -9999 || digits * sign < 0) return NOT_DECODABLE
      if (digits !== 0) sign = Math.sign(digits)
      sum = sum * 10_000n + BigInt(digits)
    }
    const value = Number(sum)
    return Number.isSafeInteger(value) ? value : sum
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textReader(format: Format): ReadElement {
  const { length, permutation, type, charset } = format
  const places = Array.from({ length }, (_, index) => placeOfCharacter(format, index, permutation))
  return (bytes, at) => {
    const own = new Uint8Array(length)
    for (let index = 0; index < length; index++) own[index] = bytes[at + places[index]!]!
    if (type === 'bytes') return own
    const end = own.indexOf(0)
    const text = end < 0 ? own : own.subarray(0, end)
    if (charset === 'latin1') return String.fromCharCode(...text).trimEnd()
    try {
      return utf8.decode(text).trimEnd()
    } catch {
      return NOT_DECODABLE
    }
  }
}

/** Where a character of a string stands among the bytes on the wire. */
export function placeOfCharacter(format: Format, index: number, permutation: readonly number[]): number {
  if (format.byte !== null) return index * 2 + permutation[format.byte === 'high' ? 0 : 1]!
  const size = permutation.length
  return Math.floor(index / size) * size + permutation[index % size]!
}
