/** A button that is pressed by call. */
import type { Clock } from '../../src/contracts/clock.ts'
import type { Button, Unsubscribe } from '../contract.ts'

export class SimulatedButton implements Button {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #listeners = new Set<(pressed: boolean, atMonotonic: number) => void>()
  #pressed = false

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  get pressed(): boolean {
    return this.#pressed
  }

  press(): void {
    this.#change(true)
  }

  release(): void {
    this.#change(false)
  }

  onChange(listen: (pressed: boolean, atMonotonic: number) => void): Unsubscribe {
    this.#listeners.add(listen)
    return () => this.#listeners.delete(listen)
  }

  close(): void {
    this.#listeners.clear()
  }

  #change(pressed: boolean): void {
    if (pressed === this.#pressed) return
    this.#pressed = pressed
    const at = this.#clock.monotonic()
    for (const listen of [...this.#listeners]) listen(pressed, at)
  }
}
