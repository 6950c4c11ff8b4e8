import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { invert } from '../../src/pipeline/invert.ts'
import { along, lineOf } from '../../src/pipeline/scale.ts'
import { tagOf } from './plans.ts'

describe('a written value', () => {
  it('becomes the raw number that reads back as it, for every raw number', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -32_768, max: 65_535 }),
        fc.constantFrom(0.1, 0.01, 0.001, 0.25, 2, 10, -0.5),
        fc.constantFrom(0, -40, 273.15),
        (raw, scale, offset) => {
          const tag = tagOf({ scale, offset, type: 'int32' })
          expect(invert(tag, along(lineOf(tag.mapping), raw))).toBe(raw)
        },
      ),
    )
  })

  it('is refused off the grid, with the steps beside it', () => {
    expect(() => invert(tagOf({ scale: 0.1 }), 20.15)).toThrow('t0 moves in steps: 20.1 or 20.2, not 20.15')
    expect(() => invert(tagOf({}), 1.5)).toThrow('whole numbers: 1 or 2')
    expect(invert(tagOf({ type: 'float32' }), 1.5)).toBe(1.5)
  })

  it('is refused outside the limits', () => {
    expect(() => invert(tagOf({ limits: [20, 300] }), 301)).toThrow('t0 takes 20 to 300, not 301')
  })

  it('may be a label of an enumeration', () => {
    const states = new Map([
      [0, 'off'],
      [3, 'auto'],
    ])
    expect(invert(tagOf({ enum: states, kind: 'text' }), 'auto')).toBe(3)
    expect(() => invert(tagOf({ enum: states, kind: 'text' }), 'on')).toThrow('it has: off (0), auto (3)')
  })

  it('is refused where it has no inverse', () => {
    expect(() => invert(tagOf({ counter: { wrap: null, maxStep: null } }), 1)).toThrow('counter')
    expect(() => invert(tagOf({ scaleFrom: { index: 1, as: 'pow10' } }), 1)).toThrow('another register')
    expect(() => invert(tagOf({}), null)).toThrow('not null')
    expect(() => invert(tagOf({}), 'hot')).toThrow('takes a number, not "hot"')
    expect(() => invert(tagOf({ kind: 'boolean', type: 'bool' }), 2)).toThrow('true or false')
  })
})
