/** Answers to columns: the decoder of one request, compiled once; plain numbers run in loops without a call a tag. */
import type { BatchBuilder, Value } from '../../../contracts/batch.ts'
import { Reason } from '../../../contracts/batch.ts'
import type { Tag } from '../../../contracts/driver.ts'
import { isBits } from '../schema/address.ts'
import type { Format, TagSettings } from '../settings.ts'
import { type Element, NO_VALUE, NOT_DECODABLE, readerOf, reasonOf } from './registers-element.ts'

export type Decode = (bytes: Uint8Array, offset: number, into: BatchBuilder) => void

/** Tags of one format in one request: where each begins in the answer, and which column entry it fills. */
interface Run {
  readonly loop: Loop
  readonly format: Format
  readonly at: Uint16Array
  readonly tag: Uint32Array
}

type Loop = (run: Run, bytes: Uint8Array, offset: number, into: BatchBuilder) => void

/** `base`: wire address of the request's first register or coil. */
export function compileDecoder(members: readonly Tag[], base: number): Decode {
  const byFormat = new Map<Format, Tag[]>()
  for (const member of members) {
    const { format } = member.settings as TagSettings
    const alike = byFormat.get(format)
    if (alike === undefined) byFormat.set(format, [member])
    else alike.push(member)
  }
  const runs: Run[] = []
  for (const [format, tags] of byFormat) {
    const coils = isBits((tags[0]!.settings as TagSettings).area)
    const unit = coils ? 1 : 2
    runs.push({
      loop: loopOf(format, coils),
      format,
      at: Uint16Array.from(tags, (tag) => ((tag.settings as TagSettings).address - base) * unit),
      tag: Uint32Array.from(tags, (tag) => tag.index),
    })
  }
  const [only] = runs
  if (runs.length === 1) return (bytes, offset, into) => only!.loop(only!, bytes, offset, into)
  return (bytes, offset, into) => {
    for (const run of runs) run.loop(run, bytes, offset, into)
  }
}

function loopOf(format: Format, coils: boolean): Loop {
  if (coils) return format.count === null ? coilLoop : coilArrays
  if (format.count !== null) return arrays
  if (format.noValueBits.length > 0) return oneByOne
  if (format.bits !== null) return format.bits.single && format.units === 1 && format.byte === null ? bitLoop : oneByOne
  switch (format.type) {
    case 'uint16':
      return uint16Loop
    case 'int16':
      return int16Loop
    case 'uint32':
      return uint32Loop
    case 'int32':
      return int32Loop
    case 'float32':
      return float32Loop
    default:
      return oneByOne
  }
}

const coilLoop: Loop = ({ at, tag }, bytes, offset, { numbers, quality }) => {
  for (let index = 0; index < at.length; index++) {
    const bit = at[index]!
    numbers[tag[index]!] = (bytes[offset + (bit >> 3)]! >> (bit & 7)) & 1
    quality[tag[index]!] = Reason.good
  }
}

const bitLoop: Loop = ({ at, tag, format }, bytes, offset, { numbers, quality }) => {
  const bit = format.bits!.from
  const place = offset + format.permutation[bit < 8 ? 1 : 0]!
  for (let index = 0; index < at.length; index++) {
    numbers[tag[index]!] = (bytes[place + at[index]!]! >> (bit & 7)) & 1
    quality[tag[index]!] = Reason.good
  }
}

const uint16Loop: Loop = ({ at, tag, format }, bytes, offset, { numbers, quality }) => {
  const [high, low] = [offset + format.permutation[0]!, offset + format.permutation[1]!]
  for (let index = 0; index < at.length; index++) {
    const start = at[index]!
    numbers[tag[index]!] = (bytes[start + high]! << 8) | bytes[start + low]!
    quality[tag[index]!] = Reason.good
  }
}

