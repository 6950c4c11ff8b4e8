/** One wire, one question at a time: Modbus RTU over a serial port, or over a socket that leads to one. An answer counts
 *  only for the request that is under way; who may still answer an older one is not asked the same again. */
import type { LineSettings, SerialPort } from '../../../../hal/contract.ts'
import { Reason } from '../../../contracts/batch.ts'
import type { Clock, Stop } from '../../../contracts/clock.ts'
import type { State } from '../../../contracts/component.ts'
import { Retryable, sentence } from '../../../contracts/errors.ts'
import { Mark, type Trace } from '../diagnosis/trace.ts'
import { AbortWatch, duration, Exchange, type Link } from '../exchange.ts'
import { type Ask, confirmsBySame, contentAt, describe } from '../frames/pdu.ts'
import { encodeFrame, frameGapMs, replyFrameLength } from '../frames/rtu-frame.ts'
import type { Tally } from '../tally.ts'
import { KeptPort } from './kept-port.ts'
import { Quarantine } from './quarantine.ts'
import { FOREIGN_ANSWER_MS, type Heard, RtuEar } from './rtu-ear.ts'

/** Timeouts one after the other, without one byte, after which the port is opened anew. */
const DEAF_AFTER = 3
const DEAF_PAUSE_MS = 60_000
/** A damaged answer is given up when the line has been silent for so long: adapters deliver in lumps of up to 16 ms. */
const DAMAGE_SILENCE_MS = 25
/** Time slaves need for a broadcast (V1.02, 2.1). */
const TURNAROUND_MS = 150
/** With `connect: per-cycle`: closed when nothing waited for so long. */
const CYCLE_GAP_MS = 20
/** Modbus ASCII: colon, CR and LF included, a byte of an RTU frame takes at most so many characters. */
const ASCII_CHARACTERS = 2.2
/** A question whose answers keep being in doubt is given up: somebody else asks the same. */
const MOST_DOUBTS = 8
/** After a damaged answer the line must be silent for so many times longer: it may have been a collision. */
const COLLISION_QUIETS = 4
/** What a timer may miss its moment by. */
const EARLY_MS = 0.01

interface RtuLineOptions {
  readonly port: SerialPort
  readonly line: LineSettings
  /** `ascii`: the port translates, and each byte of a frame costs the wire more. */
  readonly framing: 'rtu' | 'ascii'
  /** A socket: its bytes cannot be flushed, so a timeout closes it; the far end keeps the silence between frames. */
  readonly overTcp: boolean
  readonly connect: 'keep' | 'per-cycle'
  readonly pauseMs: number
  readonly pauseAfterConnectMs: number
  readonly checkUnit: boolean
  /** Other masters are expected: the line must have been silent for so long before a question; null: there are none. */
  readonly quietMs: number | null
  readonly clock: Clock
  readonly tally: Tally
  readonly random: () => number
  /** What is left to do when the line has stopped. */
  readonly end?: (() => Promise<void>) | undefined
  readonly trace: Trace
}

export class RtuLine implements Link {
  generation = 0
  readonly #options: RtuLineOptions
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #trace: Trace
  readonly #gapMs: number
  readonly #byteMs: number
  readonly #quarantine: Quarantine
  readonly #ear: RtuEar
  readonly #kept: KeptPort
  readonly #watch = new AbortWatch(() => this.#dropAborted())
  readonly #queue: Exchange[] = []
  #active: Exchange | null = null
  /** When its last byte had left. */
  #sentAt = 0
  /** An answer has begun. */
  #begun = false
  #writing = false
  /** Bytes may lie in the port that belong to nothing. */
  #dirty = false
  #busyUntil = 0
  /** Other masters go first until then. */
  #yieldUntil = 0
  #missedInRow = 0
  #deafAfter = 0
  #deadline: Stop | undefined
  /** When the exchange under way ends, whatever still comes. */
  #latestAt = 0
  #resume: Stop | undefined
  #unsubscribe = (): void => {}

