/** The uplink half alone: sinks that follow the log, and reach the field's door over its socket. */
import { join } from 'node:path'
import { RemoteDoor } from '../../commands/remote-door.ts'
import type { Configuration } from '../../config/configuration.ts'
import type { Change } from '../../config/diff.ts'
import { FollowedLive } from '../../console/followed.ts'
import type { Stop } from '../../contracts/clock.ts'
import type { State } from '../../contracts/component.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { SinkReport, UplinkReport } from '../../contracts/report.ts'
import type { UplinkEnd } from '../../log/ends.ts'
import { openUplinkEnd } from '../../log/uplink-log.ts'
import { Uplink } from '../../uplink.ts'
import { folderOf, type Half, type HalfOptions } from './half.ts'
import { retrying } from './retrying.ts'
import type { Methods, Sockets } from './surfaces.ts'
import { valueMethods } from './values.ts'

const DRAIN_MS = 5000
/** What changed is told within a second; what did not, this often, as a sign of life: each time costs the disk some pages. */
const LOOK_MS = 1000
const TELL_MS = 30_000

const WAITING = 'waiting for the field half to make the log: start it with "fieldgate run --side field"'

/** What there is from the moment on that the log is there. */
interface Begun {
  readonly end: UplinkEnd
  readonly live: FollowedLive
  readonly uplink: Uplink
}

export class UplinkHalf implements Half {
  readonly looks: Methods
  readonly changes = retrying((sink, positions) => {
    if (this.#begun !== undefined) return this.#begun.uplink.retry(sink, positions)
    throw new Rejected(WAITING)
  })
  readonly #options: HalfOptions
  /** Monotonic. */
  readonly #startedAt: number
  readonly #told = new Map<string, { readonly state: State; readonly at: number }>()
  #configuration: Configuration
  #begun: Begun | undefined
  #tick: Stop | undefined

  constructor(options: HalfOptions) {
    const { clock } = options
    this.#options = options
    this.#configuration = options.configuration
    this.#startedAt = clock.monotonic()
    const live = {
      get: (device: string, group: string) => this.#begun?.live.get(device, group),
      all: () => this.#begun?.live.all() ?? [],
      answers: (device: string) => this.#begun?.live.answers(device),
      watch: (listen: Parameters<FollowedLive['watch']>[0]) => this.#begun?.live.watch(listen) ?? (() => {}),
    }
    this.looks = valueMethods({ live, stored: () => true, clock })
  }

  get configuration(): Configuration {
    return this.#configuration
  }

  async start(): Promise<void> {
    const { clock, log, run, signal, ledger } = this.#options
    const logOptions = { ...this.#configuration.log, headFile: join(run, 'head'), clock, log, signal, health: ledger }
    const end = await openUplinkEnd(logOptions)
    const live = new FollowedLive({ reader: end.reader, clock, log })
    const door = new RemoteDoor({ path: join(folderOf('field', run), 'command.sock'), clock })
    const uplink = new Uplink({ configuration: this.#configuration, clock, log, end, door, live, ledger })
    this.#begun = { end, live, uplink }
    await uplink.start()
    this.#tick = clock.every(LOOK_MS, () => this.#tell(end, uplink.report()))
  }

  async stop(): Promise<void> {
    this.#tick?.()
    if (this.#begun === undefined) return
    const { end, live, uplink } = this.#begun
    const sinks = uplink.report()
    await uplink.stop(DRAIN_MS)
    await live.stop()
    const state = { condition: 'fault', text: 'the uplink half was stopped' } as const
    this.#tell(
      end,
      sinks.map((sink) => ({ ...sink, rate: 0, state })),
    )
    await end.close()
  }

  async reload(after: Configuration): Promise<void> {
    this.#configuration = after
    this.#begun?.live.configure(after.groups.map(({ ref }) => ref))
    await this.#begun?.uplink.reload(after)
  }

  consequences(changes: readonly Change[]): readonly Change[] {
    return this.#begun?.uplink.consequences(changes) ?? changes
  }

  report(notices: readonly string[]): UplinkReport {
    const { clock, version } = this.#options
    const { wall: at, monotonic } = clock.now()
    return {
      gateway: this.#configuration.gateway.gateway,
      version,
      revision: this.#configuration.source.sha256,
      startedAt: Math.round(at - (monotonic - this.#startedAt)),
      at,
      notices: this.#begun === undefined ? [...notices, WAITING] : notices,
      sinks: this.#begun?.uplink.report() ?? [],
    }
  }

  sockets(): Sockets {
    return {}
  }

  /** The other half sees of a sink what is stored with its place. */
  #tell(end: UplinkEnd, sinks: readonly SinkReport[]): void {
    const { clock } = this.#options
    for (const { name, type, state, oldest, rate, counters } of sinks) {
      const told = this.#told.get(name)
      const isNew = told?.state.condition !== state.condition || told.state.text !== state.text
      if (!isNew && clock.monotonic() - told.at < TELL_MS) continue
      this.#told.set(name, { state, at: clock.monotonic() })
      const { boot, monotonic } = clock.now()
      end.tell(name, { at: { boot, monotonic }, type, state, oldest, rate, counters })
    }
  }
}
