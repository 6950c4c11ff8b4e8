/** Devices that are set up before they are read: what the configuration says is written to each after it was connected, when it
 *  comes back, or before each cycle. A device that refuses is not read: its values would not be what they seem. */
import { isDeepStrictEqual } from 'node:util'
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import type { Logger } from '../../../contracts/component.ts'
import { Rejected, Retryable, sentence } from '../../../contracts/errors.ts'
import type { Acquaintance } from '../asking.ts'
import type { DeviceSettings, SetupEntry } from '../settings.ts'
import type { Tally } from '../tally.ts'
import { orderOf } from './orders.ts'
import type { Target, Writing } from './writing.ts'

/** A device that refuses is tried again after this, then less and less often. */
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

/** Each occasion includes those before it. */
const RANK: Readonly<Record<SetupEntry['when'], number>> = { cycle: 1, return: 2, connect: 3 }

/** What is known of one device. */
class Prepared {
  /** Of the connection, and of its own silences, when it was last set up. */
  generation = Number.NaN
  silences = 0
  /** The rank of what is still to be written. */
  owed = 0
  trouble: string | null = null
  waitMs = FIRST_RETRY_MS
  /** Monotonic. */
  tryAgainAt = 0
  underWay: Promise<void> | null = null
  setup: DeviceSettings['setup']

  constructor(setup: DeviceSettings['setup']) {
    this.setup = setup
  }
}

export class Preparation {
  readonly #writing: Writing
  readonly #clock: Clock
  readonly #log: Logger
  readonly #tally: Tally
  readonly #generation: () => number
  readonly #devices = new Map<string, Prepared>()

  constructor(options: { writing: Writing; clock: Clock; log: Logger; tally: Tally; generation: () => number }) {
    this.#writing = options.writing
    this.#clock = options.clock
    this.#log = options.log
    this.#tally = options.tally
    this.#generation = options.generation
  }

  /** Why the device is not as the configuration wants it, or null. */
  trouble(device: string): string | null {
    return this.#devices.get(device)?.trouble ?? null
  }

  /** Writes what is due. Null: the device is as the configuration wants it; a text: why not. Throws Retryable when the line or
   *  the device's silence was in the way. `cycle`: a cycle begins. */
  async ready(
    target: Target,
    setup: DeviceSettings['setup'],
    known: Acquaintance,
    options: { cycle: boolean; signal: AbortSignal },
  ): Promise<string | null> {
    let device = this.#devices.get(target.device)
    if (device === undefined) {
      device = new Prepared(setup)
      this.#devices.set(target.device, device)
    }
    while (device.underWay !== null) await device.underWay
    if (device.setup !== setup && !isDeepStrictEqual(device.setup, setup)) {
      // Another configuration has come into force.
      device.generation = Number.NaN
      device.tryAgainAt = 0
    }
    device.setup = setup
    const generation = this.#generation()
    const rank = device.generation !== generation ? 3 : device.silences !== known.silences ? 2 : options.cycle ? 1 : 0
    device.owed = Math.max(device.owed, rank)
    if (device.owed === 0) return null
    if (device.trouble !== null && this.#clock.monotonic() < device.tryAgainAt) return device.trouble
    const entries = setup.filter(({ when }) => RANK[when] <= device.owed)
    const [silences, work] = [known.silences, this.#write(device, target, entries, known, options.signal)]
    device.underWay = work.then(
      () => {},
      () => {},
    )
    try {
      await work
    } finally {
      device.underWay = null
    }
    if (device.trouble !== null) return device.trouble
    device.owed = 0
    device.generation = generation
    device.silences = silences
    return null
  }

  async #write(
    device: Prepared,
    target: Target,
    entries: readonly SetupEntry[],
    known: Acquaintance,
    signal: AbortSignal,
  ): Promise<void> {
    for (const { settings, value, text } of entries) {
      try {
        await this.#writing.write(orderOf(target, settings, value), signal)
        this.#tally.setupWrites++
        known.tally.setupWrites++
      } catch (thrown) {
        this.#tally.setupFailures++
        known.tally.setupFailures++
        if (isSilence(thrown)) {
          known.silent()
          throw thrown
        }
        if (!(thrown instanceof Rejected || thrown instanceof Retryable)) throw thrown
        const trouble = `is not set up: ${text}: ${sentence(thrown)}`
        device.tryAgainAt = this.#clock.monotonic() + device.waitMs
        device.waitMs = Math.min(2 * device.waitMs, LONGEST_RETRY_MS)
        if (device.trouble !== trouble) this.#log.warn(`${target.device} ${trouble}; it is not read until it was`)
        device.trouble = trouble
        return
      }
    }
    if (device.trouble !== null) this.#log.info(`${target.device} is set up now`)
    device.trouble = null
    device.waitMs = FIRST_RETRY_MS
  }
}

const SILENCES: readonly Reason[] = [Reason.timeout, Reason.noConnection, Reason.badFrame, Reason.gatewayTarget]

/** Nobody answered: the poller's matter, as with a read. */
function isSilence(thrown: unknown): boolean {
  return thrown instanceof Retryable && SILENCES.includes(thrown.reason)
}
