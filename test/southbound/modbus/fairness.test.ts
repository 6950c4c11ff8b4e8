/** A line of 32 devices of which some are dead: what the living get, what the dead cost, and how soon one that returns is back. */
import { describe, expect, it } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { Station } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { type Batch, Reason } from '../../../src/contracts/batch.ts'
import { Lane } from '../../../src/schedule/lane.ts'
import { Poller } from '../../../src/schedule/poller.ts'
import { wireCost } from '../../../src/southbound/modbus/plan/plan-wire.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { rtu } from './configured.ts'
import { driverOf, filled, registers, settled } from './rig.ts'

const DEVICES = 32
const REGISTERS = 10

class Plant {
  readonly clock = new ManualClock()
  readonly stations: Station[] = []
  readonly lane: Lane
  readonly poller: Poller
  /** Milliseconds of the wire that each device was asked in, and its good and its other cycles, since they were last cleared. */
  readonly wireMs = new Map<string, number>()
  readonly good = new Map<string, number[]>()
  readonly bad = new Map<string, number>()
  /** How often each was given the wire. */
  readonly reads = new Map<string, number>()
  readonly #everyMs: number

  constructor(options: {
    baudRate: number
    everyMs: number
    dead?: readonly number[]
    keys?: Record<string, unknown>
  }) {
    const { clock } = this
    const { baudRate, everyMs, dead = [], keys = {} } = options
    this.#everyMs = everyMs
    const wire = new SimulatedWire({ clock, baudRate })
    for (let unit = 1; unit <= DEVICES; unit++) {
      const station = new Station({ unit, memory: filled(unit, REGISTERS), turnaroundMs: 5 + (unit % 7) })
      station.silent = dead.includes(unit)
      this.stations.push(station)
      wire.attach(station)
    }
    const driver = driverOf(rtu({ baudRate }), { clock, board: new SimulatedBoard({ wires: { 'rs485-1': wire } }) })
    const read = driver.read.bind(driver)
    driver.read = async (request, into, signal) => {
      const from = clock.monotonic()
      this.reads.set(request.device, (this.reads.get(request.device) ?? 0) + 1)
      await read(request, into, signal).finally(() => {
        const { device } = request
        this.wireMs.set(device, (this.wireMs.get(device) ?? 0) + clock.monotonic() - from)
      })
    }
    this.lane = new Lane({ clock, inFlight: 1 })
    this.poller = new Poller({ clock, driver, lane: this.lane, emit: (batch) => this.#count(batch) })
    this.poller.configure(
      this.stations.map(({ unit }) => ({ ...registers(unit, 0, REGISTERS, keys), everyMs, phaseMs: 0 })),
    )
    void driver.start()
    this.poller.start()
  }

  #count(batch: Batch): void {
    const { device } = batch.group
    if (batch.quality === null) this.good.set(device, [...(this.good.get(device) ?? []), batch.at.monotonic])
    else {
      this.bad.set(device, (this.bad.get(device) ?? 0) + 1)
      for (const reason of batch.quality) expect([Reason.timeout, Reason.deviceSilent]).toContain(reason)
    }
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms)
  }

  kill(units: readonly number[]): void {
    for (const unit of units) this.stations[unit - 1]!.silent = true
  }

  /** Watches for so long; shares are of the slots and of the time. */
  async watch(ms: number, dead: readonly number[]) {
    this.wireMs.clear()
    this.good.clear()
    this.bad.clear()
    await this.advance(ms)
    const slots = ms / this.#everyMs
    const live = this.stations.filter(({ unit }) => !dead.includes(unit))
    const shares = live.map(({ unit }) => (this.good.get(`unit-${unit}`)?.length ?? 0) / slots)
    const wire = (units: readonly number[]): number =>
      units.reduce((sum, unit) => sum + (this.wireMs.get(`unit-${unit}`) ?? 0), 0) / ms
    return {
      slots: shares.reduce((sum, share) => sum + share, 0) / shares.length,
      worst: Math.min(...shares),
      deadWire: wire(dead),
      liveWire: wire(live.map(({ unit }) => unit)),
    }
  }

  /** How long until the device is read again, and how often it had to be asked for that. */
  async revive(unit: number): Promise<{ ms: number; tries: number }> {
    const station = this.stations[unit - 1]!
    station.silent = false
    const reads = this.reads.get(`unit-${unit}`) ?? 0
    const from = this.clock.monotonic()
    this.good.delete(`unit-${unit}`)
    while (!this.good.has(`unit-${unit}`) && this.clock.monotonic() < from + 120_000) await this.advance(20)
    return {
      ms: (this.good.get(`unit-${unit}`)?.[0] ?? Number.POSITIVE_INFINITY) - from,
      tries: (this.reads.get(`unit-${unit}`) ?? 0) - reads,
    }
  }
}

const units = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => DEVICES - at)
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

