import { describe, expect, it } from 'vitest'
import { type Batch, Reason, samples, type Value } from '../../src/contracts/batch.ts'
import type { EventNote } from '../../src/contracts/log.ts'
import { Conversion } from '../../src/pipeline/conversion.ts'
import { expectWellFormed } from '../contracts/stage-suite.ts'
import { planOf, rawBatch, type Wanted } from './plans.ts'

type Raw = Parameters<typeof rawBatch>[1][number]

function converter(tags: readonly Wanted[]) {
  const notes: EventNote[] = []
  const plan = planOf(tags)
  const conversion = new Conversion(plan, (event) => notes.push(event))
  const convert = (...raw: Raw[]): Batch => {
    const batch = conversion.convert(rawBatch(plan, raw))
    expectWellFormed(batch)
    return batch
  }
  return { plan, conversion, convert, notes }
}

function valuesOf(batch: Batch): Value[] {
  return [...samples(batch)].map((sample) => sample.value)
}

function one(wanted: Wanted, raw: Raw): { value: Value; quality: Reason } {
  const [sample] = [...samples(converter([wanted]).convert(raw))]
  return { value: sample!.value, quality: sample!.quality }
}

const good = (value: Value) => ({ value, quality: Reason.good })
const none = (quality: Reason) => ({ value: null, quality })

describe('columns', () => {
  it('pass as they are where there is nothing to do, without a copy', () => {
    const { plan, conversion } = converter([{}, {}])
    const raw = rawBatch(plan, [1, 2])
    expect(conversion.convert(raw).numbers).toBe(raw.numbers)
  })

  it('of some tags are converted as whole ones are', () => {
    const tags: Wanted[] = [
      { scale: 0.1 },
      { type: 'float32' },
      { noValue: [7] },
      { scaleFrom: { index: 0, as: 'pow10' } },
      { type: 'string', kind: 'text' },
      { counter: { wrap: 100, maxStep: null } },
    ]
    const { plan, conversion, convert } = converter(tags)
    const whole = convert(2, Math.fround(21.4), 7, 5, 'abc', 95)
    expect(valuesOf(whole)).toEqual([0.2, 21.4, null, 500, 'abc', 95])
    const raw = rawBatch(plan, [3, Math.fround(0.1), 8, 6, 'def', 10])
    const part: Batch = {
      ...raw,
      tags: Uint32Array.of(0, 1, 2, 3, 5),
      numbers: Float64Array.of(3, Math.fround(0.1), 8, 6, 10),
      others: null,
    }
    const converted = conversion.convert(part)
    expectWellFormed(converted)
    expect(valuesOf(converted)).toEqual([0.3, 0.1, 8, 6000, 110])
    const alone: Batch = { ...raw, tags: Uint32Array.of(3), numbers: Float64Array.of(6), others: null }
    expect([...conversion.convert(alone).quality!]).toEqual([Reason.noScale])
  })

  it('have no number beside a bad quality, whatever was in the builder', () => {
    const { plan, conversion } = converter([{ offset: 5 }, {}])
    const raw = rawBatch(plan, [1, 2])
    const converted = conversion.convert({ ...raw, quality: Uint8Array.of(Reason.notYet, Reason.good) })
    expect(valuesOf(converted)).toEqual([null, 2])
  })
})

