/** Asking devices: one question with the repetitions it is allowed, counted for the connection and for the device. Reads,
 *  writes, requests by hand and diagnosis all go through here. */
import { Reason } from '../../contracts/batch.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters } from '../../contracts/component.ts'
import type { Turn } from '../../contracts/driver.ts'
import { Rejected, Retryable } from '../../contracts/errors.ts'
import { Exchange, type Link, type Take } from './exchange.ts'
import { leavesUnknown, readAgainAfter, writeAgainAfter } from './frames/exceptions.ts'
import { type Ask, exception, requestProblem } from './frames/pdu.ts'
import { FullTries, Responses } from './plan/response.ts'
import { Tally } from './tally.ts'

/** What is remembered of one device. */
export class Acquaintance {
  readonly tally = new Tally()
  readonly unit: number
  readonly responses = new Responses()
  /** Whether its last request was answered; true before the first. */
  answered = true
  /** Tries in a row that drew nothing. */
  missed = 0
  /** Waits in a row that a busy device asked for. */
  postponed = 0
  /** How often it fell silent after it had answered. */
  silences = 0
  /** Function 22; null: not tried yet. */
  knowsMaskWrite: boolean | null = null

  constructor(unit: number) {
    this.unit = unit
  }

  silent(): void {
    if (this.answered) this.silences++
    this.answered = false
  }
}

/** Exception 0B: the gateway in front of the device got no answer from it. */
const GATEWAY_TARGET = 11

interface ReadOptions {
  readonly ask: Ask
  readonly retries: number
  readonly device: Acquaintance
  readonly take: Take
  readonly signal: AbortSignal
  /** A late answer would be a loss: a device that was silent is given all its time, too. */
  readonly patient?: boolean
  /** The place in the queue that is given up instead of waiting on the wire. */
  readonly turn?: Turn | null
}

export class Asking {
  readonly #link: Link
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #shortTries: boolean
  readonly #fullTries = new FullTries()
  readonly #devices = new Map<string, Acquaintance>()

  /** `tally`: the connection's. `shortTries`: what a silent device costs the wire ends when we stop waiting for it, which is
   *  not so where a gateway in between waits on. */
  constructor(options: { link: Link; clock: Clock; tally: Tally; shortTries?: boolean }) {
    this.#link = options.link
    this.#clock = options.clock
    this.#tally = options.tally
    this.#shortTries = options.shortTries ?? false
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

  /** What is remembered of a device; undefined before its first question. */
  known(device: string): Acquaintance | undefined {
    return this.#devices.get(device)
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

  /** A read with all the repetitions it is allowed; 0, or the exception that remained. Throws Retryable; with `repeat`, when
   *  there is a turn to give up and the repetition has to wait. */
  async read(options: ReadOptions): Promise<number> {
    const { ask, device, turn, signal } = options
    for (let attempt = 1; ; attempt++) {
      const code = await this.attempts(options)
      if (code === 0) {
        device.postponed = 0
        return 0
      }
      this.#countException(code, device)
      const waitMs = readAgainAfter(code, attempt + device.postponed)
      if (waitMs === null) {
        device.postponed = 0
        return code
      }
      this.#countRetry(device)
      if (waitMs > 0 && turn) {
        device.postponed++
        const { reason, text } = exception(code)
        throw new Retryable(`${ask.device} ${text}`, { reason, quietMs: waitMs, repeat: true })
      }
      if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
      await turn?.between()
    }
  }

  /** A read, repeated only when the line failed it; 0, or the exception. Throws Retryable. */
  async attempts(options: ReadOptions): Promise<number> {
    const { device, take, turn, signal } = options
    const ask = options.patient === true ? options.ask : this.#asTry(options.ask, device)
    for (let left = options.retries; ; left--) {
      try {
        const code = await this.once(ask, null, device, take, signal)
        // Who speaks of a target that does not answer is the gateway in front of it.
        if (code === GATEWAY_TARGET) device.silent()
        else device.answered = true
        device.missed = 0
        return code
      } catch (thrown) {
        if (!(thrown instanceof Retryable)) throw thrown
        const silent = thrown.reason === Reason.timeout
        const heard = device.answered && device.responses.known
        if (silent && turn && heard && device.missed++ < options.retries) {
          this.#countRetry(device)
          throw new Retryable(thrown.message, { reason: thrown.reason, quietMs: thrown.quietMs, repeat: true })
        }
        if (left <= 0 || (silent && turn) || !this.#worthRepeating(thrown, device)) {
          if (silent) device.silent()
          throw thrown
        }
        this.#countRetry(device)
        await turn?.between()
      }
    }
  }

  /** A damaged answer is asked for again at once. Silence is waited out first, which holds the line up: that is done for a
   *  device that answered until now, or when there is no other; a dead one costs its neighbours one timeout. */
  #worthRepeating(fault: Retryable, device: Acquaintance): boolean {
    if (fault.reason === Reason.badFrame) return true
    return fault.reason === Reason.timeout && (device.answered || this.#devices.size === 1)
  }

  /** The question as it is put to a device that has not answered the last one: with less patience. */
  #asTry(ask: Ask, device: Acquaintance): Ask {
    if (!this.#shortTries || (device.answered && device.missed === 0)) return ask
    const probeMs = device.responses.tryMs(ask.timeoutMs) ?? this.#firstTryMs(ask.timeoutMs)
    return probeMs >= ask.timeoutMs ? ask : { ...ask, probeMs }
  }

  #firstTryMs(timeoutMs: number): number {
    let silent = 0
    let others = false
    for (const { answered, responses } of this.#devices.values()) {
      if (answered) others = true
      else if (!responses.known) silent++
    }
    return this.#fullTries.tryMs({ timeoutMs, silent, others, now: this.#clock.monotonic() })
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
      const exchange = new Exchange({ ask, payload, signal, device: device.tally, take, resolve: answered, reject })
      function answered(code: number): void {
        if (code !== GATEWAY_TARGET) device.responses.record(exchange.responseMs)
        resolve(code)
      }
      this.#link.send(exchange)
    })
  }

  /** A write, never sent a second time unless the device said that it did not carry it out. Throws Rejected when the device
   *  refuses it; Retryable, `ambiguous` when it was sent and nobody confirmed it. `take`: what FC23 reads after writing. */
  async write(
    ask: Ask,
    payload: Uint8Array,
    signal: AbortSignal,
    options: { take?: Take; device?: Acquaintance } = {},
  ): Promise<void> {
    const { take = null, device = this.device(ask) } = options
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
