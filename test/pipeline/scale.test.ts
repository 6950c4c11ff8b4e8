import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rounded, roundedQuotient, shortFloat16, shortFloat32 } from '../../src/pipeline/rounding.ts'
import { along, alongAll, exactly, lineOf, linesOf, quotient } from '../../src/pipeline/scale.ts'

/** A decimal as a whole number of 10^-decimals. */
interface Decimal {
  readonly digits: bigint
  readonly decimals: number
}

function decimal(text: string): Decimal {
  const [before, behind = ''] = text.split('.') as [string, string?]
  return { digits: BigInt(before + behind), decimals: behind.length }
}

/** raw × scale + offset in whole numbers, read back by the language's own decimal reader: the nearest double. */
function expected(raw: bigint, scale: string, offset: string): number {
  const [a, b] = [decimal(scale), decimal(offset)]
  const decimals = a.decimals + b.decimals
  const sum = raw * a.digits * 10n ** BigInt(b.decimals) + b.digits * 10n ** BigInt(a.decimals)
  return Number(`${sum}e-${decimals}`) + 0
}

const SCALES = [
  '0.1',
  '0.01',
  '0.001',
  '0.25',
  '0.5',
  '0.005',
  '0.3',
  '1',
  '10',
  '-0.1',
  '0.0001',
  '1.5',
  '0.123',
  '3.14159',
]
const OFFSETS = ['0', '-40', '273.15', '0.05', '-0.125', '1000000', '-99.999']
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
}

describe('a scaled value is the double nearest to the decimal result', () => {
  it.each(Object.entries(RANGES))('for every scale and offset that people write: %s', (_, [min, max]) => {
    fc.assert(
      fc.property(
        fc.integer({ min, max }),
        fc.constantFrom(...SCALES),
        fc.constantFrom(...OFFSETS),
        (raw, scale, offset) => {
          const line = lineOf({ scale: Number(scale), offset: Number(offset) })
          const wanted = expected(BigInt(raw), scale, offset)
          expect(along(line, raw) + 0).toBe(wanted)
          expect(alongAll(linesOf([line]), Float64Array.of(raw))[0]! + 0).toBe(wanted)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('for each of the 16-bit numbers', () => {
    for (const scale of ['0.1', '0.01', '0.3', '0.005']) {
      const line = lineOf({ scale: Number(scale), offset: 0 })
      const wrong = []
      for (let raw = -32_768; raw < 65_536; raw++) {
        if (along(line, raw) + 0 !== expected(BigInt(raw), scale, '0')) wrong.push(raw)
      }
      expect(wrong).toEqual([])
    }
    expect(along(lineOf({ scale: 0.1, offset: 0 }), 301)).toBe(30.1)
  })

  it('for whole numbers beyond what doubles count', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.constantFrom(...SCALES),
        fc.constantFrom(...OFFSETS),
        (raw, scale, offset) => {
          expect(exactly(lineOf({ scale: Number(scale), offset: Number(offset) }), raw) + 0).toBe(
            expected(raw, scale, offset),
          )
        },
      ),
      { numRuns: 2000 },
    )
    expect(along(lineOf({ scale: 0.3, offset: 0 }), 2 ** 53 - 1)).toBe(Number('2702159776422297.3'))
  })

  it('for the ends of a range, although its scale is no decimal fraction', () => {
    fc.assert(
      fc.property(
        fc.constantFrom([0, 27_648], [5530, 27_648], [4000, 20_000], [0, 4095], [6400, 32_000], [-27_648, 27_648]),
        fc.integer({ min: -1000, max: 1000 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.constantFrom(1, 10, 100),
        ([raw0, raw1], low, span, parts) => {
          const [value0, value1] = [low / parts, (low + span) / parts]
          const scale = (value1 - value0) / (raw1! - raw0!)
          const line = lineOf({ scale, offset: value0 - raw0! * scale })
          expect(along(line, raw0!) + 0).toBeCloseTo(value0, 11)
          expect(along(line, raw1!) + 0).toBeCloseTo(value1, 11)
        },
      ),
    )
    const percent = lineOf({ scale: 100 / 27_648, offset: 0 })
    expect([0, 6912, 13_824, 27_648].map((raw) => along(percent, raw))).toEqual([0, 25, 50, 100])
    const bar = lineOf({ scale: 10 / 22_118, offset: 0 - 5530 * (10 / 22_118) })
    expect([5530, 16_589, 27_648].map((raw) => along(bar, raw))).toEqual([0, 5, 10])
    expect(along(lineOf({ scale: 1 / 3, offset: 0 }), 3)).toBe(1)
  })

  it('and stays what doubles say where no fraction is meant', () => {
    const { scale, offset } = { scale: Math.PI / 1e4, offset: Math.E }
    expect(along(lineOf({ scale, offset }), 1234)).toBe(1234 * scale + offset)
    expect(along(lineOf({ scale: 1e300, offset: 0 }), 5)).toBe(5e300)
    expect(along(lineOf({ scale: 0.123456, offset: 0 }), 1e304)).toBeCloseTo(1.23456e303, -295)
  })

  it('as is any quotient of whole numbers', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }),
        fc.integer({ min: 0, max: 20 }),
        (over, decimals) => {
          expect(quotient(over, 10n ** BigInt(decimals)) + 0).toBe(Number(`${over}e-${decimals}`) + 0)
        },
      ),
    )
  })
})

