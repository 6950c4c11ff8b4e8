import { describe, expect, test } from 'vitest'
import { seeded } from '../../../hal/simulated/random.ts'
import type { Value } from '../../../src/contracts/batch.ts'
import { Rejected, Retryable } from '../../../src/contracts/errors.ts'
import { imageOf } from '../../../src/southbound/modbus/values/encode.ts'
import { groupOf, settingsOf } from './configured.ts'
import { ALWAYS, Line, named, registers, settled } from './rig.ts'

type Keys = Readonly<Record<string, unknown>>

/** Function codes of the questions that station 3 heard. */
function heard(rig: Line): number[] {
  const codes: number[] = []
  rig.wire.attach({
    hear: (frame) => {
      if (asked % 2 === 0) codes.push(frame[1]!)
      asked++
      return null
    },
  })
  let asked = 0
  return codes
}

async function line(options: ConstructorParameters<typeof Line>[0] = {}): Promise<Line> {
  const rig = new Line(options)
  await rig.start()
  // The first read shows whether the adapter hears itself.
  await rig.read(registers(3, 150, 1))
  return rig
}

/** Writes one tag of unit 3; what it said, or what it threw. */
async function write(rig: Line, tag: Keys, value: Value, device: Keys = {}): Promise<unknown> {
  const group = named(groupOf([tag], { device: { unitId: 3, timeout: '1s', ...device }, access: 'rw' }), 3)
  const written = rig.driver.write(group.device, group.tags[0]!, value, ALWAYS)
  return settled(
    rig.clock,
    written.catch((thrown) => thrown),
  )
}

/** Station 3 does not know some functions, and does nothing when it is asked for them. */
function lacks(rig: Line, ...codes: readonly number[]): void {
  const station = rig.stations[3]
  const { hear } = station
  station.hear = (frame) => {
    if (frame[0] !== 3 || !codes.includes(frame[1]!)) return hear.call(station, frame)
    return { frame: sealed(new Uint8Array([3, frame[1]! | 0x80, 1, 0, 0])), afterMs: 5 }
  }
}

function sealed(frame: Uint8Array): Uint8Array {
  let sum = 0xffff
  for (const byte of frame.subarray(0, -2)) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1
  }
  frame[frame.length - 2] = sum & 0xff
  frame[frame.length - 1] = sum >> 8
  return frame
}

const bit = { address: 'holding:20.3' }

