/** The field half: reads the devices, writes the log, and guards the one way back.
 *
 *    connections ─► pipeline ─► log                       live ◄─ pipeline
 *    connections ◄──────── upkeep ◄─ door ◄─ sinks, consoles
 */
import type { Ports } from '../hal/contract.ts'
import { Door } from './commands/door.ts'
import { type UpkeepOptions, WriteUpkeep } from './commands/upkeep.ts'
import type { Configuration, ConnectionConfiguration } from './config/configuration.ts'
import { unknownName } from './config/spelling.ts'
import { Connection, isOnlyWritten, reportDevice } from './connection.ts'
import { Live } from './console/live.ts'
import type { Batch, GroupRef } from './contracts/batch.ts'
import type { Clock, Stop } from './contracts/clock.ts'
import type { CommandDoor } from './contracts/command.ts'
import type { Logger } from './contracts/component.ts'
import type { DevicePlan, GroupPlan, Tag } from './contracts/driver.ts'
import type { Inquiry } from './contracts/errand.ts'
import { ConfigurationFault, Rejected, sentence } from './contracts/errors.ts'
import type { Line } from './contracts/health.ts'
import type { DeviceReport, GatewayReport, LiveValues, SinkReport } from './contracts/report.ts'
import type { BoxFacts, DeviceFacts, GatewayFacts } from './health/language/facts.ts'
import type { Ledger } from './health/ledger.ts'
import { lights } from './health/leds.ts'
import type { FieldEnd } from './log/ends.ts'
import { NotebookFile } from './log/notebook.ts'
import { Pipeline } from './pipeline/pipeline.ts'
import { watchSteps } from './time/steps.ts'

/** What is held by writes is let go of within this when the gateway stops or the tags go away. */
const LETTING_GO_MS = 2000
/** Its clockwork ticks each second: below this only the timer can have gone. */
const TICKS_MS = 60_000
/** A command expires after ten seconds and is then given two more: it has had its answer long before. */
const COMMAND_MS = 60_000

export interface FieldOptions {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly board: Ports
  readonly log: Logger
  readonly version: string
  readonly end: FieldEnd
  /** Where everything that runs says that it makes progress. */
  readonly ledger: Ledger
}

export class Field {
  readonly live: LiveValues
  readonly #clock: Clock
  readonly #board: Ports
  readonly #say: Logger
  readonly #version: string
  /** Monotonic. */
  readonly #startedAt: number
  readonly #end: FieldEnd
  readonly #notebook: NotebookFile
  readonly #live: Live
  readonly #pipeline: Pipeline
  readonly #door: Door
  readonly #upkeep: WriteUpkeep
  readonly #connections = new Map<string, Connection>()
  readonly #ledger: Ledger
  readonly #ending = new AbortController()
  #phase: 'starting' | 'running' | 'stopping' = 'starting'
  #configuration: Configuration
  /** Kept for the configuration it was made of. */
  #planned: Planned | undefined
  #tick: Stop | undefined
  #watch: Stop | undefined
  #lines: readonly Line[] = []

  /** The log's end stays its owner's to close. */
  static async open(options: FieldOptions): Promise<Field> {
    const { configuration, clock, log } = options
    return new Field(options, await NotebookFile.open({ folder: configuration.log.path, clock, log }))
  }

