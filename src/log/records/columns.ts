/** A column of doubles in the fewest bytes that give back the very same doubles. Field values are mostly small integers
 *  or decimals with one or two places: they take a quarter of the disk, and of its wear. */
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts'

/** First byte of a column. Integers with k decimals: value = integer / 10^k, checked to be exact; the lowest is NaN. */
const FORM = { float64: 0, float32: 1, nothing: 2, int16: 0x10, int32: 0x20 } as const
const POWERS = [1, 10, 100, 1000, 10_000]
const NO_INT16 = -0x8000
const NO_INT32 = -0x8000_0000

export function writeNumbers(to: ByteWriter, numbers: Float64Array): void {
  const count = numbers.length
  const form = formOf(numbers)
  to.reserve(1 + 8 * count)
  const { view } = to
  let at = to.length
  view.setUint8(at++, form)
  if (form === FORM.float64) {
    to.buffer.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), at)
    at += 8 * count
  } else if (form === FORM.float32) {
    for (let entry = 0; entry < count; entry++, at += 4) view.setFloat32(at, numbers[entry]!, true)
  } else if (form !== FORM.nothing) {
    const power = POWERS[form & 0x0f]!
    if (form < FORM.int32) {
      for (let entry = 0; entry < count; entry++, at += 2) {
        const number = numbers[entry]!
        view.setInt16(at, Number.isNaN(number) ? NO_INT16 : Math.round(number * power), true)
      }
    } else {
      for (let entry = 0; entry < count; entry++, at += 4) {
        const number = numbers[entry]!
        view.setInt32(at, Number.isNaN(number) ? NO_INT32 : Math.round(number * power), true)
      }
    }
  }
  to.length = at
}

export function readNumbers(from: ByteReader, count: number): Float64Array {
  const form = from.u8()
  const numbers = column(count)
  const { view } = from
  if (form === FORM.float64) {
    let at = from.take(8 * count)
    for (let entry = 0; entry < count; entry++, at += 8) numbers[entry] = view.getFloat64(at, true)
  } else if (form === FORM.float32) {
    let at = from.take(4 * count)
    for (let entry = 0; entry < count; entry++, at += 4) numbers[entry] = view.getFloat32(at, true)
  } else if (form === FORM.nothing) {
    numbers.fill(Number.NaN)
  } else {
    const power = POWERS[form & 0x0f]
    const wide = (form & 0xf0) === FORM.int32
    if (power === undefined || (!wide && (form & 0xf0) !== FORM.int16))
      throw damaged(`a column has unknown form ${form}`)
    let at = from.take((wide ? 4 : 2) * count)
    for (let entry = 0; entry < count; entry++, at += wide ? 4 : 2) {
      const integer = wide ? view.getInt32(at, true) : view.getInt16(at, true)
      numbers[entry] = integer === (wide ? NO_INT32 : NO_INT16) ? Number.NaN : integer / power
    }
  }
  return numbers
}

/** Memory of its own costs a small column more than everything that is done with it, so small ones share some. Whoever keeps
 *  one keeps those that were read with it. */
const SHARED_BYTES = 8 * 2 ** 10
let shared = new ArrayBuffer(0)
let sharedFrom = 0

function column(count: number): Float64Array {
  const bytes = 8 * count
  if (bytes > SHARED_BYTES / 8) return new Float64Array(count)
  if (sharedFrom + bytes > shared.byteLength) {
    shared = new ArrayBuffer(SHARED_BYTES)
    sharedFrom = 0
  }
  sharedFrom += bytes
  return new Float64Array(shared, sharedFrom - bytes, count)
}

/** The first value that does not fit ends the search, so columns of true reals cost next to nothing. */
function formOf(numbers: Float64Array): number {
  let places = 0
  let power = 1
  let widest = 0
  let any = false
  for (let entry = 0; entry < numbers.length; entry++) {
    const number = numbers[entry]!
    if (Number.isNaN(number)) continue
    any = true
    let integer = Math.round(number * power)
    // What was exact with fewer places stays exact with more: both divisions round the same rational.
    while (integer / power !== number) {
      if (++places === POWERS.length) return single(numbers)
      power = POWERS[places]!
      integer = Math.round(number * power)
    }
    const size = Math.abs(integer)
    if (size > 0x7fff_ffff || (number === 0 && Object.is(number, -0))) return single(numbers)
    if (size > widest) widest = size
  }
  if (!any) return FORM.nothing
  // Places found late widen the integers that came before them.
  if (places > 0) {
    for (let entry = 0; entry < numbers.length; entry++) {
      const size = Math.abs(Math.round(numbers[entry]! * power))
      if (size > widest) widest = size
    }
    if (widest > 0x7fff_ffff) return single(numbers)
  }
  return (widest <= 0x7fff ? FORM.int16 : FORM.int32) | places
}

function single(numbers: Float64Array): number {
  for (let entry = 0; entry < numbers.length; entry++) {
    const number = numbers[entry]!
    if (Math.fround(number) !== number && !Number.isNaN(number)) return FORM.float64
  }
  return FORM.float32
}
