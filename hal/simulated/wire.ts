/** A two-wire line with byte time: what one sends all others hear, later, and not always as it was sent. Bytes come in lumps
 *  as from an adapter, so that a wire on the real clock needs a few wake-ups a frame and not one a byte. */
import type { Clock } from '../../src/contracts/clock.ts'
import type { LineSettings } from '../contract.ts'
import { SimulatedPort } from './port.ts'
import { seeded } from './random.ts'

/** What is attached to the wire and answers. */
export interface Listener {
  /** A burst of bytes that silence has ended; what to answer, and how long after it. null: nothing. */
  hear(frame: Uint8Array): { readonly frame: Uint8Array; readonly afterMs: number } | null
}

/** Chances for each byte, 0–1. */
export interface Noise {
  readonly flippedBits: number
  readonly lostBytes: number
  /** For each frame: stray bytes before it. */
  readonly strayBytes: number
}

const QUIET: Noise = { flippedBits: 0, lostBytes: 0, strayBytes: 0 }
/** Like the latency timer of a USB adapter. */
const LUMP_MS = 16

interface Transmission {
  readonly from: SimulatedPort | Listener | null
  readonly bytes: Uint8Array
  readonly endsAt: number
  collided: boolean
}

export class SimulatedWire {
  noise: Noise = QUIET
  /** The ports hear what they send. */
  echo: boolean
  readonly clock: Clock
  readonly baudRate: number
  readonly #parity: LineSettings['parity']
  readonly #stopBits: 1 | 2
  readonly #random: () => number
  readonly #ports = new Set<SimulatedPort>()
  readonly #listeners = new Set<Listener>()
  readonly #onAir = new Set<Transmission>()
  #plugged = true

  constructor(options: {
    clock: Clock
    baudRate?: number
    parity?: LineSettings['parity']
    stopBits?: 1 | 2
    seed?: number
    echo?: boolean
  }) {
    this.clock = options.clock
    this.baudRate = options.baudRate ?? 9600
    this.#parity = options.parity ?? 'none'
    this.#stopBits = options.stopBits ?? 1
    this.#random = seeded(options.seed ?? 1)
    this.echo = options.echo ?? false
  }

  /** Milliseconds a byte takes: start bit, eight data bits, parity, stop bits. */
  get byteMs(): number {
    return ((9 + (this.#parity === 'none' ? 0 : 1) + this.#stopBits) * 1000) / this.baudRate
  }

  get plugged(): boolean {
    return this.#plugged
  }

  /** The gateway's end. */
  port(name = 'simulated'): SimulatedPort {
    const port = new SimulatedPort({ wire: this, name })
    this.#ports.add(port)
    return port
  }

  attach(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The adapter is pulled: open ports close, and none can be opened. */
  unplug(): void {
    if (!this.#plugged) return
    this.#plugged = false
    for (const port of this.#ports) port.unplugged()
  }

  plug(): void {
    this.#plugged = true
  }

  /** Bytes of somebody who is not attached: another master, or a disturbance. */
  inject(bytes: Uint8Array): void {
    this.#transmit(null, bytes, () => {})
  }

  /** For ports. Resolves when the last byte has left. */
  send(from: SimulatedPort, frame: Uint8Array, settings: LineSettings): Promise<void> {
    const bytes = this.#fits(settings) ? frame.slice() : this.#garbled(frame)
    return new Promise((resolve) => this.#transmit(from, bytes, resolve))
  }

  #fits(settings: LineSettings): boolean {
    return settings.baudRate === this.baudRate && settings.parity === this.#parity && settings.dataBits === 8
  }

  #transmit(from: Transmission['from'], bytes: Uint8Array, sent: () => void): void {
    const lastsMs = bytes.length * this.byteMs
    const transmission: Transmission = { from, bytes, endsAt: this.clock.monotonic() + lastsMs, collided: false }
    for (const other of this.#onAir) {
      other.collided = true
      transmission.collided = true
    }
    this.#onAir.add(transmission)
    this.#lump(transmission, this.#disturbed(bytes), 0, sent)
  }

  /** Delivers what has gone over the wire since the last lump, and comes back for the rest. */
  #lump(transmission: Transmission, bytes: Uint8Array, delivered: number, sent: () => void): void {
    const perLump = Math.max(1, Math.floor(LUMP_MS / this.byteMs))
    const end = Math.min(bytes.length, delivered + perLump)
    const last = end === bytes.length
    const waitMs = last ? transmission.endsAt - this.clock.monotonic() : (end - delivered) * this.byteMs
    this.clock.after(Math.max(0, waitMs), () => {
      const part = bytes.subarray(delivered, end)
      const arrived = transmission.collided ? this.#garbled(part) : part.slice()
      for (const port of this.#ports) if (port !== transmission.from || this.echo) this.#deliver(port, arrived)
      if (!last) return this.#lump(transmission, bytes, end, sent)
      this.#onAir.delete(transmission)
      sent()
      this.#heard(transmission, transmission.collided ? this.#garbled(bytes) : bytes)
    })
  }

  #deliver(port: SimulatedPort, bytes: Uint8Array): void {
    if (!this.#plugged || port.settings === null || bytes.length === 0) return
    port.arrive(this.#fits(port.settings) ? bytes : this.#garbled(bytes))
  }

  #heard(transmission: Transmission, bytes: Uint8Array): void {
    for (const listener of this.#listeners) {
      if (listener === transmission.from) continue
      const answer = listener.hear(bytes)
      if (answer === null) continue
      this.clock.after(answer.afterMs, () => {
        if (this.#listeners.has(listener)) this.#transmit(listener, answer.frame, () => {})
      })
    }
  }

  /** What the noise leaves of a frame. */
  #disturbed(bytes: Uint8Array): Uint8Array {
    const { flippedBits, lostBytes, strayBytes } = this.noise
    if (flippedBits === 0 && lostBytes === 0 && strayBytes === 0) return bytes
    const left: number[] = []
    if (this.#random() < strayBytes) {
      for (let count = 1 + Math.floor(this.#random() * 4); count > 0; count--) left.push(this.#byte())
    }
    for (const byte of bytes) {
      if (this.#random() < lostBytes) continue
      left.push(this.#random() < flippedBits ? byte ^ (1 << Math.floor(this.#random() * 8)) : byte)
    }
    return Uint8Array.from(left)
  }

  #garbled(bytes: Uint8Array): Uint8Array {
    return bytes.map((byte) => byte ^ (1 + Math.floor(this.#random() * 255)))
  }

  #byte(): number {
    return Math.floor(this.#random() * 256)
  }
}
