/** How much each caller may ask for: so many writes a second, so many commands waiting. A flood from one does not reach the wire. */
import type { Clock } from '../contracts/clock.ts'

interface Allowance {
  /** Writes that may be asked for now. */
  left: number
  /** Monotonic, of `left`. */
  at: number
  waiting: number
}

/** Callers that are kept in mind; sinks and people are few. */
const MOST_CALLERS = 1000

export class Allowances {
  readonly #clock: Clock
  readonly #rate: number
  readonly #mostWaiting: number
  readonly #callers = new Map<string, Allowance>()

  constructor(options: { clock: Clock; ratePerSecond: number; mostWaiting: number }) {
    this.#clock = options.clock
    this.#rate = options.ratePerSecond
    this.#mostWaiting = options.mostWaiting
  }

  /** Takes `writes` from what the caller has left. Returns what to call when the command has ended, or why it may not begin. */
  enter(by: string, writes: number): (() => void) | string {
    if (writes > this.#rate) return `a command carries at most ${this.#rate} writes, not ${writes}`
    const allowance = this.#of(by)
    if (allowance.waiting >= this.#mostWaiting) return `${allowance.waiting} commands of ${by} are still under way`
    if (allowance.left < writes) return `more than ${this.#rate} writes a second from ${by}`
    allowance.left -= writes
    allowance.waiting++
    return () => {
      allowance.waiting--
    }
  }

  #of(by: string): Allowance {
    const now = this.#clock.monotonic()
    let allowance = this.#callers.get(by)
    if (allowance === undefined) {
      for (const [name, { waiting }] of this.#callers) {
        if (this.#callers.size < MOST_CALLERS) break
        if (waiting === 0) this.#callers.delete(name)
      }
      allowance = { left: this.#rate, at: now, waiting: 0 }
      this.#callers.set(by, allowance)
    }
    allowance.left = Math.min(this.#rate, allowance.left + ((now - allowance.at) * this.#rate) / 1000)
    allowance.at = now
    return allowance
  }
}