describe('rounding', () => {
  it('takes halves away from zero, as people do, also where binary falls short of the half', () => {
    expect(rounded(1.005, 2)).toBe(1.01)
    expect(rounded(-1.005, 2)).toBe(-1.01)
    expect(rounded(2.5, 0)).toBe(3)
    expect(rounded(0.1 + 0.2, 1)).toBe(0.3)
    expect(rounded(1.0049, 2)).toBe(1)
    expect(Object.is(rounded(-0.04, 1), 0)).toBe(true)
    expect(rounded(1e300, 3)).toBe(1e300)
    expect(rounded(Number.NaN, 1)).toBeNaN()
  })

  it('of quotients is exact', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(10 ** 9), max: 10 ** 9 }),
        fc.constantFrom(1, 3, 7, 10, 100, 1000, 6912, 100_000),
        fc.integer({ min: 0, max: 4 }),
        (over, under, decimals) => {
          const power = 10n ** BigInt(decimals)
          const [n, d] = [BigInt(over) * power * 2n, BigInt(under)]
          const away = n < 0n ? (n - d) / (2n * d) : (n + d) / (2n * d)
          expect(roundedQuotient(over, under, decimals)).toBe(Number(`${away}e-${decimals}`) + 0)
        },
      ),
    )
  })
})

describe('a float', () => {
  it('of 32 bits is the shortest decimal that is the same float', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const short = shortFloat32(value)
        expect(Math.fround(short)).toBe(value)
        const digits = (number: number): number => number.toExponential().split('e')[0]!.replace(/[-.]/g, '').length
        let shortest = 1
        while (Math.fround(Number(value.toPrecision(shortest))) !== value) shortest++
        // In decades where seven digits do not always suffice, one more may stand.
        if (!Number.isInteger(value)) expect(digits(short)).toBeLessThanOrEqual(Math.max(shortest, 6) + 1)
      }),
      { numRuns: 3000 },
    )
  })

  it('of 32 bits is what the device meant, wherever that has up to six digits', () => {
    fc.assert(
      fc.property(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: 0, max: 9 }), (digits, decimals) => {
        const meant = Number(`${digits}e-${decimals}`)
        expect(shortFloat32(Math.fround(meant)) + 0).toBe(meant + 0)
      }),
      { numRuns: 3000 },
    )
    expect(shortFloat32(Math.fround(1e-30))).toBe(1e-30)
  })

  it('of 16 bits is what the device meant, wherever that has up to three digits', () => {
    for (let digits = -999; digits <= 999; digits++) {
      const meant = digits / 10
      expect(shortFloat16(Math.f16round(meant)) + 0).toBe(meant + 0)
    }
  })
})
