/** One reader's place in the log: what it has not confirmed yet, and where every entry went, in one value that is stored
 *  whole. */
import type { Cursor, Entry, Fates, Position, Quarantined, Range, Receipt } from '../../contracts/log.ts'
import type { Kept } from '../records/quarantine.ts'
import { APART, type CursorState, caughtUp, MOST_RANGES, receiptOf, steppedBack } from './cursor-state.ts'
import { count, joined, upTo, without } from './ranges.ts'

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
  readonly #options: StoredCursorOptions
  #state: CursorState
  /** Of what is quarantined: bytes, and whether it is to be tried once more; by seq, oldest first. */
  readonly #kept = new Map<number, { bytes: number; retry: boolean }>()
  #keptBytes = 0
  /** How many of them are to be tried once more. */
  #retries = 0

  constructor(options: StoredCursorOptions) {
    this.#options = options
    this.reader = options.reader
    const head = options.head()
    this.#state = head.seq < options.state.head.seq ? steppedBack(options.state, head) : options.state
    for (const { kept, bytes } of options.quarantine.list()) this.#note(kept.entry.position.seq, bytes, kept.retry)
    // What could not be read again is gone.
    const lost = this.#state.quarantined - this.#kept.size
    this.#add({ quarantined: -lost, dropped: lost })
  }

  pending(head: Position): readonly Range[] {
    return upTo(this.state(head).ranges, head)
  }

  confirm(ranges: readonly Range[], fates: Fates = {}): Promise<void> {
    const { ranges: before } = this.state()
    let left = before
    let removed = 0
    for (const range of ranges) {
      const rest = without(left, range)
      left = rest.ranges
      removed += rest.removed
    }
    let quarantined = 0
    for (const { entry, why } of fates.quarantined ?? []) {
      // One that was evicted while it was under way is counted there, and neither kept nor counted twice.
      const { seq } = entry.position
      if (!before.some(({ from, to }) => from.seq <= seq && seq <= to.seq)) continue
      if (!this.#kept.has(seq)) quarantined++
      this.#keep({ entry, why, retry: false })
    }
    // What was gone, and has counted as evicted since because the log begins behind it now, is not counted twice.
    const counted = count(ranges) - removed
    const evicted = Math.min(Math.max(0, (fates.evicted ?? 0) - counted), Math.max(0, removed - quarantined))
    const filtered = Math.min(fates.filtered ?? 0, Math.max(0, removed - quarantined - evicted))
    const fewer = joined(left, MOST_RANGES, APART)
    this.#state = { ...this.#state, ranges: fewer.ranges }
    const delivered = removed - quarantined - evicted - filtered - fewer.repeated
    this.#add({ delivered, filtered, quarantined, evicted })
    return this.#options.changed()
  }

  receipt(head: Position): Receipt {
    return receiptOf(this.reader, this.state(head))
  }

  get liveFrom(): number {
    return this.#state.liveFrom ?? 0
  }

  markLive(seq: number): Promise<void> {
    this.#state = { ...this.#state, liveFrom: seq }
    return this.#options.changed()
  }

  retrying(max: number): readonly Entry[] {
    const entries: Entry[] = []
    if (this.#retries === 0) return entries
    for (const [seq, kept] of this.#kept) {
      if (entries.length === max) break
      if (!kept.retry) continue
      const found = this.#options.quarantine.get(seq)
      if (found !== undefined) entries.push(found.entry)
      else {
        kept.retry = false
        this.#retries--
      }
    }
    return entries
  }

  settle(position: Position, why: string | null): Promise<void> {
    const kept = this.#kept.get(position.seq)
    if (kept === undefined) return Promise.resolve()
    if (why === null) {
      this.#drop(position.seq)
      this.#add({ delivered: 1 })
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

  /** What goes while it is not configured is lost on purpose. */
  configure(isConfigured: boolean): void {
    const before = this.state()
    if ((before.away ?? false) === !isConfigured) return
    this.#state = { ...before, away: !isConfigured }
    this.#options.changed().catch(() => undefined)
  }

  /** As of now. */
  state(head = this.#options.head()): CursorState {
    this.#state = caughtUp(this.#state, head, this.#options.oldest())
    return this.#state
  }

  /** What is dropped is counted as evicted, too. */
  #add(more: Partial<Record<'delivered' | 'filtered' | 'quarantined' | 'evicted' | 'dropped', number>>): void {
    const { dropped = 0 } = more
    const sum = (fate: 'delivered' | 'filtered' | 'quarantined' | 'evicted'): number =>
      this.#state[fate] + (more[fate] ?? 0)
    const delivered = sum('delivered')
    this.#state = {
      ...this.#state,
      // What is sent again because ranges were joined may have been filtered the first time, not delivered.
      delivered: Math.max(0, delivered),
      filtered: sum('filtered') + Math.min(0, delivered),
      quarantined: sum('quarantined'),
      evicted: sum('evicted') + dropped,
      dropped: (this.#state.dropped ?? 0) + dropped,
    }
  }

  #keep(kept: Kept): void {
    const { seq } = kept.entry.position
    this.#forget(seq)
    this.#note(seq, this.#options.quarantine.put(kept), kept.retry)
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= this.#options.quarantineBytes || oldest === seq) break
      this.#drop(oldest)
      this.#add({ dropped: 1 })
    }
  }

  #drop(seq: number): void {
    this.#options.quarantine.remove(seq)
    this.#forget(seq)
    this.#add({ quarantined: -1 })
  }

  #note(seq: number, bytes: number, retry: boolean): void {
    this.#kept.set(seq, { bytes, retry })
    this.#keptBytes += bytes
    if (retry) this.#retries++
  }

  #forget(seq: number): void {
    const kept = this.#kept.get(seq)
    if (kept === undefined) return
    this.#keptBytes -= kept.bytes
    if (kept.retry) this.#retries--
    this.#kept.delete(seq)
  }
}
