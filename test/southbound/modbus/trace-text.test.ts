import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TracedFrame } from '../../../src/contracts/trace.ts'
import { fixtureLine } from '../../../src/southbound/modbus/diagnosis/fixture.ts'
import { answerText, questionText } from '../../../src/southbound/modbus/diagnosis/trace-text.ts'
import { exception } from '../../../src/southbound/modbus/frames/pdu.ts'

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const said = (code: number): string => exception(code).text
const asked = (hex: string): string => questionText(bytes(hex))
const answered = (answer: string, question: string): string => answerText(bytes(answer), bytes(question), said)

describe('what a PDU says', () => {
  test('of every function that we send', () => {
    expect(asked('01 0000 000a')).toBe('FC01 coil:0–9')
    expect(answered('01 02 55 01', '01 0000 000a')).toBe('FC01 coil:0–9 = 1010101010')
    expect(asked('02 0010 0001')).toBe('FC02 discrete:16')
    expect(asked('03 0000 0002')).toBe('FC03 holding:0–1')
    expect(answered('03 04 0011 0004', '03 0000 0002')).toBe('FC03 holding:0–1 = 17 4')
    expect(answered('04 02 ffff', '04 0009 0001')).toBe('FC04 input:9 = 65535')
    expect(asked('05 0003 ff00')).toBe('FC05 coil:3 = on')
    expect(answered('05 0003 0000', '05 0003 0000')).toBe('FC05 coil:3 = off')
    expect(asked('06 0003 0102')).toBe('FC06 holding:3 = 258')
    expect(asked('0f 0000 0003 01 05')).toBe('FC15 coil:0–2 = 101')
    expect(answered('0f 0000 0003', '0f 0000 0003 01 05')).toBe('FC15 coil:0–2 written')
    expect(asked('10 0001 0001 02 0005')).toBe('FC16 holding:1 = 5')
    expect(answered('10 0001 0002', '10 0001 0002 04 00050006')).toBe('FC16 holding:1–2 written')
    expect(asked('14 07 06 0004 0001 0002')).toBe('FC20 file 4, record:1–2')
    expect(asked('16 0004 00f2 0025')).toBe('FC22 holding:4 and 0x00f2 or 0x0025')
    expect(asked('17 0003 0002 000e 0001 02 00ff')).toBe('FC23 holding:3–4, writes holding:14 = 255')
    expect(answered('17 04 0001 0002', '17 0003 0002 000e 0001 02 00ff')).toBe('FC23 holding:3–4 = 1 2')
    expect(asked('18 04de')).toBe('FC24 fifo:1246')
    expect(answered('18 0006 0002 01b8 1284', '18 04de')).toBe('FC24 2 queued: 440 4740')
    expect(asked('2b 0e 01 00')).toBe('FC43/14 basic identification, from object 0')
    expect(answered('2b 0e 01 01 00 00 02 00 04 41636d65 01 02 5832', '2b 0e 01 00')).toBe('FC43/14 0 "Acme", 1 "X2"')
    expect(answered('83 02', '03 0000 0001')).toBe('FC03 exception 2: has no such address')
    expect(asked('08 0000 1234')).toBe('FC08 00 00 12 34')
  })

  test('a long answer is cut, and says how much there is', () => {
    const answer = Uint8Array.of(3, 40, ...new Uint8Array(40))
    expect(answerText(answer, null, said)).toBe('FC03 holding = 0 0 0 0 0 0 0 0 0 0 0 0 … 8 more')
  })

  test('of any bytes, without complaint', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 20 }), (answer, question) => {
        expect(typeof questionText(answer)).toBe('string')
        expect(answerText(answer, question, said).length).toBeLessThan(2000)
      }),
      { numRuns: 2000 },
    )
  })
})

test('a fixture has a line a frame: what time passed, which way, which bytes', () => {
  const frame: TracedFrame = {
    seq: 1,
    at: 1000.5,
    way: 'sent',
    unit: 3,
    bytes: bytes('0303000a0002e5eb'),
    text: 'FC03 holding:10–11',
    verdict: 'request',
    fault: false,
    elapsedMs: null,
  }
  expect(fixtureLine(frame, null)).toBe('+0.000 > 0303000a0002e5eb # FC03 holding:10–11')
  expect(fixtureLine({ ...frame, way: 'received', verdict: 'late' }, 990)).toBe(
    '+10.500 < 0303000a0002e5eb # late: FC03 holding:10–11',
  )
  expect(fixtureLine({ ...frame, way: 'none', verdict: 'timeout', text: 'no answer' }, 990)).toBe(
    '# timeout: unit 3, no answer',
  )
})
