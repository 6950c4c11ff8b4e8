/** Chance for the fuzz: the same seed and number give the same stream. */
import { seeded } from '../../../../hal/simulated/random.ts'

export class Dice {
  readonly #roll: () => number

  constructor(seed: number, number: number) {
    this.#roll = seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))
  }

  /** Other dice, that fall the same for the same number. */
  fork(number: number): Dice {
    return new Dice(number, 0)
  }

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.#roll() * end)
  }

  /** Both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  chance(share: number): boolean {
    return this.#roll() < share
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at++) bytes[at] = this.below(256)
    return bytes
  }
}
