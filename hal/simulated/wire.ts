/** A two-wire line with byte time: what one sends all others hear, later, and not always as it was sent. Driven by a clock
 *  and a seed alone: on the manual clock a minute of it takes milliseconds, and repeats exactly. */
import type { Clock, Stop } from '../../src/contracts/clock.ts'
import type { LineSettings } from '../contract.ts'
import { Disturbances, type Noise } from './disturbances.ts'
import { SimulatedPort } from './port.ts'

/** What is attached to the wire and answers. */
export interface Listener {
  /** Bytes with silence before them, heard to their end; what to answer, and how long after it. null: nothing. It answers one
   *  after the other: what it hears while it is busy waits for its turn. */
  hear(frame: Uint8Array): { readonly frame: Uint8Array; readonly afterMs: number } | null
}

/** A long frame reaches a port in lumps of this time, so that a wire on the real clock needs a few wake-ups a frame and not
 *  one a byte. */
const LUMP_MS = 16
/** Bytes with less silence between them are one frame (Modbus over serial line V1.02, 2.5.1.1). */
const FRAME_GAP_CHARACTERS = 1.5
const LONGEST_FRAME = 256

interface Transmission {
  readonly from: SimulatedPort | Listener | null
  readonly bytes: Uint8Array
  readonly startsAt: number
  readonly endsAt: number
  collided: boolean
}

interface Attachment {
  /** When it has sent what it has to send. */
  freeAt: number
}

export class SimulatedWire {
  /** The ports hear what they send. */
  echo: boolean
  readonly clock: Clock
  readonly baudRate: number
  readonly #parity: LineSettings['parity']
  readonly #stopBits: 1 | 2
  readonly #latencyTimerMs: number | undefined
  readonly #disturbances: Disturbances
  readonly #ports = new Set<SimulatedPort>()
  readonly #listeners = new Map<Listener, Attachment>()
  readonly #onAir = new Set<Transmission>()
  /** What was said without a silence, up to `#saidAt`. */
  #said: Uint8Array = new Uint8Array(0)
  #saidAt = Number.NEGATIVE_INFINITY
  #plugged = true
  #burst: Stop | undefined

  constructor(options: {
    clock: Clock
    baudRate?: number
    parity?: LineSettings['parity']
    stopBits?: 1 | 2
    seed?: number
    echo?: boolean
    /** Ports hand on what came at each tick of a timer, as USB adapters do; without it at once. */
    latencyTimerMs?: number
  }) {
    this.clock = options.clock
    this.baudRate = options.baudRate ?? 9600
    this.#parity = options.parity ?? 'none'
    this.#stopBits = options.stopBits ?? 1
    this.#latencyTimerMs = options.latencyTimerMs
    this.#disturbances = new Disturbances({ seed: options.seed ?? 1 })
    this.echo = options.echo ?? false
  }

