/** Requests to bytes, and what a reply must look like to be the answer to one (Modbus application protocol V1.1b3, 6). Pure. */
import { Reason } from '../../../contracts/batch.ts'
import { LIMITS } from '../settings.ts'
import { DEVICE_IDENTIFICATION, FILE_REFERENCE, lengthOfReply } from './pdu-length.ts'

export type FunctionCode = 1 | 2 | 3 | 4 | 5 | 6 | 15 | 16 | 20 | 22 | 23 | 24 | 43

/** One question to one unit. */
export interface Ask {
  /** The device as configured, for counters and sentences. */
  readonly device: string
  readonly unit: number
  readonly function: FunctionCode
  /** Wire address; FC20: the first record; FC43: the object. */
  readonly address: number
  /** Registers or coils; FC24: the most registers that are expected; FC43: 1. */
  readonly quantity: number
  readonly timeoutMs: number
  /** Of a device that has been silent: without a byte for so long it is still silent. What may come late is waited for as
   *  long as after `timeoutMs`. */
  readonly probeMs?: number
  /** Whether anybody is there at all is not known: its silence says nothing of the connection. */
  readonly stranger?: boolean
  /** FC20. */
  readonly file?: number
  /** FC23: where its payload is written; `address` and `quantity` say what is read after it. */
  readonly writeAddress?: number
  /** FC43/14: 1 basic, 2 regular, 3 extended, 4 the one object. */
  readonly category?: 1 | 2 | 3 | 4
}

/** A request is at most 253 bytes long. */
export const LONGEST_PDU = 253

/** The most one request may read or write. */
const MOST: Readonly<Record<FunctionCode, number>> = {
  1: LIMITS.readBits,
  2: LIMITS.readBits,
  3: LIMITS.readRegisters,
  4: LIMITS.readRegisters,
  5: 1,
  6: 1,
  15: LIMITS.writeBits,
  16: LIMITS.writeRegisters,
  20: LIMITS.readRecord,
  22: 1,
  23: LIMITS.readRegisters,
  24: LIMITS.readFifo,
  43: 1,
}
/** Bytes of what a single write or a mask write carries. */
const SINGLE_PAYLOAD: Readonly<Partial<Record<FunctionCode, number>>> = { 5: 2, 6: 2, 22: 4 }

/** Why the protocol does not allow a request; null: it does. Never sent, so that no device is relied upon to refuse it. */
export function requestProblem(ask: Ask, payload: Uint8Array | null): string | null {
  const { function: code, quantity, address } = ask
  const most = MOST[code]
  if (!(quantity >= 1 && quantity <= most)) return `function ${code} takes 1 to ${most}, not ${quantity}`
  if (code !== 24 && !(address >= 0 && address + quantity <= 0x10000)) return 'the request ends beyond address 65535'
  if (code < 5 || code === 24) return null
  if (code === 20) return inWord(ask.file) && ask.file !== 0 ? null : 'function 20 needs a file from 1 to 65535'
  if (code === 43)
    return ask.category !== undefined && address < 256 ? null : 'function 43 needs a category and an object below 256'
  const bytes = payload?.length ?? 0
  const single = SINGLE_PAYLOAD[code]
  if (single !== undefined) return bytes === single ? null : `function ${code} writes ${single} bytes, not ${bytes}`
  if (code !== 23) {
    const due = code === 15 ? (quantity + 7) >> 3 : 2 * quantity
    return bytes === due ? null : `function ${code} writes ${due} bytes for ${quantity}, not ${bytes}`
  }
  if (bytes < 2 || bytes % 2 === 1 || bytes > 2 * LIMITS.writeWithRead) {
    return `function 23 writes 1 to ${LIMITS.writeWithRead} registers, not ${bytes / 2}`
  }
  return inWord(ask.writeAddress) && ask.writeAddress! + bytes / 2 <= 0x10000
    ? null
    : 'what function 23 writes ends beyond address 65535'
}

function inWord(number: number | undefined): boolean {
  return number !== undefined && number >= 0 && number <= 0xffff
}

/** Writes the request to `target` from `at` on; its length. `payload`: what a write writes, as on the wire. */
export function encodeRequest(ask: Ask, payload: Uint8Array | null, target: Uint8Array, at: number): number {
  const code = ask.function
  target[at] = code
  if (code === 20) return encodeFileRead(ask, target, at)
  if (code === 43) {
    target[at + 1] = DEVICE_IDENTIFICATION
    target[at + 2] = ask.category!
    target[at + 3] = ask.address
    return 4
  }
  put(target, at + 1, ask.address)
  if (code === 24) return 3
  if (code === 5 || code === 6 || code === 22) {
    target.set(payload!, at + 3)
    return 3 + payload!.length
  }
  put(target, at + 3, ask.quantity)
  if (code < 5) return 5
  let length = 5
  if (code === 23) {
    put(target, at + 5, ask.writeAddress!)
    put(target, at + 7, payload!.length / 2)
    length = 9
  }
  target[at + length] = payload!.length
  target.set(payload!, at + length + 1)
  return length + 1 + payload!.length
}

/** One record request of one file: byte count, reference type, file, record, length (6.14). */
function encodeFileRead(ask: Ask, target: Uint8Array, at: number): number {
  target[at + 1] = 7
  target[at + 2] = FILE_REFERENCE
  put(target, at + 3, ask.file!)
  put(target, at + 5, ask.address)
  put(target, at + 7, ask.quantity)
  return 9
}

function put(target: Uint8Array, at: number, word: number): void {
  target[at] = word >> 8
  target[at + 1] = word & 0xff
}

/** The confirmation of these writes is the same bytes as the write. */
export function confirmsBySame(code: FunctionCode): boolean {
  return code === 5 || code === 6 || code === 22
}

