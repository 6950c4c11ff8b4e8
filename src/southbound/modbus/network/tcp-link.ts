/** Modbus TCP: many requests under way on one connection, told apart by transaction ids of all 16 bits (Modbus messaging
 *  on TCP/IP V1.0b, 3.1.3 and 4.4.2). The path of a request allocates no timer, no listener and no buffer. */
import { connect, type Socket } from 'node:net'
import { Reason } from '../../../contracts/batch.ts'
import type { Clock, Stop } from '../../../contracts/clock.ts'
import type { State } from '../../../contracts/component.ts'
import { sentence } from '../../../contracts/errors.ts'
import { Mark, type Trace } from '../diagnosis/trace.ts'
import { AbortWatch, duration, type Exchange, type Link } from '../exchange.ts'
import { LONGEST_ADU, MBAP_BYTES, MbapStream } from '../frames/mbap.ts'
import { contentAt, describe, encodeRequest, judge, objection, Verdict } from '../frames/pdu.ts'
import { Backoff } from '../line/backoff.ts'
import type { TcpSettings } from '../settings.ts'
import type { Tally } from '../tally.ts'
import { DialIn } from './dial-in.ts'
import { Hosts } from './hosts.ts'
import { socketFault } from './socket-fault.ts'

const RECEIVE_BYTES = 16_384
/** Timeouts one after the other, without one byte from any unit, after which the connection counts as half open. */
const DEAF_AFTER = 3
/** Transaction ids kept from use because their answer may still come. */
const MOST_RETIRED = 4096
/** With `connect: per-cycle`: the connection is closed when nothing waited for so long. */
const CYCLE_GAP_MS = 20
const SHORTEST_CONNECT_MS = 3000
/** Before the backup host is tried. */
const OTHER_HOST_MS = 50