describe('no reading', () => {
  it('compares raw numbers, before any mapping', () => {
    expect(one({ noValue: [-32_768, 5], scale: 0.1 }, 5)).toEqual(none(Reason.noValue))
    expect(one({ noValue: [0.5], scale: 0.1 }, 5)).toEqual(good(0.5))
    expect(one({ noValue: [2 ** 63], type: 'int64', kind: 'integer' }, 2n ** 63n)).toEqual(none(Reason.noValue))
  })

  it('means the nearest float where the type is one', () => {
    expect(one({ noValue: [-3.4e38], type: 'float32' }, Math.fround(-3.4e38))).toEqual(none(Reason.noValue))
    expect(one({ noValue: [0.1], type: 'float32' }, Math.fround(0.1))).toEqual(none(Reason.noValue))
  })

  it('is NaN and infinity with any mapping, unless they are kept', () => {
    for (const mapping of [{}, { scale: 0.1 }, { precision: 1 }, { noValue: [1] }]) {
      for (const raw of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        expect(one({ type: 'float32', ...mapping }, raw)).toEqual(none(Reason.noValue))
        expect(one({ type: 'float32', keepNaN: true, ...mapping }, raw)).toEqual(good(raw))
      }
    }
  })

  it('is not infinity that only the mapping made', () => {
    expect(one({ type: 'float64', scale: 0.123456 }, 1e304).value).toBeCloseTo(1.23456e303, -295)
    expect(one({ type: 'float64', scale: 1e10 }, 1e304)).toEqual(none(Reason.outOfRange))
    expect(one({ type: 'float64', scale: 1e10, precision: 2, keepNaN: true }, 1e304)).toEqual(none(Reason.outOfRange))
  })
})

describe('scaling by a register', () => {
  it('gives decimals, not their binary noise', () => {
    const { convert } = converter([{ scaleFrom: { index: 1, as: 'pow10' }, scale: 0.1, offset: 1 }, {}])
    expect(valuesOf(convert(2301, -2))[0]).toBe(3.301)
    expect(valuesOf(convert(2301, 3))[0]).toBe(230_101)
    const factor = converter([{ scaleFrom: { index: 1, as: 'factor' } }, { type: 'float32' }])
    expect(valuesOf(factor.convert(3, Math.fround(0.1)))[0]).toBeCloseTo(0.3, 15)
  })

  it('has no value without a good exponent', () => {
    const { convert } = converter([{ scaleFrom: { index: 1, as: 'pow10' } }, { noValue: [-32_768] }])
    for (const scale of [-32_768, 0.5, 400, { bad: Reason.timeout }]) {
      expect(convert(1, scale).quality![0]).toBe(Reason.noScale)
    }
  })

  it('is remembered for writes', () => {
    const { plan, conversion, convert } = converter([{ scaleFrom: { index: 1, as: 'pow10' } }, {}])
    expect(conversion.factor(plan.tags[0]!)).toBeUndefined()
    convert(1, -1)
    convert(1, { bad: Reason.timeout })
    expect(conversion.factor(plan.tags[0]!)).toEqual({ times: 1, under: 10 })
  })
})

describe('rounding and clamping', () => {
  it('rounds what is exact exactly, halves away from zero', () => {
    expect(one({ scale: 0.001, precision: 2 }, 1005).value).toBe(1.01)
    expect(one({ scale: 0.001, precision: 2 }, -1005).value).toBe(-1.01)
    expect(one({ type: 'float32', precision: 1 }, Math.fround(21.45)).value).toBe(21.5)
    expect(one({ type: 'uint64', kind: 'integer', scale: 0.01, precision: 0 }, 2n ** 60n).value).toBe(
      Math.round(2 ** 60 / 100),
    )
  })

  it('clamps engineering values', () => {
    expect(one({ scale: 0.1, clamp: [0, 100] }, 1001)).toEqual(good(100))
    expect(one({ kind: 'integer', type: 'uint64', clamp: [0, 100] }, 2n ** 60n)).toEqual(good(100))
    expect(one({ kind: 'integer', type: 'uint64', clamp: [0, 2 ** 62] }, 2n ** 60n)).toEqual(good(2n ** 60n))
  })
})

describe('labels', () => {
  it('belong to raw codes, of booleans and large integers too', () => {
    const labels = { enum: new Map([[1, 'run']]), kind: 'text' } as const
    expect(one({ ...labels, type: 'bool' }, true)).toEqual(good('run'))
    expect(one({ ...labels, type: 'uint64' }, 1n)).toEqual(good('run'))
    expect(one({ ...labels, type: 'uint64', unknown: 'bad' }, 2n ** 60n)).toEqual(none(Reason.outOfRange))
    expect(one({ ...labels, type: 'uint16' }, 2)).toEqual(good(2))
  })
})

