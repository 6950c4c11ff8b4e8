/** One question under way, and the one way it ends. Links carry exchanges; what became of them is the driver's concern. */
import { Reason } from '../../contracts/batch.ts'
import type { State } from '../../contracts/component.ts'
import { Retryable } from '../../contracts/errors.ts'
import type { Ask } from './frames/pdu.ts'
import type { Tally } from './tally.ts'

/** Called with a good reply, its `length` bytes of content from `offset` on, while the bytes are valid. */
export type Take = (bytes: Uint8Array, offset: number, length: number) => void

export class Exchange {
  readonly ask: Ask
  /** What a write writes; null for a read. */
  readonly payload: Uint8Array | null
  readonly signal: AbortSignal
  readonly device: Tally
  readonly #take: Take | null
  readonly #resolve: (exception: number) => void
  readonly #reject: (why: unknown) => void
  /** Monotonic; set by the link when the request leaves. */
  sentAt = 0
  deadline = 0
  /** From the end of the question to the answer, without the time the wire takes to carry it; set by the link. */
  responseMs = 0
  /** The transaction id on TCP. */
  transaction = 0
  sent = false
  /** A unit that answered in the place of the one that was asked. */
  impostor: number | null = null
  /** Answers that were not taken because they may have been an older question's. */
  doubts = 0

  constructor(options: {
    ask: Ask
    payload: Uint8Array | null
    signal: AbortSignal
    device: Tally
    take: Take | null
    resolve: (exception: number) => void
    reject: (why: unknown) => void
  }) {
    this.ask = options.ask
    this.payload = options.payload
    this.signal = options.signal
    this.device = options.device
    this.#take = options.take
    this.#resolve = options.resolve
    this.#reject = options.reject
  }

  /** The reply came: 0 with its content, else the exception's code. */
  settle(exception: number, bytes: Uint8Array, content: number, length: number): void {
    this.device.replies++
    try {
      if (exception === 0) this.#take?.(bytes, content, length)
      this.#resolve(exception)
    } catch (thrown) {
      this.#reject(thrown)
    }
  }

  /** `quietMs`: the same must not be asked again before. */
  fail(text: string, reason: Reason, quietMs = 0): void {
    this.#reject(new Retryable(text, { reason, ambiguous: this.sent && this.payload !== null, quietMs }))
  }

  /** The caller does not want it any more. A write that has left may still be carried out. */
  abort(): void {
    if (this.sent && this.payload !== null) {
      this.fail('the write was sent, and given up before its answer came', Reason.timeout)
    } else this.#reject(this.signal.reason)
  }
}

/** What carries exchanges: a Modbus TCP connection or an RTU line. */
export interface Link {
  start(): void
  /** Ends in the exchange's own settling, never throws. */
  send(exchange: Exchange): void
  /** Fails what is under way; resolves when port or socket is closed. */
  stop(): Promise<void>
  state(): State
  /** Counts the times the connection was lost: what was learnt of a device is asked again after a change. */
  readonly generation: number
}

/** Hears the abort of many exchanges through one listener a signal. */
export class AbortWatch {
  readonly #aborted: () => void
  readonly #held = new Map<AbortSignal, number>()

  constructor(aborted: () => void) {
    this.#aborted = aborted
  }

  hold(signal: AbortSignal): void {
    const held = this.#held.get(signal)
    if (held === undefined) {
      // A lane's signal comes back with every request; others are let go when the next newcomer arrives.
      for (const [other, count] of this.#held) if (count === 0) this.#forget(other)
      signal.addEventListener('abort', this.#aborted)
    }
    this.#held.set(signal, (held ?? 0) + 1)
  }

  release(signal: AbortSignal): void {
    const held = this.#held.get(signal)
    if (held !== undefined) this.#held.set(signal, held - 1)
  }

  close(): void {
    for (const signal of this.#held.keys()) this.#forget(signal)
  }

  #forget(signal: AbortSignal): void {
    signal.removeEventListener('abort', this.#aborted)
    this.#held.delete(signal)
  }
}

/** `800 ms`, `3 s`. */
export function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${Math.round(ms)} ms`
}
