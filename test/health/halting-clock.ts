/** A manual clock under a process that is kept from its timers: time goes on, and nothing runs. */
import { ManualClock } from '../../src/time/manual-clock.ts'

export class HaltingClock extends ManualClock {
  #haltedMs = 0

  halt(ms: number): void {
    this.#haltedMs += ms
  }

  override monotonic(): number {
    return super.monotonic() + this.#haltedMs
  }

  override now() {
    return { ...super.now(), monotonic: this.monotonic() }
  }
}
