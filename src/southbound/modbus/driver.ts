/** Modbus as the gateway sees it: one driver is one connection, over TCP, a serial line, or a socket that leads to one. */
import type { Board } from '../../../hal/contract.ts'
import { type BatchBuilder, Reason, type Value } from '../../contracts/batch.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters, Logger, State } from '../../contracts/component.ts'
import type { DevicePlan, Driver, GroupPlan, Peek, Request, Tag } from '../../contracts/driver.ts'
import { Rejected, Retryable } from '../../contracts/errors.ts'
import { encodeWrite } from './encode.ts'
import { isRefusal, leavesUnknown, readAgainAfter, writeAgainAfter } from './exceptions.ts'
import { Exchange, type Link } from './exchange.ts'
import { Holes } from './holes.ts'
import { openLink } from './open-link.ts'
import { type Ask, exception } from './pdu.ts'
import { peek, poke } from './peek.ts'
import { type ModbusRequest, planGroup, splitRequest } from './plan.ts'
import { type ConnectionSettings, connectionSettings, type DeviceSettings, type TagSettings } from './settings.ts'
import { Tally } from './tally.ts'

export interface ModbusOptions {
  readonly name: string
  readonly settings: ConnectionSettings
  readonly clock: Clock
  readonly log: Logger
  readonly board: Board
  /** For the jitter of back-off. */
  readonly random?: () => number
}

/** What the driver remembers of a device. */
class Acquaintance {
  readonly tally = new Tally()
  readonly unit: number
  /** Whether its last request was answered; true before the first. */
  answered = true

  constructor(unit: number) {
    this.unit = unit
  }
}

type Take = (bytes: Uint8Array, offset: number) => void

export class ModbusDriver implements Driver {
  readonly name: string
  readonly lane: string
  readonly inFlight: number
  readonly #settings: ConnectionSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #link: Link
  readonly #tally = new Tally()
  readonly #devices = new Map<string, Acquaintance>()
  readonly #holes = new WeakMap<ModbusRequest, Holes>()
  #holesKnown = 0

  constructor(options: ModbusOptions) {
    const { name, settings, clock, board } = options
    this.name = name
    this.lane = name
    this.inFlight = settings.kind === 'tcp' ? settings.inFlight : 1
    this.#settings = settings
    this.#clock = clock
    this.#log = options.log
    const random = options.random ?? Math.random
    this.#link = openLink({ settings, clock, board, tally: this.#tally, random })
  }

  async start(): Promise<void> {
    this.#link.start()
  }

  stop(): Promise<void> {
    return this.#link.stop()
  }

  state(): State {
    return this.#link.state()
  }

  counters(): Counters {
    return this.#tally.counters()
  }

  /** What went wrong with one device; empty before it was first asked. */
  deviceCounters(device: string): Counters {
    return this.#devices.get(device)?.tally.counters() ?? {}
  }

  plan(group: GroupPlan): readonly Request[] {
    return planGroup(group, this.#settings)
  }

  /** Device fault: bad quality in `into`. Line fault: throws Retryable. */
  async read(planned: Request, into: BatchBuilder, signal: AbortSignal): Promise<void> {
    const request = planned as ModbusRequest
    const device = this.#device(request)
    if (this.#holesKnown > 0) {
      const holes = this.#holes.get(request)
      if (holes !== undefined) return this.#readAround(request, holes, device, into, signal)
    }
    const code = await this.#ask(request, device, into, signal)
    if (code === 0) return
    if (!isRefusal(code)) return mark(request, code, into)
    const { generation } = this.#link
    const holes = new Holes({ request, code, now: this.#clock.monotonic(), generation })
    this.#holes.set(request, holes)
    this.#holesKnown++
    await this.#readAround(request, holes, device, into, signal)
    this.#log.warn(`${request.device} refuses registers: ${refusals(holes) || 'still finding out which'}`, {
      request: request.text,
    })
  }

  async #readAround(
    request: ModbusRequest,
    holes: Holes,
    device: Acquaintance,
    into: BatchBuilder,
    signal: AbortSignal,
  ): Promise<void> {
    if (holes.expired(this.#clock.monotonic(), this.#link.generation)) {
      this.#holes.delete(request)
      this.#holesKnown--
      return this.read(request, into, signal)
    }
    const known = holes.refused.length
    await holes.read(
      splitRequest,
      (part) => this.#ask(part, device, into, signal),
      (part, code) => mark(part, code, into),
    )
    device.tally.learntHoles += holes.refused.length - known
    this.#tally.learntHoles += holes.refused.length - known
  }

  /** One request with the repetitions it is allowed; 0, or the exception that remained. */
  async #ask(request: ModbusRequest, device: Acquaintance, into: BatchBuilder, signal: AbortSignal): Promise<number> {
    const take: Take = (bytes, offset) => request.decode(bytes, offset, into)
    for (let attempt = 1; ; attempt++) {
      const code = await this.#attempts(request, request.retries, device, take, signal)
      if (code === 0) return 0
      this.#tally.exception(code)
      device.tally.exception(code)
      const waitMs = readAgainAfter(code, attempt)
      if (waitMs === null) return code
      if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
      this.#countRetry(device)
    }
  }

