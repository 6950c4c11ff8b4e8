/** One wire or host, south: its driver, the queue for it, and its clockwork; with what it and its devices say of themselves. */
import type { Ports } from '../hal/contract.ts'
import * as catalog from './catalog.ts'
import type { ConnectionConfiguration } from './config/configuration.ts'
import type { Batch } from './contracts/batch.ts'
import type { Clock } from './contracts/clock.ts'
import type { Logger } from './contracts/component.ts'
import type { DevicePlan, Driver, GroupPlan, Notebook, Write } from './contracts/driver.ts'
import { Rejected } from './contracts/errors.ts'
import type { ConnectionReport, DeviceReport } from './contracts/report.ts'
import type { Ledger } from './health/ledger.ts'
import { Lane } from './schedule/lane.ts'
import { Poller } from './schedule/poller.ts'

/** An exchange that has not ended for so long hangs, whatever its driver's timeouts: a device that is silent ends it in time. */
const STALLED_MS = 60_000
/** One exchange may be several: a device is looked for, identified, set up. */
const CALLS = 4
const LONGEST_MS = 15_000

export interface ConnectionOptions {
  readonly configuration: ConnectionConfiguration
  readonly clock: Clock
  readonly board: Ports
  readonly log: Logger
  readonly notebook: Notebook
  readonly ledger: Ledger
  readonly emit: (batch: Batch) => void
}

export class Connection {
  readonly configuration: ConnectionConfiguration
  readonly driver: Driver
  readonly lane: Lane
  readonly poller: Poller
  readonly #clock: Clock
  /** Out of the health ledger. */
  readonly #leave: () => void

  static async open(options: ConnectionOptions): Promise<Connection> {
    const { configuration, clock, board, log, notebook } = options
    const { name, settings } = configuration
    const create = await catalog.drivers[configuration.driver]!.load()
    return new Connection(options, create({ name, settings, clock, log, board, notebook }))
  }

  private constructor({ configuration, clock, ledger, emit }: ConnectionOptions, driver: Driver) {
    this.configuration = configuration
    this.driver = driver
    this.#clock = clock
    this.lane = new Lane({ clock, inFlight: driver.inFlight })
    this.poller = new Poller({ clock, driver, lane: this.lane, emit })
    this.#leave = ledger.enrol({
      name: `connection ${configuration.name}`,
      get allowanceMs() {
        return STALLED_MS + CALLS * (driver.longestMs ?? LONGEST_MS)
      },
      state: () => driver.state(),
      progress: () => this.poller.progress,
    }).leave
  }

  async start(groups: readonly GroupPlan[], signal: AbortSignal): Promise<void> {
    await this.driver.start(signal)
    this.poller.configure(groups)
    this.poller.start()
  }

  async stop(): Promise<void> {
    this.#leave()
    this.poller.stop()
    await this.lane.stop()
    await this.driver.stop()
  }

  /** Several writes are one request. */
  write(device: DevicePlan, writes: readonly Write[], signal: AbortSignal): Promise<string | undefined> {
    const { driver } = this
    const [only] = writes
    return this.lane.submit(async (ending) => {
      const either = AbortSignal.any([signal, ending])
      if (writes.length === 1 && driver.write !== undefined) return driver.write(device, only!.tag, only!.value, either)
      if (driver.writeTogether !== undefined) return driver.writeTogether(device, writes, either)
      const what = writes.length === 1 ? 'cannot write' : 'cannot write several tags in one request'
      throw new Rejected(`connection ${this.configuration.name} ${what}`)
    })
  }

  /** `devices`: its own, of those that are read. */
  report(devices: readonly DeviceReport[]): ConnectionReport {
    const { configuration, driver, lane, poller } = this
    return {
      name: configuration.name,
      driver: configuration.driver,
      state: driver.state(),
      ...lane.usage.report(this.#clock.monotonic()),
      budget: poller.budget(),
      devices: devices.length,
      answering: devices.filter(({ answers }) => answers === true).length,
      counters: { ...driver.counters(), ...poller.counters() },
    }
  }
}

/** `connection`: undefined while there is none. `now`: monotonic. */
export function reportDevice(options: {
  readonly device: DevicePlan
  readonly groups: readonly GroupPlan[]
  readonly connection: Connection | undefined
  readonly now: number
}): DeviceReport {
  const { device, groups, connection, now } = options
  const { name, enabled } = device
  const attendance = connection?.poller.attendance(name)
  const learnt = connection?.driver.knowledge?.(device)
  const trouble = enabled ? (connection?.driver.deviceTrouble?.(name) ?? null) : null
  const idle = isOnlyWritten(groups) ? 'only written, never read' : attendance?.text
  return {
    name,
    connection: device.connection,
    enabled,
    answers: attendance?.answers ?? null,
    text: enabled ? (trouble ?? idle ?? 'nothing configured to read') : 'switched off in the configuration',
    ...(trouble === null ? {} : { trouble }),
    ...(learnt === undefined ? {} : { knowledge: learnt }),
    ageMs: attendance?.answeredAt == null ? null : now - attendance.answeredAt,
    groups: groups.length,
    tags: groups.reduce((sum, group) => sum + group.tags.length, 0),
    counters: { ...attendance?.counters(), ...connection?.driver.deviceCounters?.(name) },
  }
}

export function isOnlyWritten(groups: readonly GroupPlan[]): boolean {
  return groups.length > 0 && groups.every(({ ref }) => ref.tags.length === 0)
}
