/** Values that a column of doubles cannot carry, as bytes: big integers, text, bytes, arrays, and nothing. */
import type { Value } from '../../contracts/batch.ts'
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts'

const TYPE = { nothing: 0, no: 1, yes: 2, number: 3, integer: 4, text: 5, bytes: 6, array: 7, wide: 8 } as const
const DEEPEST = 16

export function writeValue(to: ByteWriter, value: Value): void {
  if (value === null) to.u8(TYPE.nothing)
  else if (typeof value === 'boolean') to.u8(value ? TYPE.yes : TYPE.no)
  else if (typeof value === 'number') {
    to.u8(TYPE.number)
    to.f64(value)
  } else if (typeof value === 'bigint') {
    if (BigInt.asIntN(64, value) === value) {
      to.u8(TYPE.integer)
      to.reserve(8)
      to.view.setBigInt64(to.length, value, true)
      to.length += 8
    } else {
      to.u8(TYPE.wide)
      to.text(value.toString(16))
    }
  } else if (typeof value === 'string') {
    to.u8(TYPE.text)
    to.text(value)
  } else if (value instanceof Uint8Array) {
    to.u8(TYPE.bytes)
    to.block(value)
  } else {
    to.u8(TYPE.array)
    to.u32(value.length)
    for (const element of value) writeValue(to, element)
  }
}

export function readValue(from: ByteReader, depth = 0): Value {
  const type = from.u8()
  switch (type) {
    case TYPE.nothing:
      return null
    case TYPE.no:
      return false
    case TYPE.yes:
      return true
    case TYPE.number:
      return from.f64()
    case TYPE.integer:
      return from.view.getBigInt64(from.take(8), true)
    case TYPE.wide: {
      const text = from.text()
      if (!/^-?[0-9a-f]+$/.test(text)) throw damaged('a wide integer is not one')
      return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`)
    }
    case TYPE.text:
      return from.text()
    case TYPE.bytes:
      return from.block()
    case TYPE.array: {
      const count = from.u32()
      if (count > from.end - from.position || depth === DEEPEST) throw damaged('an array is longer than its record')
      return Array.from({ length: count }, () => readValue(from, depth + 1))
    }
    default:
      throw damaged(`a value has unknown type ${type}`)
  }
}
