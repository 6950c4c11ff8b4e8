/** How many requests are answered: so many at once, then so many a second. */
import type { Clock } from '../../contracts/clock.ts'

export class Allowance {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #perSecond: number
  readonly #most: number
  #left: number
  #at: number

  constructor(options: { clock: Pick<Clock, 'monotonic'>; perSecond: number; most: number }) {
    this.#clock = options.clock
    this.#perSecond = options.perSecond
    this.#most = options.most
    this.#left = options.most
    this.#at = options.clock.monotonic()
  }

  /** false: not now. */
  take(): boolean {
    const now = this.#clock.monotonic()
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) * this.#perSecond) / 1000)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
