/** Bytes of registers in every type and order that makes sense of them, for people who look for the right one. */
import { type Element, NO_VALUE, NOT_DECODABLE, readerOf } from './registers-element.ts'
import { formatOf } from './registers-format.ts'
import type { Format, TypeName } from './settings.ts'
import { TYPES } from './types.ts'

const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
/** Without a type: what devices use, the likeliest first. */
const COMMON: readonly TypeName[] = [
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'uint64',
  'int64',
  'float64',
  'bcd16',
  'bcd32',
]
const LONGEST_TEXT = 32

/** One reading a type and order that `bytes` are enough for. */
export function allReadings(bytes: Uint8Array): Record<string, string> {
  const readings: Record<string, string> = {
    hex: [...bytes.subarray(0, 2)].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    bits: [...bytes.subarray(0, 2)].map((byte) => byte.toString(2).padStart(8, '0')).join(' '),
  }
  for (const type of COMMON) Object.assign(readings, numberReadings(type, bytes))
  return { ...readings, ...readingsOf('string', bytes.subarray(0, 8)) }
}

/** The readings of one type in each of its orders; empty where the bytes are too few or form no value. */
export function readingsOf(type: TypeName, bytes: Uint8Array): Record<string, string> {
  if (type === 'string' || type === 'bytes') return textReadings(type, bytes.subarray(0, LONGEST_TEXT))
  if (type === 'datetime') return datetimeReadings(bytes)
  if (type === 'int8' || type === 'uint8') return halves(type, bytes)
  return numberReadings(type, bytes)
}

function numberReadings(type: TypeName, bytes: Uint8Array): Record<string, string> {
  const readings: Record<string, string> = {}
  const width = TYPES[type].bytes ?? bytes.length
  if (width > bytes.length) return readings
  for (const order of width === 2 ? ['AB', 'BA'] : ORDERS) {
    const found = formatOf({ type, order, ...(TYPES[type].bytes === null ? { length: width } : {}) })
    if (!('problems' in found)) put(readings, width === 1 ? type : `${type} ${order}`, found.format, bytes)
  }
  return readings
}

function halves(type: 'int8' | 'uint8', bytes: Uint8Array): Record<string, string> {
  const readings: Record<string, string> = {}
  for (const byte of ['high', 'low'] as const) {
    const found = formatOf({ type, byte })
    if (!('problems' in found)) put(readings, `${type} ${byte}`, found.format, bytes)
  }
  return readings
}

function textReadings(type: 'string' | 'bytes', bytes: Uint8Array): Record<string, string> {
  const readings: Record<string, string> = {}
  for (const order of ['AB', 'BA']) {
    const found = formatOf({ type, order, length: bytes.length })
    if (!('problems' in found)) put(readings, `${type} ${order}`, found.format, bytes)
  }
  return readings
}

function datetimeReadings(bytes: Uint8Array): Record<string, string> {
  const readings: Record<string, string> = {}
  for (const layout of ['unix', 'unix-ms', 'ymdhms', 'iec870', 'bcd'] as const) {
    const found = formatOf({ type: 'datetime', layout })
    if (!('problems' in found) && found.format.length <= bytes.length) put(readings, layout, found.format, bytes)
  }
  return readings
}

function put(readings: Record<string, string>, name: string, format: Format, bytes: Uint8Array): void {
  const text = words(readerOf(format)(bytes, 0))
  if (text !== null) readings[name] = text
}

function words(element: Element): string | null {
  if (element === NO_VALUE || element === NOT_DECODABLE) return null
  if (element instanceof Uint8Array) return Buffer.from(element).toString('hex')
  if (typeof element === 'number' && !Number.isInteger(element)) return String(Number(element.toPrecision(9)))
  return typeof element === 'string' ? JSON.stringify(element) : String(element)
}
