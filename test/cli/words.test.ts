import { describe, expect, it } from 'vitest'
import { peekText } from '../../src/cli/read.ts'
import { typedValue } from '../../src/cli/write.ts'

describe('a value that was typed', () => {
  it('is what it looks like', () => {
    expect(typedValue('-12.5')).toBe(-12.5)
    expect(typedValue('0x1f')).toBe(31)
    expect(typedValue('true')).toBe(true)
    expect(typedValue('off')).toBe(false)
    expect(typedValue('9007199254740993')).toBe(9007199254740993n)
    expect(typedValue('pressing')).toBe('pressing')
  })

  it('is of the kind that the tag has now', () => {
    expect(typedValue('12', 'A-7')).toBe('12')
    expect(typedValue('on', 'off')).toBe('on')
    expect(typedValue('1', false)).toBe(true)
    expect(typedValue('1', 3)).toBe(1)
    // An integer beyond 2^53 comes over the socket as its digits.
    expect(typedValue('5', '18446744073709551615')).toBe(5)
  })
})

describe('a read by hand', () => {
  it('shows every reading side by side', () => {
    const text = peekText({
      request: 'FC03 unit 1, 40001–40002',
      elapsedMs: 4.2,
      rows: [{ address: '40001', readings: { uint16: '300', int16: '300', hex: '0x012c' }, plausible: ['uint16'] }],
    })
    expect(text.split('\n')).toEqual([
      'FC03 unit 1, 40001–40002, answered in 4.2 ms',
      'ADDRESS   40001',
      'uint16    * 300',
      'int16       300',
      'hex      0x012c',
      '* plausible',
    ])
  })
})
