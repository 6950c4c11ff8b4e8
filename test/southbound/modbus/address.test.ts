import { describe, expect, it } from 'vitest'
import { formatAddress, formatRange, parseAddress, parseRange } from '../../../src/southbound/modbus/schema/address.ts'

const problem = (text: string, digits?: 'one-based' | 'zero-based'): string => {
  const found = parseAddress(text, digits)
  if (!('problem' in found)) throw new Error(`${text} was accepted as ${JSON.stringify(found)}`)
  return found.problem
}

describe('an address in digits', () => {
  it.each([
    ['40001', 'holding', 0],
    ['49999', 'holding', 9998],
    ['400001', 'holding', 0],
    ['465536', 'holding', 65535],
    ['30010', 'input', 9],
    ['365536', 'input', 65535],
    ['10001', 'discrete', 0],
    ['100017', 'discrete', 16],
    ['00001', 'coil', 0],
    ['000001', 'coil', 0],
    ['08193', 'coil', 8192],
  ])('%s is %s %i on the wire', (text, area, address) => {
    expect(parseAddress(text)).toEqual({ area, address, bit: null })
  })

  it('counts from zero where the connection says so', () => {
    expect(parseAddress('40001', 'zero-based')).toMatchObject({ address: 1 })
    expect(parseAddress('40000', 'zero-based')).toMatchObject({ address: 0 })
    expect(parseAddress('465535', 'zero-based')).toMatchObject({ address: 65535 })
    expect(problem('465536', 'zero-based')).toContain('beyond the last')
  })

  it('leaves the other forms alone where digits count from zero', () => {
    expect(parseAddress('holding:1', 'zero-based')).toMatchObject({ address: 1 })
    expect(parseAddress('HR1', 'zero-based')).toMatchObject({ address: 0 })
  })

  it('suggests six digits for what begins with no area', () => {
    expect(problem('50000')).toContain('450000')
  })

  it('has no 40000 when it counts from one', () => {
    expect(problem('40000')).toContain('40001')
    expect(problem('40000')).toContain('zero-based')
  })

  it('ends at 65536', () => {
    expect(problem('465537')).toBe('"465537" is beyond the last holding register, 465536 (holding:65535)')
    expect(problem('holding:65536')).toContain('holding:65535')
    expect(problem('C65537')).toContain('coil:65535')
  })

  it('must say its area', () => {
    expect(problem('100')).toContain('holding:100')
    expect(problem('1')).toContain('"00001" (quoted)')
    expect(problem('20001')).toContain('4 holding')
    expect(problem('4000001')).toContain('too many digits')
  })
})

describe('an address in words', () => {
  it.each([
    ['holding:0', 'holding', 0],
    ['input:0x12', 'input', 18],
    ['discrete:0', 'discrete', 0],
    ['coil:8192', 'coil', 8192],
    ['Holding:0XfF', 'holding', 255],
    ['HR1', 'holding', 0],
    ['ir1', 'input', 0],
    ['DI1', 'discrete', 0],
    ['C8193', 'coil', 8192],
    [' hr10 ', 'holding', 9],
  ])('%s is %s %i on the wire', (text, area, address) => {
    expect(parseAddress(text)).toEqual({ area, address, bit: null })
  })

  it('counts letters from one', () => {
    expect(problem('HR0')).toContain('HR1')
  })

  it.each(['', 'D100', 'holding', 'holding:', 'holding:-1', '40001.1.2', 'holding:0x', '4x0001'])(
    'refuses "%s"',
    (text) => {
      expect(problem(text)).toContain('expected 40001')
    },
  )

  it.each(['fifo:1234', 'file:1/0/10'])('says that %s is no register', (text) => {
    expect(problem(text)).toContain('is the address of a tag only')
  })
})

describe('a bit of a register', () => {
  it('follows a dot, the least significant is 0', () => {
    expect(parseAddress('40001.3')).toEqual({ area: 'holding', address: 0, bit: 3 })
    expect(parseAddress('HR2.15')).toEqual({ area: 'holding', address: 1, bit: 15 })
    expect(parseAddress('input:0.0')).toEqual({ area: 'input', address: 0, bit: 0 })
  })

  it('is one of sixteen', () => {
    expect(problem('40001.16')).toContain('.0 (least significant) to .15')
    expect(problem('40001.x')).toContain('.15')
    expect(problem('40001.')).toContain('.15')
  })

  it('is none of a coil', () => {
    expect(problem('coil:0.1')).toContain('one bit already')
  })
})

describe('a range', () => {
  it.each([
    ['holding:100-120', 'holding', 100, 120],
    ['holding:0x10-0x1f', 'holding', 16, 31],
    ['40101-40121', 'holding', 100, 120],
    ['HR5-HR9', 'holding', 4, 8],
    ['HR5-9', 'holding', 4, 8],
    ['coil:7', 'coil', 7, 7],
    ['holding:1-holding:3', 'holding', 1, 3],
  ])('%s is %s %i to %i, both included', (text, area, from, to) => {
    expect(parseRange(text)).toEqual({ area, from, to })
  })

  it.each([
    ['holding:9-3', 'ends before it begins'],
    ['40001-30002', 'ends in another'],
    ['40001.1-40002', 'not of bits'],
    ['holding:1-2-3', 'no range'],
    ['holding:1-99999', 'beyond'],
  ])('%s is refused', (text, why) => {
    expect(parseRange(text)).toEqual({ problem: expect.stringContaining(why) })
  })
})

describe('an address for people', () => {
  it('has five digits while they suffice', () => {
    expect(formatAddress('holding', 0)).toBe('40001')
    expect(formatAddress('coil', 9998)).toBe('09999')
    expect(formatAddress('holding', 9999)).toBe('410000')
    expect(formatAddress('holding', 0, 'zero-based')).toBe('40000')
  })

  it('has as many digits at both ends of a range', () => {
    expect(formatRange('holding', 0, 9)).toBe('40001–40010')
    expect(formatRange('input', 9990, 10_000)).toBe('309991–310001')
    expect(formatRange('coil', 4, 4)).toBe('00005')
  })

  it('reads back as what it was', () => {
    for (const address of [0, 1, 9998, 9999, 10_000, 65_535]) {
      for (const digits of ['one-based', 'zero-based'] as const) {
        expect(parseAddress(formatAddress('holding', address, digits), digits)).toMatchObject({
          area: 'holding',
          address,
        })
      }
    }
  })
})
