/** What a device refuses, how much it gives, and that this is known after a restart. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { type Memory, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import type { GroupPlan, Notebook } from '../../../src/contracts/driver.ts'
import { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { exception } from '../../../src/southbound/modbus/frames/pdu.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { rtu } from './configured.ts'
import { filled, type Outcome, readRequest, registers, SILENT, settled } from './rig.ts'

/** Pages that outlive a driver, as through a file. */
class Pages implements Notebook {
  text = '{}'

  get(name: string): unknown {
    return JSON.parse(this.text)[name]
  }

  put(name: string, plain: unknown): void {
    this.text = JSON.stringify({ ...JSON.parse(this.text), [name]: plain })
  }
}

/** A device with rules of its own for what it gives. */
class Fussy implements Memory {
  readonly inner = filled(3, 300)
  readonly questions: [number, number][] = []
  rule: (from: number, quantity: number) => number = () => 0

  read(area: Parameters<Memory['read']>[0], address: number, quantity: number): ArrayLike<number> | number {
    this.questions.push([address, quantity])
    return this.rule(address, quantity) || this.inner.read(area, address, quantity)
  }

  write(): number {
    return 0
  }
}

class Rig {
  readonly clock = new ManualClock()
  readonly wire = new SimulatedWire({ clock: this.clock, baudRate: 19_200 })
  readonly memory = new Fussy()
  readonly station = new Station({ unit: 3, memory: this.memory })
  readonly pages = new Pages()
  driver: ModbusDriver

  constructor() {
    this.wire.attach(this.station)
    this.driver = this.#made()
  }

  #made(): ModbusDriver {
    const board = new SimulatedBoard({ wires: { 'rs485-1': this.wire } })
    const { clock, pages } = this
    return new ModbusDriver({
      name: 'bus',
      settings: rtu({ baudRate: 19_200 }),
      clock,
      log: SILENT,
      board,
      random: () => 0.5,
      notebook: pages,
    })
  }

  async start(): Promise<this> {
    await this.driver.start()
    await this.clock.advance(20)
    return this
  }

  async restart(): Promise<void> {
    await this.driver.stop()
    this.driver = this.#made()
    await this.start()
  }

  /** One cycle by a plan that is made once, as the poller does; what was asked for in it. */
  cycleOf(group: GroupPlan) {
    const requests = this.driver.plan(group)
    return async () => {
      this.memory.questions.length = 0
      const outcomes: Outcome[] = []
      for (const request of requests) outcomes.push(await settled(this.clock, readRequest(this.driver, request)))
      const quality = group.tags.map(({ index: at }) => {
        const of = outcomes.find((outcome) => outcome.quality[at] !== Reason.notYet)
        return of?.quality[at] ?? Reason.notYet
      })
      const values = group.tags.map(
        ({ index: at }) => outcomes.find((outcome) => outcome.quality[at] === Reason.good)?.values[at],
      )
      return { quality, values, questions: [...this.memory.questions] }
    }
  }

  told(group: GroupPlan) {
    return this.driver.knowledge(group.device)
  }
}

const touches =
  (...bad: readonly number[]) =>
  (from: number, quantity: number): number =>
    bad.some((at) => at >= from && at < from + quantity) ? 2 : 0

