/** How much a second, over a window that slides in steps of a tenth of itself. */
import type { Clock } from '../../contracts/clock.ts'

const STEPS = 10

export class Rate {
  readonly #clock: Clock
  readonly #stepMs: number
  readonly #began: number
  readonly #amounts = new Float64Array(STEPS)
  #step: number

  constructor(options: { readonly clock: Clock; readonly windowMs: number }) {
    this.#clock = options.clock
    this.#stepMs = options.windowMs / STEPS
    this.#began = options.clock.monotonic()
    this.#step = Math.floor(this.#began / this.#stepMs)
  }

  add(amount: number): void {
    const step = this.#slide()
    this.#amounts[step % STEPS]! += amount
  }

  perSecond(): number {
    this.#slide()
    let sum = 0
    for (const amount of this.#amounts) sum += amount
    const now = this.#clock.monotonic()
    const begun = Math.max(this.#began, (this.#step - STEPS + 1) * this.#stepMs)
    return sum === 0 ? 0 : sum / Math.max(1, (now - begun) / 1000)
  }

  #slide(): number {
    const step = Math.floor(this.#clock.monotonic() / this.#stepMs)
    if (step - this.#step >= STEPS) this.#amounts.fill(0)
    else for (let passed = this.#step + 1; passed <= step; passed++) this.#amounts[passed % STEPS] = 0
    this.#step = step
    return step
  }
}
