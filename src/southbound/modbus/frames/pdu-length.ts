/** How long replies are by what stands in them (Modbus application protocol V1.1b3, 6). A reply whose inner lengths do not
 *  add up has no length. Pure. */
import { LIMITS } from '../settings.ts'

/** FC43/14, the only encapsulated interface in use. */
export const DEVICE_IDENTIFICATION = 14
/** Before the data of a file's records. */
export const FILE_REFERENCE = 6

/** Bytes of the PDU at `offset`, which ends before `end` at the latest; 0: a function that is not known here, lengths that
 *  contradict each other, or not enough there yet to tell. Fewer bytes than it gives may be there. */
export function lengthOfReply(bytes: Uint8Array, offset: number, end: number): number {
  const code = bytes[offset]!
  if (code > 0x80) return 2
  switch (code) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 23:
      return offset + 1 < end ? 2 + bytes[offset + 1]! : 0
    case 5:
    case 6:
    case 15:
    case 16:
      return 5
    case 20:
      return recordsLength(bytes, offset, end)
    case 22:
      return 7
    case 24:
      return fifoLength(bytes, offset, end)
    case 43:
      return identificationLength(bytes, offset, end)
    default:
      return 0
  }
}

/** Code, length, and for each record: length, reference type, registers (6.14). */
function recordsLength(bytes: Uint8Array, offset: number, end: number): number {
  if (offset + 1 >= end) return 0
  const total = 2 + bytes[offset + 1]!
  for (let at = 2; at < total; ) {
    if (offset + at + 1 >= end) return 0
    const length = bytes[offset + at]!
    if ((length & 1) === 0 || length < 3 || bytes[offset + at + 1] !== FILE_REFERENCE) return 0
    at += 1 + length
    if (at > total) return 0
  }
  return total
}

/** Code, byte count of what follows, number of registers, registers (6.18). */
function fifoLength(bytes: Uint8Array, offset: number, end: number): number {
  if (offset + 4 >= end) return 0
  const length = (bytes[offset + 1]! << 8) | bytes[offset + 2]!
  const count = (bytes[offset + 3]! << 8) | bytes[offset + 4]!
  return count <= LIMITS.readFifo && length === 2 + 2 * count ? 3 + length : 0
}

/** Code, 14, kind, conformity, more follows, next object, number of objects, and for each: id, length, bytes (6.21). */
function identificationLength(bytes: Uint8Array, offset: number, end: number): number {
  if (offset + 6 >= end || bytes[offset + 1] !== DEVICE_IDENTIFICATION) return 0
  let at = 7
  for (let objects = bytes[offset + 6]!; objects > 0; objects--) {
    if (offset + at + 1 >= end) return 0
    at += 2 + bytes[offset + at + 1]!
  }
  return at
}
