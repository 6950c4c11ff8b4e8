/** What a bad line does to bytes. Each disturbance is a chance; the same seed gives the same damage. */
import { seeded } from './random.ts'

/** Chances from 0 to 1, for each byte unless said otherwise. */
export interface Noise {
  readonly flippedBits: number
  readonly lostBytes: number
  /** For each frame: one to four stray bytes right before it. */
  readonly strayBytes: number
  /** A byte that nobody sent after it. */
  readonly extraBytes?: number
  /** For each frame that a port hears back: a flipped bit in the echo alone. */
  readonly differingEchoes?: number
  /** Bursts of one to eight random bytes in a second, between frames or into them. */
  readonly burstsPerSecond?: number
}

const QUIET: Noise = { flippedBits: 0, lostBytes: 0, strayBytes: 0 }

export class Disturbances {
  noise: Noise = QUIET
  readonly #random: () => number

  constructor(options: { seed: number }) {
    this.#random = seeded(options.seed)
  }

  /** What the noise leaves of a frame. */
  damaged(bytes: Uint8Array): Uint8Array {
    const { flippedBits, lostBytes, strayBytes, extraBytes = 0 } = this.noise
    if (flippedBits === 0 && lostBytes === 0 && strayBytes === 0 && extraBytes === 0) return bytes
    const left: number[] = []
    if (this.#random() < strayBytes) this.#scatter(left, 4)
    for (const byte of bytes) {
      if (this.#random() < lostBytes) continue
      left.push(this.#random() < flippedBits ? this.#flipped(byte) : byte)
      if (this.#random() < extraBytes) left.push(this.#byte())
    }
    return Uint8Array.from(left)
  }

  /** What a port hears of what it sends. */
  echoed(bytes: Uint8Array): Uint8Array {
    const { differingEchoes = 0 } = this.noise
    if (differingEchoes === 0 || bytes.length === 0 || this.#random() >= differingEchoes) return bytes
    const at = Math.floor(this.#random() * bytes.length)
    return bytes.map((byte, index) => (index === at ? this.#flipped(byte) : byte))
  }

  /** Bytes of two that talk at once, or of a line with other settings: none is what it was. */
  garbled(bytes: Uint8Array): Uint8Array {
    return bytes.map((byte) => byte ^ (1 + Math.floor(this.#random() * 255)))
  }

  burst(): Uint8Array {
    const bytes: number[] = []
    this.#scatter(bytes, 8)
    return Uint8Array.from(bytes)
  }

  /** Milliseconds to the next burst; Infinity: there are none. */
  untilBurst(): number {
    const { burstsPerSecond = 0 } = this.noise
    if (burstsPerSecond === 0) return Number.POSITIVE_INFINITY
    return (-Math.log(1 - this.#random()) * 1000) / burstsPerSecond
  }

  #scatter(into: number[], most: number): void {
    for (let count = 1 + Math.floor(this.#random() * most); count > 0; count--) into.push(this.#byte())
  }

  #flipped(byte: number): number {
    return byte ^ (1 << Math.floor(this.#random() * 8))
  }

  #byte(): number {
    return Math.floor(this.#random() * 256)
  }
}
