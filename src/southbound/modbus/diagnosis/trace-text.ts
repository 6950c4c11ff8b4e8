/** What a PDU says, for people who watch a line. Never throws, whatever the bytes are. Pure. */
import type { Area } from '../settings.ts'

/** Values that are shown of one answer. */
const MOST_VALUES = 12
const MOST_BITS = 32
const MOST_BYTES = 24
const READ_AREAS: Readonly<Record<number, Area>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' }
const CATEGORIES: Readonly<Record<number, string>> = { 1: 'basic', 2: 'regular', 3: 'extended', 4: 'one object' }

/** A question: `FC03 holding:0–9`. */
export function questionText(pdu: Uint8Array): string {
  const code = pdu[0] ?? 0
  const name = functionName(pdu)
  const area = READ_AREAS[code]
  if (area !== undefined && pdu.length === 5) return `${name} ${range(area, word(pdu, 1), word(pdu, 3))}`
  if (code === 5 && pdu.length === 5) return `${name} coil:${word(pdu, 1)} = ${word(pdu, 3) === 0 ? 'off' : 'on'}`
  if (code === 6 && pdu.length === 5) return `${name} holding:${word(pdu, 1)} = ${word(pdu, 3)}`
  if (code === 15 && pdu.length > 6)
    return `${name} ${range('coil', word(pdu, 1), word(pdu, 3))} = ${bits(pdu, 6, word(pdu, 3))}`
  if (code === 16 && pdu.length > 6) return `${name} ${range('holding', word(pdu, 1), word(pdu, 3))} = ${words(pdu, 6)}`
  if (code === 20 && pdu.length === 9)
    return `${name} file ${word(pdu, 3)}, ${range('record', word(pdu, 5), word(pdu, 7))}`
  if (code === 22 && pdu.length === 7)
    return `${name} holding:${word(pdu, 1)} and 0x${hex(pdu, 3, 5)} or 0x${hex(pdu, 5, 7)}`
  if (code === 23 && pdu.length > 10)
    return `${name} ${range('holding', word(pdu, 1), word(pdu, 3))}, writes ${range('holding', word(pdu, 5), word(pdu, 7))} = ${words(pdu, 10)}`
  if (code === 24 && pdu.length === 3) return `${name} fifo:${word(pdu, 1)}`
  if (code === 43 && pdu[1] === 14 && pdu.length === 4)
    return `${name} ${CATEGORIES[pdu[2]!] ?? pdu[2]} identification, from object ${pdu[3]}`
  return `${name} ${dump(pdu, 1)}`.trim()
}

/** An answer; `question`: what it answers, which says at which addresses. */
export function answerText(
  pdu: Uint8Array,
  question: Uint8Array | null,
  exceptionText: (code: number) => string,
): string {
  const code = pdu[0] ?? 0
  if (code > 0x80 && pdu.length === 2) return `FC${two(code & 0x7f)} exception ${pdu[1]}: ${exceptionText(pdu[1]!)}`
  const name = functionName(pdu)
  const asked = question !== null && question[0] === code ? question : null
  const area = READ_AREAS[code]
  if (area !== undefined && pdu.length >= 2 && pdu.length === 2 + pdu[1]!) {
    const quantity = asked === null ? (code < 3 ? 8 : 0.5) * pdu[1]! : word(asked, 3)
    const place = asked === null ? area : range(area, word(asked, 1), quantity)
    return `${name} ${place} = ${code < 3 ? bits(pdu, 2, quantity) : words(pdu, 2)}`
  }
  if (code === 23 && pdu.length >= 2) {
    const place = asked === null ? 'holding' : range('holding', word(asked, 1), word(asked, 3))
    return `${name} ${place} = ${words(pdu, 2)}`
  }
  if (code === 5 || code === 6 || code === 22) return questionText(pdu)
  if ((code === 15 || code === 16) && pdu.length === 5)
    return `${name} ${range(code === 15 ? 'coil' : 'holding', word(pdu, 1), word(pdu, 3))} written`
  if (code === 20 && pdu.length > 4) return `${name} = ${words(pdu, 4)}`
  if (code === 24 && pdu.length >= 5)
    return `${name} ${word(pdu, 3)} queued${pdu.length > 5 ? `: ${words(pdu, 5)}` : ''}`
  if (code === 43 && pdu[1] === 14 && pdu.length > 7) return `${name} ${objects(pdu)}`
  return `${name} ${dump(pdu, 1)}`.trim()
}

/** Bytes that form no frame. */
export function dump(bytes: Uint8Array, from = 0): string {
  const end = Math.min(bytes.length, from + MOST_BYTES)
  const shown = Array.from(bytes.subarray(from, end), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return bytes.length > end ? `${shown} … ${bytes.length - end} more` : shown
}

function functionName(pdu: Uint8Array): string {
  const code = pdu[0] ?? 0
  return code === 43 ? `FC43/${pdu[1] ?? '?'}` : `FC${two(code)}`
}

function two(code: number): string {
  return String(code).padStart(2, '0')
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function range(area: string, from: number, count: number): string {
  return count > 1 ? `${area}:${from}–${from + count - 1}` : `${area}:${from}`
}

function words(bytes: Uint8Array, from: number): string {
  const values: number[] = []
  for (let at = from; at + 1 < bytes.length; at += 2) values.push(word(bytes, at))
  const more = values.length - MOST_VALUES
  return more > 0 ? `${values.slice(0, MOST_VALUES).join(' ')} … ${more} more` : values.join(' ')
}

function bits(bytes: Uint8Array, from: number, count: number): string {
  let text = ''
  for (let at = 0; at < Math.min(count, MOST_BITS); at++) text += ((bytes[from + (at >> 3)] ?? 0) >> (at & 7)) & 1
  return count > MOST_BITS ? `${text} … ${count - MOST_BITS} more` : text
}

function hex(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.subarray(from, to)).toString('hex')
}

/** Objects of FC43/14: each id, length, bytes. */
function objects(pdu: Uint8Array): string {
  const texts: string[] = []
  for (let at = 7; at + 1 < pdu.length; at += 2 + pdu[at + 1]!) {
    const text = Buffer.from(pdu.subarray(at + 2, at + 2 + pdu[at + 1]!)).toString('latin1')
    texts.push(`${pdu[at]} ${JSON.stringify(text)}`)
  }
  return texts.join(', ')
}
