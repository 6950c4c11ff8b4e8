import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allReadings, readingsOf } from '../../../src/southbound/modbus/values/readings.ts'

const NOW = Date.UTC(2026, 10, 21)

function best(...registers: readonly number[]): string | undefined {
  const { readings, plausible } = allReadings(bytesOf(registers), NOW)
  const [name] = plausible
  return name === undefined ? undefined : `${name} = ${readings[name]}`
}

function bytesOf(registers: readonly number[]): Uint8Array {
  return Uint8Array.from(registers.flatMap((register) => [register >> 8, register & 0xff]))
}

function float32(value: number): readonly [number, number] {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  return [view.getUint16(0), view.getUint16(2)]
}

function swapped(register: number): number {
  return ((register & 0xff) << 8) | (register >> 8)
}

describe('the reading that is marked first', () => {
  test('is a float of everyday size, in whichever order it stands', () => {
    for (const value of [230.1, 49.98, 0.934, 1523.7, -12.25, 98765.4]) {
      const [high, low] = float32(value)
      const text = String(Number(Math.fround(value).toPrecision(9)))
      expect(best(high, low)).toBe(`float32 ABCD = ${text}`)
      expect(best(low, high)).toBe(`float32 CDAB = ${text}`)
      expect(best(swapped(high), swapped(low))).toBe(`float32 BADC = ${text}`)
      expect(best(swapped(low), swapped(high))).toBe(`float32 DCBA = ${text}`)
    }
  })

  test('is the small integer, not what its bytes turned round would be', () => {
    expect(best(230)).toBe('uint16 AB = 230')
    expect(best(swapped(230))).toBe('uint16 BA = 230')
    expect(best(0x10000 - 12)).toBe('int16 AB = -12')
    expect(best(0, 4660)).toBe('uint32 ABCD = 4660')
    expect(best(0xffff, 0x10000 - 300)).toBe('int32 ABCD = -300')
    expect(best(230, 231, 229, 230)).toBe('uint16 AB = 230')
  })

  test('is a text, a number in decimal digits, a time near now', () => {
    expect(best(0x5052, 0x4553, 0x532d, 0x3320)).toBe('string AB = "PRESS-3"')
    expect(best(0x1234, 0x5678)).toBe('bcd32 ABCD = 12345678')
    const seconds = Date.UTC(2026, 10, 20) / 1000
    expect(best(Math.floor(seconds / 65536), seconds % 65536)).toBe('datetime unix = "2026-11-20T00:00:00Z"')
  })

  test('is a float64 where four registers form one', () => {
    const view = new DataView(new ArrayBuffer(8))
    view.setFloat64(0, 415.25)
    expect(best(...[0, 2, 4, 6].map((at) => view.getUint16(at)))).toBe('float64 ABCD = 415.25')
  })

  test('is among few: never more than four are marked, and each is shown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 8 }), (bytes) => {
        const { readings, plausible } = allReadings(bytes.subarray(0, bytes.length & ~1), NOW)
        expect(plausible.length).toBeLessThanOrEqual(4)
        for (const name of plausible) expect(readings).toHaveProperty([name])
        // hex, bits, then the marked ones in their order.
        expect(Object.keys(readings).slice(2, 2 + plausible.length)).toEqual(plausible)
      }),
    )
  })

  test('is found within one type, too', () => {
    const [high, low] = float32(230.1)
    expect(readingsOf('float32', bytesOf([low, high]), NOW).plausible).toEqual(['float32 CDAB'])
    expect(allReadings(bytesOf([0xffff, 0xffff, 0xffff, 0xffff]), NOW).plausible[0]).toBe('int16 AB')
  })
})
