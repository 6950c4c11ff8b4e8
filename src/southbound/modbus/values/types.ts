/** The types a tag can have: how many bytes they fill and what they become. */
import type { ValueKind } from '../../../contracts/batch.ts'
import type { DatetimeLayout, TypeName } from '../settings.ts'

export interface TypeFacts {
  /** Bytes of one value; null: said by `length` or `layout`. */
  readonly bytes: number | null
  readonly kind: ValueKind
  /** An integer whose bits can be taken apart. */
  readonly bits: boolean
}

const integer = (bytes: number): TypeFacts => ({ bytes, kind: 'integer', bits: true })
const digits = (bytes: number | null): TypeFacts => ({ bytes, kind: 'integer', bits: false })
const real = (bytes: number): TypeFacts => ({ bytes, kind: 'real', bits: false })

export const TYPES: Readonly<Record<TypeName, TypeFacts>> = {
  bool: { bytes: 2, kind: 'boolean', bits: true },
  int8: integer(1),
  uint8: integer(1),
  int16: integer(2),
  uint16: integer(2),
  int32: integer(4),
  uint32: integer(4),
  int48: integer(6),
  uint48: integer(6),
  int64: integer(8),
  uint64: integer(8),
  float16: real(2),
  float32: real(4),
  float64: real(8),
  bcd16: digits(2),
  bcd32: digits(4),
  mod10k: digits(null),
  signmag16: digits(2),
  datetime: { bytes: null, kind: 'text', bits: false },
  string: { bytes: null, kind: 'text', bits: false },
  bytes: { bytes: null, kind: 'bytes', bits: false },
}

export const TYPE_NAMES = Object.keys(TYPES) as [TypeName, ...TypeName[]]

/** The lengths a layout can have, in bytes; the first is meant when none is given. */
export const LAYOUTS: Readonly<Record<DatetimeLayout, readonly number[]>> = {
  unix: [4, 8],
  'unix-ms': [8],
  'since-2000': [4],
  ymdhms: [12, 6],
  iec870: [8],
  bcd: [6, 8],
}

/** mod10k: two registers unless told three or four. */
export const MOD10K_LENGTHS: readonly number[] = [4, 6, 8]