  constructor(options: RtuLineOptions) {
    const { port, line, overTcp, clock, tally, trace, checkUnit, random } = options
    this.#options = options
    const ascii = options.framing === 'ascii'
    this.#clock = clock
    this.#tally = tally
    this.#trace = trace
    const bits = 1 + line.dataBits + (line.parity === 'none' ? 0 : 1) + line.stopBits
    this.#byteMs = overTcp ? 0 : ((ascii ? ASCII_CHARACTERS : 1) * bits * 1000) / line.baudRate
    this.#gapMs = overTcp ? 0 : frameGapMs(line.baudRate)
    this.#quarantine = new Quarantine({ byUnit: checkUnit })
    this.#ear = new RtuEar({ clock, tally, trace, quarantine: this.#quarantine, checkUnit, echoes: this.#knownEcho() })
    this.#kept = new KeptPort({
      port,
      line,
      clock,
      tally,
      random,
      remote: overTcp,
      onOpen: () => this.#opened(),
      onLost: (why) => this.#lost(why),
    })
  }

  start(): void {
    this.#unsubscribe = this.#kept.port.onData((chunk) => this.#receive(chunk))
    this.#kept.start()
    if (this.#options.connect === 'keep') this.#kept.open()
  }

  async stop(): Promise<void> {
    const stopped = this.#kept.stop()
    this.#unsubscribe()
    this.#lost('the connection is being stopped')
    this.#watch.close()
    await stopped
    await this.#options.end?.()
  }

  state(): State {
    const { device } = this.#kept.port.facts
    const { overTcp, line, connect } = this.#options
    const { baudRate, dataBits, parity, stopBits } = line
    const settings = overTcp ? '' : `, ${baudRate} ${dataBits}${parity[0]!.toUpperCase()}${stopBits}`
    if (this.#kept.isOpen) {
      if (!this.#ear.otherMaster()) return { condition: 'fine', text: `${device} open${settings}` }
      if (this.#options.quietMs !== null) {
        return { condition: 'fine', text: `${device} open${settings}, shared with another master` }
      }
      return { condition: 'degraded', text: `another master talks on ${device}: nothing is written until it is quiet` }
    }
    if (this.#kept.trouble !== null) {
      return { condition: 'fault', text: this.#kept.trouble, ...(overTcp ? {} : { cause: 'port' as const }) }
    }
    if (connect === 'per-cycle') return { condition: 'fine', text: `${device} is opened for each cycle` }
    return { condition: 'waiting', text: `opening ${device}` }
  }

  send(exchange: Exchange): void {
    const { trouble } = this.#kept
    if (exchange.signal.aborted) exchange.abort()
    else if (trouble !== null) exchange.fail(trouble, Reason.noConnection)
    else {
      this.#watch.hold(exchange.signal)
      const { ask, device } = exchange
      if (this.#quarantine.end(ask, this.#clock.monotonic()) > 0) {
        this.#tally.quarantined++
        device.quarantined++
      }
      this.#queue.push(exchange)
      this.#kept.open()
      this.#pump()
    }
  }

  /** Sends the next request if the line is free and silent, else comes back when it will be. */
  #pump(): void {
    if (!this.#kept.isOpen || this.#active !== null || this.#writing) return
    this.#resume?.()
    this.#resume = undefined
    const now = this.#clock.monotonic()
    let free = Number.POSITIVE_INFINITY
    let next = -1
    for (let at = 0; at < this.#queue.length && next < 0; at++) {
      const { ask } = this.#queue[at]!
      const end = this.#quarantine.end(ask, now)
      if (end <= now + EARLY_MS) next = at
      else free = Math.min(free, end)
    }
    if (this.#queue.length === 0) this.#rest()
    else if (next < 0) this.#pumpAt(free, now)
    else if (this.#freeAt() > now + EARLY_MS) this.#pumpAt(this.#freeAt(), now)
    else this.#begin(this.#queue.splice(next, 1)[0]!)
  }

  #freeAt(): number {
    return Math.max(this.#busyUntil, this.#yieldUntil)
  }

  /** On a shared line something was heard: others may have more to say, and two that wait alike would meet for ever. */
  #giveWay(times = 1): void {
    const { quietMs, random } = this.#options
    if (quietMs === null) return
    const holdMs = this.#ear.questionOpen ? FOREIGN_ANSWER_MS : times * quietMs * (1 + random())
    this.#yieldUntil = this.#clock.monotonic() + holdMs
  }

  #pumpAt(at: number, now: number): void {
    this.#resume = this.#clock.after(at - now, () => {
      this.#resume = undefined
      this.#pump()
    })
  }

  /** Nothing waits. */
  #rest(): void {
    if (this.#options.connect === 'keep') return
    this.#resume = this.#clock.after(CYCLE_GAP_MS, () => {
      this.#resume = undefined
      this.#kept.rest()
    })
  }

  #begin(exchange: Exchange): void {
    if (exchange.payload !== null && this.#options.quietMs === null && this.#ear.otherMaster()) {
      this.#watch.release(exchange.signal)
      exchange.fail('not sent: another master talks on this line', Reason.refused)
      this.#pump()
    } else {
      const first = this.#askedFirst(exchange)
      this.#transmit(first === null ? exchange : this.#before(exchange, first))
    }
  }

  /** What must be answered before this may be asked; null: nothing. */
  #askedFirst({ ask, payload, doubts }: Exchange): Ask | null {
    const now = this.#clock.monotonic()
    if (payload === null && doubts > 0) return null
    if (payload === null) return this.#beforeRecords(ask, now) ?? this.#quarantine.marker(ask, now)
    if (ask.unit === 0) return null
    // The confirmation of a single write is the same bytes as the write: before it can be told from an echo, a read must have
    // shown whether the adapter hears itself. And what may still confirm an older write comes no more after a read's answer.
    const mistakable = confirmsBySame(ask.function) && this.#ear.echoes === null
    const owed = this.#quarantine.clearsByRead && this.#quarantine.owes(ask, now)
    if (!mistakable && !owed) return null
    return { ...ask, function: ask.function === 5 || ask.function === 15 ? 1 : 3, quantity: 1 }
  }

  /** Records that are given once are not asked for twice to be sure: a question of another function comes before. For a queue
   *  it is the register of its count, for a file, which has none, the identification; an exception answers it as well. */
  #beforeRecords(ask: Ask, now: number): Ask | null {
    if (ask.function !== 20 && ask.function !== 24) return null
    if (!this.#quarantine.clearsByRead || !this.#quarantine.owes(ask, now)) return null
    if (ask.function === 24) return { ...ask, function: 3, quantity: 1 }
    return { ...ask, function: 43, category: 1, address: 0, quantity: 1 }
  }

  /** A read that is asked before something else, and ends it when it is not answered. */
  #before(exchange: Exchange, ask: Ask): Exchange {
    const { signal, device, payload } = exchange
    this.#tally.clearingReads++
    device.clearingReads++
    this.#watch.release(signal)
    this.#watch.hold(signal)
    return new Exchange({
      ask,
      payload: null,
      signal,
      device,
      take: null,
      resolve: () => this.send(exchange),
      reject: (why) => {
        if (signal.aborted) exchange.abort()
        else if (payload !== null) exchange.fail('not sent: the device does not answer a read either', Reason.timeout)
        else if (!(why instanceof Retryable)) exchange.fail(sentence(why), Reason.timeout)
        else exchange.fail(why.message, why.reason, why.quietMs)
      },
    })
  }

  #transmit(exchange: Exchange): void {
    const frame = encodeFrame(exchange.ask, exchange.payload)
    this.#active = exchange
    this.#begun = false
    this.#writing = true
    if (this.#ear.waitFor(exchange, frame)) this.#dirty = true
    // A port that does not even take the frame is found out, too.
    const longestMs = frame.length * this.#byteMs + this.#allowance(exchange.ask)
    this.#latestAt = this.#clock.monotonic() + longestMs
    this.#setDeadline(longestMs)
    this.#write(exchange, frame).then(
      () => this.#sent(exchange),
      (thrown) => {
        this.#writing = false
        if (this.#kept.isOpen) this.#kept.lose(sentence(thrown))
      },
    )
  }

  async #write(exchange: Exchange, frame: Uint8Array): Promise<void> {
    if (this.#dirty) {
      this.#dirty = false
      await this.#kept.port.flushInput()
      this.#ear.drop()
    }
    if (this.#active !== exchange) return
    exchange.sent = true
    exchange.sentAt = this.#clock.monotonic()
    this.#trace.sent(exchange.ask.unit, exchange.sentAt, frame, 0, frame.length)
    await this.#kept.port.write(frame)
  }

  /** The frame has left. */
  #sent(exchange: Exchange): void {
    this.#writing = false
    this.#sentAt = this.#clock.monotonic()
    this.#latestAt = this.#sentAt + this.#allowance(exchange.ask)
    this.#busyUntil = Math.max(this.#busyUntil, this.#sentAt + this.#gapMs)
    if (this.#active !== exchange) this.#pump()
    else if (exchange.ask.unit === 0) {
      this.#deadline?.()
      this.#deadline = this.#clock.after(TURNAROUND_MS, () => {
        this.#end(exchange)
        exchange.settle(0, new Uint8Array(0), 0, 0)
        this.#pump()
      })
    } else if (!this.#ear.damaged) this.#setDeadline(exchange.ask.probeMs ?? this.#allowance(exchange.ask))
  }

  /** The device's time to answer, and the wire's to carry it. */
  #allowance(ask: Ask): number {
    return ask.timeoutMs + replyFrameLength(ask) * this.#byteMs
  }

  /** Somebody who never stops talking does not hold up the line. */
  #withinLatest(ms: number): number {
    return Math.max(0, Math.min(ms, this.#latestAt - this.#clock.monotonic()))
  }

  #setDeadline(ms: number): void {
    this.#deadline?.()
    this.#deadline = this.#clock.after(ms, () => {
      this.#deadline = undefined
      if (this.#active !== null) this.#expire(this.#active)
    })
  }

  #receive(chunk: Uint8Array): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.#clock.monotonic() + this.#gapMs)
    this.#missedInRow = 0
    const heard = this.#ear.hear(chunk)
    this.#giveWay()
    const exchange = this.#active
    if (heard !== null && exchange !== null) this.#heard(exchange, heard)
    else if (exchange !== null) {
      // A good frame may stand behind what only looked like one: the line is heard out first.
      if (this.#ear.damaged || this.#ear.holds)
        this.#setDeadline(this.#withinLatest(Math.max(DAMAGE_SILENCE_MS, 2 * this.#gapMs)))
      else if (exchange.ask.probeMs !== undefined && !this.#begun && !this.#writing) {
        this.#begun = true
        this.#setDeadline(replyFrameLength(exchange.ask) * this.#byteMs + DAMAGE_SILENCE_MS)
      }
    } else if (this.#queue.length > 0) this.#pump() // a late answer that has come ends a quarantine before its time
  }

  #heard(exchange: Exchange, heard: Heard): void {
    if (this.#doubtful(exchange, heard)) this.#doubt(exchange)
    else this.#answered(exchange, heard)
  }

  /** Whether it may answer something older. Asked so often that nothing older can be left, the question has its answer. */
  #doubtful({ ask, doubts }: Exchange, { verdict, contentBytes }: Heard): boolean {
    const now = this.#clock.monotonic()
    const pduBytes = contentAt(ask.function) + contentBytes
    const answer = { unit: ask.unit, function: verdict === 0 ? ask.function : ask.function | 0x80, pduBytes }
    if (this.#quarantine.pay(answer, now) !== null) return true
    // What a gateway says in a device's place shows nothing of the device.
    if (verdict !== 10 && verdict !== 11) this.#quarantine.settle(ask, now, doubts)
    return false
  }

  /** A read is asked once more; a write never: its own confirmation is waited for. */
  #doubt(exchange: Exchange): void {
    exchange.doubts++
    this.#tally.doubtfulReplies++
    exchange.device.doubtfulReplies++
    if (exchange.payload !== null) return
    if (exchange.doubts > MOST_DOUBTS) {
      this.#end(exchange)
      const text = `answers to ${describe(exchange.ask)} cannot be told from those to other questions`
      exchange.fail(text, Reason.badFrame)
      this.#pump()
      return
    }
    this.#active = null
    this.#ear.rest()
    this.#deadline?.()
    this.#deadline = undefined
    this.#queue.unshift(exchange)
    // Its own answer may follow at once, and would meet the question on the wire.
    this.#busyUntil = Math.max(this.#busyUntil, this.#clock.monotonic() + DAMAGE_SILENCE_MS)
    this.#pump()
  }

  #answered(exchange: Exchange, heard: Heard): void {
    this.#end(exchange)
    this.#tally.replies++
    this.#kept.proven()
    const answerMs = heard.contentBytes * this.#byteMs
    exchange.responseMs = Math.max(0, this.#clock.monotonic() - this.#sentAt - answerMs)
    exchange.settle(heard.verdict, heard.bytes, heard.content, heard.contentBytes)
    this.#pump()
  }

  #expire(exchange: Exchange): void {
    const { ask, device } = exchange
    if (this.#writing) {
      this.#kept.lose(`${this.#kept.port.facts.device} does not take what is sent`)
      return
    }
    const heard = this.#ear.last()
    if (heard !== null) {
      this.#heard(exchange, heard)
      // A write whose confirmation is doubted has waited long enough for its own.
      if (this.#active !== exchange) return
    }
    if (this.#ear.damaged) this.#ear.give(Mark.badCrc)
    this.#end(exchange)
    this.#dirty = true
    if (this.#ear.damaged) {
      this.#tally.crcErrors++
      device.crcErrors++
      this.#giveWay(COLLISION_QUIETS)
      exchange.fail(`the answer to ${describe(ask)} was damaged on the line`, Reason.badFrame)
    } else {
      this.#tally.timeouts++
      device.timeouts++
      const waitedMs = ask.probeMs ?? ask.timeoutMs
      const now = this.#clock.monotonic()
      const until = this.#quarantine.impose(ask, { now, waitedMs, times: 1 + exchange.doubts })
      this.#failLate(exchange, until - now)
      this.#miss(exchange, Mark.timeout)
      // What is in transit through a socket cannot be flushed: another connection does not see it.
      if (this.#options.overTcp) this.#kept.renew()
      else if (!ask.stranger) this.#countDeaf()
    }
    this.#pump()
  }

  #failLate(exchange: Exchange, quietMs: number): void {
    const { ask } = exchange
    const nothing = `no answer within ${duration(ask.probeMs ?? ask.timeoutMs)} to ${describe(ask)}`
    const instead = this.#ear.instead()
    if (instead !== null) exchange.fail(`${nothing}: ${instead}`, Reason.badFrame, quietMs)
    else if (exchange.impostor === null) exchange.fail(nothing, Reason.timeout, quietMs)
    else exchange.fail(`${nothing}; unit ${exchange.impostor} answered instead`, Reason.timeout, quietMs)
  }

  #miss({ ask, sentAt }: Exchange, mark: Mark): void {
    const now = this.#clock.monotonic()
    this.#trace.missed(mark, ask.unit, now, now - sentAt)
  }

  /** An open port through which nothing comes may only need opening anew. */
  #countDeaf(): void {
    const now = this.#clock.monotonic()
    if (this.#ear.heard || ++this.#missedInRow < DEAF_AFTER || now < this.#deafAfter) return
    this.#missedInRow = 0
    this.#deafAfter = now + DEAF_PAUSE_MS
    this.#tally.deaf++
    this.#kept.renew()
  }

  #end(exchange: Exchange): void {
    if (this.#active === exchange) this.#active = null
    this.#ear.rest()
    this.#deadline?.()
    this.#deadline = undefined
    this.#watch.release(exchange.signal)
    const { pauseMs } = this.#options
    if (pauseMs > 0) this.#busyUntil = Math.max(this.#busyUntil, this.#clock.monotonic() + pauseMs)
  }

  /** Ends the exchange under way without its answer, which may still come. */
  #abandon(): Exchange | null {
    const exchange = this.#active
    if (exchange === null) return null
    const { ask } = exchange
    this.#end(exchange)
    this.#dirty = true
    const now = this.#clock.monotonic()
    if (exchange.sent) {
      this.#quarantine.impose(ask, { now, waitedMs: 0, lost: !this.#kept.isOpen, times: 1 + exchange.doubts })
      this.#miss(exchange, Mark.lost)
    }
    return exchange
  }

  #dropAborted(): void {
    if (this.#active?.signal.aborted) this.#abandon()?.abort()
    for (let at = this.#queue.length - 1; at >= 0; at--) {
      const exchange = this.#queue[at]!
      if (!exchange.signal.aborted) continue
      this.#queue.splice(at, 1)
      this.#watch.release(exchange.signal)
      exchange.abort()
    }
    this.#pump()
  }

  #opened(): void {
    this.#ear.drop()
    this.#ear.echoes = this.#knownEcho()
    this.#busyUntil = this.#clock.monotonic() + Math.max(this.#gapMs, this.#options.pauseAfterConnectMs)
    this.#pump()
  }

  #knownEcho(): boolean | null {
    return this.#options.overTcp ? false : (this.#options.port.facts.echo ?? null)
  }

  #lost(why: string): void {
    this.generation++
    this.#abandon()?.fail(why, Reason.noConnection)
    this.#resume?.()
    this.#resume = undefined
    this.#ear.drop()
    for (const exchange of this.#queue.splice(0)) {
      this.#watch.release(exchange.signal)
      exchange.fail(why, Reason.noConnection)
    }
  }
}
