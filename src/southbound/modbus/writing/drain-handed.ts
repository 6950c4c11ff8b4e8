/** What was read out of a queue, handed on, and may still be in the device. Pure. */

const NOTHING = new Uint8Array(0)

export class Handed {
  /** The last answer, as far as it was not dropped. */
  bytes: Uint8Array = NOTHING
  /** The device was told to drop so many of them, and it is unknown whether it has. */
  #unsure = 0
  /** When the newest of them was handed on, monotonic. */
  #at = Number.NEGATIVE_INFINITY

  get unsure(): boolean {
    return this.#unsure > 0
  }

  /** Handed on so long before `now`. */
  since(now: number): number {
    return now - this.#at
  }

  /** How much of an answer was handed on before. The queue itself says whether what was to be dropped is still there. */
  known(answer: Uint8Array): number {
    if (startsWith(answer, this.bytes)) {
      this.#unsure = 0
      return this.bytes.length
    }
    const rest = this.bytes.subarray(this.#unsure)
    const dropped = this.#unsure > 0 && startsWith(answer, rest)
    this.#unsure = 0
    return dropped ? rest.length : 0
  }

  hold(answer: Uint8Array, now: number): void {
    this.bytes = answer
    this.#at = now
  }

  /** The same records as before, none of them new. */
  keep(answer: Uint8Array): void {
    this.bytes = answer
  }

  dropped(count: number): void {
    this.bytes = this.bytes.subarray(count)
    this.#unsure = 0
  }

  perhapsDropped(count: number): void {
    this.#unsure = count
  }

  forget(): void {
    this.bytes = NOTHING
    this.#unsure = 0
  }
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  return bytes.length >= beginning.length && Buffer.compare(bytes.subarray(0, beginning.length), beginning) === 0
}
