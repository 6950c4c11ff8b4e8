/** What the wall clock is taken to show. The system's clock starts anywhere, 1970 included, and is right once it was set; until
 *  then time goes on from the latest moment that is known to have been. Pure: the two readings and what is known come in. */
import type { ClockQuality, Instant } from '../contracts/clock.ts'

/** What those say who keep the system's clock; `unknown`: there is nobody to ask. */
export type Known = ClockQuality | 'unknown'

/** Where there is nobody to ask, a clock that jumps to a day or more before the floor was put right by a person: a saved time
 *  that is restored late lies close to the floor. */
const JUMP_MS = 1000
const DAY_MS = 86_400_000

export interface WallOptions {
  /** No time before this is believed, whoever says it. UTC ms. */
  readonly earliest: number
  /** The latest moment that the system saved, UTC ms. */
  readonly saved: number
  /** What both clocks show now. */
  readonly system: number
  readonly monotonic: number
  /** A clock with a battery confirms the system's. */
  readonly battery?: boolean
}

export class Wall {
  known: Known = 'unknown'
  readonly #earliest: number
  readonly #battery: boolean
  /** The floor rises with monotonic time: UTC is not before monotonic + this. */
  #floor: number
  /** The system's clock was set in this boot. */
  #set = false
  /** Between the system's clock and monotonic time, as of the last look. */
  #offset: number

  constructor({ earliest, saved, system, monotonic, battery = false }: WallOptions) {
    this.#earliest = earliest
    this.#battery = battery
    this.#offset = system - monotonic
    // What lies ahead of the system's clock was saved before this boot, at its monotonic 0.
    this.#floor = Math.max(earliest, saved > system ? saved : saved - monotonic)
  }

  /** The last moment that an earlier run stored under a set clock. Of this boot: the clock was set in it, and is. */
  recall({ wall, monotonic, boot }: Instant, present: string): void {
    const ofThisBoot = boot === present
    if (ofThisBoot) this.#set = true
    this.#floor = Math.max(this.#floor, ofThisBoot ? wall - monotonic : wall)
  }

  /** UTC ms, for a system's clock that shows `system`. */
  wall(system: number, monotonic: number): number {
    if (this.#believed(system, monotonic)) return system
    return Math.max(system, Math.round(this.#floor + monotonic))
  }

  quality(system: number, monotonic: number): ClockQuality {
    if (!this.#believed(system, monotonic)) return 'unsynced'
    return this.known === 'synced' || this.known === 'unknown' ? 'synced' : 'holdover'
  }

  #believed(system: number, monotonic: number): boolean {
    if (system < this.#earliest) return false
    if (this.known === 'synced' || this.known === 'holdover') this.#set = true
    if (this.#set || this.known !== 'unknown') return this.#set
    const behind = Math.round(this.#floor + monotonic) - system
    if (this.#battery || behind <= 0) return true
    const offset = system - monotonic
    this.#set = behind > DAY_MS && Math.abs(offset - this.#offset) > JUMP_MS
    this.#offset = offset
    return this.#set
  }
}
