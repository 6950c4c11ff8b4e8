/** A watchdog that resets nothing, and says when it would have. */
import type { Clock, Stop } from '../../src/contracts/clock.ts'
import type { Watchdog } from '../contract.ts'

export class SimulatedWatchdog implements Watchdog {
  readonly timeoutMs: number
  readonly #clock: Pick<Clock, 'after'>
  readonly #onBite: () => void
  #bites: Stop
  #armed = true
  /** How often it would have reset the box. */
  bitten = 0
  fed = 0

  constructor(options: { timeoutMs: number; clock: Pick<Clock, 'after'>; onBite?: () => void }) {
    this.timeoutMs = options.timeoutMs
    this.#clock = options.clock
    this.#onBite = options.onBite ?? (() => {})
    this.#bites = this.#wind()
  }

  get armed(): boolean {
    return this.#armed
  }

  feed(): void {
    if (!this.#armed) return
    this.fed++
    this.#bites()
    this.#bites = this.#wind()
  }

  disarm(): void {
    this.#armed = false
    this.#bites()
  }

  #wind(): Stop {
    return this.#clock.after(this.timeoutMs, () => {
      this.#armed = false
      this.bitten++
      this.#onBite()
    })
  }
}
