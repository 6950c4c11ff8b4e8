/** How long a device takes to answer, learnt from its answers, and for how long a silent one is given to show that it is back.
 *  Why: docs/decisions/0020. Pure. */

const KEPT = 128
/** With fewer answers than this the longest one is all that is known, and is not trusted far. */
const ENOUGH = 20
/** Adapters deliver in lumps of up to 16 ms, and a busy box is late itself. */
const SHORTEST_TRY_MS = 50
/** A silent device is tried once a minute at least, and all of them together may take 5 % of a wire others need: of that, the
 *  short tries of devices nobody ever heard get half, and their full ones 1.5 % of the wire. */
const MINUTE_MS = 60_000
const SHARE = 0.05
const SHORT_SHARE = 0.025
const FULL_SHARE = 0.015

/** The last response times of one device, in fixed memory. */
export class Responses {
  readonly #ms = new Float32Array(KEPT)
  #count = 0

  record(ms: number): void {
    this.#ms[this.#count++ % KEPT] = ms
  }

  get known(): boolean {
    return this.#count > 0
  }

  quantile(share: number): number {
    const sorted = this.#ms.slice(0, Math.min(this.#count, KEPT)).sort()
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  }

  /** Twice the learnt 99th percentile, within reason; null: it never answered. */
  tryMs(timeoutMs: number): number | null {
    if (this.#count === 0) return null
    const margin = this.#count < ENOUGH ? 4 : 2
    return Math.min(timeoutMs, Math.max(SHORTEST_TRY_MS, margin * this.quantile(0.99)))
  }
}

/** Devices of one line that never answered get their configured timeout, in turns when there are too many of them. */
export class FullTries {
  #next = 0

  /** How long the try at `now` may last. `silent`: how many such devices the line has; `others`: somebody on it answers. */
  tryMs(options: { timeoutMs: number; silent: number; others: boolean; now: number }): number {
    const { timeoutMs, silent, others, now } = options
    const share = others ? 1 : 1 / SHARE
    if (silent * timeoutMs <= MINUTE_MS * SHARE * share) return timeoutMs
    if (now >= this.#next) {
      this.#next = now + timeoutMs / (FULL_SHARE * share)
      return timeoutMs
    }
    return Math.min(timeoutMs, Math.max(SHORTEST_TRY_MS, (MINUTE_MS * SHORT_SHARE * share) / silent))
  }
}