describe('a part of a register', () => {
  test('is written by function 22, which leaves the rest to the device', async () => {
    const rig = await line()
    rig.memories[3].set('holding', 20, 0b1010_0101)
    const codes = heard(rig)
    expect(await write(rig, bit, true)).toBeUndefined()
    expect(rig.memories[3].get('holding', 20)).toBe(0b1010_1101)
    expect(codes).toEqual([22])
    await write(rig, { address: 'holding:20', type: 'uint16', bits: '4-6' }, 1)
    expect(rig.memories[3].get('holding', 20)).toBe(0b1001_1101)
    await write(rig, { address: 'holding:20', type: 'int8', byte: 'high' }, -1)
    expect(rig.memories[3].get('holding', 20)).toBe(0xff9d)
    expect(rig.driver.deviceCounters('unit-3')).toMatchObject({ maskWrites: 3, guardedWrites: 0 })
  })

  test('of a device without function 22 is read, changed, written and read again, and that is remembered', async () => {
    const rig = await line()
    lacks(rig, 22)
    const codes = heard(rig)
    rig.memories[3].set('holding', 20, 0x0f00)
    await write(rig, bit, true)
    expect(codes).toEqual([22, 3, 6, 3])
    expect(rig.memories[3].get('holding', 20)).toBe(0x0f08)
    await write(rig, { address: 'holding:20', type: 'uint8', byte: 'high' }, 0xaa)
    expect(codes).toEqual([22, 3, 6, 3, 3, 6, 3])
    expect(rig.memories[3].get('holding', 20)).toBe(0xaa08)
    expect(rig.driver.deviceCounters('unit-3')).toMatchObject({ guardedWrites: 2, illegalFunctions: 1 })
  })

  test('goes by the function that is configured', async () => {
    const rig = await line()
    const codes = heard(rig)
    await write(rig, { ...bit, write: { function: 'multiple' } }, true)
    await write(rig, { ...bit, write: { function: 'single' } }, false)
    expect(codes).toEqual([3, 16, 3, 3, 6, 3])
    lacks(rig, 22)
    const fault = await write(rig, { ...bit, write: { function: 'mask' } }, true)
    expect(fault).toBeInstanceOf(Rejected)
    expect((fault as Error).message).toBe('unit-3 does not know this function (exception 1)')
  })

  test('that reaches over two registers goes in one request', async () => {
    const rig = await line()
    rig.memories[3].set('holding', 20, 0x1111, 0x2222)
    const codes = heard(rig)
    await write(rig, { address: 'holding:20', type: 'uint32', bits: '12-19' }, 0xab)
    expect([20, 21].map((at) => rig.memories[3].get('holding', at))).toEqual([0x111a, 0xb222])
    expect(codes).toEqual([3, 16, 3])
  })

  test('is not written when its register cannot be read', async () => {
    const rig = await line()
    const fault = await write(rig, { address: 'holding:5000', type: 'int8', write: { function: 'single' } }, 1)
    expect(fault).toBeInstanceOf(Rejected)
    expect((fault as Error).message).toBe(
      'what else stands in 45001 cannot be read, so it was not written: unit-3 has no such address (exception 2)',
    )
    rig.stations[3].silent = true
    const silent = await write(rig, { ...bit, write: { function: 'single' } }, true, { retries: 0 })
    expect(silent).toBeInstanceOf(Retryable)
    expect((silent as Retryable).ambiguous).toBe(false)
  })

  test('is not written while another master talks', async () => {
    const rig = await line()
    rig.memories[3].set('holding', 20, 0)
    for (let nth = 0; nth < 4; nth++) {
      rig.wire.inject(sealed(new Uint8Array([9, 3, 0, 0, 0, 1, 0, 0])))
      await rig.clock.advance(300)
    }
    const fault = await write(rig, { ...bit, write: { function: 'single' } }, true)
    expect((fault as Error).message).toContain('another master talks on this line')
    expect((fault as Retryable).ambiguous).toBe(false)
    expect(rig.memories[3].get('holding', 20)).toBe(0)
  })

  test('of a line with another master goes by function 22 or not at all', async () => {
    const rig = await line({ keys: { masters: 'shared' } })
    const codes = heard(rig)
    expect(await write(rig, bit, true)).toBeUndefined()
    lacks(rig, 22)
    const fault = await write(rig, bit, false)
    expect(fault).toBeInstanceOf(Rejected)
    expect((fault as Error).message).toContain('while another master may change it')
    expect(codes).toEqual([22, 22])
  })

  test('nothing of ours comes between the read and the write, whatever is under way', async () => {
    const rig = await line()
    rig.memories[3].set('holding', 20, 0)
    const bits = Array.from({ length: 16 }, (_, at) => ({ address: `holding:20.${at}`, write: { function: 'single' } }))
    const group = named(groupOf(bits, { device: { unitId: 3 }, access: 'rw' }), 3)
    const all = Promise.all(group.tags.map((tag) => rig.driver.write(group.device, tag, true, ALWAYS)))
    await settled(rig.clock, all)
    expect(rig.memories[3].get('holding', 20)).toBe(0xffff)
  })

  test('a write in the middle that nobody confirms is unknown, and is not repeated', async () => {
    const rig = await line()
    const codes = heard(rig)
    rig.stations[3].alter = (frame) => (frame[1] === 22 ? null : frame)
    const fault = await write(rig, bit, true)
    expect(fault).toMatchObject({ ambiguous: true, message: expect.stringContaining('unknown: sent but not answered') })
    expect(codes).toEqual([22])
    expect((fault as Error).message).toContain('needs write: { function: single }')
  })
})

