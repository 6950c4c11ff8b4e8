import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Value } from '../../../src/contracts/batch.ts'
import { Rejected } from '../../../src/contracts/errors.ts'
import { encodeWrite } from '../../../src/southbound/modbus/encode.ts'
import { decoded, settingsOf } from './configured.ts'

const at = (type: string, rest: object = {}) => ({ address: '40001', type, ...rest })
const written = (tag: object, value: Value): string =>
  Buffer.from(encodeWrite(settingsOf(tag as Record<string, unknown>), value).bytes).toString('hex')
const refusal = (tag: object, value: Value): string => {
  try {
    encodeWrite(settingsOf(tag as Record<string, unknown>), value)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(Rejected)
    return (thrown as Rejected).message
  }
  throw new Error('it was accepted')
}

describe('the frame of a write', () => {
  it('is function 6 for one register and 16 for more', () => {
    expect(encodeWrite(settingsOf(at('int16')), -2)).toEqual({
      function: 6,
      address: 0,
      quantity: 1,
      bytes: Uint8Array.of(0xff, 0xfe),
    })
    expect(encodeWrite(settingsOf(at('uint32', { address: '40011' })), 1)).toEqual({
      function: 16,
      address: 10,
      quantity: 2,
      bytes: Uint8Array.of(0, 0, 0, 1),
    })
  })

  it('is function 5 for one coil and 15 for more', () => {
    expect(encodeWrite(settingsOf({ address: 'C8' }), true)).toEqual({
      function: 5,
      address: 7,
      quantity: 1,
      bytes: Uint8Array.of(0xff, 0),
    })
    expect(encodeWrite(settingsOf({ address: 'C8' }), 0).bytes).toEqual(Uint8Array.of(0, 0))
    const ten = [true, false, false, false, false, false, false, true, false, true]
    expect(encodeWrite(settingsOf({ address: 'C1', count: 10 }), ten)).toEqual({
      function: 15,
      address: 0,
      quantity: 10,
      bytes: Uint8Array.of(0b1000_0001, 0b10),
    })
  })

  it('is of the multiple kind where the device wants that', () => {
    const multiple = { write: { function: 'multiple' } }
    expect(encodeWrite(settingsOf(at('int16', multiple)), 1)).toMatchObject({ function: 16, quantity: 1 })
    expect(encodeWrite(settingsOf({ address: 'C1', ...multiple }), true)).toMatchObject({
      function: 15,
      bytes: Uint8Array.of(1),
    })
  })

  it('writes words named in a list when they follow each other', () => {
    const swapped = { address: ['40002', '40001'], type: 'uint32' }
    expect(encodeWrite(settingsOf(swapped), 0x12345678)).toMatchObject({
      address: 0,
      quantity: 2,
      bytes: Uint8Array.of(0x56, 0x78, 0x12, 0x34),
    })
    expect(refusal({ address: ['40001', '40003'], type: 'uint32' }, 1)).toContain('stand apart')
  })
})

describe('values', () => {
  it.each<[string, Value, string]>([
    ['bool', true, '0001'],
    ['int32', -2147483648, '80000000'],
    ['uint48', 281474976710655, 'ffffffffffff'],
    ['int64', -9223372036854775808n, '8000000000000000'],
    ['uint64', 18446744073709551615n, 'ffffffffffffffff'],
    ['float16', 65504, '7bff'],
    ['float16', -2, 'c000'],
    ['float16', 0.333251953125, '3555'],
    ['float16', 2 ** -24, '0001'],
    ['float16', 2049, '6800'],
    ['float16', 2051, '6802'],
    ['float32', 3.14, '4048f5c3'],
    ['float64', Math.PI, '400921fb54442d18'],
    ['bcd16', 1234, '1234'],
    ['bcd32', 12345678, '12345678'],
    ['mod10k', 1_234_567, '007b11d7'],
    ['mod10k', -10_002, 'fffffffe'],
    ['signmag16', -5, '8005'],
  ])('%s %s is %s', (type, value, bytes) => {
    expect(written(at(type), value)).toBe(bytes)
  })

  it('stand in the order of the tag', () => {
    expect(written(at('uint32', { order: 'CDAB' }), 0x0a0b0c0d)).toBe('0c0d0a0b')
    expect(written(at('uint32', { order: 'DCBA' }), 0x0a0b0c0d)).toBe('0d0c0b0a')
    expect(written(at('string', { length: 4, order: 'BA' }), 'abcd')).toBe(Buffer.from('badc').toString('hex'))
  })

  it('of text are padded with NUL', () => {
    expect(written(at('string', { length: 6 }), 'abc')).toBe('616263000000')
    expect(written(at('string', { length: 2, byte: 'low' }), 'ab')).toBe('00610062')
    expect(written(at('string', { length: 2, charset: 'latin1' }), '°C')).toBe('b043')
  })

  it('of dates are laid out as they are read', () => {
    const date = (layout: string, rest: object = {}) => at('datetime', { layout, ...rest })
    expect(written(date('unix'), '2009-02-13T23:31:30Z')).toBe('499602d2')
    expect(written(date('ymdhms'), '2024-02-29T23:59:59Z')).toBe('07e80002001d0017003b003b')
    expect(written(date('iec870'), '2024-07-14T10:25:30.500Z')).toBe('0018070e0a197724')
    expect(written(date('bcd', { length: 8 }), '2024-07-14T10:25:30.500Z')).toBe('2407141025305001')
    expect(written(date('ymdhms', { timezone: 'Europe/Berlin' }), '2024-07-27T10:30:00Z')).toBe(
      '07e80007001b000c001e0000',
    )
  })
})

