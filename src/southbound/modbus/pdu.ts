/** Requests to bytes, and what a reply must look like to be the answer to one (Modbus application protocol V1.1b3, 6). Pure. */
import { Reason } from '../../contracts/batch.ts'

export type FunctionCode = 1 | 2 | 3 | 4 | 5 | 6 | 15 | 16

/** One question to one unit. */
export interface Ask {
  /** The device as configured, for counters and sentences. */
  readonly device: string
  readonly unit: number
  readonly function: FunctionCode
  /** Wire address. */
  readonly address: number
  /** Registers or coils. */
  readonly quantity: number
  readonly timeoutMs: number
}

/** A request is at most 253 bytes long. */
export const LONGEST_PDU = 253

/** Writes the request to `target` from `at` on; its length. `payload`: what a write writes, as on the wire. */
export function encodeRequest(ask: Ask, payload: Uint8Array | null, target: Uint8Array, at: number): number {
  target[at] = ask.function
  target[at + 1] = ask.address >> 8
  target[at + 2] = ask.address & 0xff
  if (ask.function === 5 || ask.function === 6) {
    target[at + 3] = payload![0]!
    target[at + 4] = payload![1]!
    return 5
  }
  target[at + 3] = ask.quantity >> 8
  target[at + 4] = ask.quantity & 0xff
  if (ask.function < 5) return 5
  target[at + 5] = payload!.length
  target.set(payload!, at + 6)
  return 6 + payload!.length
}

/** Bytes of the PDU that answers without an exception. */
export function replyLength(ask: Ask): number {
  switch (ask.function) {
    case 1:
    case 2:
      return 2 + ((ask.quantity + 7) >> 3)
    case 3:
    case 4:
      return 2 + ask.quantity * 2
    default:
      return 5
  }
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
  if (length !== replyLength(ask)) return Verdict.wrongLength
  if (ask.function < 5) return bytes[offset + 1] === length - 2 ? Verdict.answer : Verdict.wrongLength
  const single = ask.function < 15
  const third = single ? payload![0]! : ask.quantity >> 8
  const fourth = single ? payload![1]! : ask.quantity & 0xff
  const echoed =
    bytes[offset + 1] === ask.address >> 8 &&
    bytes[offset + 2] === (ask.address & 0xff) &&
    bytes[offset + 3] === third &&
    bytes[offset + 4] === fourth
  return echoed ? Verdict.answer : Verdict.wrongEcho
}

/** Why a reply with a verdict below zero is not the answer. */
export function objection(ask: Ask, verdict: number, bytes: Uint8Array, offset: number, length: number): string {
  const unit = `unit ${ask.unit}`
  if (verdict === Verdict.wrongFunction) {
    return `${unit} answered function ${bytes[offset]! & 0x7f} when asked for function ${ask.function}`
  }
  if (verdict === Verdict.wrongEcho) return `${unit} confirmed another write than the one it was sent`
  return `${unit} answered with ${length} bytes where ${replyLength(ask)} were due`
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
  const last = ask.quantity > 1 ? `–${ask.address + ask.quantity - 1}` : ''
  return `FC${code} unit ${ask.unit}, wire address ${ask.address}${last}`
}