describe('words that stand apart', () => {
  const tag = { address: ['holding:22', 'holding:20'], type: 'uint32' }

  test('are written one after the other, the high one first, and read back', async () => {
    const rig = await line()
    const codes = heard(rig)
    const order: number[] = []
    const { write: inner } = rig.memories[3]
    rig.memories[3].write = (area, address, values) => {
      order.push(address)
      return inner.call(rig.memories[3], area, address, values)
    }
    await write(rig, tag, 0x12345678)
    expect(order).toEqual([22, 20])
    expect([20, 21, 22].map((at) => rig.memories[3].get('holding', at))).toEqual([0x5678, 3021, 0x1234])
    expect(codes).toEqual([6, 6, 3])
  })

  test('of which only the first was written are said to be torn', async () => {
    const rig = await line()
    const { write: inner } = rig.memories[3]
    rig.memories[3].write = (area, address, values) =>
      address === 20 ? 2 : inner.call(rig.memories[3], area, address, values)
    const fault = await write(rig, tag, 1)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault).toMatchObject({
      ambiguous: false,
      message: 'only a part of the value was written (40023, not 40021): unit-3 has no such address (exception 2)',
    })
  })
})

describe('read back', () => {
  const tag = { address: 'holding:20', type: 'float32', write: { readBack: true } }

  test('a value that stands there is done', async () => {
    const rig = await line()
    const codes = heard(rig)
    expect(await write(rig, tag, 1.5)).toBeUndefined()
    expect(codes).toEqual([16, 3])
    await write(rig, { address: 'coil:3', count: 11, write: { readBack: true } }, Array(11).fill(true))
    expect(codes).toEqual([16, 3, 15, 1])
  })

  test('another value is a failure that names both', async () => {
    const rig = await line()
    rig.memories[3].write = () => 0
    rig.memories[3].set('holding', 20, 0x4120, 0)
    expect(await write(rig, tag, 1.5)).toMatchObject({
      ambiguous: false,
      message: '40021 reads back 10 where 1.5 was written',
    })
    expect(
      await write(rig, { address: 'holding:30', type: 'string', length: 4, write: { readBack: true } }, 'on'),
    ).toMatchObject({ message: expect.stringContaining('where "on" was written') })
    expect(await write(rig, { address: 'coil:3', write: { readBack: true } }, false)).toMatchObject({
      message: '00004 reads back true where false was written',
    })
    expect(rig.counter('readBackDiffers')).toBe(3)
  })

  test('waits for devices that take their time', async () => {
    const rig = await line()
    const { write: inner } = rig.memories[3]
    rig.memories[3].write = (area, address, values) => {
      rig.clock.after(60, () => inner.call(rig.memories[3], area, address, values))
      return 0
    }
    expect(await write(rig, tag, 1.5)).toBeInstanceOf(Retryable)
    const slow = { ...tag, write: { readBack: '100ms' } }
    expect(await write(rig, slow, 2.5)).toBeUndefined()
  })

  test('that is not answered leaves it unknown: it was confirmed', async () => {
    const rig = await line()
    rig.stations[3].alter = (frame) => (frame[1] === 3 ? null : frame)
    expect(await write(rig, tag, 1.5, { retries: 0 })).toMatchObject({
      ambiguous: true,
      message: expect.stringContaining('unknown: confirmed, but what stands there could not be read back'),
    })
    const write_only = await write(rig, { ...tag, address: 'holding:40' }, 1, { retries: 0 })
    expect(write_only).toMatchObject({ ambiguous: true })
  })
})

