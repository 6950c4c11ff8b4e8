/** The gateway's end of a simulated wire. */
import { Retryable } from '../../src/contracts/errors.ts'
import type { LineFacts, LineSettings, SerialPort, Unsubscribe } from '../contract.ts'
import type { SimulatedWire } from './wire.ts'

/** `Reason.noConnection`: this folder knows the fault classes, not the batch. */
const NO_CONNECTION = 11

export class SimulatedPort implements SerialPort {
  readonly facts: LineFacts
  /** As opened; null while closed. */
  settings: LineSettings | null = null
  readonly #wire: SimulatedWire
  readonly #data = new Set<(chunk: Uint8Array, atMonotonic: number) => void>()
  readonly #close = new Set<(why: string) => void>()

  constructor(options: { wire: SimulatedWire; name: string }) {
    this.#wire = options.wire
    this.facts = { device: options.name, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined }
  }

  async open(settings: LineSettings): Promise<void> {
    if (!this.#wire.plugged) throw this.#fault('is not there: is the adapter plugged in?')
    if (this.settings !== null) throw this.#fault('is open already')
    this.settings = settings
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

  /** Bytes are handed on as they arrive: there is never a rest to drop. */
  async flushInput(): Promise<void> {}

  async close(): Promise<void> {
    this.settings = null
  }

  /** For the wire. */
  arrive(bytes: Uint8Array): void {
    const at = this.#wire.clock.monotonic()
    for (const listen of this.#data) listen(bytes, at)
  }

  /** For the wire. */
  unplugged(): void {
    if (this.settings === null) return
    this.settings = null
    for (const listen of this.#close) listen(`${this.facts.device} was unplugged`)
  }

  #fault(what: string): Retryable {
    return new Retryable(`${this.facts.device} ${what}`, { reason: NO_CONNECTION })
  }
}
