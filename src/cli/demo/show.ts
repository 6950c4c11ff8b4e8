/** Plant, broker and gateway together: what can be done to them, and what they prove in the end. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as catalog from '../../catalog.ts'
import type { Configuration } from '../../config/configuration.ts'
import { load } from '../../config/load.ts'
import { formatProblems } from '../../config/problems.ts'
import { socketDirectory } from '../../config/sockets.ts'
import { rowsOf, type ValueRow } from '../../console/terminal/rows.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { ConfigurationFault, Rejected } from '../../contracts/errors.ts'
import type { GatewayReport } from '../../contracts/report.ts'
import { Gateway } from '../../gateway.ts'
import { openArchive } from '../../log/archive.ts'
import { audit } from '../../log/audit.ts'
import type { Around } from '../run/errands.ts'
import { doorOf, lookingAt } from '../run/field-sockets.ts'
import { Surfaces } from '../run/surfaces.ts'
import { version } from '../version.ts'
import { Broker, SEQUENCE_TAG } from './broker.ts'
import { demoConfiguration } from './configuration.ts'
import { type Ledger, Plant } from './plant/plant.ts'
import { freePorts } from './plant/tcp-device.ts'
import { type Audit, type Happenings, type SequenceProof, type Summary, summarise } from './summary.ts'

/** How long the end waits for the last entries. */
const DRAIN_MS = 20_000

export class Show {
  readonly plant: Plant
  readonly broker: Broker
  /** By which other commands reach this gateway: `--config` of theirs. */
  readonly file: string
  readonly happenings: Happenings = { cablePulls: 0, deviceDeaths: 0, adapterUnplugs: 0, largestBacklog: 0 }
  /** The log's folder. */
  readonly #log: string
  readonly #gateway: Gateway
  readonly #surfaces: Surfaces
  readonly #clock: Clock
  readonly #resting: Configuration
  readonly #startedAt: number
  readonly #watch: Stop
  #ended = false

  /** `folder`: empty, for the log; the caller removes it. Everything listens on loopback. */
  static async open(options: { clock: Clock; folder: string; log: Logger }): Promise<Show> {
    const { clock, folder, log } = options
    const [pressPort, ovenPort, conveyorPort, brokerPort] = (await freePorts(4)) as [number, number, number, number]
    const places = { pressPort, ovenPort, conveyorPort, brokerPort, log: join(folder, 'log') }
    const plant = new Plant({ clock, ports: { press: pressPort, oven: ovenPort, conveyor: conveyorPort } })
    const broker = await Broker.open(brokerPort)
    await mkdir(places.log)
    const file = join(folder, 'demo.yaml')
    await writeFile(file, demoConfiguration(places))
    const configuration = await read(file, demoConfiguration(places))
    const resting = await read(file, demoConfiguration({ ...places, resting: true }))
    const gateway = await Gateway.open({ configuration, clock, board: plant.line.board, log, version: version() })
    const kept = async (): Promise<never> => {
      throw new Rejected('the demo keeps its configuration')
    }
    const around: Around = async (connection, work) => {
      const before = new Map(plant.ledgers().map((ledger) => [ledgerName(ledger), ledger.handedOut]))
      try {
        return await work()
      } finally {
        const own = new Set(configuration.devices.filter((d) => d.connection === connection).map(({ name }) => name))
        for (const ledger of plant.ledgers().filter(({ device }) => own.has(device))) {
          const { device, group, handedOut } = ledger
          // Who asked by hand has these numbers: the gateway never read them.
          for (let number = (before.get(ledgerName(ledger)) ?? 0) + 1; number <= handedOut; number++) {
            broker.tally(device, group).excuse(number)
          }
        }
      }
    }
    const surfaces = new Surfaces({ folder: socketDirectory(places.log, {}) })
    const open = {
      inspect: { status: async () => gateway.report(), plan: kept, ...lookingAt(gateway.field, clock, around) },
      control: { prepare: kept },
    }
    try {
      await plant.start()
      await broker.plug()
      await surfaces.show(open)
      await gateway.start()
      await surfaces.show({ ...open, ...doorOf(gateway.field, configuration, around) })
    } catch (thrown) {
      await surfaces.stop()
      await gateway.stop(0)
      await broker.close()
      await plant.stop()
      throw thrown
    }
    return new Show({ plant, broker, gateway, surfaces, clock, resting, file, log: places.log })
  }

