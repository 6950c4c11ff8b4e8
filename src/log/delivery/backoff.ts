/** Waiting between attempts: doubled each time up to a limit, and jittered so that many gateways do not knock at once. */

export class Backoff {
  readonly #firstMs: number
  readonly #longestMs: number
  readonly #random: () => number
  #attempt = 0

  constructor(options: { readonly firstMs: number; readonly longestMs: number; readonly random?: () => number }) {
    this.#firstMs = options.firstMs
    this.#longestMs = options.longestMs
    this.#random = options.random ?? Math.random
  }

  /** Three quarters to the whole of the present step, milliseconds. */
  next(): number {
    const step = Math.min(this.#longestMs, this.#firstMs * 2 ** Math.min(this.#attempt++, 30))
    return step * (0.75 + this.#random() / 4)
  }

  reset(): void {
    this.#attempt = 0
  }
}
