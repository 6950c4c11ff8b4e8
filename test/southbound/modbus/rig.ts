/** A driver with a group of registers, on a simulated wire or at a socket, for tests. */
import type { Ports } from '../../../hal/contract.ts'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { RegisterMap, Station } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { BatchBuilder, type Reason, type Value } from '../../../src/contracts/batch.ts'
import type { Clock } from '../../../src/contracts/clock.ts'
import type { Logger } from '../../../src/contracts/component.ts'
import type { GroupPlan, Request } from '../../../src/contracts/driver.ts'
import { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import type { ConnectionSettings } from '../../../src/southbound/modbus/settings.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { groupOf, rtu } from './configured.ts'

export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A signal that is never aborted. */
export const ALWAYS = new AbortController().signal

type Keys = Readonly<Record<string, unknown>>

/** `count` holding registers from wire address `from` on, as one group of a device that is named after its unit. */
export function registers(unit: number, from: number, count: number, keys: Keys = {}): GroupPlan {
  const tags = Array.from({ length: count }, (_, at) => ({ address: `holding:${from + at}`, type: 'uint16' }))
  return named(groupOf(tags, { device: { unitId: unit, timeout: '1s', ...keys } }), unit)
}

export function named(group: GroupPlan, unit: number): GroupPlan {
  const device = `unit-${unit}`
  return { ...group, ref: { ...group.ref, device }, device: { ...group.device, name: device } }
}

export interface Outcome {
  readonly values: readonly Value[]
  readonly quality: readonly Reason[]
  /** What the line's fault was, if the read threw. */
  readonly fault: unknown
}

export async function readGroup(driver: ModbusDriver, group: GroupPlan): Promise<Outcome> {
  const into = new BatchBuilder(group.ref)
  let fault: unknown
  for (const request of driver.plan(group)) {
    await driver.read(request, into, ALWAYS).catch((thrown) => {
      fault = thrown
    })
  }
  return outcome(into, fault)
}

export async function readRequest(driver: ModbusDriver, request: Request): Promise<Outcome> {
  const into = new BatchBuilder(request.group)
  const fault = await driver.read(request, into, ALWAYS).catch((thrown) => thrown)
  return outcome(into, fault)
}

function outcome(into: BatchBuilder, fault: unknown): Outcome {
  return {
    values: Array.from(into.numbers, (number, at) => into.others?.get(at) ?? number),
    quality: [...into.quality] as Reason[],
    fault,
  }
}

/** A line with two stations, 3 and 4: holding register n of unit u holds 1000 × u + n. */
export class Line {
  readonly clock: ManualClock
  readonly wire: SimulatedWire
  readonly driver: ModbusDriver
  readonly stations: Readonly<Record<3 | 4, Station>>
  readonly memories: Readonly<Record<3 | 4, RegisterMap>>

  constructor(options: { keys?: Keys; echo?: boolean; seed?: number; stopBits?: 1 | 2 } = {}) {
    this.clock = new ManualClock()
    const { seed = 1, echo = false } = options
    this.wire = new SimulatedWire({ clock: this.clock, baudRate: 9600, seed, echo })
    this.memories = { 3: filled(3), 4: filled(4) }
    this.stations = {
      3: new Station({ unit: 3, memory: this.memories[3] }),
      4: new Station({ unit: 4, memory: this.memories[4] }),
    }
    this.wire.attach(this.stations[3])
    this.wire.attach(this.stations[4])
    const board = new SimulatedBoard({ wires: { 'rs485-1': this.wire } })
    this.driver = driverOf(rtu(options.keys), { clock: this.clock, board })
  }

  async start(): Promise<void> {
    await this.driver.start()
    await this.clock.advance(20)
  }

  /** Reads, and moves time until the answer or the fault is there. */
  read(group: GroupPlan): Promise<Outcome> {
    return settled(this.clock, readGroup(this.driver, group))
  }

  counter(name: string): number {
    return this.driver.counters()[name]!
  }
}

export function filled(unit: number, count = 200): RegisterMap {
  const map = new RegisterMap()
  for (let at = 0; at < count; at++) map.set('holding', at, 1000 * unit + at).set('input', at, 500 * unit + at)
  for (let at = 0; at < count; at++) map.set('coil', at, at % 3 === 0 ? 1 : 0).set('discrete', at, at & 1)
  return map
}

export function driverOf(
  settings: ConnectionSettings,
  options: { clock: Clock; board?: Ports; log?: Logger },
): ModbusDriver {
  const { clock, board = new SimulatedBoard({ wires: {} }), log = SILENT } = options
  return new ModbusDriver({ name: 'bus', settings, clock, log, board, random: () => 0.5 })
}

/** Moves time until a promise is settled; fails the test after five minutes of it. */
export async function settled<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let done = false
  const mark = (): void => {
    done = true
  }
  promise.then(mark, mark)
  await clock.advance(0)
  // From timer to timer: a second in which nothing happens costs nothing.
  for (const end = clock.monotonic() + 300_000; !done && clock.monotonic() < end; ) {
    await clock.advance(Math.max(0, clock.untilNext ?? 1))
  }
  if (!done) throw new Error('five minutes passed and nothing happened')
  return promise
}
