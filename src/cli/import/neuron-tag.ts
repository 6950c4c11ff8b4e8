/** One tag of Neuron's Modbus plugins as one of ours: `1!400001#BL`, its type, decimal, bias, precision and attribute. */
import { formatAddress } from '../../southbound/modbus/schema/address.ts'
import { given, type Keys } from './findings.ts'

export interface NeuronTag {
  readonly name: string
  readonly address: string
  readonly type: unknown
  readonly attribute: unknown
  readonly decimal?: unknown
  readonly bias?: unknown
  readonly precision?: unknown
  readonly description?: unknown
}

/** What the node's settings preset for its tags. */
export interface NeuronPresets {
  /** Letters of 32-bit values without a suffix. */
  readonly order32: string
  readonly order64: string
  /** 1: 400001 is the first register; 0: 400000 is. */
  readonly base: 0 | 1
}

export const NEURON_PRESETS: NeuronPresets = { order32: 'ABCD', order64: 'ABCDEFGH', base: 1 }

/** By the number that Neuron's interface writes, 1 being the first. */
const TYPES = [
  'INT8',
  'UINT8',
  'INT16',
  'UINT16',
  'INT32',
  'UINT32',
  'INT64',
  'UINT64',
  'FLOAT',
  'DOUBLE',
  'BIT',
  'BOOL',
  'STRING',
  'BYTES',
  'ERROR',
  'WORD',
  'DWORD',
  'LWORD',
]
const OURS: Readonly<Record<string, { readonly type: string; readonly bytes: 2 | 4 | 8 }>> = {
  INT16: { type: 'int16', bytes: 2 },
  UINT16: { type: 'uint16', bytes: 2 },
  INT32: { type: 'int32', bytes: 4 },
  UINT32: { type: 'uint32', bytes: 4 },
  FLOAT: { type: 'float32', bytes: 4 },
  INT64: { type: 'int64', bytes: 8 },
  UINT64: { type: 'uint64', bytes: 8 },
  DOUBLE: { type: 'float64', bytes: 8 },
  WORD: { type: 'uint16', bytes: 2 },
  DWORD: { type: 'uint32', bytes: 4 },
  LWORD: { type: 'uint64', bytes: 8 },
}
/** What a suffix says stands on the wire, by the bytes of the value. */
const SUFFIXES: Readonly<Record<2 | 4 | 8, Readonly<Record<string, string>>>> = {
  2: { L: 'AB', B: 'BA' },
  4: { LL: 'ABCD', LB: 'BADC', BL: 'CDAB', BB: 'DCBA' },
  8: {
    L: 'ABCDEFGH',
    B: 'HGFEDCBA',
    LL: 'ABCDEFGH',
    LB: 'BADCFEHG',
    BL: 'GHEFCDAB',
    BB: 'HGFEDCBA',
    WS: 'CDABGHEF',
    WR: 'EFGHABCD',
  },
}
const AREAS = { '0': 'coil', '1': 'discrete', '3': 'input', '4': 'holding' } as const

export interface ReadTag {
  readonly unit: number
  readonly keys: Keys
}

/** A text: why it cannot be carried over. */
export function readNeuronTag(tag: NeuronTag, presets: NeuronPresets, note: (text: string) => void): ReadTag | string {
  const parts = /^\s*(\d+)!([0134])(\d+)(?:\.(\d+)([HLDE]?))?(?:#([A-Z]{1,2}))?(?:\.(\d+)([HLDE]?))?\s*$/.exec(
    tag.address,
  )
  if (parts === null) return `address "${tag.address}" is none of Neuron's Modbus plugins`
  const [, slave, digit, number, first, firstLetter, suffix, second, secondLetter] = parts
  const unit = Number(slave)
  if (unit > 255) return `address "${tag.address}": there is no unit ${unit}`
  const area = AREAS[digit as keyof typeof AREAS]
  const wire = Number(number) === 0 ? 0 : Number(number) - presets.base
  if (Number(number) === 0 && presets.base === 1)
    note(`address "${tag.address}" counts from 1 and says 0: Neuron reads the first one, as here`)
  if (wire > 65_535) return `address "${tag.address}" is beyond the last register`
  const place = formatAddress(area, wire)
  const name =
    typeof tag.type === 'number' ? (TYPES[tag.type - 1] ?? `number ${tag.type}`) : String(tag.type ?? '').toUpperCase()
  const rest = { option: second ?? first, letter: secondLetter || firstLetter || '', suffix: suffix ?? '' }
  const kind =
    area === 'coil' || area === 'discrete' ? bitOf(name, place, rest) : registersOf(name, place, rest, presets, note)
  if (typeof kind === 'string') return kind
  const access = accessOf(tag.attribute, note)
  if (access === undefined) return 'is static: its value stands in the configuration, not in a device'
  const numeric = OURS[name] !== undefined
  return {
    unit,
    keys: given({ ...kind, ...(numeric ? scaleOf(tag, name, note) : {}), ...access, labels: labelsOf(tag) }),
  }
}

