import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import { compileDecoder } from '../../../src/southbound/modbus/values/registers.ts'
import { decoded, groupOf, settingsOf } from './configured.ts'

const hex = (text: string): number[] => [...Buffer.from(text.replaceAll(' ', ''), 'hex')]
const good = (value: unknown) => ({ value, quality: Reason.good })
const at = (type: string, rest: object = {}) => ({ address: '40001', type, ...rest })

describe('a type', () => {
  it.each([
    ['int16', '8000', -32768],
    ['int16', 'FFFF', -1],
    ['int16', '7FFF', 32767],
    ['uint16', 'FFFF', 65535],
    ['int32', '8000 0000', -2147483648],
    ['int32', 'FFFF FFFE', -2],
    ['uint32', 'FFFF FFFF', 4294967295],
    ['int48', '8000 0000 0000', -140737488355328],
    ['int48', 'FFFF FFFF FFFF', -1],
    ['uint48', 'FFFF FFFF FFFF', 281474976710655],
    ['int64', 'FFFF FFFF FFFF FFFF', -1],
    ['int64', '001F FFFF FFFF FFFF', 2 ** 53 - 1],
    ['int64', 'FFE0 0000 0000 0001', -(2 ** 53) + 1],
    ['uint64', '0000 0001 0000 0000', 4294967296],
    ['uint64', '001F FFFF FFFF FFFF', 2 ** 53 - 1],
    // IEEE 754-2008 examples of binary16, and the binary32 and binary64 of well-known numbers.
    ['float16', '3C00', 1],
    ['float16', 'C000', -2],
    ['float16', '7BFF', 65504],
    ['float16', '0400', 2 ** -14],
    ['float16', '0001', 2 ** -24],
    ['float16', '3555', 0.333251953125],
    ['float16', '7C00', Number.POSITIVE_INFINITY],
    ['float16', 'FE00', Number.NaN],
    ['float32', '3F80 0000', 1],
    ['float32', '4048 F5C3', Math.fround(3.14)],
    ['float32', 'C2F6 E979', Math.fround(-123.456)],
    ['float32', '7F80 0000', Number.POSITIVE_INFINITY],
    ['float32', '7FC0 0000', Number.NaN],
    ['float64', '4009 21FB 5444 2D18', Math.PI],
    ['float64', 'FFF0 0000 0000 0000', Number.NEGATIVE_INFINITY],
    ['bcd16', '1234', 1234],
    ['bcd16', '9999', 9999],
    ['bcd32', '1234 5678', 12345678],
    ['signmag16', '8005', -5],
    ['signmag16', '0005', 5],
    ['signmag16', 'FFFF', -32767],
    ['signmag16', '8000', 0],
    ['uint8', 'ABCD', 0xcd],
    ['int8', '00FF', -1],
    ['bool', '0000', 0],
    ['bool', '0001', 1],
    ['bool', 'FF00', 1],
  ])('%s reads %s as %d', (type, bytes, value) => {
    expect(decoded(at(type), hex(bytes))).toEqual(good(value))
  })

  it('beyond 2^53 becomes a bigint, so that nothing is rounded', () => {
    expect(decoded(at('uint64'), hex('0020 0000 0000 0001'))).toEqual(good(9007199254740993n))
    expect(decoded(at('uint64'), hex('FFFF FFFF FFFF FFFF'))).toEqual(good(18446744073709551615n))
    expect(decoded(at('int64'), hex('8000 0000 0000 0000'))).toEqual(good(-9223372036854775808n))
    expect(decoded(at('int64'), hex('FFDF FFFF FFFF FFFF'))).toEqual(good(-9007199254740993n))
  })

  it('takes the half of the register that byte names', () => {
    expect(decoded(at('uint8', { byte: 'high' }), hex('ABCD'))).toEqual(good(0xab))
    expect(decoded(at('int8', { byte: 'high' }), hex('8001'))).toEqual(good(-128))
    expect(decoded(at('uint8', { byte: 'low' }), hex('ABCD'))).toEqual(good(0xcd))
    expect(decoded(at('uint8', { byte: 'high', order: 'BA' }), hex('ABCD'))).toEqual(good(0xcd))
  })

  it('that holds no BCD is not decodable', () => {
    expect(decoded(at('bcd16'), hex('12A4')).quality).toBe(Reason.notDecodable)
    expect(decoded(at('bcd32'), hex('F234 5678')).quality).toBe(Reason.notDecodable)
  })
})

