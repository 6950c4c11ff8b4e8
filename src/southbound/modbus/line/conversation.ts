/** What another master and its devices say to each other on a line: questions with their answers, and nothing that is in
 *  doubt. A question and its answer may look alike, so each frame is read in the light of the one before it. Pure. */
import { crcHolds } from '../frames/crc.ts'
import { lengthOfReply } from '../frames/pdu-length.ts'

const RECEIVE_BYTES = 2048
const LONGEST_FRAME = 256
const SHORTEST_FRAME = 5
/** A single write is confirmed by its own bytes: what comes later than this may be the same question once more. */
const SAME_WITHIN_MS = 50

/** One question that was answered without an exception. */
export interface Exchanged {
  readonly unit: number
  readonly function: number
  /** The PDUs: valid only while the listener runs. */
  readonly question: Uint8Array
  readonly answer: Uint8Array
  /** Monotonic milliseconds. */
  readonly at: number
}

export interface Hearing {
  exchanged(exchange: Exchanged): void
  /** A device answered, if only with an exception. */
  answered(unit: number, at: number): void
  questions(count: number): void
  garbage(bytes: number): void
  /** An answer that cannot be told to which of two questions it belongs. */
  doubtful(): void
  /** Every whole frame, `bytes` from `from` to before `to`. */
  frame(question: boolean, unit: number, bytes: Uint8Array, from: number, to: number, at: number): void
}

export class Conversation {
  readonly #hearing: Hearing
  /** An answer may come for so long after its question. */
  readonly #windowMs: number
  readonly #received = new Uint8Array(RECEIVE_BYTES)
  #bytes = 0
  #question: Uint8Array | null = null
  #askedAt = 0
  /** By unit and function: until when an answer to an older question may still come. */
  readonly #owed = new Map<number, number>()

  constructor(options: { hearing: Hearing; windowMs: number }) {
    this.#hearing = options.hearing
    this.#windowMs = options.windowMs
  }

  /** Forgets what is under way: bytes may have been lost. */
  drop(): void {
    this.#bytes = 0
    this.#question = null
  }

  hear(chunk: Uint8Array, at: number): void {
    for (let from = 0; from < chunk.length; from += RECEIVE_BYTES / 2) {
      const part = chunk.subarray(from, from + RECEIVE_BYTES / 2)
      const spare = this.#bytes + part.length - RECEIVE_BYTES
      if (spare > 0) this.#skip(spare)
      this.#received.set(part, this.#bytes)
      this.#bytes += part.length
      this.#scan(at)
    }
  }

  #scan(now: number): void {
    for (let at = 0; at + SHORTEST_FRAME <= this.#bytes; ) {
      const answer = this.#answerAt(at)
      const question = answer > 0 ? 0 : questionLength(this.#received, at, this.#bytes)
      const other = answer > 0 || question > 0 ? 0 : replyLength(this.#received, at, this.#bytes)
      const length = answer || question || other
      if (length === 0) {
        at++
        continue
      }
      // Whatever stood between may have been the question to this answer.
      if (at > 0) this.#skip(at)
      this.#hearing.frame(question > 0, this.#received[0]!, this.#received, 0, length, now)
      if (answer > 0 && this.#question !== null) this.#take(length, now)
      else if (question > 0) this.#ask(length, now)
      else this.#question = null
      this.#consume(length)
      at = 0
    }
    // What no frame can begin with any more.
    if (this.#bytes > LONGEST_FRAME) this.#skip(this.#bytes - LONGEST_FRAME)
  }

  /** Length of the frame at an offset, if it is the answer to the question that was heard last. */
  #answerAt(at: number): number {
    const question = this.#question
    if (question === null || this.#received[at] !== question[0]) return 0
    const [asked, code] = [question[1]!, this.#received[at + 1]!]
    if (code !== asked && code !== (asked | 0x80)) return 0
    const pdu = lengthOfReply(this.#received, at + 1, this.#bytes)
    if (code === asked && pdu !== answerLength(question, pdu)) return 0
    const length = whole(this.#received, at, this.#bytes, pdu)
    // The same question once more, where no answer repeats it.
    const repeats = asked < 5 && length === question.length && this.#same(at, question)
    return repeats ? 0 : length
  }

  #same(at: number, frame: Uint8Array): boolean {
    for (let byte = 0; byte < frame.length; byte++) if (this.#received[at + byte] !== frame[byte]) return false
    return true
  }

  #ask(length: number, now: number): void {
    this.#hearing.questions(1)
    const pending = this.#question
    // Not answered: its answer may come late, and be taken for the next one's.
    if (pending !== null) this.#owed.set(keyOf(pending), this.#askedAt + this.#windowMs)
    this.#question = this.#received.slice(0, length)
    this.#askedAt = now
  }

  #take(length: number, now: number): void {
    const question = this.#question!
    this.#question = null
    const unit = question[0]!
    this.#hearing.answered(unit, now)
    const owedUntil = this.#owed.get(keyOf(question)) ?? Number.NEGATIVE_INFINITY
    const same = question[1] === 5 || question[1] === 6 || question[1] === 22
    if (owedUntil >= now || now > this.#askedAt + (same ? SAME_WITHIN_MS : this.#windowMs)) {
      this.#hearing.doubtful()
      return
    }
    if ((this.#received[1]! & 0x80) !== 0) return
    const exchange = {
      unit,
      function: question[1]!,
      question: question.subarray(1, question.length - 2),
      answer: this.#received.subarray(1, length - 2),
      at: now,
    }
    this.#hearing.exchanged(exchange)
  }

  /** Bytes that form no frame: what they were is not known, so nothing that follows answers what came before. */
  #skip(bytes: number): void {
    this.#hearing.garbage(bytes)
    this.#question = null
    this.#consume(bytes)
  }

  #consume(bytes: number): void {
    this.#received.copyWithin(0, bytes, this.#bytes)
    this.#bytes -= bytes
  }
}

function keyOf(question: Uint8Array): number {
  return (question[0]! << 8) | question[1]!
}

/** Length of the frame of a question that stands at an offset; 0: none, or not whole yet. */
function questionLength(bytes: Uint8Array, at: number, end: number): number {
  const code = bytes[at + 1]!
  let pdu = 0
  if ((code >= 1 && code <= 6) || code === 15 || code === 16) pdu = 5
  if (code === 15 || code === 16) pdu = at + 6 < end ? 6 + bytes[at + 6]! : 0
  else if (code === 22) pdu = 7
  else if (code === 23) pdu = at + 10 < end ? 10 + bytes[at + 10]! : 0
  return whole(bytes, at, end, pdu)
}

function replyLength(bytes: Uint8Array, at: number, end: number): number {
  const code = bytes[at + 1]!
  if (code > 0xab || (code & 0x7f) === 0) return 0
  return whole(bytes, at, end, lengthOfReply(bytes, at + 1, end))
}

/** Bytes of the PDU that answers a question (its whole frame is given); `said` where the answer itself knows. */
function answerLength(question: Uint8Array, said: number): number {
  const quantity = (question[4]! << 8) | question[5]!
  switch (question[1]) {
    case 1:
    case 2:
      return 2 + ((quantity + 7) >> 3)
    case 3:
    case 4:
    case 23:
      return 2 + 2 * quantity
    default:
      return said
  }
}

function whole(bytes: Uint8Array, at: number, end: number, pdu: number): number {
  const length = pdu + 3
  if (pdu === 0 || length > LONGEST_FRAME || at + length > end) return 0
  return crcHolds(bytes, at, at + length) ? length : 0
}
