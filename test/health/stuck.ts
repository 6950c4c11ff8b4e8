/** The whole gateway on a manual clock, with a driver and a sink that hang when they are told to: for good, whatever is aborted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SimulatedBoard } from '../../hal/simulated/board.ts'
import * as catalog from '../../src/catalog.ts'
import type { BatchBuilder, Value } from '../../src/contracts/batch.ts'
import type { DevicePlan, Request, Tag } from '../../src/contracts/driver.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import type { Sink } from '../../src/contracts/sink.ts'
import { Gateway } from '../../src/gateway.ts'
import { Feeder } from '../../src/health/feeder.ts'
import { Ledger } from '../../src/health/ledger.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { valid } from '../config/loading.ts'
import { SlowDriver } from '../schedule/slow-driver.ts'
import { Said } from './said.ts'

const WATCHDOG_MS = 30_000
const never = <T>(): Promise<T> => new Promise<T>(() => {})

type Place = 'start' | 'read' | 'write' | 'stop' | 'deliver' | 'resume' | 'sink start' | 'sink stop'

/** What hangs from now on. */
class Stuck {
  readonly #places = new Set<Place>()
  /** The sink's far side. */
  down = false
  movedAt = 0
  /** The sink throws where none of them does. */
  absurd = false
  /** Devices that do not answer. */
  readonly silent = new Set<string>()

  at(...places: readonly Place[]): void {
    for (const place of places) this.#places.add(place)
  }

  release(place: Place): void {
    this.#places.delete(place)
  }

  or<T>(place: Place, work: () => Promise<T>): Promise<T> {
    return this.#places.has(place) ? never<T>() : work()
  }
}

class StuckDriver extends SlowDriver {
  override readonly silent: Set<string>
  readonly #stuck: Stuck

  constructor(clock: ManualClock, stuck: Stuck, inFlight: number) {
    super({ clock, exchangeMs: 50, inFlight })
    this.#stuck = stuck
    this.silent = stuck.silent
  }

  override start(): Promise<void> {
    return this.#stuck.or('start', () => super.start())
  }
  override stop(): Promise<void> {
    return this.#stuck.or('stop', () => super.stop())
  }
  override read(request: Request, into: BatchBuilder, signal: AbortSignal): Promise<void> {
    return this.#stuck.or('read', () => super.read(request, into, signal))
  }
  override write(device: DevicePlan, tag: Tag, value: Value, signal: AbortSignal): Promise<undefined> {
    return this.#stuck.or('write', () => super.write(device, tag, value, signal))
  }
}

function stuckSink(name: string, stuck: Stuck): Sink {
  return {
    name,
    delivery: 'stored',
    longestMs: 30_000,
    get movedAt() {
      return stuck.movedAt
    },
    start: () => stuck.or('sink start', async () => {}),
    stop: () => stuck.or('sink stop', async () => {}),
    resume: () => stuck.or('resume', async () => []),
    ready: (signal) => {
      if (stuck.absurd) throw new RangeError('the library is in a state it cannot be in')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    },
    deliver: () =>
      stuck.or('deliver', async () => {
        if (stuck.down) throw new Retryable('the broker is away', { reason: 11 })
        return { rejected: [] }
      }),
    state: () => (stuck.down ? { condition: 'fault', text: 'away' } : { condition: 'fine', text: 'up' }),
    counters: () => ({}),
  }
}

const TEXT = `connections: { plc: { driver: blueprint, host: 127.0.0.1, port: 9 } }
devices:
  d: { connection: plc, station: 1, groups: { g: { every: 10s, tags: { t0: { address: a, access: rw } } } } }
sinks: { emqx: { type: mqtt, url: "mqtt://x", from: oldest } }
`

export async function stuckGateway(options: { clock?: ManualClock; inFlight?: number } = {}) {
  const clock = options.clock ?? new ManualClock({ wall: Date.UTC(2026, 4, 1, 14, 3, 20) })
  const stuck = new Stuck()
  const log = new Said()
  const ledger = new Ledger({ clock })
  const fed: number[] = []
  const told: string[] = []
  const supervisor = {
    watchdogMs: WATCHDOG_MS,
    watchdog: () => void fed.push(clock.monotonic()),
    status: () => {},
    extendTimeout: () => void told.push('EXTEND'),
  }
  const feeder = new Feeder({ clock, log, ledger, supervisor })
  const drivers = catalog.drivers as Record<string, unknown>
  const sinks = catalog.sinks as Record<string, unknown>
  drivers.stuck = { load: async () => () => new StuckDriver(clock, stuck, options.inFlight ?? 1) }
  sinks.stuck = {
    load:
      async () =>
      ({ surroundings }: { surroundings: { name: string } }) =>
        stuckSink(surroundings.name, stuck),
  }
  const from = await valid(TEXT)
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-stuck-'))
  const configuration = {
    ...from,
    connections: from.connections.map((one) => ({ ...one, driver: 'stuck' })),
    sinks: from.sinks.map((one) => ({ ...one, type: 'stuck' })),
    log: { ...from.log, path: folder, commitEveryMs: 200 },
  }
  const gateway = await Gateway.open({
    configuration,
    clock,
    board: new SimulatedBoard({ clock }),
    log,
    version: 'test',
    ledger,
  })

  const due = (name: string): boolean => ledger.standings().some((one) => one.name === name && one.ageMs > 0)
  /** Time goes on by seconds; what a disk does in it is real, and waited for unless it hangs. */
  const live = async (ms: number, hanging: readonly string[] = []): Promise<void> => {
    for (let left = ms; left > 0; left -= 1000) {
      await clock.advance(Math.min(1000, left))
      const disk = ['log: writing', 'log: confirmations', 'log: deleting'].filter((name) => !hanging.includes(name))
      for (let turns = 0; turns < 1000 && disk.some(due); turns++) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        await clock.advance(0)
        if (turns % 100 === 99) await clock.advance(200)
      }
    }
  }
  /** Whether the watchdog was fed in the last so many milliseconds. */
  const isFed = (withinMs = WATCHDOG_MS): boolean => fed.some((at) => at > clock.monotonic() - withinMs)
  return {
    gateway,
    clock,
    stuck,
    log,
    ledger,
    feeder,
    fed,
    told,
    live,
    isFed,
    /** The sink's far side confirms something of the call that is under way. */
    moves: () => {
      stuck.movedAt = clock.monotonic()
    },
    begin: async () => {
      await gateway.start()
      feeder.enter('running')
    },
    forget: () => {
      feeder.end()
      delete drivers.stuck
      delete sinks.stuck
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
