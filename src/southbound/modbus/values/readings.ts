/** Bytes of registers in every type and order that makes sense of them, for people who look for the right one. */

import type { Format, TypeName } from '../settings.ts'
import { mostPlausible, plausibility } from './plausibility.ts'
import { type Element, NO_VALUE, NOT_DECODABLE, readerOf } from './registers-element.ts'
import { formatOf } from './registers-format.ts'
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

interface Reading {
  readonly name: string
  readonly text: string
  readonly score: number
}

export interface Readings {
  readonly readings: Readonly<Record<string, string>>
  /** Names of those that may well be meant, the likeliest first. */
  readonly plausible: readonly string[]
}

/** One reading a type and order that `bytes` are enough for, the plausible ones first. `now`: UTC milliseconds. */
export function allReadings(bytes: Uint8Array, now: number): Readings {
  const raw = {
    hex: [...bytes.subarray(0, 2)].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    bits: [...bytes.subarray(0, 2)].map((byte) => byte.toString(2).padStart(8, '0')).join(' '),
  }
  const found = [...COMMON, 'string' as const].flatMap((type) =>
    ofType(type, type === 'string' ? bytes.subarray(0, 8) : bytes, now),
  )
  // Nearly any bytes are some time: only those near now are worth a line.
  const times = ofType('datetime', bytes, now).filter(({ score }) => score > 0)
  const all = [...found, ...times.map((time) => ({ ...time, name: `datetime ${time.name}` }))]
  const plausible = mostPlausible(all)
  const first = plausible.map((name) => all.find((reading) => reading.name === name)!)
  return { readings: { ...raw, ...record(first), ...record(all) }, plausible }
}

/** The readings of one type in each of its orders; empty where the bytes are too few or form no value. */
export function readingsOf(type: TypeName, bytes: Uint8Array, now: number): Readings {
  const found = ofType(type, bytes, now)
  return { readings: record(found), plausible: mostPlausible(found) }
}

function record(readings: readonly Reading[]): Record<string, string> {
  return Object.fromEntries(readings.map(({ name, text }) => [name, text]))
}

interface Candidate {
  readonly name: string
  readonly found: ReturnType<typeof formatOf>
}

function ofType(type: TypeName, bytes: Uint8Array, now: number): readonly Reading[] {
  const own = type === 'string' || type === 'bytes' ? bytes.subarray(0, LONGEST_TEXT) : bytes
  return candidates(type, own.length).flatMap(({ name, found }) => {
    if ('problems' in found) return []
    const { format } = found
    if (type === 'datetime' && format.length > own.length) return []
    return reading(name, format, own, now)
  })
}

/** The ways in which so many bytes may hold a type. */
function candidates(type: TypeName, length: number): readonly Candidate[] {
  switch (type) {
    case 'string':
    case 'bytes':
      return ['AB', 'BA'].map((order) => ({ name: `${type} ${order}`, found: formatOf({ type, order, length }) }))
    case 'datetime':
      return (['unix', 'unix-ms', 'ymdhms', 'iec870', 'bcd'] as const).map((layout) => ({
        name: layout,
        found: formatOf({ type, layout }),
      }))
    case 'int8':
    case 'uint8':
      return (['high', 'low'] as const).map((byte) => ({ name: `${type} ${byte}`, found: formatOf({ type, byte }) }))
  }
  const width = TYPES[type].bytes ?? length
  if (width > length) return []
  const lengthOf = TYPES[type].bytes === null ? { length: width } : {}
  return (width === 2 ? ['AB', 'BA'] : ORDERS).map((order) => ({
    name: `${type} ${order}`,
    found: formatOf({ type, order, ...lengthOf }),
  }))
}

function reading(name: string, format: Format, bytes: Uint8Array, now: number): readonly Reading[] {
  const element = readerOf(format)(bytes, 0)
  const text = words(element)
  return text === null ? [] : [{ name, text, score: plausibility(format.type, element, now) }]
}

function words(element: Element): string | null {
  if (element === NO_VALUE || element === NOT_DECODABLE) return null
  if (element instanceof Uint8Array) return Buffer.from(element).toString('hex')
  if (typeof element === 'number' && !Number.isInteger(element)) return String(Number(element.toPrecision(9)))
  return typeof element === 'string' ? JSON.stringify(element) : String(element)
}