describe('what a device refuses', () => {
  test('is read around with as few requests as it takes', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = touches(37)
    const group = registers(3, 0, 100)
    const cycle = rig.cycleOf(group)
    await cycle()
    const { questions, quality } = await cycle()
    expect(questions).toEqual([
      [0, 37],
      [38, 62],
    ])
    expect(quality.map((reason, at) => [at, reason]).filter(([, reason]) => reason !== Reason.good)).toEqual([
      [37, Reason.illegalAddress],
    ])
    expect(rig.told(group)).toEqual({
      sentences: ['refuses 40038 (no such address)'],
      keys: { omit: ['40038'] },
    })
  })

  test('is not asked for in the first poll after a restart, and then tried again by one request', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = touches(7, 8, 9)
    const group = registers(3, 0, 40)
    const learning = rig.cycleOf(group)
    await learning()
    await learning()
    expect(rig.told(group)?.sentences).toEqual(['refuses 40008–40010 (no such address)'])
    await rig.restart()
    const cycle = rig.cycleOf(group)
    expect((await cycle()).questions).toEqual([
      [0, 7],
      [10, 30],
    ])
    await rig.clock.advance(6000)
    // One of the three neighbours, still refused; then nothing more for ten minutes.
    expect((await cycle()).questions).toEqual([
      [0, 7],
      [10, 30],
      [7, 1],
    ])
    await rig.clock.advance(60_000)
    expect((await cycle()).questions).toHaveLength(2)
    rig.memory.rule = () => 0
    await rig.clock.advance(600_000)
    // Each cycle tries one, until all are back.
    for (let at = 0; at < 3; at++) await cycle()
    const back = await cycle()
    expect(back.questions).toEqual([[0, 40]])
    expect(back.values).toEqual(Array.from({ length: 40 }, (_, at) => 3000 + at))
    expect(rig.told(group)).toBeUndefined()
  })

  test('is tried again by one request after a reconnect', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = touches(7)
    const cycle = rig.cycleOf(registers(3, 0, 20))
    await cycle()
    await cycle()
    rig.wire.unplug()
    rig.wire.plug()
    await rig.clock.advance(5000)
    expect((await cycle()).questions).toEqual([
      [0, 7],
      [8, 12],
      [7, 1],
    ])
  })

  test('and only in between tags is not read along any more', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = touches(5)
    const group = registers(3, 0, 9, { maxGap: 4 })
    const tags = group.tags.filter(({ index }) => index !== 5)
    const cycle = rig.cycleOf({ ...group, tags })
    const first = await cycle()
    expect(new Set(first.quality)).toEqual(new Set([Reason.good]))
    expect((await cycle()).questions).toEqual([
      [0, 5],
      [6, 3],
    ])
    expect(rig.told(group)).toEqual({
      sentences: ['does not let 40006 be read along'],
      keys: { noTouch: ['40006'] },
    })
    // After a restart it is planned so from the first.
    await rig.restart()
    expect(rig.driver.plan({ ...group, tags })).toHaveLength(2)
  })

  test('for a moment, starting up, is nothing to remember', async () => {
    const rig = await new Rig().start()
    let left = 1
    rig.memory.rule = () => (left-- > 0 ? 2 : 0)
    const group = registers(3, 0, 20)
    const cycle = rig.cycleOf(group)
    expect((await cycle()).quality.every((reason) => reason === Reason.good)).toBe(true)
    expect(rig.told(group)).toBeUndefined()
  })
})

describe('another device in the place of the first', () => {
  /** Answers FC43/14 with three objects. */
  function says(rig: Rig, product: () => string): void {
    const { station } = rig
    const hear = station.hear.bind(station)
    station.hear = (frame) => {
      if (frame[0] !== 3 || frame[1] !== 43) return hear(frame)
      const objects = ['Acme', product(), 'V1'].flatMap((text, at) => [at, text.length, ...Buffer.from(text)])
      return { frame: seal(3, Uint8Array.of(43, 14, 1, 1, 0, 0, 3, ...objects)), afterMs: 5 }
    }
  }

  test('is recognised after a restart, and nothing of the first is held against it', async () => {
    const rig = await new Rig().start()
    let product = 'PM1'
    says(rig, () => product)
    rig.memory.rule = touches(3, 7, 11)
    const group = registers(3, 0, 20)
    const learning = rig.cycleOf(group)
    await learning()
    await rig.clock.advance(6000)
    await learning()
    expect(rig.pages.text).toContain('Acme PM1 V1')
    await rig.restart()
    const same = rig.cycleOf(group)
    await rig.clock.advance(6000)
    await same()
    await same()
    expect(rig.told(group)?.sentences).toHaveLength(3)
    product = 'PM2'
    rig.memory.rule = () => 0
    await rig.restart()
    const cycle = rig.cycleOf(group)
    await rig.clock.advance(6000)
    await cycle()
    expect(rig.told(group)).toBeUndefined()
    expect((await cycle()).questions).toEqual([[0, 20]])
  })
})

