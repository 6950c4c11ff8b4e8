/** Asking devices: one question with the repetitions it is allowed, counted for the connection and for the device. Reads,
 *  writes, requests by hand and diagnosis all go through here. */
import { Reason } from '../../contracts/batch.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters } from '../../contracts/component.ts'
import { Rejected, Retryable } from '../../contracts/errors.ts'
import { leavesUnknown, readAgainAfter, writeAgainAfter } from './exceptions.ts'
import { Exchange, type Link, type Take } from './exchange.ts'
import { type Ask, exception, requestProblem } from './pdu.ts'
import { Tally } from './tally.ts'

/** What is remembered of one device. */
export class Acquaintance {
  readonly tally = new Tally()
  readonly unit: number
  /** Whether its last request was answered; true before the first. */
  answered = true
  /** Function 22; null: not tried yet. */
  knowsMaskWrite: boolean | null = null

  constructor(unit: number) {
    this.unit = unit
  }
}

export class Asking {
  readonly #link: Link
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #devices = new Map<string, Acquaintance>()

  /** `tally`: the connection's. */
  constructor(options: { link: Link; clock: Clock; tally: Tally }) {
    this.#link = options.link
    this.#clock = options.clock
    this.#tally = options.tally
  }

  /** The device as configured, known from its first question on. */
  device(of: { readonly device: string; readonly unit: number }): Acquaintance {
    let device = this.#devices.get(of.device)
    if (device === undefined) {
      device = new Acquaintance(of.unit)
      this.#devices.set(of.device, device)
    }
    return device
  }

  /** A unit that is asked by hand: the device that has it, or one nobody configured. */
  stranger(unit: number): Acquaintance {
    for (const device of this.#devices.values()) if (device.unit === unit) return device
    return new Acquaintance(unit)
  }

  /** Empty before the device was first asked. */
  counters(device: string): Counters {
    return this.#devices.get(device)?.tally.counters() ?? {}
  }

  /** A read with all the repetitions it is allowed; 0, or the exception that remained. Throws Retryable. */
  async read(options: {
    ask: Ask
    retries: number
    device: Acquaintance
    take: Take
    signal: AbortSignal
  }): Promise<number> {
    const { device, signal } = options
    for (let attempt = 1; ; attempt++) {
      const code = await this.attempts(options)
      if (code === 0) return 0
      this.#countException(code, device)
      const waitMs = readAgainAfter(code, attempt)
      if (waitMs === null) return code
      if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
      this.#countRetry(device)
    }
  }

  /** A read, repeated only when the line failed it; 0, or the exception. Throws Retryable. */
  async attempts(options: {
    ask: Ask
    retries: number
    device: Acquaintance
    take: Take
    signal: AbortSignal
  }): Promise<number> {
    const { ask, device, take, signal } = options
    for (let left = options.retries; ; left--) {
      try {
        const code = await this.once(ask, null, device, take, signal)
        device.answered = true
        return code
      } catch (thrown) {
        if (left <= 0 || !(thrown instanceof Retryable) || !this.#worthRepeating(thrown, device)) {
          if (thrown instanceof Retryable && thrown.reason === Reason.timeout) device.answered = false
          throw thrown
        }
        this.#countRetry(device)
      }
    }
  }

  /** A damaged answer is asked for again at once. Silence is waited out first, which holds the line up: that is done for a
   *  device that answered until now, or when there is no other; a dead one costs its neighbours one timeout. */
  #worthRepeating(fault: Retryable, device: Acquaintance): boolean {
    if (fault.reason === Reason.badFrame) return true
    return fault.reason === Reason.timeout && (device.answered || this.#devices.size === 1)
  }

  /** One question, once: 0, or the exception's code. Throws Retryable, and Rejected for what the protocol does not allow. */
  once(
    ask: Ask,
    payload: Uint8Array | null,
    device: Acquaintance,
    take: Take | null,
    signal: AbortSignal,
  ): Promise<number> {
    const problem = requestProblem(ask, payload)
    if (problem !== null) return Promise.reject(new Rejected(problem, { reason: Reason.refused }))
    this.#tally.requests++
    device.tally.requests++
    return new Promise((resolve, reject) => {
      this.#link.send(new Exchange({ ask, payload, signal, device: device.tally, take, resolve, reject }))
    })
  }

  /** A write, never sent a second time unless the device said that it did not carry it out. Throws Rejected when the device
   *  refuses it; Retryable, `ambiguous` when it was sent and nobody confirmed it. `take`: what FC23 reads after writing. */
  async write(ask: Ask, payload: Uint8Array, signal: AbortSignal, take: Take | null = null): Promise<void> {
    const device = this.device(ask)
    for (let attempt = 1; ; attempt++) {
      const code = await this.once(ask, payload, device, take, signal).catch((thrown) => {
        if (!(thrown instanceof Retryable) || !thrown.ambiguous) throw thrown
        throw this.#unknown(thrown.message, thrown.reason, device, thrown)
      })
      if (code === 0) return
      this.#countException(code, device)
      const { reason, text } = exception(code)
      const waitMs = writeAgainAfter(code, attempt)
      if (waitMs === null) {
        const answer = `${ask.device} ${text} (exception ${code})`
        if (leavesUnknown(code)) throw this.#unknown(answer, reason, device)
        throw new Rejected(answer, { reason })
      }
      await this.#clock.sleep(waitMs, signal)
      this.#countRetry(device)
    }
  }

  #unknown(why: string, reason: Reason, device: Acquaintance, cause?: unknown): Retryable {
    this.#tally.unknownWrites++
    device.tally.unknownWrites++
    return new Retryable(`unknown: sent but not answered (${why})`, { reason, ambiguous: true, cause })
  }

  #countException(code: number, device: Acquaintance): void {
    this.#tally.exception(code)
    device.tally.exception(code)
  }

  count(device: Acquaintance, what: 'recordsInDoubt' | 'recordsReadAgain'): void {
    this.#tally[what]++
    device.tally[what]++
  }

  #countRetry(device: Acquaintance): void {
    this.#tally.retries++
    device.tally.retries++
  }
}
