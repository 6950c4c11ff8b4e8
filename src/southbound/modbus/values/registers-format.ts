/** Makes the format of a value out of what a tag says, and finds what does not go together. */
import type { ValueKind } from '../../../contracts/batch.ts'
import type { DatetimeLayout, Format, TypeName } from '../settings.ts'
import { timezoneProblem } from './registers-datetime.ts'
import { orderProblem, permutationOf, swapsBytes } from './registers-order.ts'
import { LAYOUTS, MOD10K_LENGTHS, TYPES } from './types.ts'

export interface FormatWords {
  readonly type: TypeName
  readonly order?: string | undefined
  /** What the device or connection presets; strings and date structures do not follow it. */
  readonly presetOrder?: string | undefined
  readonly byte?: 'high' | 'low' | undefined
  readonly bits?: { readonly from: number; readonly to: number; readonly single: boolean } | undefined
  readonly length?: number | undefined
  readonly count?: number | undefined
  readonly charset?: 'latin1' | 'utf8' | undefined
  readonly layout?: DatetimeLayout | undefined
  readonly timezone?: string | undefined
  readonly noValueBits?: readonly bigint[] | undefined
  /** Register offsets of the words, most significant first, where they stand apart. */
  readonly words?: readonly number[] | undefined
}

export interface FormatProblem {
  readonly key: string
  readonly text: string
}

/** What a format makes of the bytes. */
export function kindOf(format: Format): ValueKind {
  if (format.count !== null) return 'array'
  if (format.bits !== null) return format.bits.single ? 'boolean' : 'integer'
  return TYPES[format.type].kind
}

export function formatOf(
  words: FormatWords,
): { readonly format: Format } | { readonly problems: readonly FormatProblem[] } {
  const { type } = words
  const problems: FormatProblem[] = []
  const problem = (key: string, text: string): void => void problems.push({ key, text })
  const text = type === 'string' || type === 'bytes'

  const length = lengthOf(words, problem)
  // Eight bits, and a character that has a register to itself, are halves of a register.
  const halves = type === 'int8' || type === 'uint8' || (text && words.byte !== undefined)
  if (words.byte !== undefined && !halves) problem('byte', `byte picks half of a register: ${type} fills whole ones`)
  if (words.charset !== undefined && type !== 'string')
    problem('charset', `charset belongs to type string, not ${type}`)
  if (words.layout !== undefined && type !== 'datetime')
    problem('layout', `layout belongs to type datetime, not ${type}`)
  if (words.timezone !== undefined) {
    const wrong =
      type === 'datetime' ? timezoneProblem(words.timezone) : `timezone belongs to type datetime, not ${type}`
    if (wrong !== null) problem('timezone', wrong)
  }
  const units = type === 'int8' || type === 'uint8' ? 1 : halves ? length : Math.ceil(length / 2)
  if (words.count !== undefined && words.words !== undefined) {
    problem('count', 'an array needs one address: a list of addresses joins the words of a single value')
  }
  const bits = bitsOf(words, problem)
  const permutation = wordsOf(words, halves ? 2 : length, units, problem)
  const width = bits === null ? TYPES[type].bytes : (bits.to - bits.from + 1) / 8
  for (const pattern of words.noValueBits ?? []) {
    const widest = 8 * (width ?? length)
    if (text) problem('noValue', `hex in noValue compares bits; a ${type} has none to compare`)
    else if (pattern >= 1n << BigInt(widest)) {
      problem('noValue', `0x${pattern.toString(16)} has more bits than the ${widest} of ${type}`)
    }
  }
  if (problems.length > 0) return { problems }
  return {
    format: {
      type,
      permutation,
      byte: halves ? (words.byte ?? 'low') : null,
      bits,
      length,
      units,
      count: words.count ?? null,
      noValueBits: words.noValueBits ?? [],
      charset: words.charset ?? 'utf8',
      layout: type === 'datetime' ? (words.layout ?? null) : null,
      timezone: words.timezone ?? 'UTC',
    },
  }
}

type Complain = (key: string, text: string) => void