describe('mod10k', () => {
  it('is high × 10,000 + low (ION INT32-M10K)', () => {
    expect(decoded(at('mod10k'), [0x00, 0x7b, 0x11, 0xd7])).toEqual(good(1_234_567))
  })

  it('has four registers, the lowest first, on PowerLogic meters: 4567 0123 0 0 is 1,234,567 Wh', () => {
    const meter = at('mod10k', { length: 8, order: 'CDAB' })
    expect(decoded(meter, [0x11, 0xd7, 0x00, 0x7b, 0, 0, 0, 0])).toEqual(good(1_234_567))
  })

  it('carries the sign in each register', () => {
    expect(decoded(at('mod10k'), hex('FFFF FFFE'))).toEqual(good(-10_002))
    expect(decoded(at('mod10k'), hex('0001 FFFE')).quality).toBe(Reason.notDecodable)
  })

  it('has no register above 9999', () => {
    expect(decoded(at('mod10k'), hex('0000 2710')).quality).toBe(Reason.notDecodable)
  })

  it('of four full registers is exact', () => {
    expect(decoded(at('mod10k', { length: 8 }), hex('270F 270F 270F 270F'))).toEqual(good(9999999999999999n))
  })
})

describe('order: what stands on the wire, first byte first', () => {
  // 0x0A0B0C0D and its wider kin, as they stand on the wire.
  it.each([
    ['ABCD', '0A0B'],
    ['CDAB', '0A0B'],
    ['BADC', '0B0A'],
    ['DCBA', '0B0A'],
    ['AB', '0A0B'],
    ['BA', '0B0A'],
  ])('%s of two bytes', (order, wire) => {
    expect(decoded(at('uint16', { order }), hex(wire))).toEqual(good(0x0a0b))
  })

  it.each([
    ['ABCD', '0A0B 0C0D'],
    ['CDAB', '0C0D 0A0B'],
    ['BADC', '0B0A 0D0C'],
    ['DCBA', '0D0C 0B0A'],
    ['ACBD', '0A0C 0B0D'],
    ['dcba', '0D0C 0B0A'],
  ])('%s of four bytes', (order, wire) => {
    expect(decoded(at('uint32', { order }), hex(wire))).toEqual(good(0x0a0b0c0d))
  })

  it.each([
    ['ABCD', '0A0B 0C0D 0E0F'],
    ['CDAB', '0E0F 0C0D 0A0B'],
    ['BADC', '0B0A 0D0C 0F0E'],
    ['DCBA', '0F0E 0D0C 0B0A'],
    ['EFCDAB', '0E0F 0C0D 0A0B'],
  ])('%s of six bytes', (order, wire) => {
    expect(decoded(at('uint48', { order }), hex(wire))).toEqual(good(0x0a0b0c0d0e0f))
  })

  it.each([
    ['ABCD', '0001 0203 0405 0607'],
    ['CDAB', '0607 0405 0203 0001'],
    ['BADC', '0100 0302 0504 0706'],
    ['DCBA', '0706 0504 0302 0100'],
    ['GHEFCDAB', '0607 0405 0203 0001'],
    // Neuron's #WS and #WR.
    ['CDABGHEF', '0203 0001 0607 0405'],
    ['EFGHABCD', '0405 0607 0001 0203'],
  ])('%s of eight bytes', (order, wire) => {
    expect(decoded(at('uint64', { order }), hex(wire))).toEqual(good(0x0001020304050607))
  })

  it('is inherited from device and connection, the nearest wins', () => {
    const wire = hex('0C0D 0A0B')
    expect(decoded(at('uint32'), wire, { connection: { order: 'CDAB' } })).toEqual(good(0x0a0b0c0d))
    expect(decoded(at('uint32'), wire, { connection: { order: 'DCBA' }, device: { order: 'CDAB' } })).toEqual(
      good(0x0a0b0c0d),
    )
    expect(decoded(at('uint32', { order: 'ABCD' }), wire, { device: { order: 'CDAB' } })).toEqual(good(0x0c0d0a0b))
  })

  it('of a string is the string’s own', () => {
    const text = at('string', { length: 4 })
    expect(decoded(text, Buffer.from('abcd'), { device: { order: 'DCBA' } })).toEqual(good('abcd'))
    expect(decoded({ ...text, order: 'BA' }, Buffer.from('badc'))).toEqual(good('abcd'))
    expect(decoded({ ...text, order: 'BADC' }, Buffer.from('badc'))).toEqual(good('abcd'))
    expect(decoded({ ...text, order: 'DCBA' }, Buffer.from('dcba'))).toEqual(good('abcd'))
    expect(decoded({ ...text, length: 3, order: 'BA' }, Buffer.from('ba\0c'))).toEqual(good('abc'))
  })
})