/** How long the reply is stands in it alone. */
export function saysItsLength(code: FunctionCode): boolean {
  return code === 20 || code === 24 || code === 43
}

/** Bytes of the PDU that answers without an exception; the most there can be where the reply itself says how many. */
export function replyLength(ask: Ask): number {
  switch (ask.function) {
    case 1:
    case 2:
      return 2 + ((ask.quantity + 7) >> 3)
    case 3:
    case 4:
    case 23:
      return 2 + ask.quantity * 2
    case 20:
      return 4 + ask.quantity * 2
    case 22:
      return 7
    case 24:
      return 5 + LIMITS.readFifo * 2
    case 43:
      return LONGEST_PDU
    default:
      return 5
  }
}

/** The same for the reply that stands at `offset` and ends before `end` at the latest; 0: what stands there is no such
 *  reply, or not enough of it to tell. */
export function replyLengthAt(ask: Ask, bytes: Uint8Array, offset: number, end: number): number {
  const code = ask.function
  const due = replyLength(ask)
  if (code < 5 || code === 23) return offset + 1 < end && bytes[offset + 1] === due - 2 ? due : 0
  if (code < 20 || code === 22) return due
  const said = lengthOfReply(bytes, offset, end)
  return code === 20 ? (said === due ? said : 0) : said <= due ? said : 0
}

/** Where within the PDU the content of a reply to a read begins: registers, coils, or the objects' list of FC43/14. */
export function contentAt(code: FunctionCode): number {
  if (code === 20) return 4
  return code === 24 ? 5 : 2
}

/** What is wrong with a reply; a positive number is the exception the device answered with. */
export const Verdict = { answer: 0, wrongFunction: -1, wrongLength: -2, wrongEcho: -3 } as const

/** Whether the PDU of `length` bytes at `offset` answers the request. */
export function judge(ask: Ask, payload: Uint8Array | null, bytes: Uint8Array, offset: number, length: number): number {
  const code = bytes[offset]!
  if (code === (ask.function | 0x80)) {
    const exception = bytes[offset + 1]!
    return length === 2 && exception !== 0 ? exception : Verdict.wrongLength
  }
  if (length < 1 || code !== ask.function) return Verdict.wrongFunction
  if (length !== replyLengthAt(ask, bytes, offset, offset + length)) return Verdict.wrongLength
  if (code < 5 || code === 20 || code === 23 || code === 24) return Verdict.answer
  if (code === 43) return bytes[offset + 2] === ask.category ? Verdict.answer : Verdict.wrongEcho
  if (bytes[offset + 1] !== ask.address >> 8 || bytes[offset + 2] !== (ask.address & 0xff)) return Verdict.wrongEcho
  if (confirmsBySame(ask.function)) {
    for (let at = 0; at < payload!.length; at++) if (bytes[offset + 3 + at] !== payload![at]) return Verdict.wrongEcho
    return Verdict.answer
  }
  const echoed = bytes[offset + 3] === ask.quantity >> 8 && bytes[offset + 4] === (ask.quantity & 0xff)
  return echoed ? Verdict.answer : Verdict.wrongEcho
}

/** Why a reply with a verdict below zero is not the answer. */
export function objection(ask: Ask, verdict: number, bytes: Uint8Array, offset: number, length: number): string {
  const unit = `unit ${ask.unit}`
  if (verdict === Verdict.wrongFunction) {
    return `${unit} answered function ${bytes[offset]! & 0x7f} when asked for function ${ask.function}`
  }
  if (verdict === Verdict.wrongEcho && ask.function === 43)
    return `${unit} identified itself in another category than asked`
  if (verdict === Verdict.wrongEcho) return `${unit} confirmed another write than the one it was sent`
  const due = replyLength(ask)
  if (ask.function === 24 || ask.function === 43 || length === due) {
    return `${unit} answered with lengths that contradict each other`
  }
  return `${unit} answered with ${length} bytes where ${due} were due`
}

export interface Exception {
  readonly reason: Reason
  readonly text: string
}

const EXCEPTIONS: Readonly<Record<number, Exception>> = {
  1: { reason: Reason.illegalFunction, text: 'does not know this function' },
  2: { reason: Reason.illegalAddress, text: 'has no such address' },
  3: { reason: Reason.illegalValue, text: 'refuses this value or quantity' },
  4: { reason: Reason.deviceFailure, text: 'reports a failure of its own' },
  5: { reason: Reason.deviceBusy, text: 'accepted the request but needs longer for it' },
  6: { reason: Reason.deviceBusy, text: 'is busy' },
  8: { reason: Reason.deviceFailure, text: 'reports a memory parity error' },
  10: { reason: Reason.gatewayPath, text: 'cannot be reached: the gateway in front of it has no path to it' },
  11: { reason: Reason.gatewayTarget, text: 'does not answer the gateway in front of it' },
}

/** What an exception code means (V1.1b3, 7). A code the standard does not know is a failure of the device. */
export function exception(code: number): Exception {
  return (
    EXCEPTIONS[code] ?? { reason: Reason.deviceFailure, text: 'answered with an exception the standard does not know' }
  )
}

/** `FC03 unit 1, address 0–99`, for people. */
export function describe(ask: Ask): string {
  const code = String(ask.function).padStart(2, '0')
  if (ask.function === 43) return `FC43/14 unit ${ask.unit}, category ${ask.category}, object ${ask.address}`
  if (ask.function === 24) return `FC24 unit ${ask.unit}, FIFO ${ask.address}`
  const last = ask.quantity > 1 ? `–${ask.address + ask.quantity - 1}` : ''
  const place = ask.function === 20 ? `file ${ask.file}, record` : 'wire address'
  return `FC${code} unit ${ask.unit}, ${place} ${ask.address}${last}`
}
