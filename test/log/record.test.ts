/** Columns, values, records and blocks: what goes in comes out, and what is not whole is refused. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Batch, type GroupRef, Reason, type Value } from '../../src/contracts/batch.ts'
import type { Entry, GapEntry } from '../../src/contracts/log.ts'
import { Block, BlockWriter } from '../../src/log/records/block.ts'
import { ByteReader, ByteWriter } from '../../src/log/records/bytes.ts'
import { readNumbers, writeNumbers } from '../../src/log/records/columns.ts'
import { Dictionary, decodeGroup, encodeGroup } from '../../src/log/records/dictionary.ts'
import { readKept, writeKept } from '../../src/log/records/quarantine.ts'
import { readEntry, writeEntry } from '../../src/log/records/record.ts'
import { readValue, writeValue } from '../../src/log/records/values.ts'
import { at, batchOf, groupOf } from './batches.ts'

function columnOf(numbers: readonly number[]): { bytes: number; back: number[] } {
  const to = new ByteWriter(4)
  writeNumbers(to, Float64Array.from(numbers))
  return { bytes: to.length, back: [...readNumbers(new ByteReader(to.copy()), numbers.length)] }
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((number, entry) => Object.is(number, b[entry]))
}

const position = { epoch: 3, seq: 17 }
const numbering = (ref: GroupRef) => ({ group: () => 1, boot: () => 0, ref })
const meaning = (ref: GroupRef) => ({ group: () => ref, boot: () => 'boot-1' })

function backAndForth(entry: Entry, ref: GroupRef): Entry {
  const to = new ByteWriter()
  writeEntry(to, entry, numbering(ref))
  return readEntry(new ByteReader(to.copy()), position, meaning(ref))
}

describe('a column', () => {
  it('gives back the very same doubles, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.double()), (numbers) => same(columnOf(numbers).back, numbers)),
      { numRuns: 500 },
    )
  })

  it('gives back the very same decimals and integers, mixed with missing values', () => {
    const decimal = fc
      .tuple(fc.integer(), fc.integer({ min: 0, max: 5 }))
      .map(([digits, places]) => digits / 10 ** places)
    const small = fc.integer({ min: -40_000, max: 40_000 })
    const some = fc.oneof(
      decimal,
      small,
      fc.constant(Number.NaN),
      fc.constant(-0),
      fc.constant(-0x8000),
      fc.constant(-(2 ** 31)),
    )
    fc.assert(
      fc.property(fc.array(some), (numbers) => same(columnOf(numbers).back, numbers)),
      { numRuns: 2000 },
    )
  })

  it('keeps its numbers when others are read after it, and takes none of theirs', () => {
    const sizes = [0, 1, 5, 100, 127, 128, 129, 1000]
    const columns = Array.from({ length: 300 }, (_, at) =>
      Array.from({ length: sizes[at % sizes.length]! }, (_, entry) => at * 1000 + entry + 0.1),
    )
    const read = columns.map((numbers) => {
      const to = new ByteWriter(4)
      writeNumbers(to, Float64Array.from(numbers))
      return readNumbers(new ByteReader(to.copy()), numbers.length)
    })
    for (const [at, numbers] of read.entries()) expect([...numbers]).toEqual(columns[at])
    const [one, next] = [read[11]!, read[12]!]
    one.fill(0)
    expect([...next]).toEqual(columns[12])
  })

  it('takes two bytes for a small integer or decimal, four for a larger one or a float, none for nothing', () => {
    expect(columnOf([1, -2, 32_767, Number.NaN]).bytes).toBe(1 + 4 * 2)
    expect(columnOf([28.1, 7, -0.05]).bytes).toBe(1 + 3 * 2)
    expect(columnOf([70_000, 1.5]).bytes).toBe(1 + 2 * 4)
    expect(columnOf([Math.fround(Math.PI), Math.fround(1e30)]).bytes).toBe(1 + 2 * 4)
    expect(columnOf([Math.PI, 1]).bytes).toBe(1 + 2 * 8)
    expect(columnOf([Number.NaN, Number.NaN]).bytes).toBe(1)
  })

  it('is refused when it is cut off or of an unknown form', () => {
    const to = new ByteWriter()
    writeNumbers(to, Float64Array.of(1, 2, 3))
    expect(() => readNumbers(new ByteReader(to.copy().subarray(0, 5)), 3)).toThrow('shorter than it says')
    expect(() => readNumbers(new ByteReader(Uint8Array.of(0x70, 0, 0)), 1)).toThrow('unknown form')
  })
})

describe('a value', () => {
  const leaf: fc.Arbitrary<Value> = fc.oneof(
    fc.double(),
    fc.boolean(),
    fc.bigInt(),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.constant(null),
  )
  it('of any type comes back as it was', () => {
    fc.assert(
      fc.property(fc.oneof(leaf, fc.array(leaf), fc.array(fc.array(leaf))), (value) => {
        const to = new ByteWriter()
        writeValue(to, value)
        expect(readValue(new ByteReader(to.copy()))).toEqual(value)
      }),
    )
  })

  it('made of any bytes is read or refused, and never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          readValue(new ByteReader(bytes))
        } catch (thrown) {
          expect((thrown as Error).name).toBe('Rejected')
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a record', () => {
  const group = groupOf('press', 4)

  it('of every kind comes back as it was', () => {
    const gap: GapEntry = {
      kind: 'gap',
      position,
      at,
      range: { from: { epoch: 1, seq: 1 }, to: { epoch: 2, seq: 9 } },
      entries: 9,
      why: 'evicted',
      readers: ['emqx'],
    }
    const entries: Entry[] = [
      { kind: 'batch', position, batch: batchOf(group) },
      { kind: 'batch', position, batch: { ...batchOf(group), quality: Uint8Array.of(0, 10, 10, 0) } },
      { kind: 'batch', position, batch: { ...batchOf(group), quality: new Uint8Array(4).fill(Reason.timeout) } },
      {
        kind: 'batch',
        position,
        batch: { ...batchOf(group, 5, 6), tags: Uint32Array.of(1, 3), carry: Float64Array.of(1, 2) },
      },
      {
        kind: 'batch',
        position,
        batch: { ...batchOf(group, 1, 2, 3, Number.NaN), others: new Map([[3, ['a', null]]]) },
      },
      gap,
      { ...gap, range: null, why: 'refused' },
      { kind: 'clock', position, at, boot: 'boot-0', offsetMs: 1e12 },
      { kind: 'event', position, at, name: 'gateway.started', text: 'started', facts: { turns: 2, ok: true, by: 'x' } },
    ]
    for (const entry of entries) expect(backAndForth(entry, group)).toEqual(entry)
  })

  it('that concerns every reader names none', () => {
    const back = backAndForth({ kind: 'gap', position, at, range: null, entries: 3, why: 'damaged' }, group)
    expect(back).not.toHaveProperty('readers')
  })

  it('with more values than its group has tags is refused', () => {
    const to = new ByteWriter()
    writeEntry(to, { kind: 'batch', position, batch: batchOf(group) }, numbering(group))
    const fewer = groupOf('press', 2)
    expect(() => readEntry(new ByteReader(to.copy()), position, meaning(fewer))).toThrow('more values than tags')
  })

  it('cut off anywhere is refused', () => {
    const batch: Batch = {
      ...batchOf(group, 1.5, 2, 3, 4),
      quality: Uint8Array.of(0, 1, 2, 3),
      carry: Float64Array.of(5),
    }
    const to = new ByteWriter()
    writeEntry(to, { kind: 'batch', position, batch }, numbering(group))
    const whole = to.copy()
    for (let length = 0; length < whole.length; length++) {
      expect(() => readEntry(new ByteReader(whole.subarray(0, length)), position, meaning(group))).toThrow()
    }
  })

  it('in quarantine stands alone, with its group beside it', () => {
    const kept = { entry: { kind: 'batch' as const, position, batch: batchOf(group) }, why: 'zu lang', retry: true }
    const back = readKept(writeKept(kept))
    expect(back).toEqual({
      ...kept,
      entry: { ...kept.entry, batch: { ...kept.entry.batch, group: { ...group, id: 0 } } },
    })
  })
})

describe('a block', () => {
  const press = groupOf('press')
  const oven = groupOf('oven')
  const dictionary = new Dictionary()
  const made = (): Buffer => {
    const writer = new BlockWriter({ epoch: 2, seq: 100 })
    writer.add({ kind: 'batch', position: { epoch: 2, seq: 100 }, batch: batchOf(press) }, dictionary)
    writer.add({ kind: 'event', position: { epoch: 2, seq: 101 }, at, name: 'n', text: 't', facts: {} }, dictionary)
    const partial = { ...batchOf(oven, 5), tags: Uint32Array.of(2) }
    writer.add({ kind: 'batch', position: { epoch: 2, seq: 102 }, batch: partial }, dictionary)
    return Buffer.from(writer.finish())
  }
  const meaningOf = {
    group: (number: number) => dictionary.groupOf(number)!,
    boot: (number: number) => dictionary.boots[number]!,
  }

  it('gives its records and says what they are without reading them', () => {
    const block = new Block(made(), { check: true })
    expect(block.count).toBe(3)
    expect([0, 1, 2].map((index) => block.group(index))).toEqual([dictionary.group(press), 0, dictionary.group(oven)])
    expect([0, 2].map((index) => block.isWhole(index))).toEqual([true, false])
    expect(block.entry(2, meaningOf)).toMatchObject({
      kind: 'batch',
      position: { epoch: 2, seq: 102 },
      batch: { group: oven },
    })
  })

  it('with any bit turned is refused', () => {
    const whole = made()
    for (let at = 0; at < whole.length; at++) {
      const turned = Buffer.from(whole)
      turned[at]! ^= 1 << (at % 8)
      expect(() => new Block(turned, { check: true })).toThrow()
    }
  })
})

describe('the dictionary', () => {
  it('gives equal content one number, whatever object it comes in and whatever its id is', () => {
    const dictionary = new Dictionary()
    const number = dictionary.group(groupOf('press'))
    expect(dictionary.group(groupOf('press'))).toBe(number)
    expect(dictionary.group({ ...groupOf('press'), id: 99 })).toBe(number)
    expect(dictionary.group(groupOf('press', 4))).not.toBe(number)
    expect(dictionary.group(groupOf('press', 3, 1))).not.toBe(number)
  })

  it('gives back the configured object for what came from disk', () => {
    const dictionary = new Dictionary()
    dictionary.load(7, encodeGroup(groupOf('press')))
    const configured = { ...groupOf('press'), id: 42 }
    dictionary.bind([configured])
    expect(dictionary.groupOf(7)).toBe(configured)
    expect(dictionary.group(configured)).toBe(7)
  })

  it('keeps units and labels of tags and groups, and which are records that are given once', () => {
    const group: GroupRef = {
      ...groupOf('press', 0),
      id: 0,
      labels: { hall: '3' },
      tags: [
        { name: 'a', type: 'int16', kind: 'integer', unit: '°C', labels: { part: 'x' } },
        { name: 'b', type: 'string', kind: 'text', labels: { part: 'x' } },
        { name: 'c', type: 'uint16', kind: 'array', events: true },
        { name: 'd', type: 'uint16', kind: 'array' },
      ],
    }
    expect(decodeGroup(encodeGroup(group))).toEqual(group)
  })
})