describe('bits', () => {
  it('are counted from the least significant', () => {
    for (let bit = 0; bit < 16; bit++) {
      const word = 1 << bit
      expect(decoded({ address: `40001.${bit}` }, [word >> 8, word & 0xff])).toEqual(good(1))
      expect(decoded({ address: `40001.${bit}` }, [~(word >> 8) & 0xff, ~word & 0xff])).toEqual(good(0))
    }
  })

  it('are counted after order', () => {
    expect(decoded({ address: '40001.0', order: 'BA' }, hex('0100'))).toEqual(good(1))
    expect(decoded(at('uint32', { bits: 0 }), hex('0001 0000'), { device: { order: 'CDAB' } })).toEqual(good(1))
  })

  it('make a field', () => {
    expect(decoded(at('uint16', { bits: '4-6' }), hex('0050'))).toEqual(good(5))
    expect(decoded(at('uint16', { bits: '0-15' }), hex('FFFF'))).toEqual(good(65535))
    expect(decoded(at('uint32', { bits: '16-31' }), hex('1234 5678'))).toEqual(good(0x1234))
    expect(decoded(at('uint64', { bits: '60-63' }), hex('F000 0000 0000 0000'))).toEqual(good(15))
    expect(decoded(at('uint64', { bits: '0-59' }), hex('FFFF FFFF FFFF FFFF'))).toEqual(good(2n ** 60n - 1n))
    expect(decoded(at('uint8', { byte: 'high', bits: '0-3' }), hex('A5FF'))).toEqual(good(5))
    expect(decoded(at('uint8', { byte: 'high', bits: 7 }), hex('8000'))).toEqual(good(1))
  })
})

describe('a value of words that stand apart', () => {
  it('joins them, high first', () => {
    const split = { address: ['40001', '40004'], type: 'uint32' }
    expect(decoded(split, hex('1234 FFFF FFFF 5678'))).toEqual(good(0x12345678))
    expect(decoded({ ...split, address: ['40004', '40001'] }, hex('1234 FFFF FFFF 5678'))).toEqual(good(0x56781234))
  })

  it('takes of a preset order only how the bytes of a word stand', () => {
    const split = { address: ['40001', '40003'], type: 'uint32' }
    expect(decoded(split, hex('1234 FFFF 5678'), { device: { order: 'CDAB' } })).toEqual(good(0x12345678))
    expect(decoded(split, hex('3412 FFFF 7856'), { device: { order: 'DCBA' } })).toEqual(good(0x12345678))
  })
})

