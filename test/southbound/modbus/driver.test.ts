import { describe, expect, test } from 'vitest'
import type { Memory } from '../../../hal/simulated/station.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import { Rejected, type Retryable } from '../../../src/contracts/errors.ts'
import { groupOf } from './configured.ts'
import { ALWAYS, filled, Line, named, readRequest, registers, settled } from './rig.ts'

/** A memory that refuses some registers, and counts what it is asked. */
class Refusing implements Memory {
  readonly refused: Map<number, number>
  asked = 0
  readonly #inner = filled(3)

  constructor(refused: readonly (readonly [number, number])[]) {
    this.refused = new Map(refused)
  }

  read(area: Parameters<Memory['read']>[0], address: number, quantity: number): ArrayLike<number> | number {
    this.asked++
    for (let at = address; at < address + quantity; at++) {
      const code = this.refused.get(at)
      if (code !== undefined) return code
    }
    return this.#inner.read(area, address, quantity)
  }

  write(area: 'coil' | 'holding', address: number, values: ArrayLike<number>): number {
    this.asked++
    return this.refused.get(address) ?? this.#inner.write(area, address, values)
  }
}

async function refusing(refused: readonly (readonly [number, number])[]) {
  const rig = new Line()
  const memory = new Refusing(refused)
  Object.assign(rig.stations[3], { memory })
  await rig.start()
  return { rig, memory }
}

describe('registers a device refuses', () => {
  test('cost their neighbours nothing', async () => {
    const { rig } = await refusing([[37, 2]])
    const group = registers(3, 0, 100)
    const outcome = await rig.read(group)
    expect(outcome.fault).toBeUndefined()
    for (let at = 0; at < 100; at++) {
      expect(outcome.quality[at]).toBe(at === 37 ? Reason.illegalAddress : Reason.good)
      if (at !== 37) expect(outcome.values[at]).toBe(3000 + at)
    }
    expect(rig.driver.deviceCounters('unit-3').learntHoles).toBe(1)
  })

  test('are not asked for in the next cycle', async () => {
    const { rig, memory } = await refusing([[37, 2]])
    const group = registers(3, 0, 100)
    const requests = rig.driver.plan(group)
    await settled(rig.clock, readRequest(rig.driver, requests[0]!))
    const exceptions = rig.counter('illegalAddresses')
    const asked = memory.asked
    const again = await settled(rig.clock, readRequest(rig.driver, requests[0]!))
    expect(again.quality[37]).toBe(Reason.illegalAddress)
    expect(again.values[99]).toBe(3099)
    expect(rig.counter('illegalAddresses')).toBe(exceptions)
    expect(memory.asked - asked).toBeLessThan(10)
  })

  test.each([
    ['ten minutes', async (rig: Line) => rig.clock.advance(600_000)],
    [
      'a reconnect',
      async (rig: Line) => {
        rig.wire.unplug()
        rig.wire.plug()
        await rig.clock.advance(5000)
      },
    ],
  ])('are tried again after %s', async (_, pass) => {
    const { rig, memory } = await refusing([[1, 2]])
    const requests = rig.driver.plan(registers(3, 0, 3))
    expect((await settled(rig.clock, readRequest(rig.driver, requests[0]!))).quality[1]).toBe(Reason.illegalAddress)
    memory.refused.clear()
    expect((await settled(rig.clock, readRequest(rig.driver, requests[0]!))).quality[1]).toBe(Reason.illegalAddress)
    await pass(rig)
    expect((await settled(rig.clock, readRequest(rig.driver, requests[0]!))).values).toEqual([3000, 3001, 3002])
  })

  test('all of them: each tag has the reason, and the line is not held up for long at once', async () => {
    const { rig, memory } = await refusing(Array.from({ length: 100 }, (_, at) => [at, 2] as const))
    const requests = rig.driver.plan(registers(3, 0, 100))
    for (let cycle = 0; cycle < 8; cycle++) {
      const asked = memory.asked
      const outcome = await settled(rig.clock, readRequest(rig.driver, requests[0]!))
      expect(new Set(outcome.quality)).toEqual(new Set([Reason.illegalAddress]))
      expect(memory.asked - asked).toBeLessThan(40)
    }
    const asked = memory.asked
    await settled(rig.clock, readRequest(rig.driver, requests[0]!))
    expect(memory.asked).toBe(asked)
  })
})