function lengthOf(words: FormatWords, problem: Complain): number {
  const { type, length, layout } = words
  const fixed = TYPES[type].bytes
  if (fixed !== null) {
    if (length !== undefined)
      problem('length', `${type} always has ${fixed} byte${fixed === 1 ? '' : 's'}; for an array write count`)
    return fixed
  }
  if (type === 'string' || type === 'bytes') {
    if (length === undefined) problem('length', `${type} needs length: how many bytes it has`)
    return length ?? 2
  }
  if (type === 'datetime' && layout === undefined) {
    problem('layout', `datetime needs layout: one of ${Object.keys(LAYOUTS).join(', ')}`)
    return 4
  }
  const allowed = type === 'mod10k' ? MOD10K_LENGTHS : LAYOUTS[layout!]
  if (length === undefined) return allowed[0]!
  if (!allowed.includes(length)) problem('length', `${layout ?? type} has ${allowed.join(' or ')} bytes, not ${length}`)
  return length
}

function bitsOf(words: FormatWords, problem: Complain): Format['bits'] {
  const { type, bits, noValueBits } = words
  if (bits === undefined) return null
  const width = 8 * (TYPES[type].bytes ?? 0)
  if (!TYPES[type].bits) problem('bits', `bits are taken out of integers such as uint16, not out of ${type}`)
  else if (bits.from > bits.to) problem('bits', `bits "${bits.from}-${bits.to}": write the lower one first`)
  else if (bits.to >= width) problem('bits', `${type} has the bits 0 to ${width - 1}`)
  else if (type === 'bool' && bits.from !== bits.to)
    problem('type', `bool is one bit: for bits "${bits.from}-${bits.to}" write uint16`)
  if (bits.single && noValueBits !== undefined && noValueBits.length > 0) {
    problem('noValue', 'a single bit has no pattern to spare for "no reading"')
  }
  return bits
}

/** Where each byte stands, the order applied. */
function wordsOf(words: FormatWords, width: number, units: number, problem: Complain): readonly number[] {
  const { type, order } = words
  if (order !== undefined) {
    const wrong = orderProblem(order)
    if (wrong !== null) {
      problem('order', wrong)
      return []
    }
  }
  if (words.words !== undefined) return apart(words, words.words, units, problem)
  if (type === 'string' || type === 'bytes') return pattern(order ?? 'AB', words, problem)
  if (words.layout === 'ymdhms' || words.layout === 'bcd') {
    const swap = swapsBytes(order ?? 'AB')
    if (swap === null) problem('order', `the layout ${words.layout} is made of registers: its order is AB or BA`)
    return Array.from({ length: width }, (_, index) => index ^ (swap === true ? 1 : 0))
  }
  const structure = words.layout === 'iec870'
  const letters = order ?? (structure ? undefined : words.presetOrder) ?? 'ABCD'
  const found = permutationOf(letters, width)
  if (found === null) {
    const whose = order === undefined ? `the order ${letters} that the device presets` : `order ${letters}`
    problem(
      'order',
      `${whose} is for ${letters.length} bytes, ${type} has ${width}: give the tag one of ABCD, CDAB, BADC, DCBA`,
    )
  }
  return found ?? []
}

/** Words that stand apart: their list says which is high, the order only how the two bytes of each stand. */
function apart(words: FormatWords, offsets: readonly number[], units: number, problem: Complain): readonly number[] {
  const { type, order } = words
  if (type === 'string' || type === 'bytes' || words.layout === 'ymdhms' || words.layout === 'bcd') {
    problem('address', `${words.layout ?? type} cannot be joined from words that stand apart`)
    return []
  }
  if (offsets.length !== units) {
    problem('address', `${type} has ${units} register${units === 1 ? '' : 's'}, the list names ${offsets.length}`)
    return []
  }
  const swap = swapsBytes(order ?? words.presetOrder ?? 'AB')
  if (swap === null || (order !== undefined && /^(CDAB|DCBA)$/i.test(order))) {
    problem('order', 'the list of addresses says which word is high; order can only be AB or BA beside it')
    return []
  }
  return offsets.flatMap((offset) => (swap ? [offset * 2 + 1, offset * 2] : [offset * 2, offset * 2 + 1]))
}

/** Strings repeat their pattern; those of whole registers can be said with two letters. */
function pattern(order: string, words: FormatWords, problem: Complain): readonly number[] {
  const short = order.toUpperCase() === 'ABCD' ? 'AB' : order.toUpperCase() === 'BADC' ? 'BA' : order
  const letters = permutationOf(short, short.length)!
  if (short.length > 2 && words.byte !== undefined) problem('order', 'with one character a register, order is AB or BA')
  else if (short.length > 2 && (words.length ?? 0) % short.length !== 0) {
    problem('order', `order ${order} repeats every ${short.length} bytes: length must be a multiple of it`)
  }
  return letters
}