  /** A read, repeated when the line failed it. */
  async #attempts(ask: Ask, retries: number, device: Acquaintance, take: Take, signal: AbortSignal): Promise<number> {
    for (let left = retries; ; left--) {
      try {
        const code = await this.#exchange(ask, null, device, take, signal)
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

  #countRetry(device: Acquaintance): void {
    this.#tally.retries++
    device.tally.retries++
  }

  #exchange(
    ask: Ask,
    payload: Uint8Array | null,
    device: Acquaintance,
    take: Take | null,
    signal: AbortSignal,
  ): Promise<number> {
    this.#tally.requests++
    device.tally.requests++
    return new Promise((resolve, reject) => {
      this.#link.send(new Exchange({ ask, payload, signal, device: device.tally, take, resolve, reject }))
    })
  }

  /** `value` is raw. Throws Rejected when the device or the type refuses it; Retryable, `ambiguous` when it was sent and
   *  nobody confirmed it. Never sent a second time by itself. */
  async write(plan: DevicePlan, tag: Tag, value: Value, signal: AbortSignal): Promise<void> {
    const settings = plan.settings as DeviceSettings
    const frame = encodeWrite(tag.settings as TagSettings, value)
    await this.#write(
      {
        device: plan.name,
        unit: settings.unitId,
        function: frame.function,
        address: frame.address,
        quantity: frame.quantity,
        timeoutMs: settings.timeoutMs,
      },
      frame.bytes,
      signal,
    )
  }

  async #write(ask: Ask, payload: Uint8Array, signal: AbortSignal): Promise<void> {
    const device = this.#device(ask)
    for (let attempt = 1; ; attempt++) {
      const code = await this.#exchange(ask, payload, device, null, signal).catch((thrown) => {
        if (!(thrown instanceof Retryable) || !thrown.ambiguous) throw thrown
        throw this.#unknown(thrown.message, thrown.reason, device, thrown)
      })
      if (code === 0) return
      this.#tally.exception(code)
      device.tally.exception(code)
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

  /** `UNIT ADDRESS [TYPE] [COUNT]`: every reading of the bytes that makes sense, or of the type that was named. */
  peek(words: readonly string[], signal: AbortSignal): Promise<Peek> {
    return peek(words, {
      settings: this.#settings,
      clock: this.#clock,
      ask: async (ask) => {
        let answer = new Uint8Array(0)
        const take: Take = (bytes, offset) => {
          answer = bytes.slice(offset, offset + contentBytes(ask))
        }
        const code = await this.#attempts(ask, this.#settings.retries, this.#stranger(ask), take, signal)
        if (code === 0) return answer
        const { reason, text } = exception(code)
        throw new Rejected(`unit ${ask.unit} ${text} (exception ${code})`, { reason })
      },
    })
  }

  /** `UNIT ADDRESS TYPE VALUE`: writes once and says what was confirmed. */
  poke(words: readonly string[], signal: AbortSignal): Promise<string> {
    return poke(words, { settings: this.#settings, write: (ask, payload) => this.#write(ask, payload, signal) })
  }

  #device(ask: Ask | ModbusRequest): Acquaintance {
    let device = this.#devices.get(ask.device)
    if (device === undefined) {
      device = new Acquaintance(ask.unit)
      this.#devices.set(ask.device, device)
    }
    return device
  }

  /** A unit that is asked by hand: the device that has it, or one nobody configured. */
  #stranger(ask: Ask): Acquaintance {
    for (const device of this.#devices.values()) if (device.unit === ask.unit) return device
    return new Acquaintance(ask.unit)
  }
}

/** For the catalog: `settings` as the schema parsed them. */
export function createModbusDriver(
  surroundings: Omit<ModbusOptions, 'settings'> & { readonly settings: unknown },
): ModbusDriver {
  return new ModbusDriver({ ...surroundings, settings: connectionSettings(surroundings.settings) })
}

function mark(request: ModbusRequest, code: number, into: BatchBuilder): void {
  const { reason } = exception(code)
  for (const tag of request.tags) into.bad(tag, reason)
}

function refusals({ refused }: Holes): string {
  const texts = refused.slice(0, 5).map(({ request, code }) => `${request.text} (it ${exception(code).text})`)
  if (refused.length > 5) texts.push(`and ${refused.length - 5} more`)
  return texts.join(', ')
}

function contentBytes(ask: Ask): number {
  return ask.function < 3 ? (ask.quantity + 7) >> 3 : ask.quantity * 2
}
