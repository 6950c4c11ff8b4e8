/** The gateway's end of a simulated wire. */
import type { Stop } from '../../src/contracts/clock.ts'
import type { Retryable } from '../../src/contracts/errors.ts'
import type { LineFacts, LineSettings, SerialPort, Unsubscribe } from '../contract.ts'
import { unavailable } from '../fault.ts'
import type { SimulatedWire } from './wire.ts'

/** A USB packet of 64 bytes, two of them status, is handed on as soon as it is full. */
const PACKET_BYTES = 62

export class SimulatedPort implements SerialPort {
  readonly facts: LineFacts
  /** As opened; null while closed. */
  settings: LineSettings | null = null
  readonly #wire: SimulatedWire
  readonly #latencyTimerMs: number | undefined
  readonly #data = new Set<(chunk: Uint8Array, atMonotonic: number) => void>()
  readonly #close = new Set<(why: string) => void>()
  #deaf = false
  /** What came since the latency timer's last tick. */
  #held: number[] = []
  #tick: Stop | undefined

  constructor(options: { wire: SimulatedWire; name: string; latencyTimerMs?: number | undefined }) {
    this.#wire = options.wire
    this.#latencyTimerMs = options.latencyTimerMs
    this.facts = { device: options.name, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined }
  }

  async open(settings: LineSettings): Promise<void> {
    if (!this.#wire.plugged) throw this.#fault('is not there: is the adapter plugged in?')
    if (this.settings !== null) throw this.#fault('is open already')
    this.settings = settings
    this.#deaf = false
  }

  async write(frame: Uint8Array): Promise<void> {
    if (this.settings === null) throw this.#fault('is not open')
    await this.#wire.send(this, frame, this.settings)
    if (this.settings === null) throw this.#fault('was unplugged')
  }

  onData(listen: (chunk: Uint8Array, atMonotonic: number) => void): Unsubscribe {
    this.#data.add(listen)
    return () => this.#data.delete(listen)
  }

  onClose(listen: (why: string) => void): Unsubscribe {
    this.#close.add(listen)
    return () => this.#close.delete(listen)
  }

  async flushInput(): Promise<void> {
    this.#drop()
  }

  async close(): Promise<void> {
    this.settings = null
    this.#drop()
  }

  /** For the wire. */
  arrive(bytes: Uint8Array): void {
    if (this.#deaf) return
    const everyMs = this.#latencyTimerMs
    if (everyMs === undefined) this.#hand(bytes)
    else this.#hold(bytes, everyMs)
  }

  /** For the wire. */
  unplugged(): void {
    if (this.settings === null) return
    this.settings = null
    this.#drop()
    for (const listen of this.#close) listen(`${this.facts.device} was unplugged`)
  }

  /** For the wire. */
  deafen(): void {
    this.#deaf = this.settings !== null
  }

  #hold(bytes: Uint8Array, everyMs: number): void {
    this.#held.push(...bytes)
    while (this.#held.length >= PACKET_BYTES) this.#hand(Uint8Array.from(this.#held.splice(0, PACKET_BYTES)))
    const now = this.#wire.clock.monotonic()
    this.#tick ??= this.#wire.clock.after(everyMs - (now % everyMs), () => {
      this.#tick = undefined
      this.#hand(Uint8Array.from(this.#held.splice(0)))
    })
  }

  #hand(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const at = this.#wire.clock.monotonic()
    for (const listen of this.#data) listen(bytes, at)
  }

  #drop(): void {
    this.#held = []
    this.#tick?.()
    this.#tick = undefined
  }

  #fault(what: string): Retryable {
    return unavailable(`${this.facts.device} ${what}`)
  }
}