describe('a broadcast', () => {
  test('is sent to all, waits for the time they need, and says that nobody answers', async () => {
    const rig = await line()
    const group = named(groupOf([{ address: 'holding:20', type: 'uint16' }], { device: { unitId: 0 } }), 0)
    const from = rig.clock.monotonic()
    const said = await settled(rig.clock, rig.driver.write(group.device, group.tags[0]!, 77, ALWAYS))
    expect(said).toBe('sent; a broadcast is never answered')
    expect(rig.clock.monotonic() - from).toBeGreaterThanOrEqual(150)
    expect([3, 4].map((unit) => rig.memories[unit as 3].get('holding', 20))).toEqual([77, 77])
    const next = await rig.read(registers(3, 20, 1))
    expect(next.values).toEqual([77])
    expect(rig.counter('timeouts')).toBe(0)
  })

  test('by hand', async () => {
    const rig = await line()
    const said = await settled(rig.clock, rig.driver.poke(['0', '40021', 'uint16', '5'], ALWAYS))
    expect(said).toBe('40021 of unit 0 = 5 (uint16): sent; a broadcast is never answered')
    expect(rig.memories[4].get('holding', 20)).toBe(5)
    const fault = await settled(
      rig.clock,
      rig.driver.poke(['0', '40021.3', 'on'], ALWAYS).catch((thrown) => thrown),
    )
    expect(fault.message).toContain('a broadcast writes whole registers')
  })
})

test('by hand the unit is the device that has it: what is known of it holds, what goes wrong is counted for it', async () => {
  const rig = await line()
  lacks(rig, 22)
  await settled(rig.clock, rig.driver.poke(['3', '40021.0', 'on'], ALWAYS))
  const codes = heard(rig)
  await settled(rig.clock, rig.driver.poke(['3', '40021.0', 'off'], ALWAYS))
  expect(codes).toEqual([3, 6, 3])
  expect(rig.driver.deviceCounters('unit-3')).toMatchObject({ guardedWrites: 2, illegalFunctions: 1 })
  expect(rig.driver.deviceCounters('unit 3')).toEqual({})
})

test('by hand a bit is written without its register', async () => {
  const rig = await line()
  rig.memories[3].set('holding', 20, 0xf0)
  expect(await settled(rig.clock, rig.driver.poke(['3', '40021.0', 'on'], ALWAYS))).toBe(
    '40021.0 of unit 3 = on (bool): confirmed',
  )
  expect(rig.memories[3].get('holding', 20)).toBe(0xf1)
})

test('tags that follow each other go in one request', async () => {
  const rig = await line()
  const group = named(
    groupOf(
      [
        { address: 'holding:22', type: 'float32' },
        { address: 'holding:20', type: 'int16' },
        { address: 'holding:21', type: 'uint16', write: { readBack: true } },
        { address: 'holding:30', type: 'uint16' },
      ],
      { device: { unitId: 3 }, access: 'rw' },
    ),
    3,
  )
  const codes = heard(rig)
  const writes = [1.5, -2, 7].map((value, at) => ({ tag: group.tags[at]!, value }))
  await settled(rig.clock, rig.driver.writeTogether(group.device, writes, ALWAYS))
  expect(codes).toEqual([16, 3])
  expect([20, 21, 22, 23].map((at) => rig.memories[3].get('holding', at))).toEqual([0xfffe, 7, 0x3fc0, 0])
  const apart = rig.driver.writeTogether(group.device, [...writes, { tag: group.tags[3]!, value: 1 }], ALWAYS)
  await expect(apart).rejects.toThrow('do not follow each other')
})