const int16Loop: Loop = ({ at, tag, format }, bytes, offset, { numbers, quality }) => {
  const [high, low] = [offset + format.permutation[0]!, offset + format.permutation[1]!]
  for (let index = 0; index < at.length; index++) {
    const start = at[index]!
    numbers[tag[index]!] = (((bytes[start + high]! << 8) | bytes[start + low]!) << 16) >> 16
    quality[tag[index]!] = Reason.good
  }
}

function word32(bytes: Uint8Array, at: number, order: readonly number[]): number {
  return (
    (bytes[at + order[0]!]! << 24) |
    (bytes[at + order[1]!]! << 16) |
    (bytes[at + order[2]!]! << 8) |
    bytes[at + order[3]!]!
  )
}

const uint32Loop: Loop = ({ at, tag, format }, bytes, offset, { numbers, quality }) => {
  for (let index = 0; index < at.length; index++) {
    numbers[tag[index]!] = word32(bytes, offset + at[index]!, format.permutation) >>> 0
    quality[tag[index]!] = Reason.good
  }
}

const int32Loop: Loop = ({ at, tag, format }, bytes, offset, { numbers, quality }) => {
  for (let index = 0; index < at.length; index++) {
    numbers[tag[index]!] = word32(bytes, offset + at[index]!, format.permutation)
    quality[tag[index]!] = Reason.good
  }
}

const word = new Int32Array(1)
const float = new Float32Array(word.buffer)

const float32Loop: Loop = ({ at, tag, format }, bytes, offset, { numbers, quality }) => {
  for (let index = 0; index < at.length; index++) {
    word[0] = word32(bytes, offset + at[index]!, format.permutation)
    numbers[tag[index]!] = float[0]!
    quality[tag[index]!] = Reason.good
  }
}

const oneByOne: Loop = ({ at, tag, format }, bytes, offset, into) => {
  const read = readerOf(format)
  for (let index = 0; index < at.length; index++) put(read(bytes, offset + at[index]!), tag[index]!, into)
}

function put(element: Element, tag: number, into: BatchBuilder): void {
  if (typeof element === 'number') into.number(tag, element)
  else if (typeof element === 'boolean') into.number(tag, element ? 1 : 0)
  else if (typeof element === 'symbol') into.bad(tag, reasonOf(element))
  else into.other(tag, element)
}

const arrays: Loop = ({ at, tag, format }, bytes, offset, into) => {
  const read = readerOf(format)
  for (let index = 0; index < at.length; index++) {
    putArray(
      (element) => read(bytes, offset + at[index]! + element * format.units * 2),
      format.count!,
      tag[index]!,
      into,
    )
  }
}

const coilArrays: Loop = ({ at, tag, format }, bytes, offset, into) => {
  for (let index = 0; index < at.length; index++) {
    const bit = (element: number): number => at[index]! + element
    const read = (element: number): boolean => ((bytes[offset + (bit(element) >> 3)]! >> (bit(element) & 7)) & 1) === 1
    putArray(read, format.count!, tag[index]!, into)
  }
}

/** An element without a reading is null in its array; one that cannot be decoded, or no reading at all, spoils the array. */
function putArray(read: (element: number) => Element, count: number, tag: number, into: BatchBuilder): void {
  const values: Value[] = []
  let readings = 0
  for (let index = 0; index < count; index++) {
    const element = read(index)
    if (element === NOT_DECODABLE) {
      into.bad(tag, Reason.notDecodable)
      return
    }
    if (element !== NO_VALUE) readings++
    values.push(element === NO_VALUE ? null : (element as Value))
  }
  if (readings === 0) into.bad(tag, Reason.noValue)
  else into.other(tag, values)
}

/** The tag's value is the list of as many elements as `length` bytes hold; what cannot be read is null in it. */
export function fillList(tag: Tag, bytes: Uint8Array, offset: number, length: number, into: BatchBuilder): void {
  const { format } = tag.settings as TagSettings
  const read = readerOf(format)
  const unit = format.units * 2
  const values: Value[] = []
  for (let at = 0; at + unit <= length; at += unit) {
    const element = read(bytes, offset + at)
    values.push(typeof element === 'symbol' ? null : element)
  }
  into.other(tag.index, values)
}
