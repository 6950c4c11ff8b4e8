import { describe, expect, it } from 'vitest'
import { lit, spoken, trace } from '../../../src/console/terminal/lights.ts'
import { bar } from '../../../src/console/terminal/table.ts'
import { cut, width } from '../../../src/console/terminal/text.ts'
import { age, bytes, count, duration, percent, rate, value } from '../../../src/console/terminal/words.ts'
import type { Light } from '../../../src/contracts/report.ts'

describe('figures in words', () => {
  it('give durations in the two units that matter', () => {
    expect([340, 4200, 65_000, 7_500_000, 90_000_000, 864_000_000].map(duration)).toEqual([
      '340 ms',
      '4 s',
      '1 min 5 s',
      '2 h 5 min',
      '1 d 1 h',
      '10 d',
    ])
    expect(age(null)).toBe('never')
    expect(age(12)).toBe('now')
  })

  it('never call something nothing', () => {
    expect(percent(0.0004)).toBe('<1 %')
    expect(percent(0)).toBe('0 %')
    expect(bar(0.001, 5)).toBe('█░░░░')
    expect(bar(0.999, 5)).toBe('████░')
  })

  it('give sizes in binary multiples and counts with thousands apart', () => {
    expect([0, 1023, 1536, 4 * 2 ** 30].map(bytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '4.0 GiB'])
    expect(count(1_234_567)).toBe('1,234,567')
    expect([0, 0.5, 12].map(rate)).toEqual(['0/s', '0.5/s', '12/s'])
  })

  it('show a float without the noise of its binary form, and an integer whole', () => {
    expect(value(0.1 + 0.2)).toBe('0.3')
    expect(value(4_294_967_295)).toBe('4294967295')
    expect(value(18_446_744_073_709_551_615n)).toBe('18446744073709551615')
    expect(value(new Uint8Array([1, 255]))).toBe('01ff')
    expect(value([1, null, true])).toBe('[1, –, on]')
  })
})

describe('text', () => {
  it('is cut at columns, not characters, and closes its colours', () => {
    expect(cut('abcdef', 4)).toBe('abc…')
    expect(width(cut('圧力圧力圧力', 5))).toBeLessThanOrEqual(5)
    expect(cut('\x1b[31mabcdef\x1b[0m', 4)).toBe('\x1b[31mabc…\x1b[0m')
  })
})

describe('the LED language', () => {
  const light = (over: Partial<Light>): Light => ({
    id: 'sys.fine',
    role: 'SYS',
    colour: 'green',
    pattern: 'gap',
    text: '',
    ...over,
  })

  it('gives each pattern a rhythm of its own, so that it is read without colours', () => {
    const patterns = ['off', 'gap', 'blink', 'double', 'long-on', 'steady'] as const
    const drawn = patterns.map((pattern) => trace(light({ pattern, colour: pattern === 'off' ? 'off' : 'green' }), 24))
    expect(new Set(drawn).size).toBe(patterns.length)
    const said = patterns.map((pattern) => spoken(light({ pattern })))
    expect(new Set(said).size).toBe(patterns.length)
  })

  it('makes one gap every three seconds when all is fine', () => {
    const dark = Array.from({ length: 300 }, (_, at) => lit(light({}), at * 10)).filter((on) => !on)
    expect(dark.length * 10).toBeGreaterThan(100)
    expect(dark.length * 10).toBeLessThan(600)
  })

  it('blinks a code as often as it says, after a flicker', () => {
    const code = light({ pattern: 'code', colour: 'red', code: [2, 3] })
    const moments = Array.from({ length: 780 }, (_, at) => lit(code, at * 10))
    const drawn = moments.map((on) => (on ? 'x' : ' ')).join('')
    expect(drawn.match(/x+/g)).toHaveLength(4 + 5)
    expect(spoken(code)).toBe('red, code 2.3')
  })
})