describe('a string', () => {
  const text = (length: number, rest: object = {}) => at('string', { length, ...rest })

  it('ends at NUL and loses trailing spaces', () => {
    expect(decoded(text(8), Buffer.from('abc  \0xy'))).toEqual(good('abc'))
    expect(decoded(text(4), Buffer.from('  ab'))).toEqual(good('  ab'))
    expect(decoded(text(4), Buffer.from('\0\0\0\0'))).toEqual(good(''))
  })

  it('may have an odd length', () => {
    expect(decoded(text(3), Buffer.from('abcX'))).toEqual(good('abc'))
  })

  it('may have a register for each character', () => {
    expect(decoded(text(3, { byte: 'low' }), hex('0061 0062 0063'))).toEqual(good('abc'))
    expect(decoded(text(3, { byte: 'high' }), hex('6100 6200 6300'))).toEqual(good('abc'))
  })

  it('is UTF-8, or latin1 when told', () => {
    expect(decoded(text(4), hex('C2B0 4300'))).toEqual(good('°C'))
    expect(decoded(text(2, { charset: 'latin1' }), hex('B043'))).toEqual(good('°C'))
    expect(decoded(text(2), hex('B043')).quality).toBe(Reason.notDecodable)
  })

  it('as bytes keeps all of them', () => {
    expect(decoded(at('bytes', { length: 4 }), hex('0001 0200'))).toEqual(good(Uint8Array.of(0, 1, 2, 0)))
    expect(decoded(at('bytes', { length: 2, byte: 'low' }), hex('FF01 FF02'))).toEqual(good(Uint8Array.of(1, 2)))
  })
})

describe('an array', () => {
  it('has its elements in order', () => {
    expect(decoded(at('int16', { count: 3 }), hex('0001 FFFF 0003'))).toEqual(good([1, -1, 3]))
    expect(decoded(at('float32', { count: 2, order: 'CDAB' }), hex('0000 3F80 0000 C000'))).toEqual(good([1, -2]))
    expect(decoded(at('int8', { count: 2 }), hex('00FF 0001'))).toEqual(good([-1, 1]))
    expect(decoded(at('string', { length: 2, count: 2 }), Buffer.from('abcd'))).toEqual(good(['ab', 'cd']))
  })

  it('of coils is of booleans', () => {
    expect(decoded({ address: 'coil:5', count: 10 }, [0b0000_0101, 0b10])).toEqual(
      good([true, false, true, false, false, false, false, false, false, true]),
    )
  })

  it('has null where an element has no reading', () => {
    const sentinel = { noValueBits: [0x8000n] }
    expect(decoded(at('int16', { count: 2 }), hex('8000 0003'), sentinel)).toEqual(good([null, 3]))
    expect(decoded(at('int16', { count: 2 }), hex('8000 8000'), sentinel).quality).toBe(Reason.noValue)
  })

  it('is spoilt by an element that cannot be decoded', () => {
    expect(decoded(at('bcd16', { count: 2 }), hex('0001 FFFF')).quality).toBe(Reason.notDecodable)
  })
})

describe('a bit pattern that means no reading', () => {
  it.each([
    ['int16', '8000', 0x8000n],
    ['uint16', 'FFFF', 0xffffn],
    ['uint32', 'FFFF FFFF', 0xffffffffn],
    ['float32', '7FC0 0000', 0x7fc00000n],
    ['bcd16', 'FFFF', 0xffffn],
    ['uint48', 'FFFF FFFF FFFF', 0xffffffffffffn],
    ['int64', '8000 0000 0000 0000', 0x8000000000000000n],
    ['uint8', '12FF', 0xffn],
    ['datetime', 'FFFF FFFF', 0xffffffffn],
  ])('of %s is compared bit by bit', (type, bytes, pattern) => {
    const layout = type === 'datetime' ? { layout: 'unix' } : {}
    expect(decoded(at(type, layout), hex(bytes), { noValueBits: [1n, pattern] }).quality).toBe(Reason.noValue)
    expect(decoded(at(type, layout), hex(bytes), { noValueBits: [2n] }).quality).not.toBe(Reason.noValue)
  })

  it('is compared after order, and a field as a field', () => {
    expect(decoded(at('uint32', { order: 'CDAB' }), hex('0001 8000'), { noValueBits: [0x80000001n] }).quality).toBe(
      Reason.noValue,
    )
    expect(decoded(at('uint16', { bits: '4-7' }), hex('00F0'), { noValueBits: [0xfn] }).quality).toBe(Reason.noValue)
  })
})