describe('how much a device gives at once', () => {
  test.each([2, 3])('is found exactly when it answers exception %i to more', async (code) => {
    const rig = await new Rig().start()
    rig.memory.rule = (_, quantity) => (quantity > 27 ? code : 0)
    const group = registers(3, 0, 100)
    const cycle = rig.cycleOf(group)
    await cycle()
    const { questions, quality } = await cycle()
    expect(questions).toHaveLength(4)
    expect(Math.max(...questions.map(([, quantity]) => quantity))).toBeLessThanOrEqual(27)
    expect(quality.every((reason) => reason === Reason.good)).toBe(true)
    expect(rig.told(group)).toEqual({ sentences: ['gives at most 27 registers'], keys: { maxRegisters: 27 } })
    await rig.restart()
    expect(rig.driver.plan(group)).toHaveLength(4)
  })

  test('is told from a place that is not read across', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = (from, quantity) => (from < 40 && from + quantity > 40 ? 2 : 0)
    const group = registers(3, 0, 100)
    const cycle = rig.cycleOf(group)
    await cycle()
    expect((await cycle()).questions).toEqual([
      [0, 40],
      [40, 60],
    ])
    expect(rig.told(group)?.sentences).toEqual(['gives nothing across 40040–40041'])
  })

  test('is found where it is silent to more', async () => {
    const rig = await new Rig().start()
    rig.station.alter = (frame) => (frame.length > 5 + 2 * 30 ? null : frame)
    const group = registers(3, 0, 100, { timeout: '100ms', retries: 0 })
    const cycle = rig.cycleOf(group)
    for (let at = 0; at < 8 && rig.told(group) === undefined; at++) {
      await cycle()
      await rig.clock.advance(60_000)
    }
    expect(rig.told(group)?.sentences).toEqual(['gives at most 25 registers'])
    expect((await cycle()).quality.every((reason) => reason === Reason.good)).toBe(true)
  })

  test('is tried again, and forgotten when it gives more', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = (_, quantity) => (quantity > 27 ? 3 : 0)
    const group = registers(3, 0, 100)
    const cycle = rig.cycleOf(group)
    await cycle()
    rig.memory.rule = () => 0
    await rig.clock.advance(600_000)
    await cycle()
    expect(rig.told(group)).toBeUndefined()
    expect((await cycle()).questions).toEqual([[0, 100]])
  })
})

test('whatever is refused, in the end each register that is given is read, and nothing is asked for in vain', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 0, max: 59 }), { maxLength: 8 }),
      fc.integer({ min: 5, max: 80 }),
      fc.constantFrom(1, 2, 3),
      async (bad, most, code) => {
        const rig = await new Rig().start()
        rig.memory.rule = (from, quantity) => (quantity > most ? 3 : touches(...bad)(from, quantity) === 0 ? 0 : code)
        const group = registers(3, 0, 60)
        const cycle = rig.cycleOf(group)
        for (let at = 0; at < 6; at++) await cycle()
        const { quality, values, questions } = await cycle()
        for (let at = 0; at < 60; at++) {
          expect(quality[at]).toBe(bad.includes(at) ? exception(code).reason : Reason.good)
          if (!bad.includes(at)) expect(values[at]).toBe(3000 + at)
        }
        for (const [from, quantity] of questions) expect(rig.memory.rule(from, quantity)).toBe(0)
        await rig.driver.stop()
      },
    ),
    { numRuns: 40 },
  )
})

describe('what is remembered', () => {
  test.each([
    '[]',
    '{"bus/unit-3": 7}',
    '{"bus/unit-3": {"unit": 3, "facts": [{"kind": "x"}, null, {"kind":"limit","area":"holding","from":0,"to":0,"value":0}]}}',
  ])('is not used when it is something else: %s', async (text) => {
    const rig = new Rig()
    rig.pages.text = text
    await rig.start()
    expect((await rig.cycleOf(registers(3, 0, 20))()).questions).toEqual([[0, 20]])
  })

  test('is not used for another unit', async () => {
    const rig = await new Rig().start()
    rig.memory.rule = touches(7)
    const cycle = rig.cycleOf(registers(3, 0, 20))
    await cycle()
    rig.pages.text = rig.pages.text.replace('"unit":3', '"unit":4')
    await rig.restart()
    expect(rig.told(registers(3, 0, 20))).toBeUndefined()
  })
})
