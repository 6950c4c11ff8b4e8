/** One wire, one question at a time: Modbus RTU over a serial port, or over a socket that leads to one. An answer counts
 *  only for the request that is under way; who may still answer an older one is not asked the same again. */
import type { LineSettings, SerialPort, Unsubscribe } from '../../../hal/contract.ts'
import { Reason } from '../../contracts/batch.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { State } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import { Backoff } from './backoff.ts'
import { AbortWatch, duration, Exchange, type Link } from './exchange.ts'
import { type Ask, describe, judge, objection, Verdict } from './pdu.ts'
import { Quarantine } from './quarantine.ts'
import { encodeFrame, findEcho, findFrame, frameGapMs, holdsDamagedAnswer, replyFrameLength } from './rtu-frame.ts'
import type { Tally } from './tally.ts'

/** For so many timeouts after the first an answer may still come and is waited out. */
const LATE_WINDOW = 2
/** Timeouts one after the other, without one byte, after which the port is opened anew. */
const DEAF_AFTER = 3
const DEAF_PAUSE_MS = 60_000
/** A damaged answer is given up when the line has been silent for so long: adapters deliver in lumps of up to 16 ms. */
const DAMAGE_SILENCE_MS = 25
/** Time slaves need for a broadcast (V1.02, 2.1). */
const TURNAROUND_MS = 150
/** Three questions of somebody else within this time are another master. */
const MASTER_WINDOW_MS = 10_000
const MASTER_QUESTIONS = 3
const RECEIVE_BYTES = 2048
/** What a timer may miss its moment by. */
const EARLY_MS = 0.01

export interface RtuLineOptions {
  readonly port: SerialPort
  readonly line: LineSettings
  /** A socket: its bytes cannot be flushed, so a timeout closes it; the far end keeps the silence between frames. */
  readonly overTcp: boolean
  readonly pauseMs: number
  readonly pauseAfterConnectMs: number
  readonly checkUnit: boolean
  readonly clock: Clock
  readonly tally: Tally
  readonly random?: () => number
}

export class RtuLine implements Link {
  generation = 0
  readonly #options: RtuLineOptions
  readonly #port: SerialPort
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #gapMs: number
  readonly #byteMs: number
  readonly #backoff: Backoff
  readonly #quarantine: Quarantine
  readonly #watch = new AbortWatch(() => this.#dropAborted())
  readonly #queue: Exchange[] = []
  readonly #received = new Uint8Array(RECEIVE_BYTES)
  readonly #foreignQuestions: number[] = []
  #listening: Unsubscribe[] = []
  #bytes = 0
  #active: Exchange | null = null
  #frame: Uint8Array = new Uint8Array(0)
  /** The echo of the present frame was found and taken away. */
  #echoed = false
  /** Whether the adapter hears itself; null until a read has shown it. */
  #echoes: boolean | null
  #writing = false
  #dirty = false
  #damaged = false
  #heard = false
  #objection: string | null = null
  #open = false
  #running = false
  #opening: Promise<void> = Promise.resolve()
  #trouble: string | null = null
  #busyUntil = 0
  #missedInRow = 0
  #deafAfter = 0
  #deadline: Stop | undefined
  #resume: Stop | undefined
  #retry: Stop | undefined

  constructor(options: RtuLineOptions) {
    this.#options = options
    this.#port = options.port
    this.#clock = options.clock
    this.#tally = options.tally
    const { dataBits, parity, stopBits, baudRate } = options.line
    this.#byteMs = options.overTcp ? 0 : ((1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits) * 1000) / baudRate
    this.#gapMs = options.overTcp ? 0 : frameGapMs(baudRate)
    this.#backoff = new Backoff({ firstMs: 500, longestMs: 10_000, random: options.random ?? Math.random })
    this.#quarantine = new Quarantine({ byUnit: options.checkUnit })
    this.#echoes = options.overTcp ? false : (options.port.facts.echo ?? null)
  }

