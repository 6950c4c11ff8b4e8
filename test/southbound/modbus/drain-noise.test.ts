/** Queues on a disturbed wire: bits turned, bytes lost and added, answers late or swallowed, thousands of cycles of it. */
import { describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { seeded } from '../../../hal/simulated/random.ts'
import { RegisterMap, Station } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { BatchBuilder } from '../../../src/contracts/batch.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { groupOf, rtu } from './configured.ts'
import { ALWAYS, driverOf, named, settled } from './rig.ts'

const CYCLES = 300

class Device extends RegisterMap {
  readonly held: number[] = []
  made = 0
  /** How many the last reading gave. */
  last = 0
  /** A write to register 50 drops so many, one to 51 what was read last. */
  override write(area: 'coil' | 'holding', address: number, values: ArrayLike<number>): number {
    if (address === 50 || address === 51) this.held.splice(0, address === 50 ? values[0] : this.last)
    if (address === 51) this.last = 0
    return super.write(area, address, values)
  }

  fill(count: number): void {
    for (let left = count; left > 0 && this.held.length < 31; left--) this.held.push(this.made++)
  }
}

async function run(seed: number, drain: unknown) {
  const random = seeded(seed)
  const clock = new ManualClock()
  const wire = new SimulatedWire({ clock, baudRate: 19_200, seed })
  const device = new Device().set('holding', 0, ...new Array(60).fill(7))
  device.queues = new Map([
    [
      10,
      () => {
        device.last = device.held.length
        return device.held.slice()
      },
    ],
    [11, () => device.held.splice(0)],
  ])
  const station = new Station({ unit: 7, memory: device })
  station.turnaroundMs = () => (random() < 0.04 ? 100 + random() * 900 : 3 + random() * 20)
  station.alter = (frame) => (random() < 0.05 ? null : frame)
  wire.attach(station)
  wire.noise = { flippedBits: 0.0008, lostBytes: 0.0004, strayBytes: 0.02, extraBytes: 0.0004 }
  const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
  const driver = driverOf(rtu({ baudRate: 19_200 }), { clock, board })
  await driver.start()
  await clock.advance(20)
  const keys = { device: { unitId: 7, timeout: '150ms', retries: 1, setupWrites: 'allow' } }
  const [request] = driver.plan(named(groupOf([{ address: drain === true ? 'fifo:11' : 'fifo:10', drain }], keys), 7))
  const arrived: number[] = []
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    if (cycle === CYCLES - 40) {
      wire.noise = { flippedBits: 0, lostBytes: 0, strayBytes: 0 }
      station.alter = null
      station.turnaroundMs = 3
    }
    if (cycle < CYCLES - 20) device.fill(Math.floor(random() * 12))
    await clock.advance(1000)
    const into = new BatchBuilder(request!.group)
    const thrown = await settled(
      clock,
      driver.read(request!, into, ALWAYS).then(
        () => undefined,
        (why) => why as unknown,
      ),
    )
    if (thrown === undefined && into.quality[0] === 0) arrived.push(...(into.others!.get(0) as number[]))
  }
  const counters = driver.counters()
  await driver.stop()
  return { arrived, made: device.made, counters }
}

describe('on a disturbed wire', () => {
  describe.each([
    { dropping: 'as many as it is told', acknowledge: { address: 'holding:50', value: 'count' } },
    { dropping: 'what was read last', acknowledge: { address: 'holding:51', value: 1 } },
  ])('a device that drops $dropping', ({ acknowledge }) => {
    test.each([1, 2, 3, 4, 5, 6])('gives every record once and in order (seed %d)', async (seed) => {
      const { arrived, made, counters } = await run(seed, { acknowledge })
      expect(made).toBeGreaterThan(500)
      expect(counters.timeouts! + counters.crcErrors!).toBeGreaterThan(40)
      expect(arrived).toEqual(Array.from({ length: made }, (_, number) => number))
    })
  })

  test.each([1, 2, 3, 4])(
    'where reading empties the queue none comes twice, and every loss is counted (seed %d)',
    async (seed) => {
      const { arrived, made, counters } = await run(seed, true)
      expect(arrived).toEqual([...new Set(arrived)].sort((one, other) => one - other))
      let losses = 0
      for (let number = 0, last = true; number < made; number++) {
        const there = arrived.includes(number)
        if (!there && last) losses++
        last = there
      }
      expect(losses).toBeGreaterThan(0)
      expect(losses).toBeLessThanOrEqual(counters.recordsInDoubt!)
    },
  )
})
