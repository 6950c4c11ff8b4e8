/** A Modbus RTU slave for the simulated wire: functions 1–6, 15 and 16 over a memory, exceptions as the standard has them. */
import { type FurtherMemory, respondFurther } from './functions.ts'
import type { Listener } from './wire.ts'

export type Area = 'coil' | 'discrete' | 'input' | 'holding'

/** What a station's registers and bits are kept in. A number in place of values is a Modbus exception code. */
export interface Memory extends FurtherMemory {
  /** Registers as 0–65535, bits as 0 and 1. */
  read(area: Area, address: number, quantity: number): ArrayLike<number> | number
  /** 0: written; else the exception code. */
  write(area: 'coil' | 'holding', address: number, values: ArrayLike<number>): number
}

const ILLEGAL_ADDRESS = 2
const ILLEGAL_VALUE = 3

/** Registers that exist once they have been set. */
export class RegisterMap implements Memory {
  files?: FurtherMemory['files']
  queues?: FurtherMemory['queues']
  identity?: FurtherMemory['identity']
  readonly #areas: Readonly<Record<Area, Map<number, number>>> = {
    coil: new Map(),
    discrete: new Map(),
    input: new Map(),
    holding: new Map(),
  }

  set(area: Area, address: number, ...values: readonly number[]): this {
    for (const [at, value] of values.entries()) this.#areas[area].set(address + at, value)
    return this
  }

  get(area: Area, address: number): number | undefined {
    return this.#areas[area].get(address)
  }

  read(area: Area, address: number, quantity: number): ArrayLike<number> | number {
    const values: number[] = []
    for (let at = address; at < address + quantity; at++) {
      const value = this.#areas[area].get(at)
      if (value === undefined) return ILLEGAL_ADDRESS
      values.push(value)
    }
    return values
  }

  write(area: 'coil' | 'holding', address: number, values: ArrayLike<number>): number {
    for (let at = 0; at < values.length; at++) if (!this.#areas[area].has(address + at)) return ILLEGAL_ADDRESS
    for (let at = 0; at < values.length; at++) this.#areas[area].set(address + at, values[at]!)
    return 0
  }
}

export class Station implements Listener {
  readonly unit: number
  readonly memory: Memory
  /** Dead: hears, and answers nothing. */
  silent = false
  /** From the end of a question to the start of its answer. */
  turnaroundMs: number | (() => number)
  /** Changes an answer before it is sent, its CRC included; null swallows it. */
  alter: ((frame: Uint8Array) => Uint8Array | null) | null = null
  /** Questions that were understood. */
  heard = 0

  constructor(options: { unit: number; memory: Memory; turnaroundMs?: number | (() => number) }) {
    this.unit = options.unit
    this.memory = options.memory
    this.turnaroundMs = options.turnaroundMs ?? 5
  }

  hear(frame: Uint8Array): { readonly frame: Uint8Array; readonly afterMs: number } | null {
    if (this.silent || frame.length < 4 || (frame[0] !== this.unit && frame[0] !== 0)) return null
    const body = frame.subarray(0, frame.length - 2)
    const sum = crc(body)
    if (frame[frame.length - 2] !== (sum & 0xff) || frame[frame.length - 1] !== sum >> 8) return null
    this.heard++
    const answer = answerTo(body.subarray(1), this.memory)
    if (frame[0] === 0) return null
    const sealed = seal(this.unit, answer)
    const altered = this.alter === null ? sealed : this.alter(sealed)
    if (altered === null) return null
    const { turnaroundMs } = this
    return { frame: altered, afterMs: typeof turnaroundMs === 'number' ? turnaroundMs : turnaroundMs() }
  }
}

/** The PDU that answers a PDU. */
function answerTo(question: Uint8Array, memory: Memory): Uint8Array {
  const code = question[0]!
  const answer = respond(question, memory)
  return typeof answer === 'number' ? Uint8Array.of(code | 0x80, answer) : answer
}

/** Unit, PDU and CRC. */
export function seal(unit: number, pdu: Uint8Array): Uint8Array {
  const frame = new Uint8Array(pdu.length + 3)
  frame[0] = unit
  frame.set(pdu, 1)
  const sum = crc(frame.subarray(0, pdu.length + 1))
  frame[pdu.length + 1] = sum & 0xff
  frame[pdu.length + 2] = sum >> 8
  return frame
}

const READS: Readonly<Record<number, Area>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' }

function respond(question: Uint8Array, memory: Memory): Uint8Array | number {
  const code = question[0]!
  const address = (question[1]! << 8) | question[2]!
  const third = (question[3]! << 8) | question[4]!
  const area = READS[code]
  if (area !== undefined) return read(code, area, address, third, question, memory)
  if (code === 5) {
    if (third !== 0 && third !== 0xff00) return ILLEGAL_VALUE
    return memory.write('coil', address, [third === 0 ? 0 : 1]) || question.slice(0, 5)
  }
  if (code === 6) return memory.write('holding', address, [third]) || question.slice(0, 5)
  if (code === 15 || code === 16) return writeMany(code, address, third, question, memory)
  return respondFurther(question, memory)
}

function read(code: number, area: Area, address: number, quantity: number, question: Uint8Array, memory: Memory) {
  const bits = code < 3
  if (question.length !== 5 || quantity < 1 || quantity > (bits ? 2000 : 125)) return ILLEGAL_VALUE
  if (address + quantity > 65536) return ILLEGAL_ADDRESS
  const values = memory.read(area, address, quantity)
  if (typeof values === 'number') return values
  const bytes = bits ? (quantity + 7) >> 3 : 2 * quantity
  const answer = new Uint8Array(2 + bytes)
  answer[0] = code
  answer[1] = bytes
  for (let at = 0; at < quantity; at++) {
    const value = values[at]!
    if (!bits) {
      answer[2 + 2 * at] = value >> 8
      answer[3 + 2 * at] = value & 0xff
    } else if (value !== 0) answer[2 + (at >> 3)]! |= 1 << (at & 7)
  }
  return answer
}

function writeMany(code: number, address: number, quantity: number, question: Uint8Array, memory: Memory) {
  const bits = code === 15
  const bytes = bits ? (quantity + 7) >> 3 : 2 * quantity
  if (quantity < 1 || quantity > (bits ? 1968 : 123) || question[5] !== bytes || question.length !== 6 + bytes) {
    return ILLEGAL_VALUE
  }
  if (address + quantity > 65536) return ILLEGAL_ADDRESS
  const values = Array.from({ length: quantity }, (_, at) =>
    bits ? (question[6 + (at >> 3)]! >> (at & 7)) & 1 : (question[6 + 2 * at]! << 8) | question[7 + 2 * at]!,
  )
  return memory.write(bits ? 'coil' : 'holding', address, values) || question.slice(0, 5)
}

/** CRC-16 of Modbus over serial line V1.02, 6.2.2, bit by bit: the simulator shares no code with what it tests. */
function crc(bytes: Uint8Array): number {
  let sum = 0xffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1
  }
  return sum
}
