/** The log: the only thing between field and north. Writers append, readers remember what they confirmed. */
import type { Batch } from './batch.ts'
import type { Instant } from './clock.ts'

/** Ordered by epoch, then seq. Never reused within a stream. */
export interface Position {
  readonly epoch: number
  readonly seq: number
}

/** Both ends included. */
export interface Range {
  readonly from: Position
  readonly to: Position
}

export interface BatchEntry {
  readonly kind: 'batch'
  readonly position: Position
  readonly batch: Batch
}

/** These positions were stored and are gone undelivered, or were never stored. */
export interface GapEntry {
  readonly kind: 'gap'
  readonly position: Position
  readonly at: Instant
  readonly range: Range | null
  readonly entries: number
  readonly why: 'evicted' | 'damaged' | 'refused'
  /** The readers that had not confirmed them; absent: it concerns every reader. */
  readonly readers?: readonly string[]
}

/** Wall time of a boot's records that were taken before its clock was set: wall = monotonic + offsetMs. */
export interface ClockEntry {
  readonly kind: 'clock'
  readonly position: Position
  readonly at: Instant
  readonly boot: string
  readonly offsetMs: number
}

export interface EventEntry {
  readonly kind: 'event'
  readonly position: Position
  readonly at: Instant
  /** Stable, dotted: `gateway.started`, `counter.reset`. */
  readonly name: string
  readonly text: string
  readonly facts: Readonly<Record<string, string | number | boolean>>
}

export type Entry = BatchEntry | GapEntry | ClockEntry | EventEntry
export type EventNote = Pick<EventEntry, 'at' | 'name' | 'text' | 'facts'>

export interface LogWriter {
  /** Resolves when durable; rejects with Retryable when refused (full, failing disk). The poller never awaits it. */
  append(batch: Batch): Promise<Position>
  note(event: EventNote): Promise<Position>
  /** A mirrored entry, under its own position. */
  adopt(entry: Entry): Promise<void>
  readonly head: Position
}

export interface LogReader {
  /** 64 random bits as 16 hex digits, made with the log's directory. */
  readonly stream: string
  readonly head: Position
  /** Entries from `from` on, `from` included; committed ones only; repeatable. */
  read(from: Position, max: { readonly entries: number; readonly bytes: number }): readonly Entry[]
  /** Resolves when there is an entry after `after`; rejects with the signal's reason. */
  next(after: Position, signal: AbortSignal): Promise<void>
  /** Last value, quality and time of every tag that is still configured or stored: one whole batch a group. */
  snapshot(): { readonly at: Position; readonly batches: readonly Batch[] }
}

/** An entry that the far side will never take, and what it said. */
export interface Quarantined {
  readonly entry: Entry
  readonly why: string
}

/** What became of confirmed entries that were not delivered. The rest of the confirmed ranges was. */
export interface Fates {
  /** Entries that the reader did not want. */
  readonly filtered?: number
  /** Entries that were gone when the reader came to them. */
  readonly evicted?: number
  /** Kept aside durably, in the transaction that moves the cursor. */
  readonly quarantined?: readonly Quarantined[]
}

export interface Cursor {
  readonly reader: string
  /** What is not confirmed yet up to `head`, oldest first. */
  pending(head: Position): readonly Range[]
  /** `pending` changes at once; resolves when durable, at most `commitEvery` later. Rejects with Retryable when the disk
   *  refuses; it is stored with the next confirmation then. */
  confirm(ranges: readonly Range[], fates?: Fates): Promise<void>
  receipt(head: Position): Receipt
  /** The seq from which entries went live beside a backlog, as marked last; 0: never. */
  readonly liveFrom: number
  /** Resolves when durable, like `confirm`. */
  markLive(seq: number): Promise<void>
  /** Quarantined entries that are to be tried once more, oldest first. */
  retrying(max: number): readonly Entry[]
  /** How a further try ended; `why`: the far side refused it again, null: delivered. */
  settle(position: Position, why: string | null): Promise<void>
  /** Has quarantined entries tried once more; null: all. Returns how many. */
  retry(positions: readonly Position[] | null): number
}

/** Where every stored entry is, in entries: stored = delivered + filtered + pending + quarantined + evicted. */
export interface Receipt {
  readonly reader: string
  /** The head that the other figures are true for. */
  readonly head: Position
  readonly stored: number
  readonly delivered: number
  readonly filtered: number
  readonly pending: number
  readonly quarantined: number
  readonly evicted: number
}

export function compare(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq
}
