/** A clock that stands still until it is advanced: tests and simulations move time, they never wait for it. */
import type { Clock, ClockQuality, Instant, Stop } from '../contracts/clock.ts'
import { type Known, Wall } from './wall.ts'

interface Timer {
  readonly due: number
  readonly order: number
  readonly run: () => void
}

export interface ManualClockOptions {
  /** What the system's clock shows, UTC ms. */
  readonly wall?: number
  readonly monotonic?: number
  readonly boot?: string
  readonly known?: Known
  /** As of `Wall`; absent: any time is believed. */
  readonly earliest?: number
  readonly saved?: number
}

export class ManualClock implements Clock {
  boot: string
  #system: number
  #monotonic: number
  readonly #wall: Wall
  #order = 0
  readonly #timers = new Set<Timer>()

  constructor(options: ManualClockOptions = {}) {
    this.#system = options.wall ?? Date.UTC(2026, 0, 1)
    this.#monotonic = options.monotonic ?? 0
    this.boot = options.boot ?? 'manual-boot'
    this.#wall = new Wall({
      earliest: options.earliest ?? Number.NEGATIVE_INFINITY,
      saved: options.saved ?? Number.NEGATIVE_INFINITY,
      system: this.#system,
      monotonic: this.#monotonic,
    })
    this.#wall.known = options.known ?? 'synced'
  }

  wall(): number {
    return this.#wall.wall(this.#system, this.#monotonic)
  }

  monotonic(): number {
    return this.#monotonic
  }

  quality(): ClockQuality {
    return this.#wall.quality(this.#system, this.#monotonic)
  }

  now(): Instant {
    return { wall: this.wall(), monotonic: this.#monotonic, boot: this.boot, clock: this.quality() }
  }

  recall(stored: Instant): void {
    this.#wall.recall(stored, this.boot)
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const abort = (): void => {
        stop()
        reject(signal.reason)
      }
      const stop = this.after(ms, () => {
        signal.removeEventListener('abort', abort)
        resolve()
      })
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  after(ms: number, run: () => void): Stop {
    const timer = { due: this.#monotonic + Math.max(0, ms), order: this.#order++, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  every(ms: number, run: () => void): Stop {
    let due = this.#monotonic + ms
    let stop: Stop
    const tick = (): void => {
      // Sums of fractions drift; like the real clock, the next period is counted from the last one's due time.
      due += ms
      stop = this.after(due - this.#monotonic, tick)
      run()
    }
    stop = this.after(ms, tick)
    return () => stop()
  }

  /** Steps the system's clock alone, as a person or NTP would; `known`: what whoever keeps it says from then on. */
  step(ms: number, known: Known = this.#wall.known): void {
    this.#system += ms
    this.#wall.known = known
  }

  /** How many timers are set: a stopped component has none. */
  get timers(): number {
    return this.#timers.size
  }

  /** Milliseconds to the next timer; undefined: none is set. */
  get untilNext(): number | undefined {
    const next = this.#next(Number.POSITIVE_INFINITY)
    return next === undefined ? undefined : next.due - this.#monotonic
  }

  /** Moves time on, running each timer at its moment and letting what it woke settle before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms
    await settle()
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#move(next.due)
      this.#timers.delete(next)
      next.run()
      await settle()
    }
    this.#move(end)
    await settle()
  }

  #next(end: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.due > end) continue
      if (first === undefined || timer.due < first.due || (timer.due === first.due && timer.order < first.order)) {
        first = timer
      }
    }
    return first
  }

  #move(to: number): void {
    this.#system += to - this.#monotonic
    this.#monotonic = to
  }
}

/** Lets promise chains run dry: a macrotask turn comes only after every microtask. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