describe('lists', () => {
  it('are mapped element by element; what is no reading in them is null', () => {
    const tag = { kind: 'array', scale: 0.1, noValue: [-1] } as const
    expect(one({ ...tag, type: 'int16' }, [3, -1, 7])).toEqual(good([0.3, null, 0.7]))
    expect(one({ ...tag, type: 'int16' }, [-1, -1])).toEqual(none(Reason.noValue))
    expect(one({ kind: 'array', type: 'float32' }, [Math.fround(0.1), Number.NaN])).toEqual(good([0.1, null]))
    expect(one({ kind: 'array', type: 'uint64' }, [2n ** 60n])).toEqual(good([2n ** 60n]))
    expect(one({ kind: 'array', type: 'string' }, ['a', 'b'])).toEqual(good(['a', 'b']))
    expect(one({ kind: 'array', type: 'int16', enum: new Map([[1, 'on']]) }, [1, 2])).toEqual(good(['on', 2]))
  })
})

describe('counters', () => {
  const counter = (wrap: number | null, maxStep: number | null): Wanted => ({
    counter: { wrap, maxStep },
    type: 'uint32',
    scale: 0.1,
  })

  it('are scaled as totals, exactly, however large they grow', () => {
    const { convert } = converter([counter(1000, null)])
    const totals = [999, 1, 2, 0].map((raw) => convert(raw).numbers[0])
    expect(totals).toEqual([99.9, 100.1, 100.2, 200])
  })

  it('take a jump beyond the largest step for a reset, upwards and downwards', () => {
    const { convert, notes } = converter([counter(null, 50)])
    const totals = [100, 120, 1000, 1010, 5, 900].map((raw) => convert(raw).numbers[0])
    expect(totals).toEqual([10, 12, 12, 13, 13.5, 13.5])
    expect(notes.map(({ facts }) => [facts.before, facts.after, facts.total])).toEqual([
      [120, 1000, 120],
      [1010, 5, 135],
      [5, 900, 135],
    ])
  })

  it('do not count while there is no reading, nor take their total for one', () => {
    const { convert } = converter([{ counter: { wrap: 65_536, maxStep: null }, noValue: [65_535, 65_540] }])
    const values = [65_530, 65_535, { bad: Reason.timeout }, 4, 5].map((raw) => valuesOf(convert(raw))[0])
    expect(values).toEqual([65_530, null, null, 65_540, 65_541])
  })

  it('do not gather the noise of decimals', () => {
    const { convert } = converter([{ counter: { wrap: null, maxStep: null }, type: 'float64' }])
    expect([0.1, 0.3, 0.4, 0.7].map((raw) => convert(raw).numbers[0])).toEqual([0.1, 0.3, 0.4, 0.7])
  })

  it('are carried by every batch, in the order of the group, and found again by name', () => {
    const { plan, convert } = converter([
      {},
      { name: 'kwh', ...counter(1000, null) },
      { name: 'm3', ...counter(null, null) },
    ])
    expect(converter([{}]).convert(1).carry).toBeNull()
    expect(convert({ bad: Reason.timeout }, { bad: Reason.timeout }, { bad: Reason.timeout }).carry).toBeNull()
    convert(1, 990, 5)
    const last = convert(2, 10, { bad: Reason.timeout })
    expect([...last.carry!]).toEqual([1, 1010, 10, 2, 5, 5])
    const renamed = converter([
      { name: 'm3', ...counter(null, null) },
      { name: 'other', ...counter(1000, null) },
      { name: 'kwh', ...counter(1000, null) },
    ])
    renamed.conversion.restore({ ...last, group: plan.ref })
    expect([...renamed.convert(7, 3, 20).numbers]).toEqual([0.7, 0.3, 102])
    const plain = converter([{}, { name: 'kwh' }])
    plain.conversion.restore({ ...last, group: plan.ref })
    expect(plain.convert(1, 20).carry).toBeNull()
  })
})