export class TcpLink implements Link {
  generation = 0
  readonly #settings: TcpSettings
  readonly #connectSocket: typeof connect
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #trace: Trace
  readonly #backoff: Backoff
  readonly #hosts: Hosts
  /** Where the device calls; null: it is called. */
  readonly #dialIn: DialIn | null
  readonly #watch = new AbortWatch(() => this.#dropAborted())
  readonly #waiting: Exchange[] = []
  readonly #pending = new Map<number, Exchange>()
  /** Ids whose request was given up: not used again before their answer came or the connection is another one. */
  readonly #retired = new Set<number>()
  readonly #received = Buffer.allocUnsafe(RECEIVE_BYTES)
  readonly #stream = new MbapStream({
    chunkBytes: RECEIVE_BYTES,
    take: (bytes, at, pduBytes) => this.#frame(bytes, at, pduBytes),
    astray: (bytes, at, end) => {
      this.#tally.badHeaders++
      this.#trace.received(Mark.badHeader, 0, this.#clock.monotonic(), 0, bytes, at, end)
      this.#lose('the other side sent bytes that are not Modbus TCP')
    },
  })
  readonly #flush = (): void => this.#writeOut()
  #out = Buffer.allocUnsafe(LONGEST_ADU * 16)
  #outBytes = 0
  #flushing = false
  #socket: Socket | undefined
  #connected = false
  #running = false
  #closed: Promise<void> = Promise.resolve()
  #transaction: number
  #timeouts: Stop | undefined
  #timeoutsDue = Number.POSITIVE_INFINITY
  #connectTimer: Stop | undefined
  #retryTimer: Stop | undefined
  #retryAt = 0
  #gapTimer: Stop | undefined
  #resume: Stop | undefined
  #quietUntil = 0
  #caller = ''
  #missedInRow = 0
  #lastMissAt = 0
  /** Why there is no connection; null while none was lost or refused. */
  #trouble: string | null = null

  /** `connect`: how sockets are opened, if not as the system does. */
  constructor(options: {
    settings: TcpSettings
    clock: Clock
    tally: Tally
    trace: Trace
    random?: () => number
    connect?: typeof connect
  }) {
    this.#settings = options.settings
    this.#connectSocket = options.connect ?? connect
    this.#clock = options.clock
    this.#tally = options.tally
    this.#trace = options.trace
    const random = options.random ?? Math.random
    this.#backoff = new Backoff({ firstMs: 500, longestMs: 30_000, random })
    const { host, backupHost, port, listen } = options.settings
    this.#hosts = new Hosts({ host, backupHost, port })
    this.#dialIn =
      listen === undefined ? null : new DialIn({ address: listen, called: (socket) => this.#called(socket) })
    this.#transaction = Math.floor(random() * 0x10000)
  }

  start(): void {
    this.#running = true
    if (this.#dialIn !== null) this.#waitForCall(this.#dialIn)
    else if (this.#settings.connect === 'keep') this.#connect()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#retryTimer?.()
    this.#retryTimer = undefined
    this.#lose('the connection is being stopped')
    this.#watch.close()
    await Promise.all([this.#closed, this.#dialIn?.close()])
  }

  state(): State {
    const where = this.#hosts.text
    if (this.#connected && this.#dialIn !== null) {
      return { condition: 'fine', text: `${this.#caller} has dialled in on ${this.#dialIn.text}` }
    }
    if (this.#connected) return { condition: 'fine', text: `connected to ${where}` }
    if (this.#dialIn !== null && this.#trouble === this.#dialIn.waiting) {
      return { condition: 'waiting', text: this.#trouble }
    }
    if (this.#trouble !== null) return { condition: 'fault', text: this.#trouble }
    if (this.#settings.connect === 'per-cycle')
      return { condition: 'fine', text: `connects to ${where} for each cycle` }
    return { condition: 'waiting', text: `connecting to ${where}` }
  }

  send(exchange: Exchange): void {
    if (exchange.signal.aborted) exchange.abort()
    else if (!this.#running) exchange.fail('the connection is stopped', Reason.noConnection)
    else {
      if (!this.#connected && this.#settings.connect === 'per-cycle' && this.#dialIn === null) this.#connectForCycle()
      if (this.#trouble !== null) exchange.fail(this.#trouble, Reason.noConnection)
      else this.#enqueue(exchange)
    }
  }

  #enqueue(exchange: Exchange): void {
    this.#watch.hold(exchange.signal)
    if (this.#connected && this.#waiting.length === 0 && this.#quietUntil === 0 && this.#hasRoom()) {
      this.#transmit(exchange)
    } else {
      this.#waiting.push(exchange)
      this.#pump()
    }
  }

  #hasRoom(): boolean {
    return this.#pending.size < this.#settings.inFlight
  }

  #pump(): void {
    while (this.#connected && this.#waiting.length > 0 && this.#hasRoom()) {
      if (this.#quietUntil > 0) {
        const quietMs = this.#quietUntil - this.#clock.monotonic()
        if (quietMs > 0) {
          this.#resume ??= this.#clock.after(quietMs, () => {
            this.#resume = undefined
            this.#pump()
          })
          return
        }
        this.#quietUntil = 0
      }
      this.#transmit(this.#waiting.shift()!)
    }
  }

  #transmit(exchange: Exchange): void {
    if (this.#outBytes + LONGEST_ADU > this.#out.length) this.#writeOut()
    const id = this.#nextTransaction()
    const out = this.#out
    const at = this.#outBytes
    const pduBytes = encodeRequest(exchange.ask, exchange.payload, out, at + MBAP_BYTES)
    out[at] = id >> 8
    out[at + 1] = id & 0xff
    out[at + 2] = 0
    out[at + 3] = 0
    out[at + 4] = 0
    out[at + 5] = pduBytes + 1
    out[at + 6] = exchange.ask.unit
    this.#outBytes = at + MBAP_BYTES + pduBytes
    exchange.transaction = id
    exchange.sent = true
    exchange.sentAt = this.#clock.monotonic()
    exchange.deadline = exchange.sentAt + exchange.ask.timeoutMs
    this.#trace.sent(exchange.ask.unit, exchange.sentAt, out, at, this.#outBytes)
    this.#pending.set(id, exchange)
    if (exchange.deadline < this.#timeoutsDue) this.#armTimeouts(exchange.deadline, exchange.sentAt)
    if (!this.#flushing) {
      // Requests that are made in the same turn leave in one segment.
      this.#flushing = true
      process.nextTick(this.#flush)
    }
  }

  #nextTransaction(): number {
    do this.#transaction = (this.#transaction + 1) & 0xffff
    while (this.#pending.has(this.#transaction) || this.#retired.has(this.#transaction))
    return this.#transaction
  }

  #writeOut(): void {
    this.#flushing = false
    const bytes = this.#outBytes
    this.#outBytes = 0
    const socket = this.#socket
    if (bytes === 0 || socket === undefined || !this.#connected) return
    socket.write(this.#out.subarray(0, bytes))
    // What the kernel did not take at once still reads from this buffer.
    if (socket.writableLength > 0) this.#out = Buffer.allocUnsafe(this.#out.length)
  }

  #receive(socket: Socket, chunk: Buffer, bytes: number): void {
    if (socket !== this.#socket) return
    this.#missedInRow = 0
    this.#stream.feed(chunk, bytes)
    this.#pump()
    if (this.#settings.connect === 'per-cycle') this.#endCycle()
  }

  #frame(bytes: Buffer, at: number, pduBytes: number): void {
    const id = (bytes[at]! << 8) | bytes[at + 1]!
    const exchange = this.#pending.get(id)
    const unit = bytes[at + 6]!
    const now = this.#clock.monotonic()
    const end = at + MBAP_BYTES + pduBytes
    if (exchange === undefined) {
      const late = this.#retired.delete(id)
      if (late) this.#tally.lateReplies++
      else this.#tally.foreignTransactions++
      this.#trace.received(late ? Mark.late : Mark.foreignTransaction, unit, now, 0, bytes, at, end)
      return
    }
    if (unit !== exchange.ask.unit && this.#settings.checkUnit) {
      this.#tally.foreignUnits++
      exchange.device.foreignUnits++
      exchange.impostor = unit
      this.#trace.received(Mark.foreignUnit, unit, now, 0, bytes, at, end)
      return
    }
    const offset = at + MBAP_BYTES
    const verdict = judge(exchange.ask, exchange.payload, bytes, offset, pduBytes)
    const mark = verdict < Verdict.answer ? Mark.objection : verdict === Verdict.answer ? Mark.answer : Mark.exception
    this.#trace.received(mark, unit, now, now - exchange.sentAt, bytes, at, end)
    this.#remove(exchange)
    if (verdict >= Verdict.answer) {
      this.#tally.replies++
      this.#backoff.reset()
      const content = contentAt(exchange.ask.function)
      exchange.settle(verdict, bytes, offset + content, pduBytes - content)
    } else {
      this.#tally.objection(verdict)
      exchange.device.objection(verdict)
      exchange.fail(objection(exchange.ask, verdict, bytes, offset, pduBytes), Reason.badFrame)
    }
  }

  #remove(exchange: Exchange): void {
    this.#pending.delete(exchange.transaction)
    this.#watch.release(exchange.signal)
    if (this.#settings.pauseMs > 0) this.#quietUntil = this.#clock.monotonic() + this.#settings.pauseMs
  }

  /** One timer a link: it stands at the earliest deadline there was when it was set, and finds the next when it runs. */
  #armTimeouts(due: number, now: number): void {
    this.#timeouts?.()
    this.#timeoutsDue = due
    this.#timeouts = this.#clock.after(Math.max(0, due - now), () => this.#sweep())
  }

  #sweep(): void {
    const now = this.#clock.monotonic()
    this.#timeouts = undefined
    this.#timeoutsDue = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    const late: Exchange[] = []
    for (const exchange of this.#pending.values()) {
      // A timer of the system may run a fraction of a millisecond early.
      if (exchange.deadline <= now + 0.5) late.push(exchange)
      else if (exchange.deadline < next) next = exchange.deadline
    }
    if (next < Number.POSITIVE_INFINITY) this.#armTimeouts(next, now)
    for (const exchange of late) this.#timeOut(exchange, now)
    if (this.#missedInRow >= DEAF_AFTER) {
      this.#tally.deaf++
      this.#lose(`${DEAF_AFTER} requests in a row timed out and not one byte came: connecting anew`)
    } else {
      this.#pump()
      if (this.#settings.connect === 'per-cycle') this.#endCycle()
    }
  }

  #timeOut(exchange: Exchange, now: number): void {
    this.#remove(exchange)
    this.#retire(exchange.transaction)
    this.#trace.missed(Mark.timeout, exchange.ask.unit, now, now - exchange.sentAt)
    this.#tally.timeouts++
    exchange.device.timeouts++
    // Requests that were under way together and time out together are one miss.
    if (!exchange.ask.stranger && (this.#missedInRow === 0 || exchange.sentAt >= this.#lastMissAt)) {
      this.#missedInRow++
      this.#lastMissAt = now
    }
    const instead = exchange.impostor === null ? '' : `; unit ${exchange.impostor} answered in its place`
    const text = `no answer within ${duration(exchange.ask.timeoutMs)} to ${describe(exchange.ask)}${instead}`
    exchange.fail(text, Reason.timeout)
  }

  #retire(id: number): void {
    this.#retired.add(id)
    if (this.#retired.size > MOST_RETIRED) this.#retired.delete(this.#retired.values().next().value!)
  }

  #dropAborted(): void {
    for (const exchange of [...this.#pending.values()]) {
      if (!exchange.signal.aborted) continue
      this.#remove(exchange)
      this.#retire(exchange.transaction)
      exchange.abort()
    }
    for (let at = this.#waiting.length - 1; at >= 0; at--) {
      const exchange = this.#waiting[at]!
      if (!exchange.signal.aborted) continue
      this.#waiting.splice(at, 1)
      this.#watch.release(exchange.signal)
      exchange.abort()
    }
    this.#pump()
  }

  #waitForCall(dialIn: DialIn): void {
    this.#trouble = dialIn.waiting
    dialIn.open().catch((thrown) => {
      this.#trouble = sentence(thrown)
      this.#tally.connectFailures++
      if (this.#running) this.#retryTimer = this.#clock.after(this.#backoff.next(), () => this.#waitForCall(dialIn))
    })
  }

  /** A device dialled in. An older call is cut off: the device would not call twice if it still had it. */
  #called(socket: Socket): void {
    if (!this.#running) return void socket.destroy()
    if (this.#socket !== undefined) {
      this.#tally.replacedCalls++
      this.#lose('the device dialled in anew')
    }
    this.#caller = socket.remoteAddress ?? 'somebody'
    socket.on('data', (chunk) => this.#receive(socket, chunk, chunk.length))
    this.#adopt(socket, this.#caller)
    this.#establish()
  }

  #connect(): void {
    const { timeoutMs } = this.#settings
    const { host, port, text: where } = this.#hosts
    const socket = this.#connectSocket({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 10_000,
      onread: {
        buffer: this.#received,
        callback: (bytes, chunk) => {
          this.#receive(socket, chunk as Buffer, bytes)
          return true
        },
      },
    })
    this.#adopt(socket, where)
    this.#connectTimer = this.#clock.after(Math.max(timeoutMs, SHORTEST_CONNECT_MS), () =>
      this.#lose(`${where} does not answer: is the device on, and the address right?`),
    )
    socket.once('connect', () => {
      if (socket === this.#socket) this.#establish()
    })
  }

  #adopt(socket: Socket, where: string): void {
    this.#socket = socket
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
    let fault: Error | undefined
    socket.on('error', (error) => (fault = error))
    socket.once('close', () => {
      if (socket !== this.#socket) return
      const text = fault === undefined ? `${where} closed the connection` : socketFault(fault, where)
      this.#lose(text)
    })
  }

  #establish(): void {
    this.#connectTimer?.()
    this.#connectTimer = undefined
    this.#connected = true
    this.#trouble = null
    this.#missedInRow = 0
    this.#hosts.reached()
    this.#tally.connects++
    const { pauseAfterConnectMs } = this.#settings
    this.#quietUntil = pauseAfterConnectMs > 0 ? this.#clock.monotonic() + pauseAfterConnectMs : 0
    this.#pump()
  }

  /** Gives the connection up, fails what hangs on it, and tries again later. */
  #lose(why: string): void {
    const wasConnected = this.#connected
    this.#drop()
    this.#trouble = why
    this.generation++
    if (this.#running) {
      if (wasConnected) this.#tally.disconnects++
      else this.#tally.connectFailures++
      if (this.#dialIn !== null) this.#trouble = this.#dialIn.waiting
      const waitMs = this.#hosts.fail() ? OTHER_HOST_MS : this.#backoff.next()
      this.#retryAt = this.#clock.monotonic() + waitMs
      this.#retryTimer?.()
      this.#retryTimer = undefined
      if (this.#settings.connect === 'keep' && this.#dialIn === null) {
        this.#retryTimer = this.#clock.after(waitMs, () => {
          // After a loss the next attempt may well succeed: requests wait for it. After a refusal they do not.
          if (wasConnected) this.#trouble = null
          this.#connect()
        })
      }
    }
    const now = this.#clock.monotonic()
    for (const exchange of [...this.#pending.values(), ...this.#waiting]) {
      if (exchange.sent) this.#trace.missed(Mark.lost, exchange.ask.unit, now, now - exchange.sentAt)
      this.#watch.release(exchange.signal)
      exchange.fail(why, Reason.noConnection)
    }
    this.#pending.clear()
    this.#waiting.length = 0
  }

  #drop(): void {
    for (const stop of [this.#connectTimer, this.#timeouts, this.#resume, this.#gapTimer]) stop?.()
    this.#connectTimer = undefined
    this.#timeouts = undefined
    this.#timeoutsDue = Number.POSITIVE_INFINITY
    this.#resume = undefined
    this.#gapTimer = undefined
    const socket = this.#socket
    this.#socket = undefined
    this.#connected = false
    this.#stream.drop()
    this.#outBytes = 0
    this.#retired.clear()
    socket?.destroy()
  }

  #connectForCycle(): void {
    if (this.#socket !== undefined) return
    if (this.#clock.monotonic() < this.#retryAt) return
    this.#trouble = null
    this.#connect()
  }

  #endCycle(): void {
    this.#gapTimer?.()
    this.#gapTimer = undefined
    if (this.#pending.size > 0 || this.#waiting.length > 0) return
    this.#gapTimer = this.#clock.after(CYCLE_GAP_MS, () => {
      this.#gapTimer = undefined
      if (this.#pending.size === 0 && this.#waiting.length === 0) this.#drop()
    })
  }
}
