import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Value } from '../../../src/contracts/batch.ts'
import { Rejected } from '../../../src/contracts/errors.ts'
import type { TagSettings } from '../../../src/southbound/modbus/settings.ts'
import { frameOf, imageOf } from '../../../src/southbound/modbus/values/encode.ts'
import { decoded, settingsOf } from './configured.ts'

const encodeWrite = (settings: TagSettings, value: Value) => frameOf(imageOf(settings, value), settings.write)
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
    [{ address: '40001.3' }, 2, 'true or false'],
    [at('uint16', { bits: '4-6' }), 8, '0 to 7 for bits 4 to 6'],
    [at('uint16', { bits: '4-4' }), 2, '0 to 1 for bit 4'],
    [at('int8'), 128, '-128 to 127 for int8'],
    [at('datetime', { layout: 'unix' }), 'yesterday', 'a date such as'],
    [at('datetime', { layout: 'iec870' }), '1999-01-01T00:00:00Z', 'the layout iec870 can hold'],
    [at('int16', { count: 124 }), Array(124).fill(0), 'one write carries at most 123'],
  ])('%j of %s is refused: %s', (tag, value, why) => {
    expect(refusal(tag, value)).toContain(why)
  })
})

describe('a part of registers', () => {
  it.each<[object, Value, string, string | null]>([
    [{ address: '40001.3' }, true, '0008', '0008'],
    [{ address: '40001.15' }, false, '0000', '8000'],
    [at('uint16', { bits: '4-6' }), 5, '0050', '0070'],
    [at('uint16', { bits: '4-6', order: 'BA' }), 5, '5000', '7000'],
    [at('uint16', { bits: '0-15' }), 0x1234, '1234', null],
    [at('uint32', { bits: '12-19' }), 0xff, '000ff000', '000ff000'],
    [at('uint32', { bits: '12-19', order: 'CDAB' }), 0xa5, '5000000a', 'f000000f'],
    [at('uint64', { bits: '40-59' }), 0xfffff, '0fffff0000000000', '0fffff0000000000'],
    [at('int8'), -2, '00fe', '00ff'],
    [at('uint8', { byte: 'high' }), 200, 'c800', 'ff00'],
    [at('uint8', { byte: 'high', order: 'BA' }), 200, '00c8', '00ff'],
    [at('uint8', { byte: 'low', count: 3 }), [1, 2, 3], '000100020003', '00ff00ff00ff'],
    [{ address: ['40003', '40001'], type: 'uint32' }, 0x12345678, '567800001234', 'ffff0000ffff'],
  ])('%j of %s sets %s under the mask %s', (tag, value, bytes, mask) => {
    const image = imageOf(settingsOf(tag as Record<string, unknown>), value)
    expect(Buffer.from(image.bytes).toString('hex')).toBe(bytes)
    expect(image.mask === null ? null : Buffer.from(image.mask).toString('hex')).toBe(mask)
  })

  it('reads back as it was written, whatever stands around it', () => {
    const widths = { uint16: 16, uint32: 32, uint48: 48, uint64: 64, int8: 8, uint8: 8 } as const
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(widths) as (keyof typeof widths)[])),
        fc.constantFrom('ABCD', 'CDAB', 'BADC', 'DCBA'),
        fc.constantFrom('high', 'low'),
        fc.tuple(fc.nat(63), fc.nat(63)),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        (type, order, byte, ends, bits, present) => {
          const [from, to] = ends.map((end) => end % widths[type]).sort((a, b) => a - b) as [number, number]
          const tag = at(type, { order, bits: `${from}-${to}`, ...(widths[type] === 8 ? { byte } : {}) })
          const value = bits & ((1n << BigInt(to - from + 1)) - 1n)
          const { bytes, mask } = imageOf(settingsOf(tag), value)
          const all = bytes.map((set, index) => (present[index]! & ~(mask?.[index] ?? 0xff)) | set)
          expect(String(decoded(tag, all).value)).toBe(String(value))
          expect(bytes.every((set, index) => (set & ~(mask?.[index] ?? 0xff)) === 0)).toBe(true)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is refused where it would mean "no reading"', () => {
    const half = settingsOf(at('uint8'), { noValueBits: [0xffn] })
    expect(() => imageOf(half, 255)).toThrow('255 cannot be written: in the device it would mean "no reading"')
    expect(imageOf(half, 254).bytes).toEqual(Uint8Array.of(0, 254))
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

  it.each(['int16', 'uint32', 'float32', 'float64', 'bcd16', 'int64'])('as an array of %s in every order', (type) => {
    fc.assert(
      fc.property(fc.array(numbers[type]!, { minLength: 1, maxLength: 5 }), order, (values, letters) => {
        const tag = at(type, { order: letters, count: values.length })
        const { value: back } = decoded(tag, encodeWrite(settingsOf(tag), values).bytes)
        expect((back as readonly Value[]).map((one) => (one === 0 ? '0' : String(one)))).toEqual(values.map(String))
      }),
      { numRuns: 50 },
    )
  })

  it('as halves, arrays of halves, and integers of any letters', () => {
    const eight = fc
      .shuffledSubarray(['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'], { minLength: 8 })
      .map((all) => all.join(''))
    fc.assert(
      fc.property(fc.integer({ min: -128, max: 127 }), fc.constantFrom('high', 'low'), (value, byte) => {
        expect(decoded(at('int8', { byte }), imageOf(settingsOf(at('int8', { byte })), value).bytes).value).toBe(value)
        const several = at('int8', { byte, count: 2 })
        expect(decoded(several, imageOf(settingsOf(several), [value, -1]).bytes).value).toEqual([value, -1])
      }),
      { numRuns: 50 },
    )
    fc.assert(
      fc.property(numbers.uint64!, eight, (value, letters) => {
        const tag = at('uint64', { order: letters })
        expect(String(decoded(tag, encodeWrite(settingsOf(tag), value).bytes).value)).toBe(String(value))
      }),
      { numRuns: 100 },
    )
  })

  it('as a text or bytes in every order, padded or full', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'Z', '9', ' ', 'é', '°', '-'), maxLength: 6 })
    fc.assert(
      fc.property(
        text,
        fc.constantFrom('AB', 'BA'),
        fc.constantFrom(undefined, 'high', 'low'),
        (value, letters, byte) => {
          const tag = at('string', { length: 12, order: letters, ...(byte === undefined ? {} : { byte }) })
          expect(decoded(tag, encodeWrite(settingsOf(tag), value).bytes).value).toBe(value.trimEnd())
          const raw = { ...tag, type: 'bytes' }
          const bytes = Uint8Array.from({ length: 12 }, (_, index) => value.charCodeAt(index) & 0xff)
          expect(decoded(raw, encodeWrite(settingsOf(raw), bytes).bytes).value).toEqual(bytes)
        },
      ),
      { numRuns: 200 },
    )
  })

  it('as words that stand apart', () => {
    fc.assert(
      fc.property(numbers.float32!, fc.shuffledSubarray([1, 3, 7, 9], { minLength: 2, maxLength: 2 }), (value, at) => {
        const tag = { address: at.map((word) => `4000${word}`), type: 'float32' }
        const { bytes } = imageOf(settingsOf(tag), value)
        expect(String(decoded(tag, bytes).value)).toBe(String(value === 0 ? decoded(tag, bytes).value : value))
      }),
      { numRuns: 50 },
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
      ['since-2000'],
      ['ymdhms'],
      ['ymdhms', 6],
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
