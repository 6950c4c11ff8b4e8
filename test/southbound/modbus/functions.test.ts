/** The functions beyond reading and writing registers and coils: 20, 22, 23, 24 and 43/14, as bytes and over the wire. */
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { RegisterMap, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { Asking } from '../../../src/southbound/modbus/asking.ts'
import { type Ask, encodeRequest, judge, requestProblem, Verdict } from '../../../src/southbound/modbus/frames/pdu.ts'
import { lengthOfReply } from '../../../src/southbound/modbus/frames/pdu-length.ts'
import { findFrame, holdsDamagedAnswer } from '../../../src/southbound/modbus/frames/rtu-frame.ts'
import { openLink } from '../../../src/southbound/modbus/open-link.ts'
import { Tally } from '../../../src/southbound/modbus/tally.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { rtu } from './configured.ts'
import { ALWAYS, settled } from './rig.ts'

function ask(keys: Partial<Ask>): Ask {
  return { device: 'd', unit: 1, function: 3, address: 0, quantity: 1, timeoutMs: 1000, ...keys }
}

const fileRead = ask({ function: 20, file: 4, address: 1, quantity: 2 })
const maskWrite = ask({ function: 22, address: 4 })
const readWrite = ask({ function: 23, address: 3, quantity: 6, writeAddress: 14 })
const fifo = ask({ function: 24, address: 0x4de, quantity: 31 })
const identity = ask({ function: 43, category: 1 })

const text = (words: string): number[] => [...Buffer.from(words)]

/** The examples of the specification's chapter 6: question, what it writes, request and reply. */
const EXAMPLES: readonly (readonly [string, Ask, number[] | null, number[], number[]])[] = [
  ['read file record', fileRead, null, [20, 7, 6, 0, 4, 0, 1, 0, 2], [20, 6, 5, 6, 0x0d, 0xfe, 0, 0x20]],
  ['mask write register', maskWrite, [0, 0xf2, 0, 0x25], [22, 0, 4, 0, 0xf2, 0, 0x25], [22, 0, 4, 0, 0xf2, 0, 0x25]],
  [
    'read/write multiple registers',
    readWrite,
    [0, 0xff, 0, 0xff, 0, 0xff],
    [23, 0, 3, 0, 6, 0, 14, 0, 3, 6, 0, 0xff, 0, 0xff, 0, 0xff],
    [23, 12, 0, 0xfe, 0x0a, 0xcd, 0, 1, 0, 3, 0, 0x0d, 0, 0xff],
  ],
  ['read FIFO queue', fifo, null, [24, 4, 0xde], [24, 0, 6, 0, 2, 1, 0xb8, 0x12, 0x84]],
  [
    'read device identification',
    identity,
    null,
    [43, 14, 1, 0],
    [43, 14, 1, 1, 0, 0, 3, 0, 3, ...text('ABC'), 1, 2, ...text('XY'), 2, 4, ...text('V2.1')],
  ],
]

function verdict(question: Ask, payload: number[] | null, reply: readonly number[]): number {
  const bytes = Uint8Array.from([9, ...reply, 0, 0, 0])
  return judge(question, payload === null ? null : Uint8Array.from(payload), bytes, 1, reply.length)
}

describe('the examples of the specification (V1.1b3, 6.14 to 6.21)', () => {
  test.each(EXAMPLES)('%s', (_, question, payload, request, reply) => {
    const target = new Uint8Array(260)
    const length = encodeRequest(question, payload === null ? null : Uint8Array.from(payload), target, 0)
    expect([...target.subarray(0, length)]).toEqual(request)
    expect(verdict(question, payload, reply)).toBe(Verdict.answer)
    expect(verdict(question, payload, [question.function | 0x80, 3])).toBe(3)
  })

  test.each(EXAMPLES)(
    '%s: no shorter and no longer reply is taken, nor one whose inner lengths differ',
    (...example) => {
      const [, question, payload, , reply] = example
      for (let end = 1; end < reply.length; end++) {
        expect(verdict(question, payload, reply.slice(0, end))).toBeLessThan(0)
      }
      expect(verdict(question, payload, [...reply, 0])).toBeLessThan(0)
      const lengths: Readonly<Record<number, readonly number[]>> = {
        20: [1, 2, 3],
        23: [1],
        24: [1, 2, 3, 4],
        43: [1, 2, 6, 8, 13, 17],
      }
      for (const at of lengths[question.function] ?? []) {
        for (let byte = 0; byte < 256; byte++) {
          if (byte === reply[at]) continue
          expect(verdict(question, payload, reply.with(at, byte)), `byte ${at} = ${byte}`).toBeLessThan(0)
        }
      }
    },
  )

  test('a mask write is confirmed by the same masks only', () => {
    for (let at = 1; at < 7; at++) {
      const reply = [22, 0, 4, 0, 0xf2, 0, 0x25]
      reply[at]! ^= 1
      expect(verdict(maskWrite, [0, 0xf2, 0, 0x25], reply)).toBe(Verdict.wrongEcho)
    }
  })
})

describe('replies that say their own length', () => {
  const word = fc.integer({ min: 0, max: 0xffff })
  const split = (words: readonly number[]): number[] => words.flatMap((value) => [value >> 8, value & 0xff])
  const records = fc
    .array(word, { minLength: 1, maxLength: 121 })
    .map((words) => [20, 2 + 2 * words.length, 1 + 2 * words.length, 6, ...split(words)])
  const queues = fc
    .array(word, { maxLength: 31 })
    .map((words) => [24, ...split([2 + 2 * words.length, words.length, ...words])])
  const identities = fc
    .array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 })), { maxLength: 3 })
    .map((objects) => [
      43,
      14,
      1,
      1,
      0,
      0,
      objects.length,
      ...objects.flatMap(([id, text]) => [id, text.length, ...text]),
    ])
  const damage = fc.oneof(
    fc.record({ at: fc.nat(20), byte: fc.nat(255) }).map(
      ({ at, byte }) =>
        (bytes: number[]) =>
          bytes.with(at % bytes.length, byte),
    ),
    fc.nat(260).map((length) => (bytes: number[]) => bytes.slice(0, length % (bytes.length + 1))),
    fc.uint8Array({ maxLength: 4 }).map((more) => (bytes: number[]) => [...bytes, ...more]),
    fc.constant((bytes: number[]) => bytes),
  )

  /** A second opinion, as plainly as the chapters put it. */
  function plainly(bytes: readonly number[], quantity: number): boolean {
    const [code, ...rest] = bytes
    if (code === 20) {
      return (
        rest[0] === rest.length - 1 && rest[1] === rest.length - 2 && rest[2] === 6 && rest.length === 3 + 2 * quantity
      )
    }
    if (code === 24) {
      const [count, held] = [rest[0]! * 256 + rest[1]!, rest[2]! * 256 + rest[3]!]
      return rest.length >= 4 && count === rest.length - 2 && held <= 31 && count === 2 + 2 * held
    }
    if (rest[0] !== 14 || rest[1] !== 1 || rest.length < 6) return false
    let left = rest.slice(6)
    for (let objects = rest[5]!; objects > 0; objects--) {
      if (left.length < 2 || left.length < 2 + left[1]!) return false
      left = left.slice(2 + left[1]!)
    }
    return left.length === 0 && bytes.length <= 253
  }

  test('are accepted exactly when all their lengths add up', () => {
    const seen = { taken: 0, refused: 0 }
    fc.assert(
      fc.property(fc.oneof(records, queues, identities), damage, (reply, change) => {
        const bytes = change(reply)
        const code = reply[0] as 20 | 24 | 43
        if (bytes[0] !== code || bytes.length === 0) return
        const quantity = code === 20 ? (reply.length - 4) / 2 : code === 24 ? 31 : 1
        const question = ask({ function: code, quantity, file: 1, category: 1 })
        const taken = verdict(question, null, bytes) === Verdict.answer
        expect(taken).toBe(plainly(bytes, quantity))
        seen[taken ? 'taken' : 'refused']++
      }),
      { seed: 21, numRuns: 20_000 },
    )
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(4000)
  })
})