describe('a datetime', () => {
  const date = (layout: string, rest: object = {}) => at('datetime', { layout, ...rest })

  it('counts seconds or milliseconds since 1970', () => {
    // 2009-02-13T23:31:30Z, the well-known 1234567890.
    expect(decoded(date('unix'), hex('4996 02D2'))).toEqual(good('2009-02-13T23:31:30Z'))
    expect(decoded(date('unix', { length: 8 }), hex('0000 0000 4996 02D2'))).toEqual(good('2009-02-13T23:31:30Z'))
    expect(decoded(date('unix-ms'), hex('0000 011F 71FB 04CB'))).toEqual(good('2009-02-13T23:31:30.123Z'))
    expect(decoded(date('unix'), hex('02D2 4996'), { device: { order: 'CDAB' } })).toEqual(good('2009-02-13T23:31:30Z'))
  })

  it('has six registers, and does not follow the order of numbers', () => {
    const registers = hex('07E8 0002 001D 0017 003B 003B')
    expect(decoded(date('ymdhms'), registers, { device: { order: 'CDAB' } })).toEqual(good('2024-02-29T23:59:59Z'))
    expect(decoded(date('ymdhms'), hex('0018 0002 001D 0017 003B 003B'))).toEqual(good('2024-02-29T23:59:59Z'))
    expect(decoded(date('ymdhms'), hex('07E7 0002 001D 0017 003B 003B')).quality).toBe(Reason.notDecodable)
    expect(decoded(date('ymdhms'), hex('0000 0000 0000 0000 0000 0000')).quality).toBe(Reason.notDecodable)
  })

  it('has three registers of two bytes each when told', () => {
    const packed = date('ymdhms', { length: 6 })
    expect(decoded(packed, hex('1802 1D17 3B3B'))).toEqual(good('2024-02-29T23:59:59Z'))
    expect(decoded({ ...packed, order: 'BA' }, hex('0218 171D 3B3B'))).toEqual(good('2024-02-29T23:59:59Z'))
    expect(decoded(packed, hex('6402 1D17 3B3B')).quality).toBe(Reason.notDecodable)
  })

  it('counts seconds since 2000, as SunSpec does', () => {
    expect(decoded(date('since-2000'), hex('0000 0000'))).toEqual(good('2000-01-01T00:00:00Z'))
    expect(decoded(date('since-2000'), hex('2D73 D6FF'))).toEqual(good('2024-02-29T23:59:59Z'))
  })

  it('is IEC 60870-5-4 type 081 in four registers', () => {
    // 2024-07-14 10:25:30.500, week day 1, then with the mark "not valid".
    expect(decoded(date('iec870'), hex('0018 072E 0A19 7724'))).toEqual(good('2024-07-14T10:25:30.500Z'))
    expect(decoded(date('iec870'), hex('0018 072E 0A99 7724')).quality).toBe(Reason.noValue)
  })

  it('is packed in BCD', () => {
    expect(decoded(date('bcd'), hex('2407 1410 2530'))).toEqual(good('2024-07-14T10:25:30Z'))
    expect(decoded(date('bcd', { length: 8 }), hex('2407 1410 2530 5001'))).toEqual(good('2024-07-14T10:25:30.500Z'))
    expect(decoded(date('bcd'), hex('240A 1410 2530')).quality).toBe(Reason.notDecodable)
  })

  it('is turned into UTC from the zone the device’s clock shows', () => {
    const noon = (zone: string, month: number, hour = 12) =>
      decoded(date('ymdhms', { timezone: zone }), [0x07, 0xe8, 0, month, 0, 27, 0, hour, 0, 30, 0, 0]).value
    expect(noon('Europe/Berlin', 1)).toBe('2024-01-27T11:30:00Z')
    expect(noon('Europe/Berlin', 7)).toBe('2024-07-27T10:30:00Z')
    expect(noon('+05:30', 7)).toBe('2024-07-27T07:00:00Z')
    // 27 October 2024, 02:30 comes twice; without a summer flag it is standard time.
    expect(noon('Europe/Berlin', 10, 2)).toBe('2024-10-27T01:30:00Z')
    expect(noon('America/New_York', 10, 2)).toBe('2024-10-27T06:30:00Z')
  })

  it('uses the summer flag for the hour that comes twice', () => {
    const berlin = date('iec870', { timezone: 'Europe/Berlin' })
    expect(decoded(berlin, hex('0018 0A1B 821E 0000'))).toEqual(good('2024-10-27T00:30:00.000Z'))
    expect(decoded(berlin, hex('0018 0A1B 021E 0000'))).toEqual(good('2024-10-27T01:30:00.000Z'))
  })
})

