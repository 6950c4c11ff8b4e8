/** One field of Telegraf's Modbus plugin as one tag: address, type, order and scale as its converters read them. */
import { given, type Keys } from './findings.ts'

export type Register = 'coil' | 'discrete' | 'holding' | 'input'

export interface TelegrafField {
  readonly register: string
  readonly address: unknown
  readonly name: unknown
  readonly type: string
  readonly order: string
  readonly scale: number
  readonly bit: number
  readonly length: number
  readonly output: string
  /** Registers, where the register style lists them. */
  readonly words: number | undefined
  readonly addresses: readonly number[]
  readonly stringByte: string
  readonly strange: readonly string[]
}

const KNOWN =
  'name address register type data_type order byte_order scale bit length output measurement omit words addresses'.split(
    ' ',
  )

export function Field(keys: Keys, stringByte: string): TelegrafField {
  return {
    register: String(keys.register),
    address: keys.address,
    name: keys.name,
    type: String(keys.type ?? ''),
    order: String(keys.order || 'ABCD'),
    scale: Number(keys.scale ?? 0),
    bit: Number(keys.bit ?? 0),
    length: Number(keys.length ?? 0),
    output: String(keys.output ?? ''),
    words: keys.words as number | undefined,
    addresses: (keys.addresses ?? []) as readonly number[],
    stringByte,
    strange: Object.keys(keys).filter((key) => !KNOWN.includes(key)),
  }
}

const TYPES: Readonly<Record<string, string>> = {
  INT16: 'int16',
  UINT16: 'uint16',
  INT32: 'int32',
  UINT32: 'uint32',
  INT64: 'int64',
  UINT64: 'uint64',
  FLOAT16: 'float16',
  FLOAT32: 'float32',
  FLOAT64: 'float64',
  'FLOAT32-IEEE': 'float32',
  'FLOAT64-IEEE': 'float64',
}
const BYTES: Readonly<Record<string, Keys>> = {
  INT8L: { type: 'int8' },
  INT8H: { type: 'int8', byte: 'high' },
  UINT8L: { type: 'uint8' },
  UINT8H: { type: 'uint8', byte: 'high' },
}
/** Telegraf's names of the orders, old ones among them. */
const ORDERS: Readonly<Record<string, string>> = {
  AB: 'ABCD',
  BA: 'DCBA',
  ABCDEFGH: 'ABCD',
  HGFEDCBA: 'DCBA',
  BADCFEHG: 'BADC',
  GHEFCDAB: 'CDAB',
  'MSW-BE': 'ABCD',
  'MSW-LE': 'BADC',
  'LSW-LE': 'DCBA',
  'LSW-BE': 'CDAB',
}

/** undefined: it cannot be carried over, and why has been noted. */
export function tagOf(field: TelegrafField, note: (text: string) => void): Keys | undefined {
  const { register, address, name, words, addresses } = field
  const refuse = (text: string): undefined => {
    note(`${text}: left out`)
    return undefined
  }
  if (typeof name !== 'string' || name === '') return refuse('has no name')
  if (!['coil', 'discrete', 'holding', 'input'].includes(register)) return refuse(`register "${register}" is unknown`)
  if (!Number.isInteger(address) || (address as number) < 0 || (address as number) > 65535) {
    return refuse(`address ${JSON.stringify(address)} is no number from 0 to 65535`)
  }
  if (addresses.some((one, at) => one !== (address as number) + at))
    return refuse('its addresses do not follow each other')
  for (const key of field.strange) note(`${key} is not carried over`)
  const place = `${register}:${address}`
  if (register === 'coil' || register === 'discrete') {
    if (field.output !== 'BOOL') note('is 0 or 1 in Telegraf and false or true here')
    return { address: place }
  }
  const order = ORDERS[field.order] ?? field.order
  if (!['ABCD', 'DCBA', 'BADC', 'CDAB'].includes(order)) return refuse(`byte_order "${field.order}" is unknown`)
  const kind = kindOf(field, words, order)
  if (typeof kind === 'string') return refuse(kind)
  if (field.type === 'BIT') note('is 0 or 1 in Telegraf and false or true here')
  const turned = order !== 'ABCD' && kind.type !== 'string' ? order : undefined
  const scale = field.scale === 0 || field.scale === 1 ? undefined : field.scale
  if (scale !== undefined && kind.type === 'string') return refuse('a string has no scale')
  // Telegraf cuts the decimals off; rounding would give another number.
  if (/^U?INT/.test(field.output) && (scale !== undefined || String(kind.type).startsWith('float'))) {
    note(`output ${field.output}: Telegraf cuts the decimals off; here they are kept`)
  } else if (!['', 'INT64', 'UINT64', 'FLOAT64', 'STRING', 'BOOL'].includes(field.output))
    note(`output ${field.output} is not carried over`)
  if (words !== undefined && field.type.startsWith('FLOAT') && !field.type.endsWith('IEEE')) {
    note('FLOAT32 without "-IEEE" is an unsigned integer in this style: read as such')
  }
  if (words !== undefined && /^U?INT/.test(field.type) && scale !== undefined && !Number.isInteger(scale)) {
    note(`with data_type ${field.type} Telegraf cuts the decimals off that scale ${scale} makes; here they are kept`)
  }
  return given({ address: place, ...kind, order: turned ?? kind.order, scale })
}

/** A text: why there is none. */
function kindOf(
  { type, bit, length, stringByte }: TelegrafField,
  words: number | undefined,
  order: string,
): Keys | string {
  if (words !== undefined && ['FIXED', 'UFIXED', 'FLOAT32'].includes(type)) {
    const bits = { 1: 16, 2: 32, 4: 64 }[words]
    if (bits === undefined) return `data_type ${type} with ${words} addresses is unknown`
    return { type: type === 'FIXED' ? `int${bits}` : `uint${bits}` }
  }
  const byte = BYTES[type]
  if (byte !== undefined)
    return order === 'ABCD' || order === 'DCBA' ? byte : `type ${type} has the byte order ABCD or DCBA`
  if (type === 'BIT') return { type: 'uint16', bits: bit }
  if (type === 'STRING') {
    if (length < 1) return 'a string needs its length in registers'
    const half = { lower: 'low', upper: 'high' }[stringByte]
    const turned = order === 'DCBA' || order === 'BADC' ? { order: 'BA' } : {}
    return half === undefined
      ? { type: 'string', length: length * 2, ...turned }
      : { type: 'string', length, byte: half, ...turned }
  }
  const ours = TYPES[type]
  if (ours === undefined) return type === '' ? 'has no type' : `type ${type} is unknown`
  const width = Number(/\d+$/.exec(ours)![0]) / 16
  if (words !== undefined && words !== width) return `data_type ${type} with ${words} address${words === 1 ? '' : 'es'}`
  return { type: ours }
}