describe('whatever is written in whatever order', () => {
  const kinds = [
    ({ at, a, b }: Drawn) => ({ tag: { address: `holding:${at}.${a % 16}` }, value: b % 2 === 0 }),
    ({ at, b }: Drawn) => ({
      tag: { address: `holding:${at}`, type: 'uint8', byte: b % 2 ? 'high' : 'low' },
      value: b & 255,
    }),
    ({ at, a, b }: Drawn) => ({
      tag: { address: `holding:${at}`, type: 'uint16', bits: `${a % 8}-${8 + (a % 8)}` },
      value: b & 0x1ff,
    }),
    ({ at, a, b }: Drawn) => ({
      tag: { address: `holding:${at}`, type: 'uint32', bits: `${a % 16}-${16 + (a % 16)}`, order: 'CDAB' },
      value: b,
    }),
    ({ at, b }: Drawn) => ({ tag: { address: `holding:${at}`, type: 'uint16' }, value: b }),
    ({ at, b }: Drawn) => ({
      tag: { address: [`holding:${at + 2}`, `holding:${at}`], type: 'uint32' },
      value: b * 65_537,
    }),
  ]
  interface Drawn {
    readonly at: number
    readonly a: number
    readonly b: number
  }
  const FIRST = 20
  const COUNT = 8
  const memoryOf = (rig: Line): number[] =>
    Array.from({ length: COUNT }, (_, at) => rig.memories[3].get('holding', FIRST + at)!)

  /** What stands there once the bits of the image are set. */
  function after(before: readonly number[], tag: Keys, value: Value): number[] {
    const { address, bytes, mask } = imageOf(settingsOf(tag), value)
    return before.map((word, at) => {
      const from = 2 * (FIRST + at - address)
      if (from < 0 || from >= bytes.length) return word
      const own = mask === null ? 0xffff : (mask[from]! << 8) | mask[from + 1]!
      return (word & ~own) | (((bytes[from]! << 8) | bytes[from + 1]!) & own)
    })
  }

  test.each([
    ['by function 22', [], 0],
    ['without function 22', [22], 0],
    ['with lost questions and answers', [], 0.15],
    ['with lost questions and answers, without function 22', [22], 0.15],
  ] as const)('done is what was asked and nothing else, failed is nothing: %s', async (_, missing, loss) => {
    const rig = await line({ seed: 7 })
    rig.memories[3].set('holding', FIRST, ...Array(COUNT).fill(0x5aa5))
    lacks(rig, ...missing)
    const random = seeded(42)
    const { hear } = rig.stations[3]
    let writes = 0
    rig.stations[3].hear = (frame) => {
      if (random() < loss) return null
      const answer = hear.call(rig.stations[3], frame)
      if (answer !== null && [6, 16, 22].includes(answer.frame[1]!)) writes++
      return random() < loss ? null : answer
    }
    const outcomes = { done: 0, failed: 0, unknown: 0 }
    for (let nth = 0; nth < 150; nth++) {
      const drawn = {
        at: FIRST + Math.floor(random() * 6),
        a: Math.floor(random() * 16),
        b: Math.floor(random() * 65_536),
      }
      const { tag, value } = kinds[nth % kinds.length]!(drawn)
      const before = memoryOf(rig)
      const wanted = after(before, tag, value)
      writes = 0
      const outcome = await write(rig, tag, value, { timeout: '100ms' })
      const found = memoryOf(rig)
      // Words that stand apart are two writes, all else is one.
      expect(writes).toBeLessThanOrEqual(Array.isArray(tag.address) ? 2 : 1)
      if (outcome === undefined) {
        outcomes.done++
        expect(found).toEqual(wanted)
      } else if ((outcome as Retryable).ambiguous) {
        outcomes.unknown++
        for (const [at, word] of found.entries()) expect([before[at], wanted[at]]).toContain(word)
      } else {
        outcomes.failed++
        if (!String((outcome as Error).message).startsWith('only a part')) expect(found).toEqual(before)
      }
      // What is late has come by then.
      await rig.clock.advance(300)
    }
    if (loss === 0) expect(outcomes).toEqual({ done: 150, failed: 0, unknown: 0 })
    else {
      expect(outcomes.done).toBeGreaterThan(50)
      expect(outcomes.unknown).toBeGreaterThan(5)
    }
  })
})
