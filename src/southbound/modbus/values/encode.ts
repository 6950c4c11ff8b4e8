/** Values to registers: which bits of which registers a write sets, and the frame that sets whole ones. Pure. */
import { Reason, type Value } from '../../../contracts/batch.ts'
import { Rejected } from '../../../contracts/errors.ts'
import { formatAddress, isBits, nameOf } from '../schema/address.ts'
import { type Format, LIMITS, type TagSettings, type TypeName } from '../settings.ts'
import { parseIso, writeDatetime } from './registers-datetime.ts'
import { NO_VALUE, placeOfCharacter, placesOf, readerOf } from './registers-element.ts'

/** What a value is in the device. */
export interface Image {
  readonly area: 'coil' | 'holding'
  /** Wire address of the lowest register or coil. */
  readonly address: number
  /** From `address` to the last register or coil of the value, both included. */
  readonly quantity: number
  /** As on the wire: two bytes a register; coils packed, the first in the lowest bit. */
  readonly bytes: Uint8Array
  /** The bits of `bytes` that are the value's; null: all of them. */
  readonly mask: Uint8Array | null
}

export interface WriteFrame {
  readonly function: 5 | 6 | 15 | 16
  /** Wire address. */
  readonly address: number
  /** Registers or coils. */
  readonly quantity: number
  /** The values as on the wire; one coil as FF 00 or 00 00. */
  readonly bytes: Uint8Array
}

/** Throws Rejected: inputs, and values that do not fit the type. */
export function imageOf(settings: TagSettings, raw: Value): Image {
  const { area, address, span, format, words } = settings
  if (area === 'fifo' || area === 'file') {
    throw new Rejected(`a ${area === 'fifo' ? 'queue' : 'file'} can only be read`, { reason: Reason.refused })
  }
  const where = formatAddress(area, address)
  if (area === 'input' || area === 'discrete') {
    const article = area === 'input' ? 'an' : 'a'
    throw new Rejected(`${where} is ${article} ${nameOf(area)}: it can only be read`, { reason: Reason.refused })
  }
  const most = isBits(area) ? LIMITS.writeBits : LIMITS.writeRegisters
  if (span > most && words === null) {
    throw new Rejected(`${where}: the value takes ${span}, one write carries at most ${most}`, {
      reason: Reason.refused,
    })
  }
  const elements = elementsOf(format, raw)
  if (isBits(area)) return { area, address, quantity: span, bytes: packed(elements.map(truth)), mask: null }
  const bytes = new Uint8Array(span * 2)
  const mask = isPartial(settings) ? new Uint8Array(span * 2) : null
  for (const [index, element] of elements.entries()) {
    const at = index * format.units * 2
    put(format, element, bytes, at)
    if (mask !== null) own(format, mask, at)
    if (format.noValueBits.length > 0 && readerOf(format)(bytes, at) === NO_VALUE) {
      throw new Rejected(`${String(element)} cannot be written: in the device it would mean "no reading"`, {
        reason: Reason.outOfRange,
      })
    }
  }
  return { area, address, quantity: span, bytes, mask: mask?.every((byte) => byte === 0xff) ? null : mask }
}

/** Whether there are bits among a value's registers that belong to something else. */
export function isPartial({
  area,
  format,
  words,
  span,
}: Pick<TagSettings, 'area' | 'format' | 'words' | 'span'>): boolean {
  if (isBits(area)) return false
  return format.bits !== null || isHalf(format) || (words !== null && words.length !== span)
}

function isHalf({ type }: Format): boolean {
  return type === 'int8' || type === 'uint8'
}

/** The one frame that writes whole registers or coils. */
export function frameOf(image: Image, write: TagSettings['write']): WriteFrame {
  const { area, address, quantity, bytes } = image
  const single = quantity === 1 && write !== 'multiple'
  if (area === 'holding') return { function: single ? 6 : 16, address, quantity, bytes }
  if (!single) return { function: 15, address, quantity, bytes }
  return { function: 5, address, quantity, bytes: Uint8Array.of(isSet(bytes, 0) ? 0xff : 0, 0) }
}

