/** Composition: builds the halves from a configuration and joins them by the log.
 *
 *    connections ─► pipeline ─► log ─► deliveries         live ◄─ pipeline
 *    connections ◄────────────── door ◄─ sinks, consoles
 */
import { isDeepStrictEqual } from 'node:util'
import type { Board } from '../hal/contract.ts'
import * as catalog from './catalog.ts'
import { Door } from './commands/door.ts'
import { type UpkeepOptions, WriteUpkeep } from './commands/upkeep.ts'
import type { Configuration, ConnectionConfiguration, SinkConfiguration } from './config/configuration.ts'
import type { Change } from './config/diff.ts'
import { keepIdentity } from './config/identity.ts'
import { unknownName } from './config/spelling.ts'
import { Live } from './console/live.ts'
import type { Batch, GroupRef } from './contracts/batch.ts'
import type { Clock, Stop } from './contracts/clock.ts'
import type { CommandDoor } from './contracts/command.ts'
import type { Logger } from './contracts/component.ts'
import type { Driver, GroupPlan, Tag, Write } from './contracts/driver.ts'
import type { Inquiry } from './contracts/errand.ts'
import { ConfigurationFault, Rejected, sentence } from './contracts/errors.ts'
import type { ConnectionReport, DeviceReport, GatewayReport, LiveValues, SinkReport } from './contracts/report.ts'
import type { Sink } from './contracts/sink.ts'
import { Ledger } from './health/ledger.ts'
import { lights } from './health/leds.ts'
import { Drain } from './log/drain.ts'
import { type Log, openLog } from './log/log.ts'
import { NotebookFile } from './log/notebook.ts'
import { Pipeline } from './pipeline/pipeline.ts'
import { Selection } from './pipeline/selection.ts'
import { Lane } from './schedule/lane.ts'
import { Poller } from './schedule/poller.ts'

/** One wire or host, south: its driver, its queue, its clockwork. */
interface Connection {
  readonly configuration: ConnectionConfiguration
  readonly driver: Driver
  readonly lane: Lane
  readonly poller: Poller
  /** Out of the health ledger. */
  readonly leave: () => void
}

/** One reader of the log, north: its sink and what brings entries to it. */
interface Delivery {
  readonly configuration: SinkConfiguration
  readonly sink: Sink
  readonly drain: Drain
}

/** A connection that should have finished a cycle and has not for so long hangs. The longest timeouts and intervals stay below. */
const STALLED_MS = 120_000

/** What is held by writes is let go of within this when the gateway stops or the tags go away. */
const LETTING_GO_MS = 2000

export interface GatewayOptions {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly board: Board
  readonly log: Logger
  readonly version: string
}

export class Gateway {
  readonly live: LiveValues
  readonly #clock: Clock
  readonly #board: Board
  readonly #say: Logger
  readonly #version: string
  readonly #startedAt: number
  readonly #log: Log
  readonly #notebook: NotebookFile
  readonly #live: Live
  readonly #pipeline: Pipeline
  readonly #door: Door
  readonly #upkeep: WriteUpkeep
  readonly #connections = new Map<string, Connection>()
  readonly #deliveries = new Map<string, Delivery>()
  readonly #ledger: Ledger
  readonly #ending = new AbortController()
  #phase: 'starting' | 'running' | 'stopping' = 'starting'
  #configuration: Configuration
  #tick: Stop | undefined

  static async open(options: GatewayOptions): Promise<Gateway> {
    const { configuration, clock, log } = options
    const opened = await openLog({ ...configuration.log, clock, log })
    return new Gateway(options, opened, await NotebookFile.open({ folder: configuration.log.path, clock, log }))
  }

