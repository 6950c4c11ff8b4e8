/** How busy a lane is: the wire's load and the response times of the last ten seconds, in fixed memory. */

const SECONDS = 10
const RESPONSES = 256

export class Usage {
  readonly #busyMs = new Float64Array(SECONDS)
  readonly #exchanges = new Uint32Array(SECONDS)
  readonly #second = new Float64Array(SECONDS).fill(-1)
  readonly #responseMs = new Float64Array(RESPONSES)
  #responses = 0

  /** A stretch in which the wire was in use, monotonic milliseconds. */
  busy(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const end = Math.min(to, (Math.floor(at / 1000) + 1) * 1000)
      const slot = this.#slot(at)
      this.#busyMs[slot] = this.#busyMs[slot]! + (end - at)
      at = end
    }
  }

  exchange(elapsedMs: number, now: number): void {
    const slot = this.#slot(now)
    this.#exchanges[slot] = this.#exchanges[slot]! + 1
    this.#responseMs[this.#responses++ % RESPONSES] = elapsedMs
  }

  /** Since the lane was made. */
  get exchanges(): number {
    return this.#responses
  }

  /** Over the last whole seconds, at most ten. */
  report(now: number): { load: number; requestsPerSecond: number; responseMs: { p50: number; p95: number } } {
    const current = Math.floor(now / 1000)
    let busyMs = 0
    let exchanges = 0
    let first = current
    for (let slot = 0; slot < SECONDS; slot++) {
      const second = this.#second[slot]!
      if (second < 0 || second >= current || second < current - (SECONDS - 1)) continue
      busyMs += this.#busyMs[slot]!
      exchanges += this.#exchanges[slot]!
      first = Math.min(first, second)
    }
    const spanMs = Math.max(1, current - first) * 1000
    const responses = this.#responseMs.slice(0, Math.min(this.#responses, RESPONSES)).sort()
    const quantile = (share: number): number =>
      responses.length === 0 ? 0 : responses[Math.min(responses.length - 1, Math.floor(responses.length * share))]!
    return {
      load: Math.min(1, busyMs / spanMs),
      requestsPerSecond: (exchanges * 1000) / spanMs,
      responseMs: { p50: quantile(0.5), p95: quantile(0.95) },
    }
  }

  #slot(at: number): number {
    const second = Math.floor(at / 1000)
    const slot = second % SECONDS
    if (this.#second[slot] !== second) {
      this.#second[slot] = second
      this.#busyMs[slot] = 0
      this.#exchanges[slot] = 0
    }
    return slot
  }
}
