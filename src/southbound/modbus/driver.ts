/** Modbus as the gateway sees it: one driver is one connection, over TCP, a serial line, or a socket that leads to one. */
import type { Ports } from '../../../hal/contract.ts'
import { type BatchBuilder, Reason, type Value } from '../../contracts/batch.ts'
import type { Cost } from '../../contracts/budget.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters, Logger, State } from '../../contracts/component.ts'
import type {
  DevicePlan,
  Driver,
  GroupPlan,
  Knowledge,
  Notebook,
  Peek,
  Request,
  Tag,
  Turn,
  Write,
} from '../../contracts/driver.ts'
import type { Diagnosis, Errand, Inquiry, Scan } from '../../contracts/errand.ts'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import { Asking } from './asking.ts'
import { identify, nameOfIdentity } from './diagnosis/identification.ts'
import { peek, poke } from './diagnosis/peek.ts'
import { type Elsewhere, scan } from './diagnosis/scan.ts'
import { scanWish } from './diagnosis/scan-wish.ts'
import { Trace } from './diagnosis/trace.ts'
import { TracedLine } from './diagnosis/traced.ts'
import { why } from './diagnosis/why.ts'
import type { Link, Take } from './exchange.ts'
import { exception } from './frames/pdu.ts'
import { Listening } from './line/listening.ts'
import { openLine } from './line/other-line.ts'
import { openLink } from './open-link.ts'
import { costOf } from './plan/cost.ts'
import type { DeviceFacts } from './plan/knowledge.ts'
import { Learning } from './plan/learning.ts'
import { type ModbusRequest, planGroup } from './plan/plan.ts'
import { explainRequests } from './plan/plan-explain.ts'
import { refreshText, setupMs, setupTexts } from './schema/setup-plan.ts'
import { type ConnectionSettings, connectionSettings, type DeviceSettings, type TagSettings } from './settings.ts'
import { Tally } from './tally.ts'
import { Drains } from './writing/drain.ts'
import { orderOf, orderOfAll, targetOf } from './writing/orders.ts'
import { Preparation } from './writing/preparation.ts'
import { Writing } from './writing/writing.ts'

export interface ModbusOptions {
  readonly name: string
  readonly settings: ConnectionSettings
  readonly clock: Clock
  readonly log: Logger
  readonly board: Ports
  /** Where what is learnt of devices outlives the process. */
  readonly notebook?: Notebook
  /** For the jitter of back-off. */
  readonly random?: () => number
}

/** Intervals of its group for which a value that was heard counts. */
const HEARD_SLOTS = 3

export class ModbusDriver implements Driver {
  readonly name: string
  readonly lane: string
  readonly inFlight: number
  longestMs: number
  readonly trace: TracedLine
  readonly #options: ModbusOptions
  readonly #settings: ConnectionSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #link: Link
  readonly #tally = new Tally()
  readonly #frames = new Trace()
  readonly #asking: Asking
  readonly #writing: Writing
  readonly #preparation: Preparation
  /** Requests to devices that are set up, and whether a cycle begins with them. */
  readonly #prepared = new WeakMap<Request, { readonly device: DevicePlan; readonly cycle: boolean }>()
  #preparing = false
  readonly #drains: Drains
  readonly #learning: Learning
  readonly #notebook: Notebook | undefined
  readonly #refusedOf = new Map<string, number>()
  #paused = false
  #turn: Turn | null = null
  /** Where another master asks: for how long what was heard counts. */
  readonly #freshMs = new WeakMap<Request, number>()

