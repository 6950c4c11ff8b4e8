/** How much each caller may ask for: so many writes a second, so many commands waiting. A flood from one does not reach the wire. */
import type { Clock } from '../contracts/clock.ts'

interface Allowance {
  /** Writes that may be asked for now. */
  left: number
  /** Monotonic, of `left`. */
  at: number
  waiting: number
  /** Turned away since that was last said, and when it was. */
  turnedAway: number
  saidAt: number
}

/** Why a command may not begin. */
export interface TurnedAway {
  readonly why: string
  /** How many this speaks for; 0: it was said a moment ago, a flood must not fill the audit. */
  readonly speaksFor: number
}

/** Callers that are kept in mind; sinks and people are few. */
const MOST_CALLERS = 1000
const SAID_EVERY_MS = 1000

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
  enter(by: string, writes: number): (() => void) | TurnedAway {
    const allowance = this.#of(by)
    const why = this.#objection(by, writes, allowance)
    if (why !== undefined) return this.#turnAway(why, allowance)
    allowance.left -= writes
    allowance.waiting++
    return () => {
      allowance.waiting--
    }
  }

  #objection(by: string, writes: number, { left, waiting }: Allowance): string | undefined {
    if (writes > this.#rate) return `a command carries at most ${this.#rate} writes, not ${writes}`
    if (waiting >= this.#mostWaiting) return `${waiting} commands of ${by} are still under way`
    return left < writes ? `more than ${this.#rate} writes a second from ${by}` : undefined
  }

  #turnAway(why: string, allowance: Allowance): TurnedAway {
    allowance.turnedAway++
    if (allowance.at - allowance.saidAt < SAID_EVERY_MS) return { why, speaksFor: 0 }
    const speaksFor = allowance.turnedAway
    allowance.turnedAway = 0
    allowance.saidAt = allowance.at
    return { why, speaksFor }
  }

  #of(by: string): Allowance {
    const now = this.#clock.monotonic()
    let allowance = this.#callers.get(by)
    if (allowance === undefined) {
      for (const [name, { waiting }] of this.#callers) {
        if (this.#callers.size < MOST_CALLERS) break
        if (waiting === 0) this.#callers.delete(name)
      }
      allowance = { left: this.#rate, at: now, waiting: 0, turnedAway: 0, saidAt: Number.NEGATIVE_INFINITY }
      this.#callers.set(by, allowance)
    }
    allowance.left = Math.min(this.#rate, allowance.left + ((now - allowance.at) * this.#rate) / 1000)
    allowance.at = now
    return allowance
  }
}
