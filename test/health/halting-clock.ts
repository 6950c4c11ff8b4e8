/** A manual clock in trouble: the process is kept from its timers while time goes on, or timers of some period get lost. */
import { ManualClock } from '../../src/time/manual-clock.ts'

export class HaltingClock extends ManualClock {
  /** Periods of `every` that are not called any more, and waits of `after` that never are. */
  readonly lost = new Set<number>()
  readonly forgotten = new Set<number>()
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

  override every(ms: number, run: () => void) {
    return super.every(ms, () => {
      if (!this.lost.has(ms)) run()
    })
  }

  override after(ms: number, run: () => void) {
    return this.forgotten.has(ms) ? () => {} : super.after(ms, run)
  }
}