describe('a write that cannot be', () => {
  it.each<[object, Value, string]>([
    [{ address: '30001', type: 'int16' }, 1, '30001 is an input register: it can only be read'],
    [{ address: '10001' }, true, 'a discrete input: it can only be read'],
    [at('int16'), 32768, '-32768 to 32767 for int16'],
    [at('uint16'), -1, '0 to 65535'],
    [at('int16'), 1.5, 'a whole number for int16'],
    [at('int16'), 'x', '"x" cannot be written'],
    [at('int16'), null, 'null cannot be written'],
    [at('uint64'), 2n ** 64n, '18446744073709551615'],
    [at('float32'), 1e39, '3.4028235e38'],
    [at('float32'), Number.NaN, 'a number for float32'],
    [at('float16'), 65520, '65504'],
    [at('bcd16'), 10_000, '9999'],
    [at('signmag16'), -32768, '-32767'],
    [at('mod10k'), 100_000_000, '99999999'],
    [at('bool'), 2, 'true or false'],
    [{ address: 'C1' }, 'on', 'true or false'],
    [at('string', { length: 3 }), 'abcd', 'at most 3 bytes of text, not 4'],
    [at('string', { length: 4, charset: 'latin1' }), '€', 'characters of latin1'],
    [at('bytes', { length: 3 }), 'ff', 'exactly 3 bytes, not 1'],
    [at('int16', { count: 3 }), [1, 2], 'exactly 3 values, not 2'],
    [at('int16', { count: 3 }), 1, 'a list of 3 values'],
    [{ address: '40001.3' }, true, 'part of a register'],
    [at('uint16', { bits: '4-6' }), 1, 'part of a register'],
    [at('int8'), 1, 'part of a register'],
    [at('datetime', { layout: 'unix' }), 'yesterday', 'a date such as'],
    [at('datetime', { layout: 'iec870' }), '1999-01-01T00:00:00Z', 'the layout iec870 can hold'],
    [at('int16', { count: 124 }), Array(124).fill(0), 'one write carries at most 123'],
  ])('%j of %s is refused: %s', (tag, value, why) => {
    expect(refusal(tag, value)).toContain(why)
  })
})

describe('what is written reads back', () => {
  const order = fc.constantFrom('ABCD', 'CDAB', 'BADC', 'DCBA')
  const numbers: Record<string, fc.Arbitrary<Value>> = {
    int16: fc.integer({ min: -32768, max: 32767 }),
    uint16: fc.integer({ min: 0, max: 65535 }),
    int32: fc.integer(),
    uint32: fc.integer({ min: 0, max: 0xffffffff }),
    int48: fc.integer({ min: -(2 ** 47), max: 2 ** 47 - 1 }),
    uint48: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    float32: fc.float({ noNaN: true, noDefaultInfinity: true }),
    float64: fc.double({ noNaN: true, noDefaultInfinity: true }),
    bcd16: fc.integer({ min: 0, max: 9999 }),
    bcd32: fc.integer({ min: 0, max: 99_999_999 }),
    mod10k: fc.integer({ min: -99_999_999, max: 99_999_999 }),
    signmag16: fc.integer({ min: -32767, max: 32767 }),
  }

  it.each(Object.keys(numbers))('as %s in every order', (type) => {
    fc.assert(
      fc.property(numbers[type]!, order, (value, letters) => {
        const tag = at(type, { order: letters })
        const { value: back } = decoded(tag, encodeWrite(settingsOf(tag), value).bytes)
        // A bigint that a double holds comes back as a number; zero has no sign outside floats.
        expect(back === 0 ? '0' : String(back)).toBe(String(value))
      }),
      { numRuns: 100 },
    )
  })

  it('as every binary16', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if ((bits & 0x7c00) === 0x7c00) continue
      const { value } = decoded(at('float16'), [bits >> 8, bits & 0xff])
      if (written(at('float16'), value) !== bits.toString(16).padStart(4, '0')) expect(bits).toBe('read back')
    }
  })

  it('as a date in every layout and zone', () => {
    const layouts = fc.constantFrom<[string, number?]>(
      ['unix'],
      ['unix-ms'],
      ['ymdhms'],
      ['iec870'],
      ['bcd'],
      ['bcd', 8],
    )
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', '-03:30')
    const seconds = fc.integer({ min: Date.UTC(2001, 0, 2) / 1000, max: Date.UTC(2088, 0, 1) / 1000 })
    fc.assert(
      fc.property(layouts, zones, seconds, ([layout, length], timezone, second) => {
        const iso = new Date(second * 1000).toISOString().replace('.000Z', 'Z')
        const tag = at('datetime', { layout, timezone, ...(length === undefined ? {} : { length }) })
        const { value } = decoded(tag, encodeWrite(settingsOf(tag), iso).bytes)
        const back = Date.parse(value as string) / 1000
        // One hour in autumn comes twice: only iec870 can tell which.
        if (layout === 'iec870' || timezone === 'UTC') expect(back).toBe(second)
        else expect(Math.abs(back - second)).toSatisfy((off: number) => off === 0 || (off <= 3600 && off >= 1800))
      }),
      { numRuns: 300 },
    )
  })
})
