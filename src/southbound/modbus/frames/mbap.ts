/** Modbus TCP frames in a stream of bytes (Modbus messaging on TCP/IP V1.0b, 3.1.3): cut where the header of each says it
 *  ends, whatever pieces they come in. Pure. */
import { LONGEST_PDU } from './pdu.ts'

/** Transaction, protocol, length, unit. */
export const MBAP_BYTES = 7
export const LONGEST_ADU = MBAP_BYTES + LONGEST_PDU
/** What the length field does not count: itself and what stands before it. */
const UNCOUNTED = 6

/** A whole frame: it begins at `at`, and its PDU is so many bytes long. The bytes are valid during the call. */
type Frame = (bytes: Buffer, at: number, pduBytes: number) => void

export class MbapStream {
  readonly #take: Frame
  readonly #astray: (bytes: Buffer, at: number, end: number) => void
  readonly #partial: Buffer
  #partialBytes = 0
  /** Counts up when what was received is dropped, which a receiver of frames may do. */
  #drops = 0

  /** `chunkBytes`: the most that comes at once. `astray`: what stands from `at` on is no frame of Modbus TCP, and there is
   *  no telling where the next one would begin; it is dropped. */
  constructor(options: {
    chunkBytes: number
    take: Frame
    astray: (bytes: Buffer, at: number, end: number) => void
  }) {
    this.#take = options.take
    this.#astray = options.astray
    this.#partial = Buffer.allocUnsafe(options.chunkBytes + LONGEST_ADU)
  }

  feed(chunk: Buffer, bytes: number): void {
    const drops = this.#drops
    if (this.#partialBytes === 0) {
      const used = this.#cut(chunk, bytes)
      if (drops !== this.#drops || used === bytes) return
      chunk.copy(this.#partial, 0, used, bytes)
      this.#partialBytes = bytes - used
    } else {
      chunk.copy(this.#partial, this.#partialBytes, 0, bytes)
      const total = this.#partialBytes + bytes
      const used = this.#cut(this.#partial, total)
      if (drops !== this.#drops) return
      this.#partial.copyWithin(0, used, total)
      this.#partialBytes = total - used
    }
  }

  drop(): void {
    this.#drops++
    this.#partialBytes = 0
  }

  /** Hands on whole frames; how many bytes they were. */
  #cut(bytes: Buffer, end: number): number {
    const drops = this.#drops
    let at = 0
    while (end - at >= MBAP_BYTES && drops === this.#drops) {
      const length = (bytes[at + 4]! << 8) | bytes[at + 5]!
      if (bytes[at + 2] !== 0 || bytes[at + 3] !== 0 || length < 2 || length > LONGEST_PDU + 1) {
        this.drop()
        this.#astray(bytes, at, end)
        return end
      }
      if (end - at < UNCOUNTED + length) break
      this.#take(bytes, at, length - 1)
      at += UNCOUNTED + length
    }
    return at
  }
}
