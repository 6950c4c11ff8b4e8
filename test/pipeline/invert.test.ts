import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Reason } from '../../src/contracts/batch.ts'
import { Rejected } from '../../src/contracts/errors.ts'
import { invert, invertBy } from '../../src/pipeline/invert.ts'
import { along, lineOf } from '../../src/pipeline/scale.ts'
import { tagOf, type Wanted } from './plans.ts'

const write = (wanted: Wanted, value: Parameters<typeof invert>[1]) => invert(tagOf(wanted), value)

describe('a written value', () => {
  it('becomes the raw number that reads back as it, for every raw number', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.constantFrom(0.1, 0.01, 0.001, 0.25, 2, 10, -0.5, 0.3, 100 / 27_648, 1 / 3),
        fc.constantFrom(0, -40, 273.15),
        (raw, scale, offset) => {
          const tag = tagOf({ scale, offset, type: 'int32' })
          expect(invert(tag, along(lineOf(tag.mapping), raw))).toBe(raw)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('means the decimal, also when it was computed', () => {
    expect(write({ scale: 0.1 }, 0.1 + 0.2)).toBe(3)
    expect(write({ scale: 0.1 }, 1.1 * 3)).toBe(33)
    expect(Object.is(write({ scale: 0.1 }, -0), 0)).toBe(true)
  })

  it('is refused off the grid, with the steps beside it', () => {
    expect(() => write({ scale: 0.1 }, 20.15)).toThrow('t0 moves in steps: 20.1 or 20.2, not 20.15')
    expect(() => write({ scale: -0.5 }, 0.3)).toThrow('t0 moves in steps: 0 or 0.5, not 0.3')
    expect(() => write({}, 1.5)).toThrow('t0 takes whole numbers: 1 or 2, not 1.5')
    expect(() => write({ scale: 0.1 }, 20.1000001)).toThrow(Rejected)
    expect(() => write({ scale: 100 / 27_648 }, 33.3)).toThrow('moves in steps')
  })

  it('takes the nearest step where reading rounds to a precision', () => {
    const raw = write({ scale: 100 / 27_648, precision: 1 }, 33.3)
    expect(raw).toBe(9207)
    expect(() => write({ scale: 0.5, precision: 0 }, 33.2)).toThrow('moves in steps')
  })

  it('is any number for a float, without noise of the mapping', () => {
    expect(write({ type: 'float32' }, 1.5)).toBe(1.5)
    expect(write({ type: 'float64', scale: 0.1 }, 2.14)).toBe(21.4)
    expect(write({ type: 'float64', scale: 1.8, offset: 32 }, 98.6)).toBe(37)
    expect(() => write({ type: 'float32' }, 1e39)).toThrow('does not hold 1e+39')
  })

  it('is a state within the limits', () => {
    const wanted = {
      enum: new Map([
        [0, 'off'],
        [1, 'low'],
        [2, 'high'],
      ]),
      limits: [0, 1] as const,
    }
    expect(write(wanted, 'low')).toBe(1)
    expect(write(wanted, 'LOW')).toBe(1)
    expect(write(wanted, 1)).toBe(1)
    expect(() => write(wanted, 'high')).toThrow('t0 takes 0 to 1, not 2')
    expect(() => write(wanted, 2)).toThrow('t0 takes 0 to 1, not 2')
    expect(() => write(wanted, 'open')).toThrow('t0 has no state "open"; it has: off (0), low (1), high (2)')
  })

  it('is true or false for a bit, a text for a text, as such', () => {
    expect(write({ kind: 'boolean', type: 'bool' }, 1)).toBe(true)
    expect(() => write({ kind: 'boolean', type: 'bool' }, 2)).toThrow('t0 takes true or false, not 2')
    expect(write({ kind: 'text', type: 'string' }, '')).toBe('')
    expect(() => write({ kind: 'text', type: 'string' }, 5)).toThrow('t0 takes a text, not 5')
  })

  it('is refused outside the limits and outside the clamp', () => {
    expect(() => write({ limits: [20, 300] }, 301)).toThrow('t0 takes 20 to 300, not 301')
    expect(() => write({ clamp: [0, 100] }, -1)).toThrow('t0 takes 0 to 100, not -1')
    expect(write({ limits: [20, 300] }, 300)).toBe(300)
    expect(() => write({ kind: 'array', limits: [0, 5] }, [1, 6])).toThrow('0 to 5, not 6')
  })

  it('is refused where the type does not hold it, in engineering units', () => {
    expect(() => write({ scale: 0.1 }, 3276.8)).toThrow('t0 is of type int16 and takes -3276.8 to 3276.7, not 3276.8')
    expect(() => write({ type: 'uint16' }, -1)).toThrow('takes 0 to 65535')
    expect(() => write({ type: 'bcd16' }, 10_000)).toThrow('0 to 9999')
    expect(write({ scale: 0.1 }, -3276.8)).toBe(-32_768)
    expect(write({ type: 'uint64' }, 2n ** 64n - 1n)).toBe(2n ** 64n - 1n)
    expect(() => write({ type: 'uint64' }, 2n ** 64n)).toThrow('uint64')
  })

  it('is refused where the device would take it for "no reading"', () => {
    expect(() => write({ scale: 0.1, noValue: [-32_768] }, -3276.8)).toThrow('which means "no reading"')
  })

  it('may be a label of an enumeration, or a code that is known', () => {
    const states = new Map([
      [0, 'off'],
      [3, 'Auto'],
    ])
    const tag: Wanted = { enum: states, kind: 'text', unknown: 'bad' }
    expect(write(tag, 'Auto')).toBe(3)
    expect(write(tag, 'auto')).toBe(3)
    expect(write(tag, 3)).toBe(3)
    expect(() => write(tag, 'on')).toThrow('t0 has no state "on"; it has: off (0), Auto (3)')
    expect(() => write(tag, 7)).toThrow('has no state 7')
    expect(write({ ...tag, unknown: 'keep' }, 7)).toBe(7)
    expect(write({ ...tag, type: 'bool', enum: new Map([[1, 'run']]) }, true)).toBe(1)
  })

  it('is true or false for a boolean', () => {
    const tag = { kind: 'boolean', type: 'bool' } as const
    expect([true, false, 1, 0, 1n].map((value) => write(tag, value))).toEqual([true, false, true, false, true])
    expect(() => write(tag, 2)).toThrow('true or false')
    expect(() => write(tag, 'true')).toThrow('true or false')
  })

  it('is a text, bytes or a list where the tag is one', () => {
    expect(write({ kind: 'text', type: 'string' }, 'recipe 7')).toBe('recipe 7')
    expect(() => write({ kind: 'text', type: 'string' }, 7)).toThrow('takes a text, not 7')
    expect(write({ kind: 'bytes', type: 'bytes' }, Uint8Array.of(1))).toEqual(Uint8Array.of(1))
    expect(() => write({ kind: 'bytes', type: 'bytes' }, 7)).toThrow('takes bytes')
    expect(write({ kind: 'array', scale: 0.1 }, [0.1, 3])).toEqual([1, 30])
    expect(() => write({ kind: 'array' }, 1)).toThrow('takes a list, not 1')
    expect(write({ kind: 'text', type: 'datetime' }, '2026-03-01T12:00:00Z')).toBe('2026-03-01T12:00:00Z')
  })

  it('is refused where it has no inverse', () => {
    expect(() => write({ counter: { wrap: null, maxStep: null } }, 1)).toThrow('counter')
    expect(() => write({ scaleFrom: { index: 1, as: 'pow10' } }, 1)).toThrow('another register')
    expect(() => write({ scale: 0 }, 1)).toThrow('scale 0')
    expect(() => write({}, null)).toThrow('not null')
    expect(() => write({}, 'hot')).toThrow('takes a number, not "hot"')
    expect(() => write({}, true)).toThrow('takes a number, not true')
    expect(() => write({}, Number.NaN)).toThrow('not NaN')
    expect(() => write({ type: 'float32' }, Number.POSITIVE_INFINITY)).toThrow('not Infinity')
  })

  it('goes by what the scaling register said, where it is known', () => {
    const tag = tagOf({ scaleFrom: { index: 1, as: 'pow10' }, scale: 0.5 })
    expect(invertBy(tag, 11.55, { times: 1, under: 100 })).toBe(2310)
    expect(invertBy(tag, 5000, { times: 100, under: 1 })).toBe(100)
    expect(() => invertBy(tag, 5010, { times: 100, under: 1 })).toThrow('5000 or 5050')
    expect(() => invertBy(tag, 1, { times: 0, under: 1 })).toThrow('scale 0')
  })

  it('is refused with the reason that says so', () => {
    try {
      write({}, 1.5)
      expect.unreachable()
    } catch (thrown) {
      expect(thrown).toMatchObject({ name: 'Rejected', reason: Reason.refused })
    }
  })
})