describe('exceptions', () => {
  async function exception(code: number) {
    const { rig, memory } = await refusing([[0, code]])
    const outcome = await rig.read(registers(3, 0, 1))
    return { rig, memory, outcome }
  }

  test.each([
    [4, Reason.deviceFailure, 3],
    [8, Reason.deviceFailure, 3],
    [5, Reason.deviceBusy, 4],
    [6, Reason.deviceBusy, 4],
    [10, Reason.gatewayPath, 1],
    [11, Reason.gatewayTarget, 1],
  ])('exception %i: reason %i after %i questions', async (code, reason, questions) => {
    const { memory, outcome, rig } = await exception(code)
    expect(outcome.fault).toBeUndefined()
    expect(outcome.quality).toEqual([reason])
    expect(memory.asked).toBe(questions)
    expect(rig.counter('disconnects')).toBe(0)
  })

  test('a device that is busy for a moment is read after it', async () => {
    const { rig, memory } = await refusing([[0, 6]])
    const reading = rig.driver.plan(registers(3, 0, 1))
    const outcome = readRequest(rig.driver, reading[0]!)
    await rig.clock.advance(150)
    memory.refused.clear()
    expect((await settled(rig.clock, outcome)).values).toEqual([3000])
  })

  test.each([
    [5, true, 1],
    [6, false, 4],
    [4, false, 1],
    [11, true, 1],
  ])('a write that draws exception %i: unknown is %s, sent %i times', async (code, unknown, times) => {
    const { rig, memory } = await refusing([[20, code]])
    await rig.read(registers(3, 0, 1))
    const group = named(groupOf([{ address: 'holding:20', type: 'uint16' }], { device: { unitId: 3 } }), 3)
    const asked = memory.asked
    const fault = await settled(
      rig.clock,
      rig.driver.write(group.device, group.tags[0]!, 1, ALWAYS).catch((thrown) => thrown),
    )
    expect(memory.asked - asked).toBe(times)
    expect(fault instanceof Rejected).toBe(!unknown)
    if (unknown) expect((fault as Retryable).ambiguous).toBe(true)
  })
})

describe('by hand', () => {
  const peek = (rig: Line, ...words: string[]) => settled(rig.clock, rig.driver.peek(words, ALWAYS))
  const poke = (rig: Line, ...words: string[]) => settled(rig.clock, rig.driver.poke(words, ALWAYS))

  test('a register is shown in every type and order', async () => {
    const rig = new Line()
    rig.memories[3].set('holding', 0, 0x41c8, 0x0000)
    await rig.start()
    const { request, rows, elapsedMs } = await peek(rig, '3', '40001')
    expect(request).toBe('FC03 unit 3, 40001–40004')
    expect(elapsedMs).toBeGreaterThan(10)
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      address: '40001',
      readings: {
        hex: '41c8',
        'uint16 AB': '16840',
        'uint16 BA': '51265',
        'float32 ABCD': '25',
        'uint32 CDAB': '16840',
      },
    })
  })

  test('a type and a count give one row a value', async () => {
    const rig = new Line()
    await rig.start()
    const { rows } = await peek(rig, '3', 'holding:10', 'uint16', '3')
    expect(rows.map(({ address, readings }) => [address, readings['uint16 AB']])).toEqual([
      ['40011', '3010'],
      ['40012', '3011'],
      ['40013', '3012'],
    ])
  })

  test('where the device has no more registers, fewer are read', async () => {
    const rig = new Line()
    await rig.start()
    const { request, rows } = await peek(rig, '3', 'holding:199')
    expect(request).toBe('FC03 unit 3, 40200')
    expect(rows[0]!.readings['uint16 AB']).toBe('3199')
  })

  test('coils and single bits are true or false', async () => {
    const rig = new Line()
    await rig.start()
    const coils = await peek(rig, '3', 'coil:0', '4')
    expect(coils.rows.map(({ readings }) => readings.bool)).toEqual(['true', 'false', 'false', 'true'])
    rig.memories[3].set('holding', 0, 0b1000)
    expect((await peek(rig, '3', '40001.3')).rows[0]!.readings).toEqual({ bool: 'true' })
  })

  test('a value is written once and read back by the next look', async () => {
    const rig = new Line()
    await rig.start()
    expect(await poke(rig, '3', '40011', 'float32', '-2.5')).toBe('40011 of unit 3 = -2.5 (float32): confirmed')
    expect(rig.memories[3].get('holding', 10)).toBe(0xc020)
    await poke(rig, '3', 'coil:7', 'on')
    expect(rig.memories[3].get('coil', 7)).toBe(1)
  })

  test.each([
    [['300', '40001'], /no unit/],
    [['3'], /address is missing/],
    [['3', '50000'], /50000/],
    [['3', '40001', 'int17'], /no type/],
    [['3', '40001', 'int16', '0'], /no count/],
    [['3', '40001', 'int16', '126'], /more than one request/],
    [['3', 'coil:1', 'float32'], /one bit/],
  ])('words it cannot read: %j', async (words, text) => {
    const rig = new Line()
    await rig.start()
    const fault = await rig.driver.peek(words, ALWAYS).catch((thrown) => thrown)
    expect(fault).toBeInstanceOf(Rejected)
    expect(fault.message).toMatch(text)
  })

  test('an exception is the answer, said in words', async () => {
    const rig = new Line()
    await rig.start()
    const fault = await settled(
      rig.clock,
      rig.driver.peek(['3', 'holding:5000'], ALWAYS).catch((thrown) => thrown),
    )
    expect(fault.message).toBe('unit 3 has no such address (exception 2)')
  })
})
