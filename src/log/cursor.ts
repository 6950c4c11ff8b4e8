/** One reader's place in the log: what it has not confirmed yet, and where every entry went, in one value that is stored
 *  whole. */
import type { Cursor, Entry, Fates, Position, Quarantined, Range, Receipt } from '../contracts/log.ts'
import type { Kept } from './quarantine.ts'
import { count, extended, joined, upTo, without } from './ranges.ts'

/** Beyond that, neighbours are joined: repeats, never loss. */
const MOST_RANGES = 64

export interface CursorState {
  /** The last entry that is not this reader's. */
  readonly start: Position
  /** The ranges speak of everything up to here. */
  readonly head: Position
  readonly ranges: readonly Range[]
  readonly delivered: number
  readonly filtered: number
  readonly quarantined: number
  readonly evicted: number
}

export function freshState(start: Position): CursorState {
  return { start, head: start, ranges: [], delivered: 0, filtered: 0, quarantined: 0, evicted: 0 }
}

/** Where rejected entries are kept; changes are stored together with the cursor's state. */
interface QuarantineStore {
  /** Returns its bytes. */
  put(kept: Kept): number
  get(seq: number): Kept | undefined
  remove(seq: number): void
  list(): readonly { readonly kept: Kept; readonly bytes: number }[]
}

export interface StoredCursorOptions {
  readonly reader: string
  readonly state: CursorState
  readonly quarantineBytes: number
  readonly quarantine: QuarantineStore
  readonly head: () => Position
  readonly oldest: () => Position
  /** Stores the state; resolves when it is durable. */
  readonly changed: () => Promise<void>
}

export class StoredCursor implements Cursor {
  readonly reader: string
  /** Quarantined entries that were dropped because their quota was full. */
  dropped = 0
  readonly #options: StoredCursorOptions
  #start: Position
  #head: Position
  #ranges: readonly Range[]
  #delivered: number
  #filtered: number
  #quarantined: number
  #evicted: number
  /** Of what is quarantined: bytes, and whether it is to be tried once more; by seq, oldest first. */
  readonly #kept = new Map<number, { bytes: number; retry: boolean }>()
  #keptBytes = 0

  constructor(options: StoredCursorOptions) {
    this.#options = options
    this.reader = options.reader
    const { state } = options
    const head = options.head()
    this.#start = state.start
    this.#head = state.head
    this.#ranges = state.ranges
    this.#delivered = state.delivered
    this.#filtered = state.filtered
    this.#quarantined = state.quarantined
    this.#evicted = state.evicted
    if (head.seq < state.head.seq) this.#stepBack(head)
    for (const { kept, bytes } of options.quarantine.list()) this.#note(kept.entry.position.seq, bytes, kept.retry)
    // What could not be read again is gone.
    this.#evicted += this.#quarantined - this.#kept.size
    this.#quarantined = this.#kept.size
  }

