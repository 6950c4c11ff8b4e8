/** What arrived, by the numbers that the devices themselves handed out: proof that does not rest on the gateway's own count. */

/** The numbers of one device's group. Memory stays small: what came without a hole is only a mark. */
export class Tally {
  /** Every number from 1 to here has come. */
  #complete = 0
  readonly #beyond = new Set<number>()
  #arrivals = 0
  #repeated = 0

  /** Numbers that came, repeats included. */
  get arrivals(): number {
    return this.#arrivals
  }

  get repeated(): number {
    return this.#repeated
  }

  take(number: number): void {
    this.#arrivals++
    if (number <= this.#complete || this.#beyond.has(number)) {
      this.#repeated++
      return
    }
    this.#note(number)
  }

  /** A number that never reached the gateway: it is not expected. */
  excuse(number: number): void {
    if (number > this.#complete) this.#note(number)
  }

  #note(number: number): void {
    this.#beyond.add(number)
    while (this.#beyond.delete(this.#complete + 1)) this.#complete++
  }

  /** How many of 1 … `handedOut` have not come. */
  missing(handedOut: number): number {
    if (handedOut <= this.#complete) return 0
    let missing = handedOut - this.#complete
    for (const number of this.#beyond) if (number <= handedOut) missing--
    return missing
  }
}
