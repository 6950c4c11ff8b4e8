/** What the workload says of itself while it is recorded, and what it stores: all of it follows from a count. */
import type { Batch } from '../../../src/contracts/batch.ts'
import type { Instant } from '../../../src/contracts/clock.ts'
import type { Entry, EventNote, Position, Receipt } from '../../../src/contracts/log.ts'
import { groupOf } from '../batches.ts'

/** How one life of the workload goes. */
export interface Work {
  /** Lives over the same folder are numbered. */
  readonly life: number
  readonly seed: number
  /** Of the first entry. */
  readonly first: number
  readonly entries: number
  readonly commitEveryMs: number
  readonly segmentBytes: number
  readonly quotaBytes: number
  readonly evict: 'oldest' | 'newest'
  /** Entries that the slow reader lags, then hurries; 0: it reads next to nothing. */
  readonly lag: number
  /** Whether it ends by closing the log, or by just ending. */
  readonly closes: boolean
  /** The log is written by one process and read by another. */
  readonly halves?: boolean
  /** A fault to be found: appends are said to be stored at once. For a first life. */
  readonly hasty?: boolean
}

export type Role = 'both' | 'field' | 'uplink'

export type Seqs = readonly [from: number, to: number]

/** Where a reader stands. */
export interface Place {
  readonly pending: readonly Seqs[]
  readonly receipt: Receipt
  readonly quarantined: readonly number[]
}

/** A change of a reader's place; a reader's changes are numbered. */
export interface Change {
  readonly ranges: readonly Seqs[]
  readonly filtered: number
  readonly quarantined: readonly number[]
  /** Taken out of quarantine, delivered. */
  readonly settled: readonly number[]
}

export type Mark =
  | { readonly m: 'opened'; readonly head: number; readonly readers: Readonly<Record<string, Place>> }
  | { readonly m: 'tried'; readonly count: number }
  | { readonly m: 'stored'; readonly count: number; readonly epoch: number; readonly seq: number }
  /** Read by a reader: position and what it held. */
  | { readonly m: 'saw'; readonly entries: readonly (readonly [epoch: number, seq: number, what: string])[] }
  | { readonly m: 'changing'; readonly reader: string; readonly number: number; readonly change: Change }
  | { readonly m: 'changed'; readonly reader: string; readonly number: number }

export const READERS = ['fast', 'slow'] as const
const press = groupOf('press', 20)
const oven = groupOf('oven', 5)
export const GROUPS = [press, oven]

/** Every seventeenth is an event, the others are batches. */
export const isEvent = (count: number): boolean => count % 17 === 0

const at = (count: number): Instant => ({ wall: 1.8e12 + count, monotonic: count, boot: 'boot-1', clock: 'synced' })

export function batchFor(count: number): Batch {
  const group = count % 3 === 0 ? oven : press
  const numbers = Float64Array.from(group.tags, (_, tag) => (tag === 0 ? count : Math.sqrt(count * 100 + tag)))
  return { group, at: at(count), tags: null, numbers, others: null, quality: null, carry: null }
}

export function eventFor(count: number): EventNote {
  return { at: at(count), name: 'power.tried', text: `number ${count}`, facts: { count } }
}

/** Says in one line what an entry holds: `count` when that is what was stored under it, to the last bit. */
export function contentOf(entry: Entry): string {
  if (entry.kind === 'event') {
    const { position: _, kind: __, ...note } = entry
    const { count } = entry.facts
    const same = typeof count === 'number' && JSON.stringify(note) === JSON.stringify(eventFor(count))
    return same ? String(count) : JSON.stringify(note)
  }
  if (entry.kind === 'gap') {
    const { kind, at, range, entries, why, readers } = entry
    return JSON.stringify({ kind, at, range, entries, why, readers })
  }
  if (entry.kind !== 'batch') return JSON.stringify(entry)
  const { group, at, tags, numbers, others, quality, carry } = entry.batch
  const count = numbers[0]!
  const wanted = batchFor(count)
  const same =
    group.device === wanted.group.device &&
    JSON.stringify(at) === JSON.stringify(wanted.at) &&
    numbers.length === wanted.numbers.length &&
    numbers.every((number, tag) => number === wanted.numbers[tag]) &&
    [tags, others, quality, carry].every((part) => part === null)
  return same ? String(count) : `${group.device} with ${numbers.join(' ')}`
}

export const seqsOf = (ranges: readonly { readonly from: Position; readonly to: Position }[]): Seqs[] =>
  ranges.map(({ from, to }) => [from.seq, to.seq])
