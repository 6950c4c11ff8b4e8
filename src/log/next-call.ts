/** What a sink gets next: the newest first and the backlog beside it, or everything in order. */
import type { Clock } from '../contracts/clock.ts'
import type { Cursor, Entry, LogReader, Position, Range } from '../contracts/log.ts'

export interface Call {
  /** What the sink is given; the reader's own selection of what was read. */
  readonly entries: readonly Entry[]
  /** Everything that is answered for when the call is done, filtered and gone entries included. */
  readonly ranges: readonly Range[]
  readonly filtered: number
  /** Entries that should have been there and were not. */
  readonly evicted: number
  readonly historical: boolean
  /** These come from quarantine and belong to no range. */
  readonly again: boolean
}

export interface NextCallOptions {
  readonly reader: LogReader
  readonly cursor: Cursor
  readonly clock: Clock
  /** In order, or the share (0–1) of the sink's time that a backlog may take beside live entries. */
  readonly replay: 'in-order' | number
  readonly select: ((entry: Entry) => Entry | null) | undefined
  readonly maxEntries: number
  readonly maxBytes: number
}

export class NextCall {
  readonly #options: NextCallOptions
  /** What stands before this seq is a backlog; 0: there is none. */
  #liveFrom = 0
  #backlogAfter = Number.NEGATIVE_INFINITY

  constructor(options: NextCallOptions) {
    this.#options = options
    this.interrupted()
    this.#takeUp()
  }

  /** The link was away: what is pending now is a backlog, unless one call carries it. */
  interrupted(): void {
    const { reader, cursor, replay, maxEntries } = this.#options
    if (replay === 'in-order') return
    const pending = cursor.pending(reader.head)
    const entries = pending.reduce((sum, { from, to }) => sum + to.seq - from.seq + 1, 0)
    if (entries > maxEntries) this.#liveFrom = reader.head.seq + 1
  }

  /** What an earlier run left behind that had sent newer entries already stays a backlog, however little it is. */
  #takeUp(): void {
    const { reader, cursor, replay } = this.#options
    const { head } = reader
    const pending = cursor.pending(head)
    const [first, last] = [pending[0], pending.at(-1)]
    if (replay === 'in-order' || this.#liveFrom > 0 || first === undefined || last === undefined) return
    const liveFrom = last.to.seq < head.seq ? head.seq + 1 : last.from.seq
    if (first.from.seq < liveFrom) this.#liveFrom = liveFrom
  }

  /** A call that is to be repeated, as what it has become: the backlog's beginning, if nothing older is left. */
  anew(call: Call): Call {
    const [oldest] = this.#options.cursor.pending(this.#options.reader.head)
    const [range] = call.ranges
    if (range === undefined || range.to.seq >= this.#liveFrom || range.from.seq !== oldest?.from.seq) return call
    return { ...call, historical: true }
  }

  /** A call with the backlog took so long: the rest of the sink's time is for others. */
  took(call: Call, elapsedMs: number): void {
    const { replay, clock } = this.#options
    if (!call.historical || call.again || replay === 'in-order' || replay >= 1) return
    this.#backlogAfter = clock.monotonic() + elapsedMs * (1 / Math.max(0.01, replay) - 1)
  }

  /** undefined: nothing is to be done before the next entry comes, or `waitMs` have passed if that is not Infinity. */
  next(): Call | undefined {
    const { cursor, reader, maxEntries } = this.#options
    const again = cursor.retrying(maxEntries)
    if (again.length > 0) return { entries: again, ranges: [], filtered: 0, evicted: 0, historical: true, again: true }
    const pending = cursor.pending(reader.head)
    const first = pending[0]
    if (first === undefined) {
      this.#liveFrom = 0
      return undefined
    }
    if (this.#liveFrom === 0) return this.#read(first, false)
    const live = pending.find(({ to }) => to.seq >= this.#liveFrom)
    if (live !== undefined) {
      const from = live.from.seq >= this.#liveFrom ? live.from : { epoch: live.from.epoch, seq: this.#liveFrom }
      return this.#read({ from, to: live.to }, false)
    }
    if (this.waitMs > 0) return undefined
    return this.#read(first, true)
  }

  /** How long the backlog has to wait; Infinity: there is none. */
  get waitMs(): number {
    if (this.#liveFrom === 0) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#backlogAfter - this.#options.clock.monotonic())
  }

  #read(range: Range, historical: boolean): Call {
    const { reader, select, maxEntries, maxBytes } = this.#options
    const read = reader.read(range.from, { entries: maxEntries, bytes: maxBytes })
    const to = historical && this.#liveFrom <= range.to.seq ? this.#liveFrom - 1 : range.to.seq
    const entries: Entry[] = []
    let taken = 0
    let last: Position = { epoch: range.to.epoch, seq: to }
    let within = 0
    for (const entry of read) {
      if (entry.position.seq > to) break
      within++
      const selected = this.#concerns(entry) ? (select === undefined ? entry : select(entry)) : null
      if (selected !== null) entries.push(selected)
      taken++
      last = entry.position
    }
    // Nothing there up to the range's end, or up to where the reader found something again.
    if (within === 0) last = { epoch: range.to.epoch, seq: Math.min(to, (read[0]?.position.seq ?? to + 1) - 1) }
    const ranges = [{ from: range.from, to: last }]
    const evicted = last.seq - range.from.seq + 1 - taken
    return { entries, ranges, filtered: taken - entries.length, evicted, historical, again: false }
  }

  /** A gap that is told to other readers is none of ours. */
  #concerns(entry: Entry): boolean {
    return entry.kind !== 'gap' || (entry.readers?.includes(this.#options.cursor.reader) ?? true)
  }
}