describe('limits', () => {
  test.each<[string, Ask, number, string | null]>([
    ['125 read, 121 written', ask({ function: 23, quantity: 125, writeAddress: 0 }), 242, null],
    ['126 read', ask({ function: 23, quantity: 126, writeAddress: 0 }), 2, 'function 23 takes 1 to 125, not 126'],
    [
      '122 written',
      ask({ function: 23, quantity: 1, writeAddress: 0 }),
      244,
      'function 23 writes 1 to 121 registers, not 122',
    ],
    [
      'written beyond the end',
      ask({ function: 23, writeAddress: 65_535 }),
      4,
      'what function 23 writes ends beyond address 65535',
    ],
    ['31 of a FIFO at the last address', ask({ function: 24, address: 65_535, quantity: 31 }), 0, null],
    ['32 of a FIFO', ask({ function: 24, quantity: 32 }), 0, 'function 24 takes 1 to 31, not 32'],
    ['121 of a file', ask({ function: 20, file: 65_535, quantity: 121 }), 0, null],
    ['122 of a file', ask({ function: 20, file: 1, quantity: 122 }), 0, 'function 20 takes 1 to 121, not 122'],
    ['file 0', ask({ function: 20, file: 0 }), 0, 'function 20 needs a file from 1 to 65535'],
    ['masks that are cut short', ask({ function: 22 }), 2, 'function 22 writes 4 bytes, not 2'],
    ['126 registers', ask({ function: 3, quantity: 126 }), 0, 'function 3 takes 1 to 125, not 126'],
    ['registers beyond the end', ask({ address: 65_535, quantity: 2 }), 0, 'the request ends beyond address 65535'],
    ['1968 coils written', ask({ function: 15, quantity: 1968 }), 246, null],
    ['coils whose bytes do not fit', ask({ function: 15, quantity: 9 }), 1, 'function 15 writes 2 bytes for 9, not 1'],
  ])('%s', (_, question, bytes, problem) => {
    expect(requestProblem(question, new Uint8Array(bytes))).toBe(problem)
  })

  test('the longest of each fits a frame of 256 bytes', () => {
    const target = new Uint8Array(260)
    expect(encodeRequest(ask({ function: 23, quantity: 125, writeAddress: 0 }), new Uint8Array(242), target, 0)).toBe(
      252,
    )
  })
})

