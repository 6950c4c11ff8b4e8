/** A connection's queue: as many exchanges at once as the wire allows, commands before polls, polls by deadline.
 *  The lane pulls: nothing waits in line that could still be overtaken by something more urgent. */

import { Reason } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import { Retryable } from '../contracts/errors.ts'
import { Usage } from './usage.ts'

/** What the lane asks for work when no command waits: starts the most urgent exchange, or says there is none. */
export type Source = (signal: AbortSignal) => Promise<void> | undefined

interface Command {
  readonly start: (signal: AbortSignal) => Promise<void>
  readonly refuse: (why: Retryable) => void
}

export class Lane {
  readonly usage = new Usage()
  readonly #clock: Clock
  readonly #inFlight: number
  readonly #commands: Command[] = []
  readonly #errands: Command[] = []
  /** Until then polls that are due go before errands. */
  #errandsAfter = Number.NEGATIVE_INFINITY
  readonly #ending = new AbortController()
  #source: Source = () => undefined
  #busy = 0
  #busySince = 0
  /** What is under way, oldest first. */
  readonly #underWay = new Set<{ readonly since: number }>()
  /** When an exchange that consists of several last ended one of them. */
  #betweenAt = Number.NEGATIVE_INFINITY
  #idle: (() => void) | undefined

  constructor(options: { clock: Clock; inFlight: number }) {
    this.#clock = options.clock
    this.#inFlight = options.inFlight
  }

  /** Where polls come from. `wake` must be called when the source may have new work. */
  feed(source: Source): void {
    this.#source = source
    this.wake()
  }

  /** Runs before any poll, in the order of submission. */
  submit<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ending.signal.aborted) return reject(stopped())
      this.#commands.push({ start: (signal) => run(signal).then(resolve, reject), refuse: reject })
      this.wake()
    })
  }

  /** Runs when no poll is due; on a lane that is never without one, errands get half of its time. */
  errand<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ending.signal.aborted) return reject(stopped())
      const start = (signal: AbortSignal): Promise<void> => {
        const startedAt = this.#clock.monotonic()
        return run(signal)
          .finally(() => {
            const now = this.#clock.monotonic()
            this.#errandsAfter = now + (now - startedAt)
          })
          .then(resolve, reject)
      }
      this.#errands.push({ start, refuse: reject })
      this.wake()
    })
  }

  /** Inside an exchange that consists of several: lets the commands that wait go first. undefined: none waits. */
  between(): Promise<void> | undefined {
    this.#betweenAt = this.#clock.monotonic()
    return this.#commands.length === 0 ? undefined : this.#commandsFirst()
  }

  async #commandsFirst(): Promise<void> {
    const { signal } = this.#ending
    for (let next = this.#commands.shift(); next !== undefined; next = this.#commands.shift()) await next.start(signal)
  }

  /** Since when the oldest exchange under way gives no sign of life, monotonic; undefined: there is none. */
  get since(): number | undefined {
    for (const { since } of this.#underWay) return Math.max(since, this.#betweenAt)
    return undefined
  }

  get isFull(): boolean {
    return this.#busy >= this.#inFlight
  }

  /** Fills the free places. */
  wake(): void {
    const { signal } = this.#ending
    while (this.#busy < this.#inFlight && !signal.aborted) {
      const startedAt = this.#clock.monotonic()
      const exchange = this.#next(startedAt, signal)
      if (exchange === undefined) return
      if (this.#busy++ === 0) this.#busySince = startedAt
      const one = { since: startedAt }
      this.#underWay.add(one)
      exchange.then(() => this.#done(one))
    }
  }

  #next(now: number, signal: AbortSignal): Promise<void> | undefined {
    const command = this.#commands.shift()
    if (command !== undefined) return command.start(signal)
    if (this.#errands.length === 0) return this.#source(signal)
    const poll = now < this.#errandsAfter ? this.#source(signal) : undefined
    return poll ?? this.#errands.shift()!.start(signal)
  }

  /** Aborts what is on the wire, refuses what waits, resolves when nothing is left. */
  async stop(): Promise<void> {
    if (!this.#ending.signal.aborted) this.#ending.abort(stopped())
    for (const command of [...this.#commands.splice(0), ...this.#errands.splice(0)]) command.refuse(stopped())
    if (this.#busy > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #done(one: { readonly since: number }): void {
    const now = this.#clock.monotonic()
    this.#underWay.delete(one)
    this.usage.exchange(now - one.since, now)
    if (--this.#busy === 0) {
      this.usage.busy(this.#busySince, now)
      this.#idle?.()
    }
    this.wake()
  }
}

function stopped(): Retryable {
  return new Retryable('the connection is being stopped', { reason: Reason.noConnection })
}