  pending(head: Position): readonly Range[] {
    this.#look(head)
    return upTo(this.#ranges, head)
  }

  confirm(ranges: readonly Range[], fates: Fates = {}): Promise<void> {
    this.#look(this.#options.head())
    let removed = 0
    for (const range of ranges) {
      const rest = without(this.#ranges, range)
      this.#ranges = rest.ranges
      removed += rest.removed
    }
    for (const { entry, why } of fates.quarantined ?? []) this.#keep({ entry, why, retry: false })
    const quarantined = fates.quarantined?.length ?? 0
    const evicted = Math.min(fates.evicted ?? 0, Math.max(0, removed - quarantined))
    const filtered = Math.min(fates.filtered ?? 0, Math.max(0, removed - quarantined - evicted))
    this.#quarantined += quarantined
    this.#evicted += evicted
    this.#filtered += filtered
    this.#delivered += removed - quarantined - evicted - filtered
    const fewer = joined(this.#ranges, MOST_RANGES)
    this.#ranges = fewer.ranges
    this.#delivered -= fewer.repeated
    return this.#options.changed()
  }

  receipt(head: Position): Receipt {
    this.#look(head)
    return {
      reader: this.reader,
      head: this.#head,
      stored: this.#head.seq - this.#start.seq,
      delivered: this.#delivered,
      filtered: this.#filtered,
      pending: count(this.#ranges),
      quarantined: this.#quarantined,
      evicted: this.#evicted,
    }
  }

  retrying(max: number): readonly Entry[] {
    const entries: Entry[] = []
    for (const [seq, kept] of this.#kept) {
      if (entries.length === max) break
      if (!kept.retry) continue
      const found = this.#options.quarantine.get(seq)
      if (found === undefined) kept.retry = false
      else entries.push(found.entry)
    }
    return entries
  }

  settle(position: Position, why: string | null): Promise<void> {
    const kept = this.#kept.get(position.seq)
    if (kept === undefined) return Promise.resolve()
    if (why === null) {
      this.#drop(position.seq)
      this.#delivered++
    } else {
      const found = this.#options.quarantine.get(position.seq)
      if (found !== undefined) this.#keep({ entry: found.entry, why, retry: false })
    }
    return this.#options.changed()
  }

  retry(positions: readonly Position[] | null): number {
    const wanted = positions === null ? [...this.#kept.keys()] : positions.map(({ seq }) => seq)
    let marked = 0
    for (const seq of wanted) {
      const found = this.#kept.has(seq) ? this.#options.quarantine.get(seq) : undefined
      if (found === undefined) continue
      this.#keep({ ...found, retry: true })
      marked++
    }
    if (marked > 0) void this.#options.changed().catch(() => undefined)
    return marked
  }

  /** What is kept aside, oldest first. */
  *quarantine(): Iterable<Quarantined> {
    for (const seq of this.#kept.keys()) {
      const kept = this.#options.quarantine.get(seq)
      if (kept !== undefined) yield { entry: kept.entry, why: kept.why }
    }
  }

  get quarantineBytes(): number {
    return this.#keptBytes
  }

  /** Whether it has not confirmed something from `from` to `to`, both seqs included. */
  needs(from: number, to: number): boolean {
    this.#look(this.#options.head())
    for (const range of this.#ranges) if (range.from.seq <= to && range.to.seq >= from) return true
    return false
  }

  /** What it has not confirmed of a stretch of the log. */
  unconfirmed(range: Range): readonly Range[] {
    this.#look(this.#options.head())
    const behind = upTo(this.#ranges, range.to)
    if (range.from.seq <= 1) return behind
    return without(behind, { from: { epoch: 0, seq: 0 }, to: { epoch: range.from.epoch, seq: range.from.seq - 1 } })
      .ranges
  }

  state(): CursorState {
    this.#look(this.#options.head())
    return {
      start: this.#start,
      head: this.#head,
      ranges: this.#ranges,
      delivered: this.#delivered,
      filtered: this.#filtered,
      quarantined: this.#quarantined,
      evicted: this.#evicted,
    }
  }

  /** A log that lost its newest entries goes on behind the last that it still has; the receipt is of what is left. */
  #stepBack(head: Position): void {
    this.#ranges = upTo(this.#ranges, head)
    this.#head = head
    const elsewhere = this.#filtered + this.#quarantined + this.#evicted
    this.#delivered = Math.max(0, head.seq - this.#start.seq - count(this.#ranges) - elsewhere)
    this.#start = { epoch: 0, seq: head.seq - count(this.#ranges) - elsewhere - this.#delivered }
  }

  /** Takes in what was appended, and gives up what is gone from the log's old end. */
  #look(head: Position): void {
    if (head.seq > this.#head.seq) {
      this.#ranges = extended(this.#ranges, this.#head, head)
      this.#head = head
    }
    const oldest = this.#options.oldest()
    const first = this.#ranges[0]
    if (first === undefined || first.from.seq >= oldest.seq) return
    const gone = { from: { epoch: 0, seq: 0 }, to: { epoch: oldest.epoch, seq: oldest.seq - 1 } }
    const rest = without(this.#ranges, gone)
    this.#ranges = rest.ranges
    this.#evicted += rest.removed
  }

  #keep(kept: Kept): void {
    const { seq } = kept.entry.position
    this.#forget(seq)
    this.#note(seq, this.#options.quarantine.put(kept), kept.retry)
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= this.#options.quarantineBytes || oldest === seq) break
      this.#drop(oldest)
      this.#evicted++
      this.dropped++
    }
  }

  #drop(seq: number): void {
    this.#options.quarantine.remove(seq)
    this.#forget(seq)
    this.#quarantined--
  }

  #note(seq: number, bytes: number, retry: boolean): void {
    this.#kept.set(seq, { bytes, retry })
    this.#keptBytes += bytes
  }

  #forget(seq: number): void {
    this.#keptBytes -= this.#kept.get(seq)?.bytes ?? 0
    this.#kept.delete(seq)
  }
}