  private constructor(options: GatewayOptions, log: Log, notebook: NotebookFile) {
    this.#clock = options.clock
    this.#board = options.board
    this.#say = options.log
    this.#version = options.version
    this.#configuration = options.configuration
    this.#startedAt = options.clock.wall()
    this.#log = log
    this.#notebook = notebook
    this.#ledger = new Ledger({ clock: options.clock })
    this.#live = new Live((device) => this.#attendance(device)?.answers ?? undefined)
    this.live = this.#live
    this.#pipeline = new Pipeline({
      groups: options.configuration.groups,
      emit: (batch) => this.#store(batch),
      note: (event) => this.#background(this.#log.writer.note(event)),
    })
    const toField = {
      clock: this.#clock,
      invert: (tag, value, plan) => this.#pipeline.invert(tag, value, plan),
      find: (device, group, tag) => this.#find(device, group, tag),
      answers: (device) => this.#attendance(device)?.answers ?? undefined,
      audit: (text, facts) => this.audit(text, facts),
      write: (plan, writes, signal) => this.#write(plan, writes, signal),
    } satisfies UpkeepOptions
    this.#upkeep = new WriteUpkeep(toField)
    this.#door = new Door({
      ...toField,
      rules: commandRules(options.configuration),
      write: (plan, writes, signal) => this.#upkeep.write(plan, writes, signal),
    })
  }

  get configuration(): Configuration {
    return this.#configuration
  }

  get door(): CommandDoor {
    return this.#door
  }

  /** Whether the group's last batch is in the log, or on its way there. */
  stored(group: GroupRef): boolean {
    return this.#live.stored(group)
  }

  /** A durable line about what somebody did. */
  audit(text: string, facts: Readonly<Record<string, string | number | boolean>> = {}): void {
    this.#background(this.#log.writer.note({ at: this.#clock.now(), name: 'command', text, facts }))
  }

  /** The changes with what each would cost: what a sink that goes away has not been sent yet. */
  consequences(changes: readonly Change[]): readonly Change[] {
    return changes.map((change) => {
      const [noun, name = ''] = change.component.split(' ')
      const delivery = noun === 'sink' && change.change === 'removed' ? this.#deliveries.get(name) : undefined
      if (delivery === undefined) return change
      const pending = delivery.drain.report().receipt.pending
      return { ...change, text: `${pending} entries that it has not been sent yet are dropped for it` }
    })
  }

  /** Sinks first, then drivers: nothing is read before there is somewhere for it to go. */
  async start(): Promise<void> {
    const { groups, sinks, connections, devices } = this.#configuration
    this.#notebook.keepOnly(new Set(devices.map((device) => `${device.connection}/${device.name}`)))
    this.#log.configure({ groups: groups.map((group) => group.ref), readers: readersOf(this.#configuration) })
    this.#pipeline.restore(this.#log.reader.snapshot().batches)
    this.#background(
      this.#log.writer.note({
        at: this.#clock.now(),
        name: 'gateway.started',
        text: `version ${this.#version} started`,
        facts: { version: this.#version, revision: this.#configuration.source.sha256 },
      }),
    )
    for (const sink of sinks) if (sink.enabled) await this.#addDelivery(sink)
    for (const connection of connections) await this.#addConnection(connection)
    this.#tick = this.#clock.every(1000, () => this.#pipeline.onTick(this.#clock.now()))
    this.#phase = 'running'
  }

  /** The reverse: readers of the field first, then what is under way north is given `drainMs` to be confirmed. */
  async stop(drainMs = 5000): Promise<void> {
    this.#phase = 'stopping'
    this.#tick?.()
    this.#door.shut()
    await this.#upkeep.stop(LETTING_GO_MS)
    await Promise.all([...this.#connections.values()].map(removeConnection))
    this.#connections.clear()
    await this.#log.flush()
    await Promise.all([...this.#deliveries.values()].map(({ drain }) => drain.finish(drainMs)))
    await Promise.all([...this.#deliveries.values()].map(removeDelivery))
    this.#deliveries.clear()
    this.#ending.abort(new ConfigurationFault('the gateway is stopping'))
    await this.#notebook.close()
    await this.#log.close()
  }

  /** Puts another configuration into force. Connections, groups and sinks that are equal in both go on undisturbed. */
  async reload(next: Configuration): Promise<void> {
    const before = this.#configuration
    const after = keepIdentity(before, next)
    this.#configuration = after
    this.#log.configure({ groups: after.groups.map((group) => group.ref), readers: readersOf(after) })
    this.#pipeline.configure(after.groups)
    this.#live.configure(after.groups.map((group) => group.ref))
    this.#door.configure(commandRules(after))
    await this.#upkeep.configure(LETTING_GO_MS)

    const wanted = new Map(after.connections.map((connection) => [connection.name, connection]))
    for (const [name, connection] of this.#connections) {
      if (wanted.get(name) === connection.configuration) continue
      this.#connections.delete(name)
      await removeConnection(connection)
    }
    const renamed = !isDeepStrictEqual(before.gateway, after.gateway)
    const sinks = new Map(after.sinks.filter((sink) => sink.enabled).map((sink) => [sink.name, sink]))
    for (const [name, delivery] of this.#deliveries) {
      // A sink's topics carry the gateway's own names.
      if (!renamed && sinks.get(name) === delivery.configuration) continue
      this.#deliveries.delete(name)
      await removeDelivery(delivery)
    }
    for (const sink of sinks.values()) if (!this.#deliveries.has(sink.name)) await this.#addDelivery(sink)
    for (const [name, configuration] of wanted) {
      const running = this.#connections.get(name)
      if (running === undefined) await this.#addConnection(configuration)
      else running.poller.configure(this.#groupsOf(name))
    }
    await this.#log.writer.note({
      at: this.#clock.now(),
      name: 'configuration.applied',
      text: `configuration ${after.source.sha256.slice(0, 12)} is in force`,
      facts: { revision: after.source.sha256 },
    })
  }

  // ── south to log ─────────────────────────────────────────────────────────────────────────────

  async #addConnection(configuration: ConnectionConfiguration): Promise<void> {
    const create = await catalog.drivers[configuration.driver]!.load()
    const driver = create({
      name: configuration.name,
      settings: configuration.settings,
      clock: this.#clock,
      log: this.#say,
      board: this.#board,
      notebook: this.#notebook,
    })
    const lane = new Lane({ clock: this.#clock, inFlight: driver.inFlight })
    const poller = new Poller({ clock: this.#clock, driver, lane, emit: (batch) => this.#pipeline.onBatch(batch) })
    const line = this.#ledger.enrol({
      name: `connection ${configuration.name}`,
      allowanceMs: STALLED_MS,
      state: () => driver.state(),
      progress: () => poller.progress,
    })
    this.#connections.set(configuration.name, { configuration, driver, lane, poller, leave: line.leave })
    await driver.start(this.#ending.signal)
    poller.configure(this.#groupsOf(configuration.name))
    poller.start()
  }

  #groupsOf(connection: string): readonly GroupPlan[] {
    return this.#configuration.groups.filter(({ device }) => device.connection === connection && device.enabled)
  }

  /** From the pipeline into the log; live values are served whether the disk takes the batch or not. */
  #store(batch: Batch): void {
    this.#live.put(batch)
    this.#log.writer.append(batch).then(
      () => this.#live.mark(batch.group, true),
      () => this.#live.mark(batch.group, false),
    )
  }

  /** What fails here is counted by the log itself. */
  #background(work: Promise<unknown>): void {
    work.catch((thrown) => this.#say.debug(sentence(thrown)))
  }

  // ── log to north ─────────────────────────────────────────────────────────────────────────────

  async #addDelivery(configuration: SinkConfiguration): Promise<void> {
    const create = await catalog.sinks[configuration.type]!.load()
    const sink = create({
      settings: configuration.settings,
      bigint: configuration.bigint,
      surroundings: {
        name: configuration.name,
        clock: this.#clock,
        log: this.#say,
        path: this.#configuration.gateway,
        stream: this.#log.reader.stream,
        door: configuration.commands === 'none' ? null : this.#door,
        live: this.#live,
      },
    })
    const selection = new Selection(configuration)
    const drain = new Drain({
      sink,
      reader: this.#log.reader,
      cursor: await this.#log.cursor(configuration.name, { from: configuration.from }),
      clock: this.#clock,
      log: this.#say,
      replay: configuration.replay,
      select: selection.selects ? (entry) => selection.select(entry) : undefined,
    })
    this.#deliveries.set(configuration.name, { configuration, sink, drain })
    await sink.start(this.#ending.signal)
    drain.start()
  }

  // ── the door back ────────────────────────────────────────────────────────────────────────────

  #find(device: string, group: string, name: string): { plan: GroupPlan; tag: Tag } | undefined {
    const plan = this.#configuration.groups.find(({ ref }) => ref.device === device && ref.group === group)
    const tag = plan?.tags.find(({ info }) => info.name === name)
    return plan === undefined || tag === undefined ? undefined : { plan, tag }
  }

  async #write({ device }: GroupPlan, writes: readonly Write[], signal: AbortSignal): Promise<string | undefined> {
    const { driver, lane } = this.connection(device.connection)
    const [only] = writes
    return lane.submit(async (ending) => {
      const either = AbortSignal.any([signal, ending])
      if (writes.length === 1 && driver.write !== undefined) return driver.write(device, only!.tag, only!.value, either)
      if (driver.writeTogether !== undefined) return driver.writeTogether(device, writes, either)
      const what = writes.length === 1 ? 'cannot write' : 'cannot write several tags in one request'
      throw new Rejected(`connection ${device.connection} ${what}`)
    })
  }

  /** For requests by hand; throws Rejected when there is no such connection. */
  connection(name: string): { readonly driver: Driver; readonly lane: Lane; readonly poller: Poller } {
    const connection = this.#connections.get(name)
    if (connection !== undefined) return connection
    throw new Rejected(unknownName('connection', name, [...this.#connections.keys()]).text)
  }

  /** Whom a question about a device is about; throws Rejected when there is no such device. */
  inquiry(name: string): Omit<Inquiry, 'mayAsk'> {
    const { devices, groups } = this.#configuration
    const device = devices.find((each) => each.name === name)
    if (device === undefined)
      throw new Rejected(
        unknownName(
          'device',
          name,
          devices.map((each) => each.name),
        ).text,
      )
    const { connection, enabled } = device
    const attendance = this.#attendance(name)
    return {
      device,
      groups: groups.filter(({ ref }) => ref.device === name),
      neighbours: devices.filter((each) => each.connection === connection && each.enabled && each.name !== name),
      attendance: {
        answers: attendance?.answers ?? null,
        text: attendance?.text ?? (enabled ? 'nothing is configured to be read' : 'switched off in the configuration'),
      },
    }
  }

  // ── what it says of itself ───────────────────────────────────────────────────────────────────

  #attendance(device: string) {
    const plan = this.#configuration.devices.find(({ name }) => name === device)
    return plan === undefined ? undefined : this.#connections.get(plan.connection)?.poller.attendance(device)
  }

  report(notices: readonly string[] = []): GatewayReport {
    const onlyWritten = new Set<string>()
    const devices = this.#configuration.devices.map((device): DeviceReport => {
      const attendance = this.#attendance(device.name)
      const groups = this.#configuration.groups.filter(({ ref }) => ref.device === device.name)
      const learnt = this.#connections.get(device.connection)?.driver.knowledge?.(device)
      const running = device.enabled ? this.#connections.get(device.connection) : undefined
      const trouble = running?.driver.deviceTrouble?.(device.name) ?? null
      if (groups.length > 0 && groups.every(({ ref }) => ref.tags.length === 0)) onlyWritten.add(device.name)
      const idle = onlyWritten.has(device.name) ? 'only written, never read' : attendance?.text
      return {
        name: device.name,
        connection: device.connection,
        enabled: device.enabled,
        answers: attendance?.answers ?? null,
        text: device.enabled ? (trouble ?? idle ?? 'nothing configured to read') : 'switched off in the configuration',
        ...(trouble === null ? {} : { trouble }),
        ...(learnt === undefined ? {} : { knowledge: learnt }),
        ageMs: attendance?.answeredAt == null ? null : this.#clock.monotonic() - attendance.answeredAt,
        groups: groups.length,
        tags: groups.reduce((sum, group) => sum + group.tags.length, 0),
        counters: {
          ...attendance?.counters(),
          ...this.#connections.get(device.connection)?.driver.deviceCounters?.(device.name),
        },
      }
    })
    const connections = [...this.#connections.values()].map(
      ({ configuration, driver, lane, poller }): ConnectionReport => {
        const own = devices.filter(
          ({ name, connection, enabled }) => connection === configuration.name && enabled && !onlyWritten.has(name),
        )
        return {
          name: configuration.name,
          driver: configuration.driver,
          state: driver.state(),
          ...lane.usage.report(this.#clock.monotonic()),
          budget: poller.budget(),
          devices: own.length,
          answering: own.filter((device) => device.answers === true).length,
          counters: { ...driver.counters(), ...poller.counters() },
        }
      },
    )
    const sinks = [...this.#deliveries.values()].map(
      ({ configuration, sink, drain }): SinkReport => ({
        name: configuration.name,
        type: configuration.type,
        ...drain.report(),
        counters: { ...sink.counters(), ...drain.counters() },
      }),
    )
    const log = this.#log.report()
    return {
      gateway: this.#configuration.gateway.gateway,
      version: this.#version,
      revision: this.#configuration.source.sha256,
      startedAt: this.#startedAt,
      at: this.#clock.wall(),
      notices,
      lights: lights({
        connections,
        devices: devices.filter(({ name }) => !onlyWritten.has(name)),
        sinks,
        log,
        phase: this.#phase,
        clock: this.#clock.quality(),
        stalled: this.#ledger.stalled(),
      }),
      counters: { ...this.#pipeline.counters(), ...this.#door.counters(), ...this.#upkeep.counters() },
      connections,
      devices,
      sinks,
      log,
    }
  }
}

async function removeConnection({ driver, lane, poller, leave }: Connection): Promise<void> {
  leave()
  poller.stop()
  await lane.stop()
  await driver.stop()
}

async function removeDelivery({ sink, drain }: Delivery): Promise<void> {
  await drain.stop()
  await sink.stop()
}

/** Whoever must confirm before the log may forget. A sink that is switched off keeps its place. */
function readersOf(configuration: Configuration): readonly string[] {
  return configuration.sinks.map((sink) => sink.name)
}

/** Who may write what: sinks as configured, consoles on this box everything that is writable. */
function commandRules(configuration: Configuration): ReadonlyMap<string, readonly string[]> {
  const rules = new Map<string, readonly string[]>([['console', ['*']]])
  for (const sink of configuration.sinks) {
    if (sink.commands === 'none') continue
    rules.set(`sink:${sink.name}`, sink.commands === 'all' ? ['*'] : sink.commands)
  }
  return rules
}