  private constructor(given: {
    plant: Plant
    broker: Broker
    gateway: Gateway
    surfaces: Surfaces
    clock: Clock
    resting: Configuration
    file: string
    log: string
  }) {
    this.file = given.file
    this.#log = given.log
    this.#surfaces = given.surfaces
    this.plant = given.plant
    this.broker = given.broker
    this.#gateway = given.gateway
    this.#clock = given.clock
    this.#resting = given.resting
    this.#startedAt = given.clock.monotonic()
    this.#watch = given.clock.every(250, () => {
      this.happenings.largestBacklog = Math.max(this.happenings.largestBacklog, pending(this.report()))
    })
  }

  get elapsedMs(): number {
    return this.#clock.monotonic() - this.#startedAt
  }

  report(): GatewayReport {
    return this.#gateway.report()
  }

  /** One value of each group in turn, so that a small screen shows something of every device. */
  values(): readonly ValueRow[] {
    const now = this.#clock.now()
    const groups = [...this.#gateway.field.live.all()].map((batch) =>
      rowsOf(batch, now, this.#gateway.field.stored(batch.group)).filter(({ tag }) => tag !== SEQUENCE_TAG),
    )
    const most = Math.max(0, ...groups.map((rows) => rows.length))
    return Array.from({ length: most }, (_, at) => groups.flatMap((rows) => rows[at] ?? [])).flat()
  }

  /** Numbers the devices handed out, and those that the broker has. */
  sequences(): readonly SequenceProof[] {
    return this.plant.ledgers().map(({ device, group, handedOut }) => {
      const tally = this.broker.tally(device, group)
      // The last poll may have been cut off when polling ended: a number that nobody was left to receive.
      const counted = this.#ended && tally.missing(handedOut) > tally.missing(handedOut - 1) ? handedOut - 1 : handedOut
      return { device, group, handedOut: counted, missing: tally.missing(counted), repeated: tally.repeated }
    })
  }

  async cable(plugged: boolean): Promise<void> {
    if (this.broker.plugged && !plugged) this.happenings.cablePulls++
    await (plugged ? this.broker.plug() : this.broker.pull())
  }

  async device(alive: boolean): Promise<void> {
    const { conveyor } = this.plant
    if (conveyor.powered && !alive) this.happenings.deviceDeaths++
    await (alive ? conveyor.on() : conveyor.off())
  }

  adapter(plugged: boolean): void {
    const { line } = this.plant
    if (line.plugged && !plugged) this.happenings.adapterUnplugs++
    if (plugged) line.plug()
    else for (const { device, group, number } of line.unplug()) this.broker.tally(device, group).excuse(number)
  }

  /** Ends polling, gives the backlog time to drain, stops everything. */
  async end(): Promise<Summary> {
    const seconds = this.elapsedMs / 1000
    await this.cable(true)
    await this.#gateway.reload(this.#resting)
    this.#ended = true
    const until = this.#clock.monotonic() + DRAIN_MS
    const settled = (): boolean =>
      pending(this.report()) === 0 && this.sequences().every((sequence) => sequence.missing === 0)
    while (!settled() && this.#clock.monotonic() < until) await this.#clock.sleep(50, NEVER)
    const report = this.report()
    this.#watch()
    await this.#surfaces.stop()
    await this.#gateway.stop()
    await this.broker.close()
    await this.plant.stop()
    return summarise({
      seconds,
      audit: await this.#audited(),
      report,
      sequences: this.sequences(),
      messages: this.broker.messages,
      happenings: this.happenings,
    })
  }

  /** Of the log as it was left. */
  async #audited(): Promise<Audit> {
    const archive = openArchive({ path: this.#log, clock: this.#clock, log: QUIET })
    try {
      return await audit({ archive, pause: () => this.#clock.sleep(0, NEVER) })
    } finally {
      await archive.close()
    }
  }
}

const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {} }

function ledgerName({ device, group }: Ledger): string {
  return `${device}/${group}`
}

const NEVER = new AbortController().signal

function pending(report: GatewayReport): number {
  return report.sinks.reduce((sum, { receipt }) => sum + (receipt?.pending ?? 0), 0)
}

async function read(file: string, text: string): Promise<Configuration> {
  const loaded = await load({ file, text, kinds: await catalog.kinds(), env: {} })
  if (!loaded.ok) throw new ConfigurationFault(formatProblems(loaded.problems))
  return loaded.configuration
}