describe('replies that say their own length, in a stream', () => {
  const question = fc.constantFrom(...EXAMPLES)

  test('the answer is found behind and before any garbage, and no damaged one is', () => {
    const garbage = fc.uint8Array({ maxLength: 40 })
    fc.assert(
      fc.property(garbage, question, garbage, fc.nat(), (before, [, of, , , reply], after, turned) => {
        const frame = seal(1, Uint8Array.from(reply))
        const stream = Uint8Array.of(...before, ...frame, ...after)
        expect(findFrame(stream, 0, stream.length, of, true)).toMatchObject({ at: before.length, length: frame.length })
        const damaged = frame.slice()
        damaged[(turned >> 3) % frame.length]! ^= 1 << (turned & 7)
        expect(findFrame(damaged, 0, damaged.length, of)).toBeNull()
      }),
      { seed: 20, numRuns: 2000 },
    )
  })

  test('an answer is not taken before its last byte is there', () => {
    for (const [, of, , , reply] of EXAMPLES) {
      const frame = seal(1, Uint8Array.from(reply))
      for (let end = 0; end < frame.length; end++) expect(findFrame(frame, 0, end, of)).toBeNull()
    }
  })

  test('an answer that is whole but for its CRC is known as damaged', () => {
    for (const [, of, , , reply] of EXAMPLES) {
      const frame = seal(1, Uint8Array.from(reply))
      frame[frame.length - 1]! ^= 1
      expect(holdsDamagedAnswer(frame, 0, frame.length, of)).toBe(true)
      expect(holdsDamagedAnswer(frame, 0, frame.length - 1, of)).toBe(false)
    }
  })

  test('replies to somebody else’s questions have the length that their inner lengths add up to, or none', () => {
    const length = (...bytes: number[]): number => lengthOfReply(Uint8Array.from([7, ...bytes]), 1, 1 + bytes.length)
    const record = [5, 6, 0, 1, 0, 2]
    expect(length(20, 12, ...record, ...record)).toBe(14)
    expect(length(20, 12, ...record)).toBe(0)
    expect(length(20, 11, ...record, ...record)).toBe(0)
    expect(length(20, 3, 2, 6, 0)).toBe(0)
    expect(length(20, 2, 1, 6)).toBe(0)
    expect(length(20, 6, 5, 7, 0, 1, 0, 2)).toBe(0)
    expect(length(24, 0, 66, 0, 32, ...new Array(64).fill(0))).toBe(0)
    expect(length(24, 0, 64, 0, 31, ...new Array(62).fill(0))).toBe(67)
    expect(length(43, 13, 0)).toBe(0)
    expect(length(7, 1)).toBe(0)
  })

  test('questions of another master are told from answers', () => {
    for (const [, of, , request] of EXAMPLES.filter(([, { function: code }]) => [20, 24, 43].includes(code))) {
      const frame = seal(9, Uint8Array.from(request))
      expect(findFrame(frame, 0, frame.length, of, true)).toEqual({
        at: 0,
        length: frame.length,
        question: true,
        inside: false,
      })
    }
    for (const [, , , , reply] of EXAMPLES) {
      const frame = seal(9, Uint8Array.from(reply))
      expect(findFrame(frame, 0, frame.length, null)).toEqual({
        at: 0,
        length: frame.length,
        question: false,
        inside: false,
      })
    }
  })
})

