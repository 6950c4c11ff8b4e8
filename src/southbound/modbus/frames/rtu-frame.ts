/** RTU frames in a stream of bytes (Modbus over serial line V1.02, 2.5.1). Silence between frames cannot be seen from user
 *  space, so a frame is known by its length and its CRC, looked for at every offset. Pure. */
import { crc16, crcHolds } from './crc.ts'
import { type Ask, encodeRequest, LONGEST_PDU, replyLength, replyLengthAt, saysItsLength } from './pdu.ts'
import { DEVICE_IDENTIFICATION, FILE_REFERENCE, lengthOfReply } from './pdu-length.ts'

/** Unit, PDU, CRC. */
const LONGEST_FRAME = 1 + LONGEST_PDU + 2
const SHORTEST_FRAME = 5

export function encodeFrame(ask: Ask, payload: Uint8Array | null): Uint8Array {
  const frame = new Uint8Array(LONGEST_FRAME)
  frame[0] = ask.unit
  const end = 1 + encodeRequest(ask, payload, frame, 1)
  const crc = crc16(frame, 0, end)
  frame[end] = crc & 0xff
  frame[end + 1] = crc >> 8
  return frame.subarray(0, end + 2)
}

/** Bytes of the frame that answers without an exception; the most there can be where it says itself how many. */
export function replyFrameLength(ask: Ask): number {
  return replyLength(ask) + 3
}

/** Silence that ends a frame (V1.02, 2.5.1.1): 3.5 characters of 11 bits, and 1.75 ms above 19,200 baud. */
export function frameGapMs(baudRate: number): number {
  return baudRate > 19_200 ? 1.75 : (3.5 * 11 * 1000) / baudRate
}

export interface Frame {
  readonly at: number
  readonly length: number
  /** It has the shape of a question: another master talks. */
  readonly question: boolean
  /** It lies within what may be an answer that is still coming in. */
  readonly inside: boolean
}

/** The first whole frame with a good CRC at or after `from`. The answer to `ask` is tried first at each offset, so that nothing which merely
 *  looks like a longer frame hides it. Once an answer has begun, a CRC that holds by chance within it (one exception in
 *  65,536 places) is no frame: unless `complete`, which says that nothing more is to come. */
export function findFrame(
  bytes: Uint8Array,
  from: number,
  end: number,
  ask: Ask | null,
  complete = false,
): Frame | null {
  let inside = false
  for (let at = from; at + SHORTEST_FRAME <= end; at++) {
    const answer = answerAt(bytes, at, end, ask)
    if (answer > 0) return { at, length: answer, question: false, inside }
    inside ||= !complete && answerBegins(bytes, at, end, ask)
    if (inside) continue
    const length = replyAt(bytes, at, end)
    if (length > 0) return { at, length, question: false, inside }
    const asked = questionAt(bytes, at, end)
    if (asked > 0) return { at, length: asked, question: true, inside }
  }
  return null
}

/** Whether the answer begins within the frame, which is not it, and goes on beyond: frames do not overlap, so the CRC of that
 *  one holds by chance over noise before the answer. Unless `complete`, an answer that may have begun counts, too. */
export function overlapsAnswer(
  bytes: Uint8Array,
  { at, length }: Frame,
  end: number,
  ask: Ask,
  complete: boolean,
): boolean {
  for (let inner = at + 1; inner < at + length; inner++) {
    const answer = answerAt(bytes, inner, end, ask)
    if (answer > 0 ? inner + answer > at + length : !complete && headBegins(bytes, inner, end, ask)) return true
  }
  return false
}

/** Like `answerBegins`, when as little as one byte of it may have come. */
function headBegins(bytes: Uint8Array, at: number, end: number, ask: Ask): boolean {
  if (at + 1 >= end) return bytes[at] === ask.unit
  const code = bytes[at + 1]!
  if (code === (ask.function | 0x80)) return at + SHORTEST_FRAME > end
  return code === ask.function && (at + 2 >= end || answerBegins(bytes, at, end, ask))
}

/** Whether the head of the answer, of any unit, stands at an offset and its end is still to come. */
function answerBegins(bytes: Uint8Array, at: number, end: number, ask: Ask | null): boolean {
  if (ask === null || bytes[at + 1] !== ask.function) return false
  const pduBytes = replyLengthAt(ask, bytes, at + 1, end)
  if (pduBytes > 0) return at + pduBytes + 3 > end
  // What says its own length may not have come far enough to say it.
  return saysItsLength(ask.function) && at + LONGEST_FRAME > end
}

/** Whether bytes that carry unit, function and length of the answer stand there whole, with a CRC that does not hold. */
export function holdsDamagedAnswer(bytes: Uint8Array, from: number, end: number, ask: Ask): boolean {
  for (let at = from; at + SHORTEST_FRAME <= end; at++) {
    if (bytes[at] !== ask.unit || bytes[at + 1] !== ask.function) continue
    const length = replyLengthAt(ask, bytes, at + 1, end)
    if (length > 0 && at + length + 3 <= end) return true
  }
  return false
}

/** Length of the answer to `ask` that stands at an offset, 0 for none. */
function answerAt(bytes: Uint8Array, at: number, end: number, ask: Ask | null): number {
  if (ask === null) return 0
  const code = bytes[at + 1]
  if (code === (ask.function | 0x80)) return at + 5 <= end && crcHolds(bytes, at, at + 5) ? 5 : 0
  if (code !== ask.function) return 0
  return wholeFrame(bytes, at, end, replyLengthAt(ask, bytes, at + 1, end))
}

/** Length of any reply that stands at an offset, 0 for none. */
function replyAt(bytes: Uint8Array, at: number, end: number): number {
  const code = bytes[at + 1]!
  if (code > 0xab || (code & 0x7f) === 0) return 0
  return wholeFrame(bytes, at, end, lengthOfReply(bytes, at + 1, end))
}

/** Length of the frame around a PDU of so many bytes, 0 when it is not whole or its CRC does not hold. */
function wholeFrame(bytes: Uint8Array, at: number, end: number, pduBytes: number): number {
  const length = pduBytes + 3
  if (pduBytes === 0 || length > LONGEST_FRAME || at + length > end) return 0
  return crcHolds(bytes, at, at + length) ? length : 0
}

/** Length of a question that stands at an offset, 0 for none. Only reads tell a question from its answer by shape. */
function questionAt(bytes: Uint8Array, at: number, end: number): number {
  const code = bytes[at + 1]!
  let pduBytes = 0
  if (code >= 1 && code <= 4) pduBytes = 5
  else if (code === 24) pduBytes = 3
  else if (code === 43) pduBytes = bytes[at + 2] === DEVICE_IDENTIFICATION ? 4 : 0
  else if (code === 20) pduBytes = bytes[at + 3] === FILE_REFERENCE && bytes[at + 2]! % 7 === 0 ? 2 + bytes[at + 2]! : 0
  return wholeFrame(bytes, at, end, pduBytes)
}

/** Where `frame` stands, whole, or as far as it has come at the end of the bytes; -1: nowhere. */
export function findEcho(bytes: Uint8Array, end: number, frame: Uint8Array): number {
  for (let at = 0; at < end; at++) {
    const there = Math.min(frame.length, end - at)
    let same = 0
    while (same < there && bytes[at + same] === frame[same]) same++
    if (same === there) return at
  }
  return -1
}
