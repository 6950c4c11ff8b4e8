/** The judge of the fuzz: a decoder that is plain on purpose. It has the whole stream before it, knows nothing of time, and
 *  says what the specification's words make of it (Modbus application protocol V1.1b3, 6 and 7; serial line V1.02, 2.5;
 *  messaging on TCP/IP V1.0b, 3.1.3). Shares no code with the decoders it judges. */

/** What was asked, in the specification's own terms. */
export interface Question {
  readonly unit: number
  readonly code: number
  /** The request's PDU as sent. */
  readonly pdu: Uint8Array
  /** Registers, coils or records that are read. */
  readonly quantity: number
}

/** What came of a question. */
export interface Outcome {
  readonly kind: 'nothing' | 'answer' | 'exception'
  readonly exception: number
  /** Registers, coils, records, objects as on the wire; nothing for a confirmed write. */
  readonly content: Uint8Array
}

export const NOTHING: Outcome = { kind: 'nothing', exception: 0, content: new Uint8Array(0) }

export function answer(content: Uint8Array): Outcome {
  return { kind: 'answer', exception: 0, content }
}

export function refusal(exception: number): Outcome {
  return { kind: 'exception', exception, content: NOTHING.content }
}

export function same(one: Outcome, other: Outcome): boolean {
  return one.kind === other.kind && one.exception === other.exception && equal(one.content, other.content)
}

/** V1.02, 6.2.2, bit by bit. */
function crc(bytes: Uint8Array): number {
  let register = 0xffff
  for (let at = 0; at < bytes.length; at++) {
    register ^= bytes[at]!
    for (let bit = 0; bit < 8; bit++) register = register % 2 === 1 ? (register >>> 1) ^ 0xa001 : register >>> 1
  }
  return register
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}

/** What this PDU says to the question; null: it does not answer it. */
function whatItSays(question: Question, pdu: Uint8Array): Outcome | null {
  const { code, quantity } = question
  if (pdu[0] === code + 0x80) return pdu.length === 2 && pdu[1] !== 0 ? refusal(pdu[1]!) : null
  if (pdu[0] !== code) return null
  if (code === 1 || code === 2) return counted(pdu, Math.ceil(quantity / 8))
  if (code === 3 || code === 4 || code === 23) return counted(pdu, 2 * quantity)
  if (code === 5 || code === 6 || code === 22) return equal(pdu, question.pdu) ? answer(NOTHING.content) : null
  if (code === 15 || code === 16) return equal(pdu, question.pdu.subarray(0, 5)) ? answer(NOTHING.content) : null
  if (code === 20) {
    const fits = pdu.length === 4 + 2 * quantity && pdu[1] === 2 + 2 * quantity && pdu[2] === 1 + 2 * quantity
    return fits && pdu[3] === 6 ? answer(pdu.slice(4)) : null
  }
  if (code === 24) {
    const count = word(pdu, 3)
    const fits = count <= 31 && pdu.length === 5 + 2 * count && word(pdu, 1) === 2 + 2 * count
    return fits ? answer(pdu.slice(5)) : null
  }
  return identity(question, pdu)
}

function counted(pdu: Uint8Array, bytes: number): Outcome | null {
  return pdu.length === 2 + bytes && pdu[1] === bytes ? answer(pdu.slice(2)) : null
}

function identity(question: Question, pdu: Uint8Array): Outcome | null {
  if (pdu[1] !== 14 || pdu[2] !== question.pdu[2] || pdu.length < 7) return null
  let at = 7
  for (let object = 0; object < pdu[6]!; object++) {
    if (at + 2 > pdu.length) return null
    at += 2 + pdu[at + 1]!
  }
  return at === pdu.length ? answer(pdu.slice(2)) : null
}

/** The first stretch of the line's bytes that is word for word an answer. `echo`: whether the adapter hears itself, null when
 *  that is not known. What may be the request come back is never an answer, whole or as far as it has come. */
export function hearLine(
  question: Question,
  stream: Uint8Array,
  { echo, checkUnit }: { echo: boolean | null; checkUnit: boolean },
): Outcome {
  const sent = sealed(question.unit, question.pdu)
  const [from, to] = echo === false ? [-1, -1] : echoIn(stream, sent)
  for (let at = 0; at + 5 <= stream.length; at++) {
    if (checkUnit && stream[at] !== question.unit) continue
    if (stream[at + 1]! % 128 !== question.code) continue
    if (at >= from && at < to) continue
    for (const length of stream[at + 1] === question.code ? lengthsOf(question) : [5]) {
      if (at + length > stream.length) break
      const said = whatItSays(question, stream.subarray(at + 1, at + length - 2))
      if (said === null || crc(stream.subarray(at, at + length - 2)) !== littleEndian(stream, at + length - 2)) continue
      return said
    }
  }
  return NOTHING
}

const EVERY_LENGTH = Array.from({ length: 252 }, (_, at) => 5 + at)

/** Bytes of the frames that could be the answer. */
function lengthsOf({ code, quantity }: Question): readonly number[] {
  if (code === 1 || code === 2) return [5 + Math.ceil(quantity / 8)]
  if (code === 3 || code === 4 || code === 23) return [5 + 2 * quantity]
  if (code === 20) return [7 + 2 * quantity]
  if (code === 22) return [10]
  return code === 24 || code === 43 ? EVERY_LENGTH : [8]
}

function littleEndian(bytes: Uint8Array, at: number): number {
  return bytes[at]! + bytes[at + 1]! * 256
}

/** From where to where the request stands in the stream, or its beginning at the stream's end. */
function echoIn(stream: Uint8Array, sent: Uint8Array): readonly [from: number, to: number] {
  for (let at = 0; at < stream.length; at++) {
    const there = stream.subarray(at, at + sent.length)
    if (equal(there, sent.subarray(0, there.length))) return [at, at + there.length]
  }
  return [-1, -1]
}

export function sealed(unit: number, pdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(pdu.length + 3)
  frame[0] = unit
  frame.set(pdu, 1)
  const check = crc(frame.subarray(0, -2))
  frame[frame.length - 2] = check % 256
  frame[frame.length - 1] = check >>> 8
  return frame
}

/** One outcome for each question that waits, by its transaction; an answer that is refused ends the waiting. Headers that are
 *  none end everything. */
export function hearSocket(
  questions: ReadonlyMap<number, Question>,
  stream: Uint8Array,
  { checkUnit }: { checkUnit: boolean },
): ReadonlyMap<number, Outcome> {
  const outcomes = new Map<number, Outcome>()
  for (let at = 0; at + 7 <= stream.length; ) {
    const length = word(stream, at + 4)
    if (word(stream, at + 2) !== 0 || length < 2 || length > 254) break
    if (at + 6 + length > stream.length) break
    const id = word(stream, at)
    const question = questions.get(id)
    if (question !== undefined && !outcomes.has(id) && (!checkUnit || stream[at + 6] === question.unit)) {
      outcomes.set(id, whatItSays(question, stream.subarray(at + 7, at + 6 + length)) ?? NOTHING)
    }
    at += 6 + length
  }
  return outcomes
}
