/** Arrays, words apart and sentinels, each against the same bytes read in the simplest way there is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchBuilder, Reason, type Value } from '../../../src/contracts/batch.ts'
import { compileDecoder } from '../../../src/southbound/modbus/values/registers.ts'
import { complaints, groupOf } from './configured.ts'

type Keys = Readonly<Record<string, unknown>>

const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
const WIDTHS: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 1,
  uint16: 1,
  float16: 1,
  bcd16: 1,
  signmag16: 1,
  int32: 2,
  uint32: 2,
  float32: 2,
  bcd32: 2,
  int48: 3,
  uint48: 3,
  int64: 4,
  uint64: 4,
  float64: 4,
}

function read(tags: readonly Keys[], bytes: Uint8Array, noValueBits: readonly bigint[] = []) {
  const group = groupOf(tags, { noValueBits })
  const into = new BatchBuilder(group.ref)
  compileDecoder(group.tags, 0)(bytes, 0, into)
  return tags.map((_, tag): Value | Reason[] => {
    if (into.quality[tag] !== Reason.good) return [into.quality[tag] as Reason]
    return into.others?.get(tag) ?? into.numbers[tag]!
  })
}

/** A type with all that may be said of it. */
const formats = fc
  .record({
    type: fc.constantFrom(...Object.keys(WIDTHS)),
    order: fc.constantFrom(...ORDERS),
    byte: fc.constantFrom('high', 'low'),
    low: fc.nat({ max: 15 }),
    high: fc.nat({ max: 15 }),
    field: fc.boolean(),
  })
  .map(({ type, order, byte, low, high, field }): Keys => {
    if (type === 'int8' || type === 'uint8') return { type, byte }
    const whole = ['uint16', 'int16', 'uint32', 'uint64'].includes(type)
    const bits = field && whole ? { bits: `${Math.min(low, high)}-${Math.max(low, high)}` } : {}
    return { type, order, ...bits }
  })

const memory = fc.uint8Array({ minLength: 80, maxLength: 80 })

describe('an array', () => {
  it('is its elements, each read by itself, of every type and order', () => {
    fc.assert(
      fc.property(formats, memory, fc.integer({ min: 2, max: 9 }), (format, bytes, count) => {
        const width = WIDTHS[format.type as string]!
        const single = Array.from({ length: count }, (_, at) => ({ ...format, address: `holding:${at * width}` }))
        const elements = read(single, bytes)
        const undecodable = elements.some((element) => Array.isArray(element))
        const [array] = read([{ ...format, address: 'holding:0', count }], bytes)
        const own = format.type === 'bool' ? elements.map((element) => element !== 0) : elements
        expect(array).toEqual(undecodable ? [Reason.notDecodable] : own)
      }),
      { seed: 12, numRuns: 2000 },
    )
  })

  it('of texts has one for each stretch of registers', () => {
    const bytes = Buffer.from('oven\0\0press ulm \0\0')
    expect(read([{ address: 'holding:0', type: 'string', length: 6, count: 3 }], bytes)).toEqual([
      ['oven', 'press', 'ulm'],
    ])
    const swapped = Buffer.from('voneT\0').swap16()
    expect(read([{ address: 'holding:0', type: 'string', length: 2, count: 3, order: 'BA' }], swapped)).toEqual([
      ['vo', 'ne', 'T'],
    ])
  })

  it('of dates and of digits', () => {
    const dates = Buffer.from('499602d2499602d3', 'hex')
    expect(read([{ address: 'holding:0', type: 'datetime', layout: 'unix', count: 2 }], dates)).toEqual([
      ['2009-02-13T23:31:30Z', '2009-02-13T23:31:31Z'],
    ])
    const digits = Buffer.from('007b11d70000000f', 'hex')
    expect(read([{ address: 'holding:0', type: 'mod10k', length: 4, count: 2 }], digits)).toEqual([[1_234_567, 15]])
  })
})

describe('words that stand apart', () => {
  it('are the number that the same words make side by side, the list in their order', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('int32', 'uint32', 'float32', 'int48', 'uint48', 'int64', 'uint64', 'float64', 'bcd32'),
        memory,
        fc.uniqueArray(fc.nat({ max: 39 }), { minLength: 4, maxLength: 4 }),
        fc.constantFrom('AB', 'BA'),
        (type, bytes, places, order) => {
          const words = places.slice(0, WIDTHS[type])
          const joined = Buffer.concat(words.map((at) => bytes.subarray(2 * at, 2 * at + 2)))
          const address = words.map((at) => `holding:${at}`)
          const group = groupOf([{ address, type, order }])
          const into = new BatchBuilder(group.ref)
          const { address: lowest } = group.tags[0]!.settings as { readonly address: number }
          compileDecoder(group.tags, lowest)(bytes, 2 * lowest, into)
          const apart = into.quality[0] === Reason.good ? (into.others?.get(0) ?? into.numbers[0]) : [into.quality[0]]
          const beside = read([{ address: 'holding:0', type, order: order === 'AB' ? 'ABCD' : 'BADC' }], joined)[0]
          expect(apart).toEqual(beside)
        },
      ),
      { seed: 13, numRuns: 1000 },
    )
  })
})

describe('a pattern that means no reading', () => {
  it('is compared as the type reads its bits, in every order, and leaves every other value alone', () => {
    fc.assert(
      fc.property(formats, memory, (format, bytes) => {
        const width = WIDTHS[format.type as string]!
        if (format.bits !== undefined || format.type === 'bool') return
        const half = format.type === 'int8' || format.type === 'uint8'
        const unsigned = half ? 'uint8' : (['', 'uint16', 'uint32', 'uint48', 'uint64'][width] as string)
        const [raw] = read([{ ...format, address: 'holding:0', type: unsigned }], bytes)
        const pattern = BigInt(raw as number | bigint)
        const tag = { ...format, address: 'holding:0' }
        expect(read([tag], bytes, [pattern])).toEqual([[Reason.noValue]])
        expect(read([tag], bytes, [pattern ^ 1n])).toEqual(read([tag], bytes))
      }),
      { seed: 14, numRuns: 1000 },
    )
  })
})

describe('fields of one word', () => {
  it('are together the whole word', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(['uint16', 16] as const, ['uint32', 32] as const),
        fc.constantFrom(...ORDERS),
        memory,
        fc.uniqueArray(fc.integer({ min: 1, max: 31 }), { maxLength: 6 }),
        ([type, width], order, bytes, cuts) => {
          const starts = [0, ...cuts.filter((cut) => cut < width).sort((a, b) => a - b)]
          const tags = starts.map((from, at) => ({ from, to: (starts[at + 1] ?? width) - 1 }))
          const values = read(
            tags.map(({ from, to }) => ({ address: 'holding:0', type, order, bits: `${from}-${to}` })),
            bytes,
          )
          const whole = values.reduce<number>((sum, value, at) => sum + Number(value) * 2 ** tags[at]!.from, 0)
          expect(whole).toBe(read([{ address: 'holding:0', type, order }], bytes)[0])
        },
      ),
      { seed: 15, numRuns: 500 },
    )
  })

  it('and a bit in the address is the bit of the one register', () => {
    for (let bit = 0; bit < 16; bit++) {
      const bytes = Uint8Array.of((1 << bit) >> 8, (1 << bit) & 0xff)
      const tags = Array.from({ length: 16 }, (_, at) => ({ address: `40001.${at}` }))
      expect(read(tags, bytes)).toEqual(tags.map((_, at) => Number(at === bit)))
    }
    expect(complaints({ address: '40001.16' }).join()).toMatch(/\.0 \(least significant\) to \.15/)
  })
})