  private constructor(options: FieldOptions, notebook: NotebookFile) {
    this.#clock = options.clock
    this.#board = options.board
    this.#say = options.log
    this.#version = options.version
    this.#configuration = options.configuration
    this.#startedAt = options.clock.monotonic()
    this.#end = options.end
    this.#notebook = notebook
    this.#ledger = options.ledger
    this.#live = new Live((device) => this.#attendance(device)?.answers ?? undefined)
    this.live = this.#live
    this.#pipeline = new Pipeline({
      groups: options.configuration.groups,
      emit: (batch) => this.#store(batch),
      note: (event) => this.#background(this.#end.writer.note(event)),
    })
    const toField = {
      clock: this.#clock,
      invert: (tag, value, plan) => this.#pipeline.invert(tag, value, plan),
      find: (device, group, tag) => this.#find(device, group, tag),
      answers: (device) => this.#attendance(device)?.answers ?? undefined,
      audit: (text, facts) => this.audit(text, facts),
      write: async ({ device }, writes, signal) => this.connection(device.connection).write(device, writes, signal),
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
    this.#background(this.#end.writer.note({ at: this.#clock.now(), name: 'command', text, facts }))
  }

  async start(): Promise<void> {
    const { groups, connections, devices, source } = this.#configuration
    this.#notebook.keepOnly(new Set(devices.map((device) => `${device.connection}/${device.name}`)))
    this.#end.configure({ groups: groups.map((group) => group.ref), readers: readersOf(this.#configuration) })
    const { batches } = this.#end.reader.snapshot()
    this.#pipeline.restore(batches)
    this.#background(
      this.#end.writer.note({
        at: this.#clock.now(),
        name: 'gateway.started',
        text: `version ${this.#version} started`,
        facts: { version: this.#version, revision: source.sha256 },
      }),
    )
    this.#watch = watchSteps({
      clock: this.#clock,
      stored: batches.map(({ at }) => at),
      note: (event) => {
        this.#say.warn(event.text, event.facts)
        this.#background(this.#end.writer.note(event))
      },
    })
    for (const connection of connections) await this.#addConnection(connection)
    const pipeline = this.#ledger.enrol({ name: 'pipeline', allowanceMs: TICKS_MS })
    const door = this.#ledger.enrol({ name: 'door', allowanceMs: COMMAND_MS, progress: () => this.#door.progress })
    for (const line of [pipeline, door]) line.report({ condition: 'fine', text: 'running' })
    this.#lines = [pipeline, door]
    this.#tick = this.#clock.every(1000, () => {
      this.#pipeline.onTick(this.#clock.now())
      pipeline.progress()
    })
    this.#phase = 'running'
    this.#ledger.settled()
  }

  /** Nothing is read or written any more, and all that was read is stored or refused. */
  async stop(): Promise<void> {
    this.#phase = 'stopping'
    this.#tick?.()
    this.#watch?.()
    this.#door.shut()
    this.#ledger.step('letting go of what writes hold')
    await this.#upkeep.stop(LETTING_GO_MS)
    const stop = async (connection: Connection): Promise<void> => {
      await connection.stop()
      this.#ledger.step('stopping the connections')
    }
    await Promise.all([...this.#connections.values()].map(stop))
    this.#connections.clear()
    this.#ledger.step('storing what was read')
    await this.#end.flush()
    for (const line of this.#lines) line.leave()
    this.#ending.abort(new ConfigurationFault('the gateway is stopping'))
    await this.#notebook.close()
    this.#ledger.settled()
  }

  /** Puts another configuration into force. Connections and groups that are the same object in both go on undisturbed.
   *  `sinks` is carried out when what goes is gone, before anything new is read. */
  async reload(after: Configuration, sinks: () => Promise<void> = async () => {}): Promise<void> {
    this.#configuration = after
    this.#end.configure({ groups: after.groups.map((group) => group.ref), readers: readersOf(after) })
    this.#pipeline.configure(after.groups)
    this.#live.configure(after.groups.map((group) => group.ref))
    this.#door.configure(commandRules(after))
    await this.#upkeep.configure(LETTING_GO_MS)

    const wanted = new Map(after.connections.map((connection) => [connection.name, connection]))
    for (const [name, connection] of this.#connections) {
      if (wanted.get(name) === connection.configuration) continue
      this.#connections.delete(name)
      this.#ledger.step(`stopping connection ${name}`)
      await connection.stop()
    }
    await sinks()
    for (const [name, configuration] of wanted) {
      const running = this.#connections.get(name)
      if (running === undefined) await this.#addConnection(configuration)
      else running.poller.configure(this.#groupsOf(name))
    }
    await this.#end.writer.note({
      at: this.#clock.now(),
      name: 'configuration.applied',
      text: `configuration ${after.source.sha256.slice(0, 12)} is in force`,
      facts: { revision: after.source.sha256 },
    })
    this.#ledger.settled()
  }

  // ── south to log ─────────────────────────────────────────────────────────────────────────────

  async #addConnection(configuration: ConnectionConfiguration): Promise<void> {
    this.#ledger.step(`starting connection ${configuration.name}`)
    const connection = await Connection.open({
      configuration,
      clock: this.#clock,
      board: this.#board,
      log: this.#say,
      notebook: this.#notebook,
      ledger: this.#ledger,
      emit: (batch) => this.#pipeline.onBatch(batch),
    })
    this.#connections.set(configuration.name, connection)
    await connection.start(this.#groupsOf(configuration.name), this.#ending.signal)
  }

  #groupsOf(connection: string): readonly GroupPlan[] {
    return this.#configuration.groups.filter(({ device }) => device.connection === connection && device.enabled)
  }

  /** From the pipeline into the log; live values are served whether the disk takes the batch or not. */
  #store(batch: Batch): void {
    this.#live.put(batch)
    this.#end.writer.append(batch).then(
      () => this.#live.mark(batch.group, true),
      () => this.#live.mark(batch.group, false),
    )
  }

  /** What fails here is counted by the log itself. */
  #background(work: Promise<unknown>): void {
    work.catch((thrown) => this.#say.debug(sentence(thrown)))
  }

  // ── the door back ────────────────────────────────────────────────────────────────────────────

  #find(device: string, group: string, name: string): { plan: GroupPlan; tag: Tag } | undefined {
    const plan = this.#configuration.groups.find(({ ref }) => ref.device === device && ref.group === group)
    const tag = plan?.tags.find(({ info }) => info.name === name)
    return plan === undefined || tag === undefined ? undefined : { plan, tag }
  }

  /** For requests by hand; throws Rejected when there is no such connection. */
  connection(name: string): Connection {
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

  /** As much as the lights need, at little cost. `sinks`: as their half tells of them. */
  facts(sinks: GatewayFacts['sinks']): GatewayFacts {
    return {
      connections: [...this.#connections].map(([name, { driver }]) => ({ name, state: driver.state() })),
      devices: this.#deviceFacts(),
      sinks,
      log: this.#end.report(),
      ...this.#standing(),
    }
  }

  /** One object for all of them: there may be ten thousand, each second. */
  *#deviceFacts(): Iterable<DeviceFacts> {
    const facts: { -readonly [Key in keyof DeviceFacts]: DeviceFacts[Key] } = {
      name: '',
      connection: '',
      enabled: true,
      answers: null,
      text: '',
      groups: 0,
      trouble: undefined,
    }
    let connection: Connection | undefined
    for (const { device, groups } of this.#plans().read) {
      if (facts.connection !== device.connection || connection === undefined) {
        connection = this.#connections.get(device.connection)
      }
      const attendance = connection?.poller.attendance(device.name)
      facts.name = device.name
      facts.connection = device.connection
      facts.enabled = device.enabled
      facts.answers = attendance?.answers ?? null
      facts.text = attendance?.text ?? ''
      facts.groups = groups.length
      facts.trouble = connection?.driver.deviceTrouble?.(device.name) ?? undefined
      yield facts
    }
  }

  /** Requests that were answered or not, of all connections since each began. */
  get exchanges(): number {
    let sum = 0
    for (const { lane } of this.#connections.values()) sum += lane.usage.exchanges
    return sum
  }

  /** `sinks`: as their half tells of them; `box`: what is known of the box it runs in. */
  report(sinks: readonly SinkReport[], notices: readonly string[] = [], box: BoxFacts = {}): GatewayReport {
    const now = this.#clock.monotonic()
    const perConnection = new Map<string, DeviceReport[]>([...this.#connections.keys()].map((name) => [name, []]))
    const read = new Set(this.#plans().read.map(({ device }) => device))
    const asked: DeviceReport[] = []
    const devices = this.#plans().plans.map(({ device, groups }) => {
      const report = reportDevice({ device, groups, connection: this.#connections.get(device.connection), now })
      if (!read.has(device)) return report
      asked.push(report)
      if (device.enabled) perConnection.get(device.connection)?.push(report)
      return report
    })
    const connections = [...this.#connections].map(([name, connection]) =>
      connection.report(perConnection.get(name) ?? []),
    )
    const log = this.#end.report()
    const { wall: at, monotonic } = this.#clock.now()
    return {
      gateway: this.#configuration.gateway.gateway,
      version: this.#version,
      revision: this.#configuration.source.sha256,
      startedAt: Math.round(at - (monotonic - this.#startedAt)),
      at,
      notices,
      clock: { quality: this.#clock.quality(), boot: this.#clock.boot },
      lights: lights({ connections, devices: asked, sinks, log, ...this.#standing(), ...box }),
      ...(box.machine === undefined ? {} : { machine: box.machine }),
      counters: { ...this.#pipeline.counters(), ...this.#door.counters(), ...this.#upkeep.counters() },
      connections,
      devices,
      sinks,
      log,
    }
  }

  #standing(): Required<Pick<GatewayFacts, 'phase' | 'clock' | 'stalled'>> {
    return { phase: this.#phase, clock: this.#clock.quality(), stalled: this.#ledger.stalled() }
  }

  /** Devices with their groups. */
  #plans(): Planned {
    if (this.#planned?.of !== this.#configuration) {
      const plans = groupedByDevice(this.#configuration)
      const read = plans.filter(({ groups }) => !isOnlyWritten(groups))
      this.#planned = { of: this.#configuration, plans, read }
    }
    return this.#planned
  }
}

interface Planned {
  readonly of: Configuration
  readonly plans: readonly DeviceGroups[]
  /** Without those that are only written. */
  readonly read: readonly DeviceGroups[]
}

interface DeviceGroups {
  readonly device: DevicePlan
  readonly groups: readonly GroupPlan[]
}

function groupedByDevice({ devices, groups }: Configuration): readonly DeviceGroups[] {
  const perDevice = new Map<string, GroupPlan[]>(devices.map(({ name }) => [name, []]))
  for (const group of groups) perDevice.get(group.ref.device)?.push(group)
  return devices.map((device) => ({ device, groups: perDevice.get(device.name)! }))
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