  /** Milliseconds a byte takes: start bit, eight data bits, parity, stop bits. */
  get byteMs(): number {
    return ((9 + (this.#parity === 'none' ? 0 : 1) + this.#stopBits) * 1000) / this.baudRate
  }

  get plugged(): boolean {
    return this.#plugged
  }

  /** Somebody talks. */
  get busy(): boolean {
    return this.#onAir.size > 0
  }

  get noise(): Noise {
    return this.#disturbances.noise
  }

  set noise(noise: Noise) {
    this.#disturbances.noise = noise
    this.#burst?.()
    this.#armBurst()
  }

  /** The gateway's end. */
  port(name = 'simulated'): SimulatedPort {
    const port = new SimulatedPort({ wire: this, name, latencyTimerMs: this.#latencyTimerMs })
    this.#ports.add(port)
    return port
  }

  attach(listener: Listener): () => void {
    this.#listeners.set(listener, { freeAt: 0 })
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

  /** Open ports hear nothing more until they are opened anew, as an adapter whose driver hangs. */
  deafen(): void {
    for (const port of this.#ports) port.deafen()
  }

  /** Bytes of somebody who is not attached: another master, or a disturbance. */
  inject(bytes: Uint8Array): void {
    this.#transmit(null, bytes, () => {})
  }

  /** For listeners that speak first. */
  talk(from: Listener, bytes: Uint8Array): void {
    this.#transmit(from, bytes, () => {})
  }

  /** For ports. Resolves when the last byte has left. */
  send(from: SimulatedPort, frame: Uint8Array, settings: LineSettings): Promise<void> {
    const bytes = this.#fits(settings) ? frame.slice() : this.#disturbances.garbled(frame)
    return new Promise((resolve) => this.#transmit(from, bytes, resolve))
  }

  #fits(settings: LineSettings): boolean {
    return settings.baudRate === this.baudRate && settings.parity === this.#parity && settings.dataBits === 8
  }

  #transmit(from: Transmission['from'], sent: Uint8Array, done: () => void): void {
    const bytes = this.#disturbances.damaged(sent)
    const startsAt = this.clock.monotonic()
    const transmission: Transmission = {
      from,
      bytes,
      startsAt,
      endsAt: startsAt + Math.max(sent.length, bytes.length) * this.byteMs,
      collided: false,
    }
    for (const other of this.#onAir) {
      other.collided = true
      transmission.collided = true
    }
    this.#onAir.add(transmission)
    this.#lump(transmission, 0, done)
  }

  /** Delivers what has gone over the wire since the last lump, and comes back for the rest. */
  #lump(transmission: Transmission, delivered: number, done: () => void): void {
    const { bytes, endsAt } = transmission
    const perLump = Math.max(1, Math.floor(LUMP_MS / this.byteMs))
    const end = Math.min(bytes.length, delivered + perLump)
    const last = end === bytes.length
    const waitMs = last ? endsAt - this.clock.monotonic() : (end - delivered) * this.byteMs
    this.clock.after(Math.max(0, waitMs), () => {
      const part = bytes.subarray(delivered, end)
      this.#deliver(transmission, transmission.collided ? this.#disturbances.garbled(part) : part.slice())
      if (!last) return this.#lump(transmission, end, done)
      this.#onAir.delete(transmission)
      done()
      this.#heard(transmission)
    })
  }

  #deliver({ from }: Transmission, bytes: Uint8Array): void {
    for (const port of this.#ports) {
      if (!this.#plugged || port.settings === null || bytes.length === 0) continue
      if (!this.#fits(port.settings)) port.arrive(this.#disturbances.garbled(bytes))
      else if (port !== from) port.arrive(bytes)
      else if (this.echo) port.arrive(this.#disturbances.echoed(bytes))
    }
  }

  #heard(transmission: Transmission): void {
    const { from, collided, startsAt, endsAt } = transmission
    const bytes = collided ? this.#disturbances.garbled(transmission.bytes) : transmission.bytes
    const joined = startsAt - this.#saidAt < FRAME_GAP_CHARACTERS * this.byteMs
    this.#said = joined ? Buffer.concat([this.#said, bytes]).subarray(-2 * LONGEST_FRAME) : bytes
    this.#saidAt = endsAt
    for (const [listener, attachment] of this.#listeners) {
      if (listener === from) continue
      const answer = listener.hear(this.#said)
      if (answer !== null) this.#answer(listener, attachment, answer.frame, answer.afterMs)
    }
  }

  #answer(listener: Listener, attachment: Attachment, frame: Uint8Array, afterMs: number): void {
    const now = this.clock.monotonic()
    const at = Math.max(now, attachment.freeAt) + afterMs
    attachment.freeAt = at + frame.length * this.byteMs
    this.clock.after(at - now, () => {
      if (this.#listeners.get(listener) === attachment) this.talk(listener, frame)
    })
  }

  #armBurst(): void {
    const waitMs = this.#disturbances.untilBurst()
    this.#burst = waitMs === Number.POSITIVE_INFINITY ? undefined : this.clock.after(waitMs, () => this.#disturb())
  }

  #disturb(): void {
    this.inject(this.#disturbances.burst())
    this.#armBurst()
  }
}