  constructor(options: ModbusOptions) {
    const { name, settings, clock, board } = options
    this.name = name
    this.lane = name
    this.inFlight = settings.kind === 'tcp' ? settings.inFlight : 1
    this.longestMs = longest(settings)
    this.#options = options
    this.#settings = settings
    this.#clock = clock
    this.#log = options.log
    const random = options.random ?? Math.random
    const trace = this.#frames
    this.trace = new TracedLine({ trace, clock, framing: settings.kind === 'tcp' ? 'tcp' : 'rtu' })
    this.#link = openLink({ settings, clock, board, tally: this.#tally, random, trace })
    const shortTries = settings.kind === 'rtu'
    this.#asking = new Asking({ link: this.#link, clock, tally: this.#tally, shortTries })
    const broadcasts = settings.kind !== 'tcp'
    const sole = settings.kind !== 'rtu' || settings.masters === 'sole'
    const shared = sole ? null : 'it would be read, changed and written back, while another master may change it'
    this.#writing = new Writing({ asking: this.#asking, clock, tally: this.#tally, broadcasts, shared })
    const generation = (): number => this.#link.generation
    const { log, notebook } = options
    this.#notebook = notebook
    this.#learning = new Learning({
      clock,
      generation,
      remembered: (device) => notebook?.get(`${name}/${device}`),
      changed: (device, facts) => this.#learnt(device, facts),
    })
    this.#preparation = new Preparation({ writing: this.#writing, clock, log, tally: this.#tally, generation })
    this.#drains = new Drains({ asking: this.#asking, clock, log, between: () => this.#turn?.between() })
  }

  async start(): Promise<void> {
    this.#link.start()
  }

  stop(): Promise<void> {
    return this.#link.stop()
  }

  state(): State {
    if (this.#paused)
      return { condition: 'waiting', text: 'polling is paused: a scan tries other settings of the line' }
    return this.#link.state()
  }

  counters(): Counters {
    return this.#tally.counters()
  }

  /** What went wrong with one device; empty before it was first asked. */
  deviceCounters(device: string): Counters {
    return this.#asking.counters(device)
  }

  join(turn: Turn): void {
    this.#turn = turn
  }

  plan(group: GroupPlan): readonly Request[] {
    this.longestMs = Math.max(this.longestMs, longest(group.device.settings as DeviceSettings))
    const requests = planGroup(this.#asLearnt(group), this.#settings, this.#factsOf(group.device).avoid)
    if (this.#link instanceof Listening) {
      const freshMs = Math.max(HEARD_SLOTS * group.everyMs, (group.device.settings as DeviceSettings).timeoutMs)
      for (const request of requests) this.#freshMs.set(request, freshMs)
    }
    if ((group.device.settings as DeviceSettings).setup.length > 0) {
      this.#preparing = true
      for (const [at, request] of requests.entries()) {
        this.#prepared.set(request, { device: group.device, cycle: at === 0 })
      }
    }
    return requests
  }

  deviceTrouble(device: string): string | null {
    return this.#preparation.trouble(device)
  }

  /** Null: it may be read and written. Throws Retryable. */
  async #unready(device: DevicePlan, cycle: boolean, signal: AbortSignal): Promise<string | null> {
    const { setup } = device.settings as DeviceSettings
    if (setup.length === 0) return null
    const target = targetOf(device)
    return this.#preparation.ready(target, setup, this.#asking.device(target), { cycle, signal })
  }

  /** Throws Rejected when the device is not as the configuration wants it: then nothing is written to it. */
  async #readyToWrite(device: DevicePlan, signal: AbortSignal): Promise<void> {
    const why = await this.#unready(device, false, signal).catch((thrown) => {
      if (!(thrown instanceof Retryable)) throw thrown
      throw new Retryable(`not sent: ${sentence(thrown)}`, { reason: thrown.reason, cause: thrown })
    })
    if (why !== null) throw new Rejected(`not sent: ${device.name} ${why}`, { reason: Reason.notPrepared })
  }

  cost(requests: readonly Request[]): Cost {
    if (this.#link instanceof Listening) {
      return { exchangesMs: requests.map(() => 0), fallMs: 0, tryMs: 0, basis: 'only listens: nothing is asked for' }
    }
    const responses = requests.length === 0 ? undefined : this.#asking.known(requests[0]!.device)?.responses
    const cost = costOf(requests as readonly ModbusRequest[], { connection: this.#settings, responses })
    const extraMs = setupMs(this.#setupBefore(requests[0]), this.#settings)
    if (extraMs === 0) return cost
    const [firstMs = 0, ...restMs] = cost.exchangesMs
    return { ...cost, exchangesMs: [firstMs + extraMs, ...restMs] }
  }

  explain(group: GroupPlan, requests: readonly Request[]): readonly (readonly string[])[] {
    const reasons = explainRequests(
      this.#asLearnt(group),
      this.#settings,
      requests as readonly ModbusRequest[],
      this.#factsOf(group.device).avoid,
    )
    const again = refreshText(group, this.#settings)
    const before = [...setupTexts(this.#setupBefore(requests[0])), ...(again === null ? [] : [again])]
    return before.length === 0 ? reasons : reasons.map((own, at) => (at === 0 ? [...before, ...own] : own))
  }

  /** What is written before a group's first request. */
  #setupBefore(request: Request | undefined): DeviceSettings['setup'] {
    const prepared = request === undefined ? undefined : this.#prepared.get(request)
    return prepared?.cycle === true ? (prepared.device.settings as DeviceSettings).setup : []
  }

  /** Device fault: bad quality in `into`. Line fault: throws Retryable. */
  async read(planned: Request, into: BatchBuilder, signal: AbortSignal): Promise<void> {
    const request = planned as ModbusRequest
    if (this.#link instanceof Listening) return this.#link.fill(request, into, this.#freshMs.get(request)!)
    if (this.#preparing) {
      const prepared = this.#prepared.get(request)
      // A device that was silent is asked before it is written to: that is cheaper, and nothing is thrown at what may be gone.
      const probe = prepared !== undefined && request.drain === undefined && !this.#asking.device(request).answered
      if (probe) await this.#ask(request, into, signal)
      if (prepared !== undefined && (await this.#unready(prepared.device, prepared.cycle, signal)) !== null) {
        for (const tag of request.tags) into.bad(tag, Reason.notPrepared)
        return
      }
    }
    if (request.drain === undefined) {
      let code = this.#learning.plain(request) ? await this.#ask(request, into, signal) : null
      if (code === 0) return
      let first = code === null
      const ask = async (part: ModbusRequest): Promise<number> => {
        const asked = code
        code = null
        if (asked !== null && part === request) return asked
        if (!first) await this.#turn?.between()
        first = false
        return this.#ask(part, into, signal)
      }
      return this.#learning.read(request, {
        ask,
        mark: (part, code) => mark(part, code, into),
        identify: () => this.#identify(request, signal),
      })
    }
    const code = await this.#drains.read(request, into, signal)
    if (code !== 0) mark(request, code, into)
  }

  #ask(request: ModbusRequest, into: BatchBuilder, signal: AbortSignal): Promise<number> {
    const take: Take = (bytes, offset, length) => request.decode(bytes, offset, into, length)
    const device = this.#asking.device(request)
    return this.#asking.read({ ask: request, retries: request.retries, device, take, signal, turn: this.#turn })
  }

  knowledge(device: DevicePlan): Knowledge | undefined {
    const { digits } = device.settings as DeviceSettings
    const told = this.#factsOf(device).told(digits)
    return told.sentences.length === 0 ? undefined : told
  }

  #factsOf(device: DevicePlan): DeviceFacts {
    return this.#learning.facts(device.name, (device.settings as DeviceSettings).unitId)
  }

  /** With the limits that were found, where they are closer than those that are set. */
  #asLearnt(group: GroupPlan): GroupPlan {
    const facts = this.#factsOf(group.device)
    const [registers, bits] = [facts.limit(false), facts.limit(true)]
    if ((registers === null && bits === null) || group.coherent === true) return group
    const settings = group.device.settings as DeviceSettings
    const limits = {
      maxRegisters: Math.min(settings.maxRegisters, registers ?? settings.maxRegisters),
      maxBits: Math.min(settings.maxBits, bits ?? settings.maxBits),
    }
    return { ...group, device: { ...group.device, settings: { ...settings, ...limits } } }
  }

  /** undefined: it could not be asked now. That it does not answer this is nothing against it: it has just been read. */
  async #identify(of: ModbusRequest, signal: AbortSignal): Promise<string | null | undefined> {
    const { device, unit, timeoutMs } = of
    const asking = this.#asking
    const identity = await identify({ asking, device, unit, timeoutMs, retries: 0, signal }).catch(() => undefined)
    asking.device({ device, unit }).answered = true
    return identity == null ? identity : nameOfIdentity(identity)
  }

  #learnt(device: string, facts: DeviceFacts): void {
    const refused = facts.facts.filter(({ kind }) => kind === 'refused').length
    const acquaintance = this.#asking.device({ device, unit: facts.unit })
    const news = Math.max(0, refused - (this.#refusedOf.get(device) ?? 0))
    this.#refusedOf.set(device, refused)
    acquaintance.tally.learntHoles += news
    this.#tally.learntHoles += news
    this.#notebook?.put(`${this.name}/${device}`, facts.plain())
    const { sentences } = facts.told(this.#settings.digits)
    this.#log.info(sentences.length === 0 ? `${device} refuses nothing any more` : `${device} ${sentences.join(', ')}`)
  }

  /** `value` is raw. Throws Rejected when the device or the type refuses it; Retryable, `ambiguous` when it was sent and
   *  nobody confirmed it. Never sent a second time by itself. */
  async write(plan: DevicePlan, tag: Tag, value: Value, signal: AbortSignal): Promise<string | undefined> {
    const order = orderOf(targetOf(plan), tag.settings as TagSettings, value)
    await this.#readyToWrite(plan, signal)
    return this.#writing.write(order, signal)
  }

  /** Tags whose registers follow each other, by one function 15 or 16. */
  async writeTogether(plan: DevicePlan, writes: readonly Write[], signal: AbortSignal): Promise<string | undefined> {
    const order = orderOfAll(targetOf(plan), writes)
    await this.#readyToWrite(plan, signal)
    return this.#writing.write(order, signal)
  }

  /** `UNIT ADDRESS [TYPE] [COUNT]`: every reading of the bytes that makes sense, or of the type that was named. */
  peek(words: readonly string[], signal: AbortSignal): Promise<Peek> {
    return peek(words, {
      settings: this.#settings,
      clock: this.#clock,
      ask: async (ask) => {
        let answer = new Uint8Array(0)
        const take: Take = (bytes, offset, length) => {
          answer = bytes.slice(offset, offset + length)
        }
        const { retries } = this.#settings
        const device = this.#asking.stranger(ask.unit)
        const code = await this.#asking.attempts({ ask, retries, device, take, signal })
        if (code === 0) return answer
        const { reason, text } = exception(code)
        throw new Rejected(`unit ${ask.unit} ${text} (exception ${code})`, { reason })
      },
    })
  }

  /** `UNIT ADDRESS TYPE VALUE`: writes once and says what was confirmed. */
  poke(words: readonly string[], signal: AbortSignal): Promise<string> {
    return poke(words, { settings: this.#settings, write: (order) => this.#writing.write(order, signal) })
  }

  async scan(options: Readonly<Record<string, unknown>>, errand: Errand): Promise<Scan> {
    const settings = this.#settings
    if (this.#link instanceof Listening)
      throw new Rejected('this connection only listens (mode: listen): nothing is ever sent on it')
    const wish = scanWish(options, settings)
    const elsewhere = this.#elsewhere(errand)
    return scan({ wish, settings, asking: this.#asking, clock: this.#clock, errand, elsewhere })
  }

  why(inquiry: Inquiry, errand: Errand): Promise<Diagnosis> {
    return why({
      inquiry: this.#link instanceof Listening ? { ...inquiry, mayAsk: false } : inquiry,
      listens: this.#link instanceof Listening,
      settings: this.#settings,
      requests: inquiry.groups.flatMap((group) => planGroup(group, this.#settings)),
      asking: this.#asking,
      elsewhere: this.#elsewhere(errand),
      trace: this.#frames,
      clock: this.#clock,
      state: () => this.state(),
      errand,
    })
  }

  #elsewhere(errand: Errand): Elsewhere {
    const paused = (is: boolean): void => {
      this.#paused = is
    }
    return openLine({ ...this.#options, link: this.#link, trace: this.#frames, errand, paused })
  }
}

/** For the catalog: a line of Modbus ASCII. */
export function createModbusAsciiDriver(
  surroundings: Omit<ModbusOptions, 'settings'> & { readonly settings: unknown },
): ModbusDriver {
  return createModbusDriver({ ...surroundings, settings: { ...(surroundings.settings as object), framing: 'ascii' } })
}

/** For the catalog: `settings` as the schema parsed them. */
export function createModbusDriver(
  surroundings: Omit<ModbusOptions, 'settings'> & { readonly settings: unknown },
): ModbusDriver {
  return new ModbusDriver({ ...surroundings, settings: connectionSettings(surroundings.settings) })
}

/** With room for a connection that has to be made first. */
function longest({ timeoutMs, retries }: Pick<DeviceSettings, 'timeoutMs' | 'retries'>): number {
  return Math.max(15_000, (retries + 2) * timeoutMs)
}

function mark(request: ModbusRequest, code: number, into: BatchBuilder): void {
  const { reason } = exception(code)
  for (const tag of request.tags) into.bad(tag, reason)
}