/** Values that stand one after the other, as one; null: there are holes between them, they overlap, or are of several areas. */
export function joined(images: readonly Image[]): Image | null {
  const sorted = images.toSorted((one, other) => one.address - other.address)
  const [first] = sorted as [Image, ...Image[]]
  let end = first.address
  for (const { area, address, quantity, mask } of sorted) {
    if (area !== first.area || address !== end || mask !== null) return null
    end += quantity
  }
  const quantity = end - first.address
  const coils = first.area === 'coil'
  const bytes = new Uint8Array(coils ? (quantity + 7) >> 3 : 2 * quantity)
  for (const image of sorted) {
    const from = image.address - first.address
    if (!coils) bytes.set(image.bytes, 2 * from)
    else for (let at = 0; at < image.quantity; at++) if (isSet(image.bytes, at)) setBit(bytes, from + at)
  }
  return { area: first.area, address: first.address, quantity, bytes, mask: null }
}

function isSet(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at >> 3]! >> (at & 7)) & 1) === 1
}

function setBit(bytes: Uint8Array, at: number): void {
  bytes[at >> 3]! |= 1 << (at & 7)
}

function packed(on: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array((on.length + 7) >> 3)
  for (const [index, set] of on.entries()) if (set) setBit(bytes, index)
  return bytes
}

function elementsOf(format: Format, raw: Value): readonly Value[] {
  if (format.count === null) return [raw]
  if (!Array.isArray(raw)) throw misfit(raw, `a list of ${format.count} values`)
  if (raw.length !== format.count) throw misfit(raw, `exactly ${format.count} values, not ${raw.length}`)
  return raw
}

/** Writes one element into the registers that begin at `at`. */
function put(format: Format, value: Value, bytes: Uint8Array, at: number): void {
  const { type, permutation } = format
  if (type === 'datetime') spread(moment(format, value), permutation, bytes, at)
  else if (type === 'string' || type === 'bytes') {
    const text = type === 'string' ? characters(format, value) : octets(format, value)
    for (let index = 0; index < text.length; index++) {
      bytes[at + placeOfCharacter(format, index, permutation)] = text[index]!
    }
  } else if (format.bits !== null) place(placesOf(format), field(format, value), bytes, at)
  else place(placesOf(format), bitsOf(type, format.length, value), bytes, at)
}

/** Marks the bits that one element owns. */
function own(format: Format, mask: Uint8Array, at: number): void {
  const places = placesOf(format)
  const { from, to } = format.bits ?? { from: 0, to: 8 * places.length - 1 }
  place(places, ((1n << BigInt(to - from + 1)) - 1n) << BigInt(from), mask, at)
}

/** A value of some bits of an integer, shifted to where they are. */
function field({ bits }: Format, value: Value): bigint {
  const { from, to, single } = bits!
  const most = (1n << BigInt(to - from + 1)) - 1n
  const raw = single
    ? BigInt(truth(value))
    : whole(value, 0n, most, to === from ? `bit ${from}` : `bits ${from} to ${to}`)
  return raw << BigInt(from)
}

/** The bits of a number of `length` bytes, as its type writes them. */
function bitsOf(type: Exclude<TypeName, 'datetime' | 'string' | 'bytes'>, length: number, value: Value): bigint {
  switch (type) {
    case 'bool':
      return truth(value) ? 1n : 0n
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int48':
    case 'int64': {
      const half = 1n << BigInt(8 * length - 1)
      return whole(value, -half, half - 1n, type)
    }
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint48':
    case 'uint64':
      return whole(value, 0n, (1n << BigInt(8 * length)) - 1n, type)
    case 'float16':
    case 'float32':
    case 'float64':
      return floatBits(type, value)
    case 'bcd16':
    case 'bcd32':
      return BigInt(`0x${whole(value, 0n, 10n ** BigInt(length * 2) - 1n, type)}`)
    case 'signmag16': {
      const number = whole(value, -32_767n, 32_767n, type)
      return number < 0n ? 0x8000n | -number : number
    }
    case 'mod10k': {
      const most = 10n ** BigInt(length * 2) - 1n
      return tenThousands(whole(value, -most, most, type), length)
    }
  }
}

/** An integer's bytes, two's complement, at the places its order names, the most significant first. */
function place(places: readonly number[], bits: bigint, bytes: Uint8Array, at: number): void {
  let rest = bits
  for (let index = places.length - 1; index >= 0; index--) {
    bytes[at + places[index]!] = Number(rest & 0xffn)
    rest >>= 8n
  }
}

function spread(sorted: Uint8Array, permutation: readonly number[], bytes: Uint8Array, at: number): void {
  for (const [index, byte] of sorted.entries()) bytes[at + permutation[index]!] = byte
}