describe.each([{ echo: false }, { echo: true }])('over a wire, echo $echo', ({ echo }) => {
  let clock: ManualClock
  let asking: Asking
  let station: Station
  let tally: Tally

  beforeEach(async () => {
    clock = new ManualClock()
    const wire = new SimulatedWire({ clock, baudRate: 9600, seed: 1, echo })
    const memory = new RegisterMap().set('holding', 0, ...Array.from({ length: 130 }, (_, at) => at))
    memory.files = new Map([[4, [7, 0x0dfe, 0x20, 9]]])
    memory.queues = new Map([[0x4de, () => [0x1b8, 0x1284]]])
    memory.identity = { conformity: 0x81, objects: new Map([[0, 'ABC']]) }
    station = new Station({ unit: 1, memory })
    wire.attach(station)
    tally = new Tally()
    const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
    const link = openLink({ settings: rtu(), clock, board, tally, random: () => 0.5 })
    asking = new Asking({ link, clock, tally })
    link.start()
    await clock.advance(20)
  })

  async function read(question: Ask, payload: number[] | null = null): Promise<number[]> {
    let content: number[] = []
    const bytes = payload === null ? null : Uint8Array.from(payload)
    const take = (from: Uint8Array, offset: number, length: number): void => {
      content = [...from.subarray(offset, offset + length)]
    }
    const code = await settled(clock, asking.once(question, bytes, asking.device(question), take, ALWAYS))
    return code === 0 ? content : [code]
  }

  test('each function is answered with its content and nothing else', async () => {
    expect(await read(fileRead)).toEqual([0x0d, 0xfe, 0, 0x20])
    expect(await read(fifo)).toEqual([1, 0xb8, 0x12, 0x84])
    expect(await read(identity)).toEqual([1, 0x81, 0, 0, 1, 0, 3, ...text('ABC')])
    expect(await read(readWrite, [0, 0xff, 0, 0xfe])).toEqual([0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8])
    expect([station.memory.read('holding', 14, 2)]).toEqual([[0xff, 0xfe]])
    expect(tally.collisions + tally.timeouts + tally.garbageBytes).toBe(0)
  })

  test('the mask write changes the masked bits alone, its echo taken for no confirmation', async () => {
    await settled(clock, asking.write(maskWrite, Uint8Array.of(0, 0xf2, 0, 0x25), ALWAYS))
    expect(station.memory.read('holding', 4, 1)).toEqual([(4 & 0xf2) | (0x25 & 0x0d)])
    station.silent = true
    const unanswered = settled(clock, asking.write(maskWrite, Uint8Array.of(0, 0xf2, 0, 0x25), ALWAYS))
    await expect(unanswered).rejects.toMatchObject({ ambiguous: true })
  })

  test('a reply with a length that lies is not taken', async () => {
    station.alter = (frame) => {
      const pdu = frame.slice(1, -2)
      pdu[4]! += 1
      return seal(1, pdu)
    }
    await expect(read(fifo)).rejects.toThrow(/no answer within 1 s to FC24 unit 1, FIFO 1246/)
  })

  test('what the protocol does not allow is never sent', async () => {
    await expect(read(ask({ function: 24, quantity: 32 }))).rejects.toThrow('function 24 takes 1 to 31')
    expect(station.heard).toBe(0)
  })
})
