/** A far side that takes its time and keeps a ledger: what came, when, and whether it was marked as a backlog's. */
import { Reason } from '../../src/contracts/batch.ts'
import type { Clock } from '../../src/contracts/clock.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import type { Entry } from '../../src/contracts/log.ts'
import type { Rejection, Sink } from '../../src/contracts/sink.ts'

export interface Arrival {
  readonly entry: Entry
  readonly historical: boolean
  /** When the far side had it, monotonic. */
  readonly at: number
}

export interface ReceiverCall {
  readonly entries: number
  readonly historical: boolean
  readonly tookMs: number
}

export class Receiver implements Sink {
  readonly name: string
  readonly delivery = 'stored'
  readonly arrivals: Arrival[] = []
  readonly calls: ReceiverCall[] = []
  /** What the far side answers; may throw. */
  answer: (entries: readonly Entry[]) => readonly Rejection[] = () => []
  /** Milliseconds that a call takes. */
  takesMs: (entries: number) => number
  /** Whether arrivals are kept whole; otherwise `onArrival` has to. */
  onArrival: (arrival: Arrival) => void = (arrival) => void this.arrivals.push(arrival)
  readonly #clock: Clock
  #away = false
  readonly #back = new Set<() => void>()
  readonly #cut = new Set<() => void>()

  constructor(options: { name?: string; clock: Clock; takesMs: (entries: number) => number }) {
    this.name = options.name ?? 'emqx'
    this.#clock = options.clock
    this.takesMs = options.takesMs
  }

  /** The link breaks: a call that is under way fails, though some of it may have come. */
  leave(): void {
    this.#away = true
    for (const cut of [...this.#cut]) cut()
  }

  comeBack(): void {
    this.#away = false
    for (const back of [...this.#back]) back()
    this.#back.clear()
  }

  ready(): Promise<void> {
    return this.#away ? new Promise((resolve) => this.#back.add(resolve)) : Promise.resolve()
  }

  async deliver(entries: readonly Entry[], { historical }: { historical: boolean }, signal: AbortSignal) {
    const lost = () => new Retryable('the link is away', { reason: Reason.noConnection })
    if (this.#away) throw lost()
    const began = this.#clock.monotonic()
    const takesMs = this.takesMs(entries.length)
    if (takesMs > 0) {
      const ending = new AbortController()
      const cut = (): void => ending.abort(lost())
      const stop = (): void => ending.abort(signal.reason)
      this.#cut.add(cut)
      signal.addEventListener('abort', stop, { once: true })
      try {
        await this.#clock.sleep(takesMs, ending.signal)
      } catch (thrown) {
        // What of it came before is not known to whoever sent it.
        const share = (this.#clock.monotonic() - began) / takesMs
        this.#take(entries.slice(0, Math.floor(share * entries.length)), historical)
        throw thrown
      } finally {
        this.#cut.delete(cut)
        signal.removeEventListener('abort', stop)
      }
    }
    const rejected = this.answer(entries)
    const refused = new Set(rejected.map(({ position }) => position.seq))
    this.#take(
      entries.filter(({ position }) => !refused.has(position.seq)),
      historical,
    )
    this.calls.push({ entries: entries.length, historical, tookMs: this.#clock.monotonic() - began })
    return { rejected }
  }

  #take(entries: readonly Entry[], historical: boolean): void {
    const at = this.#clock.monotonic()
    for (const entry of entries) this.onArrival({ entry, historical, at })
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  state() {
    return { condition: 'fine' as const, text: '' }
  }
  counters() {
    return {}
  }
}

/** The value below which 99 of 100 are. */
export function p99(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
}