function truth(value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (value === 0 || value === 0n) return false
  if (value === 1 || value === 1n) return true
  throw misfit(value, 'true or false')
}

function whole(value: Value, from: bigint, to: bigint, type: string): bigint {
  const number = typeof value === 'boolean' ? Number(value) : value
  if (typeof number !== 'bigint' && !(typeof number === 'number' && Number.isInteger(number))) {
    throw misfit(value, `a whole number for ${type}`)
  }
  const exact = BigInt(number)
  if (exact < from || exact > to) throw misfit(value, `${from} to ${to} for ${type}`)
  return exact
}

const scratch = new DataView(new ArrayBuffer(8))

function floatBits(type: 'float16' | 'float32' | 'float64', value: Value): bigint {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number)) throw misfit(value, `a number for ${type}`)
  if (type === 'float64') {
    scratch.setFloat64(0, number)
    return scratch.getBigUint64(0)
  }
  if (type === 'float32') {
    if (!Number.isFinite(Math.fround(number))) throw misfit(value, 'at most 3.4028235e38 for float32')
    scratch.setFloat32(0, number)
    return BigInt(scratch.getUint32(0))
  }
  const bits = halfBits(number)
  if ((bits & 0x7fff) === 0x7c00) throw misfit(value, 'at most 65504 for float16')
  return BigInt(bits)
}

/** IEEE 754-2008 binary16, rounded to nearest, ties to even. */
function halfBits(number: number): number {
  const sign = number < 0 || Object.is(number, -0) ? 0x8000 : 0
  const size = Math.abs(number)
  if (size === 0) return sign
  const exponent = Math.max(-14, Math.floor(Math.log2(size)))
  // In units of the last place; a carry out of the fraction raises the exponent by itself.
  const fraction = toEven(size / 2 ** (exponent - 10))
  const bits = exponent === -14 ? fraction : ((exponent + 14) << 10) + fraction
  return sign | Math.min(0x7c00, bits)
}

function toEven(number: number): number {
  const floor = Math.floor(number)
  const rest = number - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

/** Registers of four decimal digits, each with the sign. */
function tenThousands(value: bigint, length: number): bigint {
  let [rest, bits] = [value, 0n]
  for (let shift = 0n; shift < BigInt(length * 8); shift += 16n) {
    bits |= BigInt.asUintN(16, rest % 10_000n) << shift
    rest /= 10_000n
  }
  return bits
}

function moment(format: Format, value: Value): Uint8Array {
  const at = typeof value === 'string' ? parseIso(value, format.timezone) : typeof value === 'number' ? value : null
  if (at === null || !Number.isFinite(at)) throw misfit(value, 'a date such as 2026-03-01T12:00:00Z')
  const bytes = writeDatetime(format.layout!, format.length, format.timezone, at)
  if (bytes === null) throw misfit(value, `a date that the layout ${format.layout} can hold`)
  return bytes
}

function characters({ charset, length }: Format, value: Value): Uint8Array {
  if (typeof value !== 'string') throw misfit(value, 'a text')
  const bytes = Buffer.from(value, charset)
  if (charset === 'latin1' && [...value].some((character) => character.codePointAt(0)! > 0xff)) {
    throw misfit(value, 'characters of latin1')
  }
  if (bytes.length > length) throw misfit(value, `at most ${length} bytes of text, not ${bytes.length}`)
  return padded(bytes, length)
}

function octets({ length }: Format, value: Value): Uint8Array {
  const bytes = typeof value === 'string' && /^([0-9a-f]{2})*$/i.test(value) ? Buffer.from(value, 'hex') : value
  if (!(bytes instanceof Uint8Array)) throw misfit(value, `${length} bytes, as such or as hex digits`)
  if (bytes.length !== length) throw misfit(value, `exactly ${length} bytes, not ${bytes.length}`)
  return bytes
}

/** A shorter text ends in NUL, so that nothing of the old one is left. */
function padded(bytes: Uint8Array, length: number): Uint8Array {
  const full = new Uint8Array(length)
  full.set(bytes)
  return full
}

function misfit(value: Value, expected: string): Rejected {
  const shown = typeof value === 'string' ? `"${value}"` : Array.isArray(value) ? 'the list' : String(value)
  return new Rejected(`${shown} cannot be written: expected ${expected}`, { reason: Reason.outOfRange })
}
