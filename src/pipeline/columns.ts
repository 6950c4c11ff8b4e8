/** Columns: those of a batch under conversion, and parts of batches taken out or laid over each other. */
import { type Batch, Reason, type Value } from '../contracts/batch.ts'

/** A batch while it is converted. Its arrays are the driver's until they are made our own. */
export interface Columns {
  readonly raw: Batch
  numbers: Float64Array
  others: Map<number, Value> | null
  quality: Uint8Array | null
}

export function put(columns: Columns, entry: number, value: Value): void {
  if (typeof value === 'number') {
    columns.numbers[entry] = value
    columns.others?.delete(entry)
    return
  }
  columns.numbers[entry] = Number.NaN
  columns.others ??= new Map()
  columns.others.set(entry, value)
}

export function bad(columns: Columns, entry: number, reason: Reason): void {
  if (columns.quality === columns.raw.quality) {
    columns.quality = columns.raw.quality?.slice() ?? new Uint8Array(columns.numbers.length)
  }
  columns.quality![entry] = reason
  own(columns)[entry] = Number.NaN
  columns.others?.delete(entry)
}

/** The driver's columns are not ours to change. */
export function own(columns: Columns): Float64Array {
  if (columns.numbers === columns.raw.numbers) columns.numbers = columns.raw.numbers.slice()
  return columns.numbers
}

/** Some entries of a batch, as a batch. */
export function pick(batch: Batch, entries: Uint32Array): Batch {
  const numbers = new Float64Array(entries.length)
  const tags = new Uint32Array(entries.length)
  let quality: Uint8Array | null = null
  let others: Map<number, Value> | null = null
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at]!
    numbers[at] = batch.numbers[entry]!
    tags[at] = batch.tags === null ? entry : batch.tags[entry]!
    const reason = batch.quality === null ? Reason.good : batch.quality[entry]!
    if (reason !== Reason.good) {
      quality ??= new Uint8Array(entries.length)
      quality[at] = reason
    }
    const other = batch.others?.get(entry)
    if (other !== undefined) {
      others ??= new Map()
      others.set(at, other)
    }
  }
  return { group: batch.group, at: batch.at, tags, numbers, others, quality, carry: batch.carry }
}

/** A batch of some tags over an earlier one of the same group: both together, stamped as the later. */
export function laidOver(under: Batch, over: Batch): Batch {
  const size = over.group.tags.length
  const tagOf = (batch: Batch, entry: number): number => (batch.tags === null ? entry : batch.tags[entry]!)
  const entries: { readonly batch: Batch; readonly entry: number }[] = new Array(size)
  for (const batch of [under, over]) {
    for (let entry = 0; entry < batch.numbers.length; entry++) entries[tagOf(batch, entry)] = { batch, entry }
  }
  const known: number[] = []
  for (let tag = 0; tag < size; tag++) if (entries[tag] !== undefined) known.push(tag)
  const quality = new Uint8Array(known.length)
  const others = new Map<number, Value>()
  const numbers = Float64Array.from(known, (tag, at) => {
    const { batch, entry } = entries[tag]!
    quality[at] = batch.quality === null ? Reason.good : batch.quality[entry]!
    const other = batch.others?.get(entry)
    if (other !== undefined) others.set(at, other)
    return batch.numbers[entry]!
  })
  return {
    group: over.group,
    at: over.at,
    tags: known.length === size ? null : Uint32Array.from(known),
    numbers,
    others: others.size > 0 ? others : null,
    quality: quality.some((reason) => reason !== Reason.good) ? quality : null,
    carry: over.carry,
  }
}