describe('a line of 32 devices', () => {
  const table: string[] = []
  for (const { baudRate, everyMs } of [
    { baudRate: 9600, everyMs: 2000 },
    { baudRate: 19_200, everyMs: 1500 },
  ]) {
    for (const count of [0, 1, 8, 31]) {
      it(`at ${baudRate} baud with ${count} dead: the living keep their slots`, async () => {
        const plant = new Plant({ baudRate, everyMs })
        const dead = units(count)
        await plant.advance(60_000)
        plant.kill(dead)
        const fall = await plant.watch(60_000, dead)
        const steady = await plant.watch(300_000, dead)
        const back = count === 0 ? { ms: 0, tries: 1 } : await plant.revive(dead[0]!)
        table.push(
          [
            `${baudRate}`.padStart(5),
            `${count}`.padStart(4),
            percent(fall.slots).padStart(9),
            percent(steady.slots).padStart(9),
            percent(steady.worst).padStart(9),
            percent(steady.liveWire).padStart(9),
            percent(steady.deadWire).padStart(9),
            `${(back.ms / 1000).toFixed(1)} s`.padStart(8),
          ].join('  '),
        )
        // While 31 s of timeouts are waited out, too.
        expect(fall.slots).toBeGreaterThanOrEqual(0.85)
        expect(steady.worst).toBeGreaterThanOrEqual(0.99)
        expect(steady.deadWire).toBeLessThanOrEqual(0.05)
        expect(back.tries).toBe(1)
        expect(back.ms).toBeLessThanOrEqual(60_000)
      })
    }
  }

  it('prints its table', () => {
    console.log(
      [
        ' baud  dead  1st min.  slots     worst     live      dead      back',
        '             slots               device    wire      wire      after',
        ...table,
      ].join('\n'),
    )
  })

  it('with 31 that never answered: 5 % of the wire, each asked within a minute, and one that comes is taken', async () => {
    const dead = units(31)
    const plant = new Plant({ baudRate: 9600, everyMs: 2000, dead })
    await plant.advance(120_000)
    const steady = await plant.watch(300_000, dead)
    expect(steady.worst).toBeGreaterThanOrEqual(0.99)
    expect(steady.deadWire).toBeLessThanOrEqual(0.05)
    const back = await plant.revive(dead[5]!)
    expect(back.ms).toBeLessThanOrEqual(60_000)
    expect(back.tries).toBe(1)
  })
})

describe('a write on a busy line', () => {
  it('waits for one transaction at most, even while a refused register is looked for', async () => {
    const clock = new ManualClock()
    const wire = new SimulatedWire({ clock, baudRate: 9600 })
    const memory = filled(1, 200)
    const station = new Station({ unit: 1, memory })
    wire.attach(station)
    const driver = driverOf(rtu(), { clock, board: new SimulatedBoard({ wires: { 'rs485-1': wire } }) })
    const lane = new Lane({ clock, inFlight: 1 })
    const poller = new Poller({ clock, driver, lane, emit: () => {} })
    // 120 registers, of which the last 20 are not there: halved over and over, from the second on in every cycle.
    const wide = { ...registers(1, 100, 120), everyMs: 50 }
    const group = { ...registers(1, 0, 100), everyMs: 100 }
    poller.configure([wide, group])
    await driver.start()
    poller.start()
    await clock.advance(50)
    const longest = wireCost(rtu()).wireMs(120, false) + 20
    const waits: number[] = []
    const tag = group.tags[5]!
    for (let at = 0; at < 40; at++) {
      await clock.advance(37 * at)
      const from = clock.monotonic()
      let began = Number.NaN
      const done = lane.submit((signal) => {
        began = clock.monotonic()
        return driver.write(group.device, tag, at, signal)
      })
      while (Number.isNaN(began)) await clock.advance(1)
      waits.push(began - from)
      await settled(clock, done)
      expect(memory.get('holding', 5)).toBe(at)
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(longest)
    expect(Math.max(...waits)).toBeGreaterThan(20)
    expect(driver.counters().learntHoles).toBe(20)
  })

  it('does not wait for a device that is asked again: others use the wire meanwhile', async () => {
    const plant = new Plant({ baudRate: 9600, everyMs: 2000 })
    await plant.advance(20_000)
    let lost = 0
    // One question is lost to noise: its repetition has to wait for what could come late.
    plant.stations[7]!.alter = (frame) => (lost++ === 0 ? null : frame)
    const watched = await plant.watch(20_000, [])
    expect(lost).toBeGreaterThan(1)
    expect(plant.bad.size).toBe(0)
    expect(watched.worst).toBeGreaterThanOrEqual(0.7)
    const others = plant.stations.filter(({ unit }) => unit !== 8)
    for (const { unit } of others) expect(plant.good.get(`unit-${unit}`)!.length).toBeGreaterThanOrEqual(9)
  })
})
