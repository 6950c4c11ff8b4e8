/** What comes over the wire: finds the answer that is waited for, and knows what everything else is. */
import type { Clock } from '../../../contracts/clock.ts'
import { Mark, type Trace } from '../diagnosis/trace.ts'
import type { Exchange } from '../exchange.ts'
import { type Ask, confirmsBySame, contentAt, judge, objection, Verdict } from '../frames/pdu.ts'
import { findEcho, findFrame, holdsDamagedAnswer, overlapsAnswer } from '../frames/rtu-frame.ts'
import type { Tally } from '../tally.ts'
import type { Quarantine } from './quarantine.ts'

/** Three questions of somebody else within this time are another master. */
const MASTER_WINDOW_MS = 10_000
const MASTER_QUESTIONS = 3
/** For so long another master's question may be answered. */
export const FOREIGN_ANSWER_MS = 500
/** So many answers without an echo, and the adapter does not hear itself after all. */
const ECHOES_MISSED = 3
const RECEIVE_BYTES = 2048

/** A good answer, while its bytes are valid. */
export interface Heard {
  /** 0, or the exception it is. */
  readonly verdict: number
  readonly bytes: Uint8Array
  readonly content: number
  readonly contentBytes: number
}

export class RtuEar {
  /** Whether the adapter hears itself; null until a read has shown it. */
  echoes: boolean | null
  /** Another master's question was heard last: its answer is still to come. */
  questionOpen = false
  /** Something that was the answer but for its CRC has come. */
  damaged = false
  /** There is an answer, but within what may be another that is still coming in: `last` takes it. */
  holds = false
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #trace: Trace
  readonly #quarantine: Quarantine
  readonly #checkUnit: boolean
  readonly #received = new Uint8Array(RECEIVE_BYTES)
  readonly #foreignQuestions: number[] = []
  #bytes = 0
  /** Answers in a row before which no echo came, though there should have been one. */
  #withoutEcho = 0
  /** Of them, those at the front that the trace has. */
  #traced = 0
  #heardAt = 0
  #waitingFor: Exchange | null = null
  #frame: Uint8Array = new Uint8Array(0)
  /** The echo of the present frame was found and taken away. */
  #echoed = false
  /** Anything came since the present frame was begun. */
  #heard = false
  #objection: string | null = null

  constructor(options: {
    clock: Clock
    tally: Tally
    trace: Trace
    quarantine: Quarantine
    checkUnit: boolean
    echoes: boolean | null
  }) {
    this.#clock = options.clock
    this.#tally = options.tally
    this.#trace = options.trace
    this.#quarantine = options.quarantine
    this.#checkUnit = options.checkUnit
    this.echoes = options.echoes
  }

  /** From now on the answer to this frame is waited for. True: bytes of nobody lay there before. */
  waitFor(exchange: Exchange, frame: Uint8Array): boolean {
    const rest = this.#bytes > 0
    this.#consume(this.#bytes, true)
    this.#waitingFor = exchange
    this.#frame = frame
    this.#echoed = false
    this.#heard = false
    this.damaged = false
    this.holds = false
    this.#objection = null
    return rest
  }

  /** Nothing is waited for any more. */
  rest(): void {
    this.#waitingFor = null
  }

  drop(): void {
    this.give(Mark.garbage)
    this.#bytes = 0
    this.#traced = 0
  }