  start(): void {
    this.#running = true
    this.#listening = [
      this.#port.onData((chunk) => this.#receive(chunk)),
      this.#port.onClose((why) => {
        if (this.#open) this.#lose(why)
      }),
    ]
    this.#openPort()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#retry?.()
    this.#retry = undefined
    this.#lose('the connection is being stopped')
    for (const unsubscribe of this.#listening.splice(0)) unsubscribe()
    this.#watch.close()
    await this.#opening
  }

  state(): State {
    const { device } = this.#port.facts
    if (!this.#open) {
      return this.#trouble === null
        ? { condition: 'waiting', text: `opening ${device}` }
        : { condition: 'fault', text: this.#trouble }
    }
    if (this.#otherMaster()) {
      return { condition: 'degraded', text: `another master talks on ${device}: nothing is written until it is quiet` }
    }
    if (this.#options.overTcp) return { condition: 'fine', text: `connected to ${device}` }
    const { baudRate, dataBits, parity, stopBits } = this.#options.line
    return { condition: 'fine', text: `${device} open, ${baudRate} ${dataBits}${parity[0]!.toUpperCase()}${stopBits}` }
  }

  send(exchange: Exchange): void {
    if (exchange.signal.aborted) exchange.abort()
    else if (!this.#running) exchange.fail('the connection is stopped', Reason.noConnection)
    else if (this.#trouble !== null) exchange.fail(this.#trouble, Reason.noConnection)
    else {
      const now = this.#clock.monotonic()
      this.#watch.hold(exchange.signal)
      if (this.#quarantine.end(exchange.ask.unit, exchange.ask.function, now) > 0) {
        this.#tally.quarantined++
        exchange.device.quarantined++
      }
      this.#queue.push(exchange)
      this.#pump()
    }
  }

  /** Sends the next request if the line is free and silent, else comes back when it will be. */
  #pump(): void {
    if (!this.#open || this.#active !== null || this.#writing || this.#queue.length === 0) return
    const now = this.#clock.monotonic()
    let free = Number.POSITIVE_INFINITY
    let next = -1
    for (let at = 0; at < this.#queue.length && next < 0; at++) {
      const { ask } = this.#queue[at]!
      const end = this.#quarantine.end(ask.unit, ask.function, now)
      if (end <= now + EARLY_MS) next = at
      else free = Math.min(free, end)
    }
    const until = next < 0 ? free : this.#busyUntil
    if (until > now + EARLY_MS) {
      this.#resume?.()
      this.#resume = this.#clock.after(until - now, () => {
        this.#resume = undefined
        this.#pump()
      })
      return
    }
    const exchange = this.#queue.splice(next, 1)[0]!
    if (exchange.payload !== null && this.#otherMaster()) {
      this.#watch.release(exchange.signal)
      exchange.fail('not sent: another master talks on this line', Reason.refused)
      this.#pump()
    } else if (this.#echoes === null && (exchange.ask.function === 5 || exchange.ask.function === 6)) {
      this.#learnEcho(exchange)
    } else this.#transmit(exchange)
  }

  /** The confirmation of a single write is the same bytes as the write: before it can be told from an echo, a read must
   *  have shown whether the adapter hears itself. */
  #learnEcho(write: Exchange): void {
    this.#watch.release(write.signal)
    const code = write.ask.function === 5 ? 1 : 3
    const ask: Ask = { ...write.ask, function: code, quantity: 1 }
    const read = new Exchange({
      ask,
      payload: null,
      signal: write.signal,
      device: write.device,
      take: null,
      resolve: () => this.send(write),
      reject: () => {
        if (write.signal.aborted) write.abort()
        else write.fail('not sent: the device does not answer a read either', Reason.timeout)
      },
    })
    this.#watch.hold(read.signal)
    this.#transmit(read)
  }

  #transmit(exchange: Exchange): void {
    this.#discard()
    const frame = encodeFrame(exchange.ask, exchange.payload)
    this.#active = exchange
    this.#frame = frame
    this.#echoed = false
    this.#damaged = false
    this.#heard = false
    this.#objection = null
    this.#writing = true
    this.#write(exchange, frame).then(
      () => this.#sent(exchange),
      (thrown) => {
        this.#writing = false
        if (this.#open) this.#lose(sentence(thrown))
      },
    )
  }

  async #write(exchange: Exchange, frame: Uint8Array): Promise<void> {
    if (this.#dirty) {
      this.#dirty = false
      await this.#port.flushInput()
      this.#bytes = 0
    }
    if (this.#active !== exchange) return
    exchange.sent = true
    exchange.sentAt = this.#clock.monotonic()
    // A port that does not even take the frame is found out, too.
    this.#setDeadline(frame.length * this.#byteMs + this.#allowance(exchange.ask))
    await this.#port.write(frame)
  }

  /** The frame has left. */
  #sent(exchange: Exchange): void {
    this.#writing = false
    const now = this.#clock.monotonic()
    this.#busyUntil = Math.max(this.#busyUntil, now + this.#gapMs)
    if (this.#active !== exchange) {
      this.#pump()
      return
    }
    if (exchange.ask.unit === 0) {
      this.#deadline?.()
      this.#deadline = this.#clock.after(TURNAROUND_MS, () => {
        this.#end(exchange)
        exchange.settle(0, this.#received, 0)
        this.#pump()
      })
    } else if (!this.#damaged) this.#setDeadline(this.#allowance(exchange.ask))
  }

  /** The device's time to answer, and the wire's to carry it. */
  #allowance(ask: Ask): number {
    return ask.timeoutMs + replyFrameLength(ask) * this.#byteMs
  }

  #setDeadline(ms: number): void {
    this.#deadline?.()
    this.#deadline = this.#clock.after(ms, () => {
      this.#deadline = undefined
      if (this.#active !== null) this.#expire(this.#active)
    })
  }

  #receive(chunk: Uint8Array): void {
    const now = this.#clock.monotonic()
    this.#busyUntil = Math.max(this.#busyUntil, now + this.#gapMs)
    this.#missedInRow = 0
    this.#heard = true
    for (let at = 0; at < chunk.length; at += RECEIVE_BYTES / 2) {
      const part = chunk.subarray(at, at + RECEIVE_BYTES / 2)
      if (this.#bytes + part.length > RECEIVE_BYTES) this.#consume(this.#bytes + part.length - RECEIVE_BYTES, true)
      this.#received.set(part, this.#bytes)
      this.#bytes += part.length
      this.#scan()
    }
    // A late answer that has come ends a quarantine before its time.
    if (this.#queue.length > 0) this.#pump()
  }

  #scan(): void {
    if (!this.#echoed && this.#active !== null && this.#echoes !== false) this.#stripEcho(this.#active.ask)
    for (;;) {
      const exchange = this.#active
      const frame = findFrame(this.#received, 0, this.#bytes, exchange?.ask ?? null)
      if (frame === null) break
      if (exchange?.sent && this.#answers(exchange, frame.at, frame.length)) {
        const content = frame.at + 3
        const verdict = judge(exchange.ask, exchange.payload, this.#received, frame.at + 1, frame.length - 3)
        this.#tally.garbageBytes += frame.at
        if (this.#bytes > frame.at + frame.length) this.#tally.contention++
        this.#bytes = 0
        this.#answered(exchange, verdict, content)
        return
      }
      this.#overhear(frame.at, frame.length, frame.question)
      this.#tally.garbageBytes += frame.at
      this.#consume(frame.at + frame.length, false)
    }
    const exchange = this.#active
    if (exchange === null || exchange.ask.unit === 0) return
    // Half an echo can look like an answer.
    if (this.#echoes !== false && !this.#echoed && this.#bytes < this.#frame.length) return
    this.#damaged ||= holdsDamagedAnswer(this.#received, 0, this.#bytes, exchange.ask)
    // A good frame may stand behind what only looked like one: the line is heard out first.
    if (this.#damaged) this.#setDeadline(Math.max(DAMAGE_SILENCE_MS, 2 * this.#gapMs))
  }

  #stripEcho(ask: Ask): void {
    const single = ask.function === 5 || ask.function === 6
    if (single && this.#echoes !== true) return
    const at = findEcho(this.#received, this.#bytes, this.#frame)
    if (at < 0) return
    this.#echoed = true
    this.#echoes = true
    this.#tally.echoes++
    this.#tally.garbageBytes += at
    this.#consume(at + this.#frame.length, false)
  }

  /** Whether a frame is the answer: the right unit, function, length and echo. */
  #answers(exchange: Exchange, at: number, length: number): boolean {
    if (this.#received[at] !== exchange.ask.unit && this.#options.checkUnit) return false
    return judge(exchange.ask, exchange.payload, this.#received, at + 1, length - 3) >= Verdict.answer
  }

  /** A whole frame that is not the answer is dropped, and the wait goes on: it may answer something older. */
  #overhear(at: number, length: number, question: boolean): void {
    const exchange = this.#active
    const unit = this.#received[at]!
    if (question) this.#overhearQuestion(at, length)
    else if (this.#quarantine.lift(unit, this.#received[at + 1]!)) this.#tally.lateReplies++
    else if (exchange === null) this.#tally.contention++
    else if (unit !== exchange.ask.unit) {
      exchange.impostor = unit
      this.#tally.foreignUnits++
      exchange.device.foreignUnits++
    } else {
      const verdict = judge(exchange.ask, exchange.payload, this.#received, at + 1, length - 3)
      this.#tally.objection(verdict)
      exchange.device.objection(verdict)
      this.#objection = objection(exchange.ask, verdict, this.#received, at + 1, length - 3)
    }
  }

  #overhearQuestion(at: number, length: number): void {
    if (findEcho(this.#received.subarray(at, at + length), length, this.#frame) === 0) {
      // An adapter that was thought deaf to itself hears itself.
      this.#echoes = true
      this.#tally.echoes++
      return
    }
    this.#tally.foreignQuestions++
    this.#foreignQuestions.push(this.#clock.monotonic())
    if (this.#foreignQuestions.length > MASTER_QUESTIONS) this.#foreignQuestions.shift()
  }

  #otherMaster(): boolean {
    const first = this.#foreignQuestions[0]
    if (first === undefined || this.#foreignQuestions.length < MASTER_QUESTIONS) return false
    const last = this.#foreignQuestions[MASTER_QUESTIONS - 1]!
    const now = this.#clock.monotonic()
    return last - first <= MASTER_WINDOW_MS && now - last <= MASTER_WINDOW_MS
  }

  #answered(exchange: Exchange, verdict: number, content: number): void {
    this.#end(exchange)
    this.#tally.replies++
    this.#backoff.reset()
    if (!this.#echoed) this.#noEcho(exchange.ask)
    exchange.settle(verdict, this.#received, content)
    this.#pump()
  }

  /** An answer came and no echo before it. */
  #noEcho(ask: Ask): void {
    if (this.#echoes === null && ask.function !== 5 && ask.function !== 6) this.#echoes = false
    else if (this.#echoes === true) this.#tally.collisions++
  }

  #expire(exchange: Exchange): void {
    const { ask, device } = exchange
    if (this.#writing) {
      this.#lose(`${this.#port.facts.device} does not take what is sent`)
      return
    }
    const now = this.#clock.monotonic()
    this.#end(exchange)
    this.#dirty = true
    if (this.#damaged) {
      this.#tally.crcErrors++
      device.crcErrors++
      exchange.fail(`the answer to ${describe(ask)} was damaged on the line`, Reason.badFrame)
      this.#pump()
      return
    }
    this.#tally.timeouts++
    device.timeouts++
    this.#quarantine.impose(ask.unit, ask.function, now + LATE_WINDOW * ask.timeoutMs)
    const collided = this.#echoes === true && !this.#echoed && this.#heard
    if (collided) this.#tally.collisions++
    this.#failLate(exchange, collided ? 'what was sent came back changed: somebody else was talking' : this.#objection)
    if (this.#options.overTcp) {
      // What is in transit cannot be flushed: another connection does not see it. Later questions wait for that one.
      this.#lose('the connection was closed after a timeout', { again: true })
    } else this.#deaf(now)
    this.#pump()
  }

  #failLate(exchange: Exchange, why: string | null): void {
    const { ask } = exchange
    const nothing = `no answer within ${duration(ask.timeoutMs)} to ${describe(ask)}`
    if (why !== null) exchange.fail(`${nothing}: ${why}`, Reason.badFrame)
    else if (exchange.impostor !== null) {
      exchange.fail(`${nothing}; unit ${exchange.impostor} answered instead`, Reason.timeout)
    } else if (this.#bytes > 0) {
      exchange.fail(`${nothing}, only bytes that form no answer: noise, or other line settings?`, Reason.badFrame)
    } else exchange.fail(nothing, Reason.timeout)
  }

  /** An open port through which nothing comes may only need opening anew. */
  #deaf(now: number): void {
    if (this.#heard || ++this.#missedInRow < DEAF_AFTER || now < this.#deafAfter) return
    this.#missedInRow = 0
    this.#deafAfter = now + DEAF_PAUSE_MS
    this.#tally.deaf++
    this.#lose('nothing came through the port: opening it anew', { again: true })
  }

  #end(exchange: Exchange): void {
    if (this.#active === exchange) this.#active = null
    this.#deadline?.()
    this.#deadline = undefined
    this.#watch.release(exchange.signal)
    const { pauseMs } = this.#options
    if (pauseMs > 0) this.#busyUntil = Math.max(this.#busyUntil, this.#clock.monotonic() + pauseMs)
  }

  #dropAborted(): void {
    const active = this.#active
    if (active?.signal.aborted) {
      this.#end(active)
      this.#dirty = true
      const lateUntil = this.#clock.monotonic() + (1 + LATE_WINDOW) * active.ask.timeoutMs
      if (active.sent) this.#quarantine.impose(active.ask.unit, active.ask.function, lateUntil)
      active.abort()
    }
    for (let at = this.#queue.length - 1; at >= 0; at--) {
      const exchange = this.#queue[at]!
      if (!exchange.signal.aborted) continue
      this.#queue.splice(at, 1)
      this.#watch.release(exchange.signal)
      exchange.abort()
    }
    this.#pump()
  }

  #consume(bytes: number, asGarbage: boolean): void {
    if (asGarbage) this.#tally.garbageBytes += bytes
    this.#received.copyWithin(0, bytes, this.#bytes)
    this.#bytes -= bytes
  }

  /** What came since the last answer and forms no frame. */
  #discard(): void {
    if (this.#bytes > 0) this.#dirty = true
    this.#consume(this.#bytes, true)
  }

  #openPort(): void {
    const previous = this.#opening
    this.#opening = previous
      .then(() => (this.#running ? this.#port.open(this.#options.line) : undefined))
      .then(
        () => this.#opened(),
        (thrown) => {
          if (this.#running) this.#lose(sentence(thrown))
        },
      )
  }

  #opened(): void | Promise<void> {
    if (!this.#running) return this.#port.close()
    this.#open = true
    this.#trouble = null
    this.#bytes = 0
    if (!this.#options.overTcp) this.#echoes = this.#port.facts.echo ?? null
    this.#tally.connects++
    this.generation++
    this.#busyUntil = this.#clock.monotonic() + Math.max(this.#gapMs, this.#options.pauseAfterConnectMs)
    this.#pump()
  }

  /** Gives the port up, fails what hangs on it, and opens it anew: at once when it was given up on purpose, else later. */
  #lose(why: string, how: { readonly again: boolean } = { again: false }): void {
    const wasOpen = this.#open
    const active = this.#active
    this.#open = false
    this.#bytes = 0
    for (const stop of [this.#deadline, this.#resume]) stop?.()
    this.#deadline = undefined
    this.#resume = undefined
    this.#trouble = how.again ? null : why
    if (active !== null) {
      this.#end(active)
      const lateUntil = this.#clock.monotonic() + (1 + LATE_WINDOW) * active.ask.timeoutMs
      if (active.sent) this.#quarantine.impose(active.ask.unit, active.ask.function, lateUntil)
      active.fail(why, Reason.noConnection)
    }
    if (!how.again) {
      for (const exchange of this.#queue.splice(0)) {
        this.#watch.release(exchange.signal)
        exchange.fail(why, Reason.noConnection)
      }
    }
    if (wasOpen) this.#opening = this.#opening.then(() => this.#port.close())
    if (!this.#running) return
    if (wasOpen) this.#tally.disconnects++
    else this.#tally.connectFailures++
    if (how.again) {
      this.#openPort()
      return
    }
    this.#retry?.()
    this.#retry = this.#clock.after(this.#backoff.next(), () => {
      this.#retry = undefined
      this.#openPort()
    })
  }
}
