/** A lamp that can be looked at. Without `blinks` it is a bare line, which no kernel repeats steps on. */

import type { Colour, Led, LedStep } from '../contract.ts'
import { unavailable } from '../fault.ts'

export class SimulatedLed implements Led {
  readonly colours: readonly Colour[]
  /** What it was told to show. */
  shown: Colour = 'off'
  /** What the kernel repeats in place of it. */
  steps: readonly LedStep[] | undefined
  /** Every call that was made, oldest first. */
  readonly told: (Colour | readonly LedStep[])[] = []
  closed = false
  /** The sentence that each call fails with, while there is one. */
  fault: string | undefined
  readonly #blinks: boolean

  constructor({ colours, blinks = false }: { colours: readonly Colour[]; blinks?: boolean }) {
    this.colours = colours
    this.#blinks = blinks
  }

  show(colour: Colour): void {
    this.#usable()
    this.steps = undefined
    this.shown = colour
    this.told.push(colour)
  }

  blink(steps: readonly LedStep[]): boolean {
    this.#usable()
    if (!this.#blinks) return false
    this.steps = steps
    this.told.push(steps)
    return true
  }

  close(): void {
    this.closed = true
    this.steps = undefined
    this.shown = 'off'
  }

  #usable(): void {
    if (this.fault !== undefined) throw unavailable(this.fault)
  }
}
