import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seal } from '../../../hal/simulated/station.ts'
import { type Ask, encodeRequest, judge, replyLength, Verdict } from '../../../src/southbound/modbus/frames/pdu.ts'
import { encodeFrame, findFrame, frameGapMs } from '../../../src/southbound/modbus/frames/rtu-frame.ts'

function ask(keys: Partial<Ask>): Ask {
  return { device: 'd', unit: 1, function: 3, address: 0, quantity: 1, timeoutMs: 1000, ...keys }
}

function pdu(question: Ask, payload: number[] | null = null): number[] {
  const target = new Uint8Array(260)
  const length = encodeRequest(question, payload === null ? null : Uint8Array.from(payload), target, 3)
  return [...target.subarray(3, 3 + length)]
}

describe('requests (Modbus application protocol V1.1b3, the examples of chapter 6)', () => {
  test.each([
    ['read coils', ask({ function: 1, address: 0x13, quantity: 0x13 }), null, [1, 0, 0x13, 0, 0x13]],
    ['read discrete inputs', ask({ function: 2, address: 0xc4, quantity: 0x16 }), null, [2, 0, 0xc4, 0, 0x16]],
    ['read holding registers', ask({ function: 3, address: 0x6b, quantity: 3 }), null, [3, 0, 0x6b, 0, 3]],
    ['read input registers', ask({ function: 4, address: 8 }), null, [4, 0, 8, 0, 1]],
    ['write single coil', ask({ function: 5, address: 0xac }), [0xff, 0], [5, 0, 0xac, 0xff, 0]],
    ['write single register', ask({ function: 6, address: 1 }), [0, 3], [6, 0, 1, 0, 3]],
    [
      'write multiple coils',
      ask({ function: 15, address: 0x13, quantity: 10 }),
      [0xcd, 1],
      [15, 0, 0x13, 0, 10, 2, 0xcd, 1],
    ],
    [
      'write multiple registers',
      ask({ function: 16, address: 1, quantity: 2 }),
      [0, 10, 1, 2],
      [16, 0, 1, 0, 2, 4, 0, 10, 1, 2],
    ],
  ])('%s', (_, question, payload, bytes) => {
    expect(pdu(question, payload)).toEqual(bytes)
  })
})

describe('replies', () => {
  const verdict = (question: Ask, bytes: number[], payload: number[] | null = null): number =>
    judge(
      question,
      payload === null ? null : Uint8Array.from(payload),
      Uint8Array.from([9, 9, ...bytes]),
      2,
      bytes.length,
    )

  test.each([
    ['the answer', ask({ quantity: 2 }), [3, 4, 0, 1, 0, 2], null, Verdict.answer],
    ['coils packed', ask({ function: 1, quantity: 9 }), [1, 2, 0xff, 1], null, Verdict.answer],
    ['an exception', ask({}), [0x83, 2], null, 2],
    ['an exception of another function', ask({}), [0x84, 2], null, Verdict.wrongFunction],
    ['an exception that is too long', ask({}), [0x83, 2, 0], null, Verdict.wrongLength],
    ['too few registers', ask({ quantity: 2 }), [3, 2, 0, 1], null, Verdict.wrongLength],
    ['a byte count that lies', ask({ quantity: 2 }), [3, 2, 0, 1, 0, 2], null, Verdict.wrongLength],
    ['a confirmed write', ask({ function: 6, address: 7 }), [6, 0, 7, 1, 2], [1, 2], Verdict.answer],
    ['another value confirmed', ask({ function: 6, address: 7 }), [6, 0, 7, 1, 3], [1, 2], Verdict.wrongEcho],
    ['another address confirmed', ask({ function: 6, address: 7 }), [6, 0, 8, 1, 2], [1, 2], Verdict.wrongEcho],
    ['a quantity confirmed', ask({ function: 16, quantity: 2 }), [16, 0, 0, 0, 2], [0, 0, 0, 0], Verdict.answer],
    [
      'another quantity confirmed',
      ask({ function: 16, quantity: 2 }),
      [16, 0, 0, 0, 1],
      [0, 0, 0, 0],
      Verdict.wrongEcho,
    ],
  ])('%s', (_, question, bytes, payload, expected) => {
    expect(verdict(question, bytes, payload)).toBe(expected)
  })
})

describe('frames in a stream', () => {
  test('the silence between frames is that of the table', () => {
    for (const [baud, ms] of [
      [1200, 32.08],
      [2400, 16.04],
      [4800, 8.02],
      [9600, 4.01],
      [19_200, 2.01],
      [38_400, 1.75],
    ] as const) {
      // prettier-ignore
      expect(frameGapMs(baud)).toBeCloseTo(ms, 2)
    }
  })

  test('the answer is found behind and before any garbage', () => {
    const garbage = fc.uint8Array({ maxLength: 40 })
    const answer = fc.record({
      unit: fc.integer({ min: 1, max: 247 }),
      code: fc.constantFrom(1, 2, 3, 4),
      quantity: fc.integer({ min: 1, max: 125 }),
      content: fc.uint8Array({ minLength: 250, maxLength: 250 }),
    })
    fc.assert(
      fc.property(garbage, answer, garbage, (before, { unit, code, quantity, content }, after) => {
        const question = ask({ unit, function: code as 1 | 2 | 3 | 4, quantity })
        const length = replyLength(question)
        const frame = seal(unit, Uint8Array.of(code, length - 2, ...content.subarray(0, length - 2)))
        const stream = Uint8Array.of(...before, ...frame, ...after)
        expect(findFrame(stream, 0, stream.length, question, true)).toMatchObject({
          at: before.length,
          length: frame.length,
        })
      }),
      { seed: 7, numRuns: 2000 },
    )
  })

  test('a frame with any one bit turned is no frame', () => {
    const question = ask({ unit: 17, quantity: 3 })
    const frame = seal(17, Uint8Array.of(3, 6, 1, 2, 3, 4, 5, 6))
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const damaged = frame.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(findFrame(damaged, 0, damaged.length, question)).toBeNull()
    }
  })

  test('a CRC that holds by chance within an answer that is still coming in does not spoil it', () => {
    const question = ask({ unit: 0x2a, quantity: 2 })
    // Its first eight bytes are a question, too.
    const frame = seal(0x2a, Uint8Array.of(3, 4, 0x53, 0xa1, 0x90, 0xcb))
    expect(findFrame(frame, 0, 8, question)).toBeNull()
    expect(findFrame(frame, 0, 8, null)).toMatchObject({ at: 0, question: true })
    expect(findFrame(frame, 0, 8, question, true)).toMatchObject({ at: 0, question: true })
    expect(findFrame(frame, 0, frame.length, question)).toMatchObject({ at: 0, length: frame.length })
  })

  test('the longest write fits a frame', () => {
    const question = ask({ function: 16, quantity: 123 })
    expect(encodeFrame(question, new Uint8Array(246))).toHaveLength(255)
  })
})
