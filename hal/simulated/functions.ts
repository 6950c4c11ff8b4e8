/** What a simulated slave answers to the functions beyond reading and writing registers and bits: mask write, read and write
 *  in one, file records, FIFO queues and identification. A number is a Modbus exception code. */
import type { Memory } from './station.ts'

const ILLEGAL_FUNCTION = 1
const ILLEGAL_ADDRESS = 2
const ILLEGAL_VALUE = 3

/** The parts of a memory that are no areas; what is missing is a function the slave does not know. */
export interface FurtherMemory {
  /** Records of a file as registers. */
  readonly files?: ReadonlyMap<number, readonly number[]> | undefined
  /** What a queue gives when it is read: whether that empties it is its own affair. */
  readonly queues?: ReadonlyMap<number, () => readonly number[]> | undefined
  readonly identity?:
    | {
        readonly objects: ReadonlyMap<number, string>
        /** 1 basic, 2 regular, 3 extended; 0x80 more: single objects, too. */
        readonly conformity: number
      }
    | undefined
}

export function respondFurther(question: Uint8Array, memory: Memory): Uint8Array | number {
  switch (question[0]) {
    case 20:
      return fileRecords(question, memory)
    case 22:
      return maskWrite(question, memory)
    case 23:
      return readAndWrite(question, memory)
    case 24:
      return queue(question, memory)
    case 43:
      return identification(question, memory)
    default:
      return ILLEGAL_FUNCTION
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function registers(values: ArrayLike<number>): number[] {
  return Array.from(values).flatMap((value) => [value >> 8, value & 0xff])
}

function maskWrite(question: Uint8Array, memory: Memory): Uint8Array | number {
  if (question.length !== 7) return ILLEGAL_VALUE
  const address = word(question, 1)
  const present = memory.read('holding', address, 1)
  if (typeof present === 'number') return present
  const [and, or] = [word(question, 3), word(question, 5)]
  return memory.write('holding', address, [(present[0]! & and) | (or & ~and & 0xffff)]) || question.slice()
}

function readAndWrite(question: Uint8Array, memory: Memory): Uint8Array | number {
  const [readFrom, readCount, writeFrom, writeCount] = [1, 3, 5, 7].map((at) => word(question, at)) as [
    number,
    number,
    number,
    number,
  ]
  const fits = readCount >= 1 && readCount <= 125 && writeCount >= 1 && writeCount <= 121
  if (!fits || question[9] !== 2 * writeCount || question.length !== 10 + 2 * writeCount) return ILLEGAL_VALUE
  if (readFrom + readCount > 65536 || writeFrom + writeCount > 65536) return ILLEGAL_ADDRESS
  const before = memory.read('holding', readFrom, readCount)
  if (typeof before === 'number') return before
  const values = Array.from({ length: writeCount }, (_, at) => word(question, 10 + 2 * at))
  const refused = memory.write('holding', writeFrom, values)
  if (refused !== 0) return refused
  const after = memory.read('holding', readFrom, readCount)
  return typeof after === 'number' ? after : Uint8Array.of(23, 2 * readCount, ...registers(after))
}

function fileRecords(question: Uint8Array, { files }: Memory): Uint8Array | number {
  if (files === undefined) return ILLEGAL_FUNCTION
  const bytes = question[1]!
  if (bytes < 7 || bytes > 0xf5 || bytes % 7 !== 0 || question.length !== 2 + bytes) return ILLEGAL_VALUE
  const answer: number[] = []
  for (let at = 2; at < question.length; at += 7) {
    const [from, count] = [word(question, at + 3), word(question, at + 5)]
    const file = files.get(word(question, at + 1))
    if (question[at] !== 6 || file === undefined || from + count > file.length) return ILLEGAL_ADDRESS
    answer.push(1 + 2 * count, 6, ...registers(file.slice(from, from + count)))
  }
  return answer.length > 0xf5 ? ILLEGAL_VALUE : Uint8Array.of(20, answer.length, ...answer)
}

function queue(question: Uint8Array, { queues }: Memory): Uint8Array | number {
  if (queues === undefined) return ILLEGAL_FUNCTION
  if (question.length !== 3) return ILLEGAL_VALUE
  const values = queues.get(word(question, 1))?.()
  if (values === undefined) return ILLEGAL_ADDRESS
  if (values.length > 31) return ILLEGAL_VALUE
  const bytes = 2 + 2 * values.length
  return Uint8Array.of(24, bytes >> 8, bytes & 0xff, 0, values.length, ...registers(values))
}

const LAST = [0, 2, 0x7f, 0xff]
/** Objects' bytes that fit one answer. */
const ROOM = 253 - 7

function identification(question: Uint8Array, { identity }: Memory): Uint8Array | number {
  if (identity === undefined || question[1] !== 14) return ILLEGAL_FUNCTION
  const [kind, object] = [question[2]!, question[3]!]
  if (question.length !== 4 || kind < 1 || kind > 4) return ILLEGAL_VALUE
  const { objects, conformity } = identity
  const head = [43, 14, kind, conformity]
  if (kind === 4) {
    const text = objects.get(object)
    if ((conformity & 0x80) === 0) return ILLEGAL_VALUE
    if (text === undefined) return ILLEGAL_ADDRESS
    return Uint8Array.of(...head, 0, 0, 1, object, text.length, ...Buffer.from(text, 'latin1'))
  }
  const last = LAST[Math.min(kind, conformity & 3)]!
  const ids = [...objects.keys()].filter((id) => id <= last).sort((one, other) => one - other)
  // An object that is not there starts again at the beginning (6.21).
  const from = object > 0 && object <= last && objects.has(object) ? object : 0
  const list: number[] = []
  let count = 0
  let next = 0
  for (const id of ids.filter((one) => one >= from)) {
    const text = objects.get(id)!
    if (list.length + 2 + text.length > ROOM) {
      next = id
      break
    }
    list.push(id, text.length, ...Buffer.from(text, 'latin1'))
    count++
  }
  return Uint8Array.of(...head, next > 0 ? 0xff : 0, next, count, ...list)
}
