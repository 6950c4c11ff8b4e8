/** Queues and files of records as tags: read as they stand, or drained so that no record is lost and none comes twice. */
import { beforeEach, describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { RegisterMap, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import type { GroupPlan } from '../../../src/contracts/driver.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { modbusRtu } from '../../../src/southbound/modbus/schema/schema.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { complaints, groupOf, rtu, settingsOf } from './configured.ts'
import { driverOf, named, type Outcome, readGroup, SILENT, settled } from './rig.ts'

type Keys = Readonly<Record<string, unknown>>

const ACKNOWLEDGED = { drain: { acknowledge: { address: 'holding:50', value: 'count' } } }
/** The device drops what was read last. */
const DROPS_LAST = { drain: { acknowledge: { address: 'holding:51', value: 1 } } }

describe('on a wire', () => {
  let clock: ManualClock
  let driver: ModbusDriver
  let station: Station
  let memory: RegisterMap
  /** What the device holds in its queue. */
  let held: number[]
  let file: number[]
  let writes: number[]
  let said: string[]

  beforeEach(async () => {
    clock = new ManualClock()
    held = []
    file = Array.from({ length: 40 }, (_, at) => 100 + at)
    writes = []
    said = []
    const wire = new SimulatedWire({ clock, baudRate: 19_200, seed: 3 })
    let last = 0
    memory = new Acknowledging((count, address) => {
      writes.push(count)
      held.splice(0, address === 50 ? count : last)
    }).set('holding', 0, ...new Array(60).fill(7))
    memory.queues = new Map([
      [
        10,
        () => {
          last = Math.min(31, held.length)
          return held.slice(0, 31)
        },
      ],
      [11, () => held.splice(0, 31)],
    ])
    memory.files = new Map([[2, file]])
    station = new Station({ unit: 7, memory })
    wire.attach(station)
    const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
    const log = { ...SILENT, warn: (text: string) => void said.push(text) }
    driver = driverOf(rtu({ baudRate: 19_200 }), { clock, board, log })
    await driver.start()
    await clock.advance(20)
  })

  function tags(...keys: Keys[]): GroupPlan {
    return named(groupOf(keys, { device: { unitId: 7, setupWrites: 'allow', timeout: '500ms', retries: 1 } }), 7)
  }

  function read(group: GroupPlan): Promise<Outcome> {
    return settled(clock, readGroup(driver, group))
  }

  /** Cycles of one group, its requests planned once as the poller does. */
  function cycles(group: GroupPlan, everyMs = 1000): () => Promise<Outcome> {
    const requests = driver.plan(group)
    const planned = { plan: () => requests, read: driver.read.bind(driver) } as unknown as ModbusDriver
    return async () => {
      await clock.advance(everyMs)
      return settled(clock, readGroup(planned, group))
    }
  }

  test('a queue is the list of what it holds; reading leaves it as it is', async () => {
    held = [1, 2, 0xffff]
    const group = tags(
      { address: 'fifo:10' },
      { address: 'fifo:10', type: 'int16' },
      { address: 'holding:0', type: 'uint16' },
    )
    expect(driver.plan(group).map(({ text }) => text)).toEqual(['FC03 unit 7, 40001', 'FC24 unit 7, fifo:10'])
    expect((await read(group)).values).toEqual([[1, 2, 0xffff], [1, 2, -1], 7])
    expect(held).toHaveLength(3)
    held = []
    expect(await read(group)).toMatchObject({ values: [[], [], 7], quality: [0, 0, 0] })
  })

  test('registers that hold no whole number of elements are not decoded', async () => {
    held = [0x4049, 0x0fdb, 1]
    const group = tags({ address: 'fifo:10', type: 'float32' })
    expect((await read(group)).quality).toEqual([Reason.notDecodable])
    held = [0x4049, 0x0fdb]
    expect((await read(group)).values).toEqual([[Math.fround(Math.PI)]])
  })

  test('records of a file are values like registers, one request a place', async () => {
    const group = tags(
      { address: 'file:2/0/10' },
      { address: 'file:2/20', type: 'uint32' },
      { address: 'file:2/5/2', type: 'uint32', order: 'CDAB' },
      { address: 'file:2/30/4', type: 'bytes' },
      { address: 'file:3/0', type: 'uint16' },
    )
    const outcome = await read(group)
    expect(outcome.values.slice(0, 3)).toEqual([file.slice(0, 10), 120 * 65_536 + 121, 106 * 65_536 + 105])
    expect([...(outcome.values[3] as Uint8Array)]).toEqual([0, 130, 0, 131, 0, 132, 0, 133])
    expect(outcome.quality).toEqual([0, 0, 0, 0, Reason.illegalAddress])
  })

  test('a queue that reading empties is read until nothing is left, in order', async () => {
    held = Array.from({ length: 100 }, (_, at) => at)
    const next = cycles(tags({ address: 'fifo:11', drain: true }))
    expect((await next()).values).toEqual([Array.from({ length: 100 }, (_, at) => at)])
    expect((await next()).values).toEqual([[]])
    held = [5]
    expect((await next()).values).toEqual([[5]])
  })

  test('between two reads of a cycle writes that wait may go first', async () => {
    held = Array.from({ length: 100 }, (_, at) => at)
    let turns = 0
    driver.join({ between: () => void turns++ })
    expect((await cycles(tags({ address: 'fifo:11', drain: true }))()).values).toHaveLength(1)
    expect([station.heard, turns]).toEqual([5, 4])
  })

  test.each([
    ['fifo:11', { address: 'fifo:11', drain: true }],
    ['file:2/0/2', { address: 'file:2/0/2', drain: { most: 1 } }],
  ])('after an answer that never came, %s is not asked for twice to be sure', async (_, keys) => {
    const next = cycles(tags(keys))
    station.silent = true
    expect((await next()).fault).toMatchObject({ reason: Reason.timeout })
    station.silent = false
    held = [3, 4]
    const asked: number[] = []
    const hear = station.hear.bind(station)
    station.hear = (frame) => {
      asked.push(frame[1]!)
      return hear(frame)
    }
    expect((await next()).values).toEqual([keys.address === 'fifo:11' ? [3, 4] : [100, 101]])
    expect(asked).toEqual(keys.address === 'fifo:11' ? [3, 24, 24] : [43, 20])
  })

  test('a device that was silent is given all its time for an answer that would be lost', async () => {
    const next = cycles(tags({ address: 'fifo:11', drain: true }))
    await next()
    station.silent = true
    for (let miss = 0; miss < 3; miss++) expect((await next()).fault).toMatchObject({ reason: Reason.timeout })
    station.silent = false
    station.turnaroundMs = 450
    held = [3, 4]
    expect((await next()).values).toEqual([[3, 4]])
  })

  test('a queue that reading does not empty is suspected, once', async () => {
    held = [1, 2]
    const next = cycles(tags({ address: 'fifo:10', drain: { most: 3 } }))
    await next()
    await next()
    expect(said).toEqual([expect.stringContaining('fifo:10 gave the same 3 times in a row')])
  })

  test('no cycle takes more reads than it may; the rest comes in the next', async () => {
    held = Array.from({ length: 70 }, (_, at) => at)
    const next = cycles(tags({ address: 'fifo:11', drain: { most: 2 } }))
    expect((await next()).values).toEqual([Array.from({ length: 62 }, (_, at) => at)])
    expect((await next()).values).toEqual([Array.from({ length: 8 }, (_, at) => 62 + at)])
  })

  test('what one answer brought is kept when the next is lost; the loss shows, and no read is repeated over it', async () => {
    held = Array.from({ length: 60 }, (_, at) => at)
    const next = cycles(tags({ address: 'fifo:11', drain: true }))
    let answers = 0
    station.alter = (frame) => (++answers === 2 ? null : frame)
    expect((await next()).values).toEqual([Array.from({ length: 31 }, (_, at) => at)])
    expect([answers, driver.counters().recordsInDoubt]).toEqual([2, 1])
    answers = 1
    held = [9]
    const lost = await next()
    expect(lost.fault).toMatchObject({ reason: Reason.timeout })
    expect(driver.counters().recordsInDoubt).toBe(2)
  })

  test('with an acknowledgement nothing is dropped before its batch has gone on', async () => {
    held = [1, 2, 3]
    const next = cycles(tags({ address: 'fifo:10', ...ACKNOWLEDGED }))
    expect((await next()).values).toEqual([[1, 2, 3]])
    expect([held, writes]).toEqual([[1, 2, 3], []])
    held.push(4)
    expect((await next()).values).toEqual([[4]])
    expect(writes).toEqual([3])
    expect((await next()).values).toEqual([[]])
    expect([held, writes]).toEqual([[], [3, 1]])
    expect((await next()).values).toEqual([[]])
    expect(writes).toEqual([3, 1])
  })

  test.each([
    ['as many as it is told', ACKNOWLEDGED],
    ['what was read last', DROPS_LAST],
  ])('nor before the log can have it, however often the group is read: dropping %s', async (_, keys) => {
    held = [1]
    const next = cycles(tags({ address: 'fifo:10', ...keys }), 200)
    expect((await next()).values).toEqual([[1]])
    await next()
    await next()
    expect([held, writes]).toEqual([[1], []])
    await next()
    expect([held, writes]).toEqual([[], [1]])
  })

  test.each([
    ['as many as it is told, the telling arrived', ACKNOWLEDGED, true],
    ['as many as it is told, the telling did not arrive', ACKNOWLEDGED, false],
    ['what was read last, the telling arrived', DROPS_LAST, true],
    ['what was read last, the telling did not arrive', DROPS_LAST, false],
  ])(
    'an acknowledgement without an answer neither loses nor doubles a record: dropping %s',
    async (_, keys, arrives) => {
      held = [1, 2, 3]
      const next = cycles(tags({ address: 'fifo:10', ...keys }))
      const arrived: unknown[] = []
      const cycle = async (...more: number[]): Promise<void> => {
        held.push(...more)
        const { values, fault } = await next()
        if (fault === undefined) arrived.push(...(values[0] as number[]))
      }
      await cycle()
      station.alter = (frame) => (frame[1] === 6 ? null : frame)
      if (!arrives) memory.write = () => 0
      await cycle(...(keys === ACKNOWLEDGED ? [4, 5] : []))
      station.alter = null
      Reflect.deleteProperty(memory, 'write')
      expect(driver.counters().unknownWrites).toBe(1)
      await cycle(...(keys === ACKNOWLEDGED ? [] : [4, 5]))
      expect(driver.counters().recordsReadAgain).toBe(arrives ? 0 : 1)
      await cycle(6)
      await cycle()
      expect([arrived, held]).toEqual([[1, 2, 3, 4, 5, 6], []])
    },
  )

  test('what the device lost by itself, or dropped when it ran over, takes nothing with it that nobody read', async () => {
    held = [1, 2, 3]
    const next = cycles(tags({ address: 'fifo:10', ...ACKNOWLEDGED }))
    expect((await next()).values).toEqual([[1, 2, 3]])
    held = [7, 8]
    expect((await next()).values).toEqual([[7, 8]])
    expect([held, writes, driver.counters().recordsInDoubt]).toEqual([[7, 8], [], 1])
    await next()
    expect([held, writes]).toEqual([[], [2]])
  })

  test('a full queue is read once more when it was made room in', async () => {
    held = Array.from({ length: 40 }, (_, at) => at)
    const next = cycles(tags({ address: 'fifo:10', ...ACKNOWLEDGED }))
    expect((await next()).values).toEqual([Array.from({ length: 31 }, (_, at) => at)])
    expect((await next()).values).toEqual([Array.from({ length: 9 }, (_, at) => 31 + at)])
    expect(writes).toEqual([31])
  })

  test('what could not be decoded is not dropped', async () => {
    held = [1, 2, 3]
    const next = cycles(tags({ address: 'fifo:10', type: 'uint32', ...ACKNOWLEDGED }))
    expect((await next()).quality).toEqual([Reason.notDecodable])
    expect((await next()).quality).toEqual([Reason.notDecodable])
    expect(held).toEqual([1, 2, 3])
  })

  test('a device that refuses the acknowledgement gives nothing twice', async () => {
    held = [1, 2]
    const next = cycles(
      tags({ address: 'fifo:10', drain: { most: 8, acknowledge: { address: 'holding:99', value: 1 } } }),
    )
    expect((await next()).values).toEqual([[1, 2]])
    held.push(3)
    expect((await next()).values).toEqual([[3]])
    const before = station.heard
    expect((await next()).values).toEqual([[]])
    // One acknowledgement and one read: nothing new is nothing to go on for.
    expect(station.heard - before).toBe(2)
    expect(said).toEqual([
      expect.stringMatching(/does not take the acknowledgement of FC24 unit 7, fifo:10: .*no such/),
    ])
  })

  test('with more reads a cycle a long queue is acknowledged in between', async () => {
    held = Array.from({ length: 80 }, (_, at) => at)
    const all = held.slice()
    const next = cycles(tags({ address: 'fifo:10', drain: { ...ACKNOWLEDGED.drain, most: 10 } }))
    expect((await next()).values).toEqual([all])
    expect([held.length, writes]).toEqual([18, [31, 31]])
    await next()
    expect([held, writes]).toEqual([[], [31, 31, 18]])
  })

  test('records of a file are drained until the device has no more', async () => {
    const window: number[][] = [[1, 2], [3, 4], []]
    memory.files = { get: () => window[0], size: 1 } as unknown as ReadonlyMap<number, readonly number[]>
    const acknowledging = memory as Acknowledging
    acknowledging.acknowledged = () => void window.shift()
    const drain = { most: 5, acknowledge: { address: 'holding:50', value: 1 } }
    const next = cycles(tags({ address: 'file:9/0/2', type: 'uint32', drain }))
    expect((await next()).values).toEqual([[65_538, 196_612]])
    expect(await next()).toMatchObject({ values: [[]], quality: [0] })
  })

  test('a file that never gave a record and refuses is no empty one', async () => {
    const next = cycles(tags({ address: 'file:3/0/2', drain: true }))
    expect((await next()).quality).toEqual([Reason.illegalAddress])
    station.alter = () => seal(7, Uint8Array.of(0x94, 4))
    expect((await next()).quality).toEqual([Reason.deviceFailure])
  })

  test('a queue that holds more than it can give is asked again in the next cycle', async () => {
    const next = cycles(tags({ address: 'fifo:10' }))
    station.alter = () => seal(7, Uint8Array.of(0x98, 3))
    expect((await next()).quality).toEqual([Reason.illegalValue])
    station.alter = null
    held = [1]
    expect((await next()).values).toEqual([[1]])
  })

  test('neither is written', async () => {
    const group = tags({ address: 'fifo:10' }, { address: 'file:2/0' })
    const signal = new AbortController().signal
    for (const tag of group.tags) {
      await expect(driver.write(group.device, tag, 1, signal)).rejects.toThrow(/can only be read/)
    }
  })
})

const ALLOWED = { device: { setupWrites: 'allow' } }

describe('as they are written', () => {
  test('numbers may be hexadecimal; a type says what the elements are', () => {
    expect(settingsOf({ address: 'FIFO:0x4DE' })).toMatchObject({ area: 'fifo', address: 1246, span: 31 })
    expect(settingsOf({ address: 'file:1/0/10' })).toMatchObject({ area: 'file', file: 1, address: 0, span: 10 })
    expect(settingsOf({ address: 'file:1/0x10', type: 'float64' })).toMatchObject({ address: 16, span: 4 })
    expect(settingsOf({ address: 'file:1/0/8', type: 'string' }).format).toMatchObject({ length: 16, count: null })
    const acknowledged = { address: 'fifo:1', drain: { acknowledge: { address: '40002' } } }
    expect(settingsOf(acknowledged, ALLOWED).drain).toEqual({
      most: 1,
      acknowledge: { function: 6, address: 1, value: 1 },
    })
    expect(settingsOf({ address: 'fifo:1', drain: false }).drain).toBeUndefined()
  })

  test.each<[Keys, RegExp]>([
    [{ address: 'fifo:70000' }, /FIFO's address is 0 to 65535/],
    [{ address: 'fifo:1/2' }, /expected fifo:1234, or file:1\/0\/10/],
    [{ address: 'file:0/0/1' }, /files are numbered from 1/],
    [{ address: 'file:1/0/122' }, /reads 1 to 121 registers of a file/],
    [{ address: 'file:1/0/3', type: 'float32' }, /3 registers hold no whole number of float32/],
    [{ address: 'file:1/0/4', type: 'uint16', count: 3 }, /3 of uint16 are 3 registers, the address says 4/],
    [{ address: 'file:1/65530/10' }, /beyond the last record/],
    [{ address: 'fifo:1', count: 3 }, /leave count off/],
    [{ address: ['fifo:1', 'fifo:2'] }, /stands alone/],
    [{ address: 'holding:1', type: 'uint16', drain: true }, /only a queue/],
    [{ address: 'fifo:1', drain: { acknowledge: { address: 'input:1' } } }, /can only be read/],
    [{ address: 'fifo:1', drain: { acknowledge: { address: 'coil:1', value: 'count' } } }, /a coil takes 0 or 1/],
  ])('%j is refused', (tag, why) => {
    expect(complaints(tag, ALLOWED).join('; ')).toMatch(why)
  })

  test('nothing is acknowledged on a line with other masters', () => {
    const device = modbusRtu.device.parse({ unitId: 3, setupWrites: 'allow' })
    const wire = modbusRtu.connection.parse({ port: 'rs485-1', masters: 'shared' })
    const tag = modbusRtu.tag.parse({ address: 'fifo:1', drain: { acknowledge: { address: 'holding:1' } } })
    const found = modbusRtu.resolve(tag, device, wire, { noValueBits: [], access: 'r' })
    expect(found).toEqual({ problems: [{ key: 'drain', text: expect.stringContaining('masters: sole') }] })
  })

  test('an acknowledgement needs the word that the gateway may write by itself', () => {
    const drain = { acknowledge: { address: 'holding:1' } }
    expect(complaints({ address: 'fifo:1', drain })).toEqual([
      'drain: acknowledge: the gateway writes this by itself: say that it may, with setupWrites: allow at the device',
    ])
  })
})

/** A write to register 50 or 51 makes the device drop what was read. */
class Acknowledging extends RegisterMap {
  acknowledged: (value: number, address: number) => void

  constructor(acknowledged: (value: number, address: number) => void) {
    super()
    this.acknowledged = acknowledged
  }

  override write(area: 'coil' | 'holding', address: number, values: ArrayLike<number>): number {
    const refused = super.write(area, address, values)
    if (refused === 0 && (address === 50 || address === 51)) this.acknowledged(values[0]!, address)
    return refused
  }
}