  /** What has come and formed no frame goes to the trace. */
  give(mark: Mark): void {
    const unit = mark === Mark.garbage ? 0 : (this.#waitingFor?.ask.unit ?? 0)
    this.#note(mark, unit, this.#traced, this.#bytes)
    this.#traced = this.#bytes
  }

  /** Whether somebody else asks questions on this line. */
  otherMaster(): boolean {
    const first = this.#foreignQuestions[0]
    if (first === undefined || this.#foreignQuestions.length < MASTER_QUESTIONS) return false
    const last = this.#foreignQuestions[MASTER_QUESTIONS - 1]!
    return last - first <= MASTER_WINDOW_MS && this.#clock.monotonic() - last <= MASTER_WINDOW_MS
  }

  /** The answer, if it is whole now. */
  hear(chunk: Uint8Array): Heard | null {
    this.#heard = true
    this.#heardAt = this.#clock.monotonic()
    let heard: Heard | null = null
    for (let at = 0; at < chunk.length && heard === null; at += RECEIVE_BYTES / 2) {
      const part = chunk.subarray(at, at + RECEIVE_BYTES / 2)
      if (this.#bytes + part.length > RECEIVE_BYTES) this.#consume(this.#bytes + part.length - RECEIVE_BYTES, true)
      this.#received.set(part, this.#bytes)
      this.#bytes += part.length
      heard = this.#scan(false)
    }
    return heard
  }

  /** The answer, when nothing more is to come. */
  last(): Heard | null {
    return this.#waitingFor === null ? null : this.#scan(true)
  }

  /** What there was instead of an answer; null: nothing. `collision` is counted once here. */
  instead(): string | null {
    if (this.echoes === true && !this.#echoed && this.#heard) {
      this.#tally.collisions++
      this.give(Mark.collision)
      return 'what was sent came back changed: somebody else was talking'
    }
    if (this.#objection !== null) return this.#objection
    this.give(Mark.garbage)
    return this.#bytes > 0 ? 'only bytes that form no answer: noise, or other line settings?' : null
  }

  get heard(): boolean {
    return this.#heard
  }

  #scan(complete: boolean): Heard | null {
    const exchange = this.#waitingFor
    this.holds = false
    for (let from = 0; ; ) {
      const frame = findFrame(this.#received, from, this.#bytes, exchange?.ask ?? null, complete)
      const echo = exchange === null ? -1 : this.#echoAt(exchange)
      if (echo >= 0 && (frame === null || echo <= frame.at)) {
        // Bytes of what was sent can look like its answer, so none is taken from an echo that is still coming in.
        if (echo + this.#frame.length > this.#bytes) break
        this.#stripEcho(echo, exchange!.ask.unit)
        from = 0
        continue
      }
      if (frame === null) break
      if (frame.inside) {
        this.holds = true
        break
      }
      const { at, length } = frame
      if (exchange?.sent && (!this.#checkUnit || this.#received[at] === exchange.ask.unit)) {
        const verdict = judge(exchange.ask, exchange.payload, this.#received, at + 1, length - 3)
        if (verdict >= Verdict.answer) {
          this.#pass(at)
          if (this.#bytes > at + length) this.#tally.contention++
          const mark = verdict === Verdict.answer ? Mark.answer : Mark.exception
          this.#note(mark, exchange.ask.unit, at, at + length, this.#heardAt - exchange.sentAt)
          this.#note(Mark.contention, 0, at + length, this.#bytes)
          this.#bytes = 0
          this.#traced = 0
          this.#learn(exchange)
          const content = contentAt(exchange.ask.function)
          return { verdict, bytes: this.#received, content: at + 1 + content, contentBytes: length - 3 - content }
        }
      }
      if (exchange !== null && overlapsAnswer(this.#received, frame, this.#bytes, exchange.ask, complete)) {
        from = at + 1
        continue
      }
      this.#pass(at)
      from = 0
      if (frame.question) this.#overhearQuestion(at, length)
      else this.#overhear(at, length)
      this.#consume(at + length, false)
    }
    // Half an echo can look like an answer.
    const echoing = this.echoes !== false && !this.#echoed && this.#bytes < this.#frame.length
    if (exchange !== null && exchange.ask.unit !== 0 && !echoing) {
      this.damaged ||= holdsDamagedAnswer(this.#received, 0, this.#bytes, exchange.ask)
    }
    return null
  }

  /** Noise before a frame. */
  #pass(bytes: number): void {
    this.#tally.garbageBytes += bytes
    this.#note(Mark.garbage, 0, this.#traced, bytes)
  }

  /** Where the echo that is still due stands or begins, -1 for nowhere. */
  #echoAt({ ask }: Exchange): number {
    if (this.#echoed || this.echoes === false || (confirmsBySame(ask.function) && this.echoes !== true)) return -1
    return findEcho(this.#received, this.#bytes, this.#frame)
  }

  #stripEcho(at: number, unit: number): void {
    this.#echoed = true
    this.echoes = true
    this.#tally.echoes++
    this.#consume(at, true)
    this.#note(Mark.echo, unit, 0, this.#frame.length)
    this.#consume(this.#frame.length, false)
  }

  /** An answer came: with an echo before it, or without one. */
  #learn({ ask }: Exchange): void {
    if (this.#echoed) {
      this.#withoutEcho = 0
      return
    }
    if (this.echoes === null && !confirmsBySame(ask.function)) this.echoes = false
    else if (this.echoes === true) {
      this.#tally.collisions++
      // Another master's question was the same as ours: that was no echo.
      if (++this.#withoutEcho >= ECHOES_MISSED) this.echoes = null
    }
  }

  /** A whole frame that is not the answer is dropped, and the wait goes on: it may answer something older. */
  #overhear(at: number, length: number): void {
    const exchange = this.#waitingFor
    const unit = this.#received[at]!
    const answer = { unit, function: this.#received[at + 1]!, pduBytes: length - 3 }
    let mark: Mark = Mark.foreignAnswer
    this.questionOpen = false
    const owed = this.#quarantine.pay(answer, this.#clock.monotonic())
    if (owed === 'late') {
      mark = Mark.late
      this.#tally.lateReplies++
    } else if (owed === 'foreign') this.#tally.foreignAnswers++
    else if (exchange === null) this.#tally.contention++
    else if (unit !== exchange.ask.unit) {
      mark = Mark.foreignUnit
      exchange.impostor = unit
      this.#tally.foreignUnits++
      exchange.device.foreignUnits++
    } else {
      mark = Mark.objection
      const verdict = judge(exchange.ask, exchange.payload, this.#received, at + 1, length - 3)
      this.#tally.objection(verdict)
      exchange.device.objection(verdict)
      this.#objection = objection(exchange.ask, verdict, this.#received, at + 1, length - 3)
    }
    this.#note(mark, unit, at, at + length)
  }

  #overhearQuestion(at: number, length: number): void {
    const ours = this.#waitingFor !== null && !this.#echoed && length === this.#frame.length
    if (ours && findEcho(this.#received.subarray(at, at + length), length, this.#frame) === 0) {
      // An adapter that was thought deaf to itself hears itself.
      this.echoes = true
      this.#echoed = true
      this.#tally.echoes++
      this.#note(Mark.echo, this.#received[at]!, at, at + length)
      return
    }
    this.#note(Mark.foreignQuestion, this.#received[at]!, at, at + length)
    this.questionOpen = true
    const question = this.#questionAt(at)
    const now = this.#clock.monotonic()
    if (question !== null) this.#quarantine.overhear(question, now, this.#waitingFor !== null)
    this.#tally.foreignQuestions++
    this.#foreignQuestions.push(this.#clock.monotonic())
    if (this.#foreignQuestions.length > MASTER_QUESTIONS) this.#foreignQuestions.shift()
  }

  /** What another master asked, as far as its answer could be mistaken for one to us. */
  #questionAt(at: number): Ask | null {
    const code = this.#received[at + 1]!
    if (code < 1 || code > 4) return null
    const word = (from: number): number => (this.#received[from]! << 8) | this.#received[from + 1]!
    return {
      device: '',
      unit: this.#received[at]!,
      function: code as 1 | 2 | 3 | 4,
      address: word(at + 2),
      quantity: word(at + 4),
      timeoutMs: FOREIGN_ANSWER_MS,
    }
  }

  #consume(bytes: number, asGarbage: boolean): void {
    if (asGarbage) {
      this.#tally.garbageBytes += bytes
      this.#note(Mark.garbage, 0, this.#traced, bytes)
    }
    this.#traced = Math.max(0, this.#traced - bytes)
    this.#received.copyWithin(0, bytes, this.#bytes)
    this.#bytes -= bytes
  }

  #note(mark: Mark, unit: number, from: number, to: number, elapsedMs = 0): void {
    if (to > from) this.#trace.received(mark, unit, this.#heardAt, elapsedMs, this.#received, from, to)
  }
}