describe('a request of many tags', () => {
  it('fills each tag’s own column entry, whatever the sequence of the tags', () => {
    const group = groupOf([
      at('float32', { address: '40005' }),
      at('uint16', { address: '40001' }),
      { address: '40002.0' },
      { address: '40002.9' },
      at('int16', { address: '40003' }),
      at('uint32', { address: '40003' }),
      at('string', { address: '40007', length: 4 }),
      at('uint16', { address: '40002' }),
      at('uint64', { address: '40009' }),
    ])
    const into = new BatchBuilder(group.ref)
    const bytes = hex(`0011 0201 8000 0001 3F80 0000 ${Buffer.from('abcd').toString('hex')} FFFF FFFF FFFF FFFF`)
    compileDecoder(group.tags, 0)(Uint8Array.from(bytes), 0, into)
    expect([...into.numbers]).toEqual([1, 17, 1, 1, -32768, 0x80000001, Number.NaN, 0x0201, Number.NaN])
    expect([...into.others!]).toEqual([
      [6, 'abcd'],
      [8, 2n ** 64n - 1n],
    ])
    expect([...into.quality]).toEqual(Array(9).fill(Reason.good))
  })

  it('finds each coil', () => {
    const group = groupOf([{ address: 'C3' }, { address: 'C10' }, { address: 'C2' }])
    const into = new BatchBuilder(group.ref)
    compileDecoder(group.tags, 1)(Uint8Array.of(0b10, 0b1), 0, into)
    expect([...into.numbers]).toEqual([1, 1, 0])
  })
})

describe('every number against a plain reading of the same bytes', () => {
  const reference: Record<string, (view: DataView) => number | bigint> = {
    int16: (view) => view.getInt16(0),
    uint16: (view) => view.getUint16(0),
    int32: (view) => view.getInt32(0),
    uint32: (view) => view.getUint32(0),
    int48: (view) => view.getInt16(0) * 2 ** 32 + view.getUint32(2),
    uint48: (view) => view.getUint16(0) * 2 ** 32 + view.getUint32(2),
    int64: (view) => narrow(view.getBigInt64(0)),
    uint64: (view) => narrow(view.getBigUint64(0)),
    float32: (view) => view.getFloat32(0),
    float64: (view) => view.getFloat64(0),
  }
  const narrow = (number: bigint): number | bigint =>
    BigInt.asIntN(54, number) === number && Number.isSafeInteger(Number(number)) ? Number(number) : number
  const width = (type: string): number => Number(/\d+/.exec(type)![0]) / 8

  it.each(Object.keys(reference))('%s in every sequence of its bytes', (type) => {
    const letters = 'ABCDEFGH'.slice(0, width(type))
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: width(type), maxLength: width(type) }),
        fc.shuffledSubarray([...letters], { minLength: letters.length }),
        (sorted, order) => {
          // The four letters have a meaning at other widths; written for this width they mean the same.
          const wire = order.map((letter) => sorted[letters.indexOf(letter)]!)
          const expected = reference[type]!(new DataView(sorted.buffer, sorted.byteOffset))
          expect(decoded(at(type, { order: order.join('') }), wire)).toEqual(good(expected))
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('formats', () => {
  it('are one object for tags that are alike', () => {
    expect(settingsOf(at('int16')).format).toBe(settingsOf(at('int16', { address: '40777' })).format)
    expect(settingsOf(at('int16')).format).not.toBe(settingsOf(at('int16', { order: 'BA' })).format)
  })
})
