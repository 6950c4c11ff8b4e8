/** A port that is kept open: opened again with back-off when it was lost or is not there yet. */
import type { LineSettings, SerialPort, Unsubscribe } from '../../../../hal/contract.ts'
import type { Clock, Stop } from '../../../contracts/clock.ts'
import { sentence } from '../../../contracts/errors.ts'
import type { Tally } from '../tally.ts'
import { Backoff } from './backoff.ts'

/** Looking for a device file costs nothing: an adapter that is plugged in again is found within two seconds. */
const LOCAL = { firstMs: 200, longestMs: 2000 }
const REMOTE = { firstMs: 500, longestMs: 10_000 }

export class KeptPort {
  readonly port: SerialPort
  isOpen = false
  /** Why it is not open; null while it is, or is about to be. */
  trouble: string | null = null
  readonly #line: LineSettings
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #backoff: Backoff
  readonly #onOpen: () => void
  readonly #onLost: (why: string) => void
  #running = false
  #opening = false
  /** Opening and closing, one after the other. */
  #turns: Promise<void> = Promise.resolve()
  #unsubscribe: Unsubscribe = () => {}
  #retry: Stop | undefined

  constructor(options: {
    port: SerialPort
    line: LineSettings
    clock: Clock
    tally: Tally
    random: () => number
    /** It leads over a network. */
    remote: boolean
    onOpen: () => void
    /** Also when it could not be opened. */
    onLost: (why: string) => void
  }) {
    this.port = options.port
    this.#line = options.line
    this.#clock = options.clock
    this.#tally = options.tally
    this.#backoff = new Backoff({ ...(options.remote ? REMOTE : LOCAL), random: options.random })
    this.#onOpen = options.onOpen
    this.#onLost = options.onLost
  }

  start(): void {
    this.#running = true
    this.trouble = null
    this.#unsubscribe = this.port.onClose((why) => {
      if (this.isOpen) this.lose(why)
    })
  }

  /** Does nothing when it is open or about to be. */
  open(): void {
    if (!this.#running || this.#opening || this.isOpen || this.#retry !== undefined) return
    this.#opening = true
    this.#turns = this.#turns
      .then(() => (this.#running ? this.port.open(this.#line) : undefined))
      .then(
        () => this.#opened(),
        (thrown) => {
          this.#opening = false
          if (this.#running) this.lose(sentence(thrown))
        },
      )
  }

  /** An answer came through: the next loss is a new one. */
  proven(): void {
    this.#backoff.reset()
  }

  /** Closed until somebody opens it again. */
  rest(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#turns = this.#turns.then(() => this.port.close())
  }

  /** Gives it up on purpose, and opens it anew at once. */
  renew(): void {
    if (!this.isOpen) return
    this.#tally.disconnects++
    this.rest()
    this.open()
  }

  lose(why: string): void {
    if (this.isOpen) this.#tally.disconnects++
    else this.#tally.connectFailures++
    this.rest()
    this.trouble = why
    this.#retry?.()
    this.#retry = this.#clock.after(this.#backoff.next(), () => {
      this.#retry = undefined
      this.open()
    })
    this.#onLost(why)
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#retry?.()
    this.#retry = undefined
    this.#unsubscribe()
    this.rest()
    this.trouble = 'the connection is stopped'
    await this.#turns
  }

  #opened(): void | Promise<void> {
    this.#opening = false
    if (!this.#running) return this.port.close()
    this.isOpen = true
    this.trouble = null
    this.#tally.connects++
    this.#onOpen()
  }
}