interface Options {
  readonly option: string | undefined
  readonly letter: string
  readonly suffix: string
}

function bitOf(name: string, place: string, { option }: Options): Keys | string {
  if (name !== 'BIT' && name !== 'BOOL') return `type ${name} of a coil or discrete input: only BIT is possible`
  return option === undefined ? { address: place } : `".${option}" of a coil or discrete input, which is one bit`
}

function registersOf(
  name: string,
  place: string,
  rest: Options,
  presets: NeuronPresets,
  note: (text: string) => void,
): Keys | string {
  const { option, letter, suffix } = rest
  const known = OURS[name]
  if (known !== undefined) {
    if (option !== undefined) note(`".${option}" says nothing of a ${name}: Neuron passes it over`)
    const order = SUFFIXES[known.bytes][suffix] ?? { 2: 'AB', 4: presets.order32, 8: presets.order64 }[known.bytes]
    if (suffix !== '' && SUFFIXES[known.bytes][suffix] === undefined)
      note(`"#${suffix}" says nothing of a ${name}: Neuron passes it over`)
    return { address: place, type: known.type, order: order === 'ABCDEFGH'.slice(0, known.bytes) ? undefined : order }
  }
  if (name === 'BIT' || name === 'BOOL') {
    const bit = Number(option ?? 0)
    if (bit > 15) return `a register has the bits 0 to 15, not ${bit}`
    note('is 0 or 1 in Neuron and false or true here')
    return { address: `${place}.${bit}` }
  }
  if (name === 'STRING') {
    const length = Number(option ?? 0)
    if (length < 1) return 'a STRING needs its length: 1!400001.16'
    if (letter === 'L') return { address: place, type: 'string', length, order: 'BA' }
    const byte = { D: 'low', E: 'high' }[letter]
    return given({ address: place, type: 'string', length, byte })
  }
  if (name === 'BYTES') {
    const length = Number(option ?? 0)
    return length < 1 ? 'BYTES need their length: 1!400001.16' : { address: place, type: 'bytes', length }
  }
  return `type ${name || 'none'} of a register is not known of Neuron's Modbus plugins`
}

function scaleOf({ decimal, bias, precision }: NeuronTag, name: string, note: (text: string) => void): Keys {
  const [scale, offset, decimals] = [decimal, bias, precision].map((one) =>
    one === '' || one === undefined || one === null ? 0 : Number(one),
  ) as [number, number, number]
  if (Number.isNaN(scale) || Number.isNaN(offset)) note('decimal or bias is no number: not carried over')
  const floats = name === 'FLOAT' || name === 'DOUBLE'
  if (decimals > 12) note(`precision ${decimals}: 12 is the most here`)
  return {
    scale: scale === 0 || scale === 1 || Number.isNaN(scale) ? undefined : scale,
    offset: offset === 0 || Number.isNaN(offset) ? undefined : offset,
    precision: floats && decimals > 0 ? Math.min(12, decimals) : undefined,
  }
}

/** Read 1, write 2, subscribe 4, static 8; or in words: "Read, Write". */
function accessOf(attribute: unknown, note: (text: string) => void): Keys | undefined {
  const words = String(attribute ?? '').toLowerCase()
  const bits = /^\s*\d+\s*$/.test(words)
    ? Number(words)
    : Number(words.includes('read')) +
      2 * Number(words.includes('write')) +
      4 * Number(words.includes('subscribe')) +
      8 * Number(words.includes('static'))
  if ((bits & 8) !== 0) return undefined
  const reads = (bits & 5) !== 0
  if (bits === 0 || bits > 15) note('attribute is not given: taken as read')
  const writes = (bits & 2) !== 0
  return given({ access: writes ? (reads ? 'rw' : 'w') : undefined, report: (bits & 4) !== 0 ? 'change' : undefined })
}

function labelsOf({ description }: NeuronTag): Keys | undefined {
  return typeof description === 'string' && description.trim() !== '' ? { description: description.trim() } : undefined
}
