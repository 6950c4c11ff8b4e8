/** The blueprint's wire: a TCP connection that carries one line each way, one question at a time, and is remade by itself. */
import { connect, type Socket } from 'node:net'
import { Reason } from '../../contracts/batch.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Counters, State } from '../../contracts/component.ts'
import { Retryable } from '../../contracts/errors.ts'

/** Longer pauses the longer the server is away. */
const PAUSES_MS = [500, 1000, 2000, 5000, 10_000, 30_000] as const
/** An answer without an end is not one. */
const LONGEST_ANSWER = 65_536

interface Waiting {
  readonly resolve: (answer: string) => void
  readonly reject: (why: unknown) => void
}

export class TextLine {
  readonly #where: { readonly host: string; readonly port: number; readonly timeoutMs: number }
  readonly #clock: Clock
  /** null: not connected. */
  #socket: Socket | null = null
  #connected = false
  #open = false
  #waiting: Waiting | null = null
  #received = ''
  #failures = 0
  #stopTimer: Stop = () => {}
  /** Resolves once every dropped socket is gone. */
  #closing: Promise<unknown> = Promise.resolve()
  #state: State = { condition: 'waiting', text: 'not started' }
  readonly #counts = { connects: 0, connectFailures: 0, losses: 0, timeouts: 0 }

  constructor(options: { host: string; port: number; timeoutMs: number; clock: Clock }) {
    this.#where = options
    this.#clock = options.clock
  }

  state(): State {
    return this.#state
  }

  counters(): Counters {
    return { ...this.#counts }
  }

  /** Begins trying; being connected shows in `state()`. */
  open(): void {
    if (this.#open) return
    this.#open = true
    this.#state = { condition: 'waiting', text: `connecting to ${this.#name}` }
    this.#connect()
  }

  /** Leaves no timer, no socket and no question unanswered. */
  async close(): Promise<void> {
    this.#open = false
    this.#state = { condition: 'waiting', text: 'stopped' }
    this.#stopTimer()
    this.#drop('the connection was closed', Reason.noConnection)
    await this.#closing
  }

  /** One line out, one line back. Throws Retryable: no connection, no answer in time, connection lost. `sends`: whether the
   *  question may have an effect on the far side, which makes a missing answer ambiguous. */
  async ask(text: string, signal: AbortSignal, { sends = false } = {}): Promise<string> {
    signal.throwIfAborted()
    if (!this.#connected) throw new Retryable(`no connection to ${this.#name}`, { reason: Reason.noConnection })
    const { timeoutMs } = this.#where
    // An answer that is still to come must never be taken for the next one: the connection goes.
    const giveUp = (why: unknown): void => {
      this.#waiting?.reject(why)
      this.#waiting = null
      this.#drop('an answer did not come in time', Reason.timeout)
      this.#again()
    }
    const stopTimer = this.#clock.after(timeoutMs, () => {
      this.#counts.timeouts++
      const text = `${this.#name} did not answer within ${timeoutMs} ms`
      giveUp(new Retryable(text, { reason: Reason.timeout, ambiguous: sends }))
    })
    const abort = (): void => giveUp(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiting = { resolve, reject }
        this.#socket!.write(`${text}\n`)
      })
    } finally {
      stopTimer()
      signal.removeEventListener('abort', abort)
    }
  }

  get #name(): string {
    return `${this.#where.host}:${this.#where.port}`
  }

  #connect(): void {
    const { host, port, timeoutMs } = this.#where
    const socket = connect({ host, port, noDelay: true })
    this.#socket = socket
    this.#stopTimer = this.#clock.after(timeoutMs, () => socket.destroy(fault(`no connection within ${timeoutMs} ms`)))
    let why = 'the server closed the connection'
    socket.on('connect', () => {
      this.#stopTimer()
      this.#connected = true
      this.#failures = 0
      this.#counts.connects++
      this.#state = { condition: 'fine', text: `connected to ${this.#name}` }
    })
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', ({ message }) => {
      why = message
    })
    socket.on('close', () => {
      // A socket that was dropped on purpose is no longer ours.
      if (this.#socket !== socket) return
      this.#counts[this.#connected ? 'losses' : 'connectFailures']++
      this.#drop(why, Reason.noConnection)
      this.#again()
    })
  }

  /** Connects again after a pause that grows. */
  #again(): void {
    if (!this.#open) return
    this.#stopTimer()
    const pauseMs = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)]!
    this.#stopTimer = this.#clock.after(pauseMs, () => this.#connect())
  }

  #drop(why: string, reason: Reason): void {
    const socket = this.#socket
    this.#socket = null
    this.#connected = false
    this.#received = ''
    if (this.#open) this.#state = { condition: 'fault', text: `no connection to ${this.#name}: ${why}; trying again` }
    // What was sent may have arrived.
    this.#waiting?.reject(new Retryable(`${this.#name}: ${why}`, { reason, ambiguous: true }))
    this.#waiting = null
    if (socket === null || socket.closed) return
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    this.#closing = Promise.all([this.#closing, closed])
    socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.toString('utf8')
    const end = this.#received.indexOf('\n')
    if (end < 0) {
      if (this.#received.length > LONGEST_ANSWER) this.#socket?.destroy(fault('an answer without an end'))
      return
    }
    const answer = this.#received.slice(0, end).trimEnd()
    this.#received = this.#received.slice(end + 1)
    // A line nobody asked for: were it kept, every later answer would be one question late.
    if (this.#waiting === null || this.#received !== '') {
      this.#socket?.destroy(fault('a line that nobody asked for'))
      return
    }
    this.#waiting.resolve(answer)
    this.#waiting = null
  }
}

function fault(text: string): Retryable {
  return new Retryable(text, { reason: Reason.noConnection })
}
