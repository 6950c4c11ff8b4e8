/** What a sink gets next: the newest first and the backlog beside it, or everything in order. */
import type { Clock } from '../../contracts/clock.ts'
import type { Cursor, Entry, LogReader, Position, Range } from '../../contracts/log.ts'
import { count } from '../places/ranges.ts'
import { Portion } from './portion.ts'

export interface Call {
  /** What the sink is given; the reader's own selection of what was read. */
  readonly entries: readonly Entry[]
  /** Everything that is answered for when the call is done, filtered and gone entries included. */
  readonly ranges: readonly Range[]
  readonly filtered: number
  /** Entries that should have been there and were not. */
  readonly evicted: number
  /** Something newer was delivered already, or may be before these. */
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

/** Of the sink's time, for what is tried again from quarantine beside a flow that is in order. */
const AGAIN_SHARE = 0.3
/** Live entries that wait longer than this come too fast for what the backlog leaves them. */
const LATE_MS = 1000
/** What remains of the backlog's share then: it never stands still. */
const WHILE_LATE = 0.1

export class NextCall {
  readonly #options: NextCallOptions
  readonly #portion: Portion
  /** What stands before this seq is a backlog; 0: there is none. */
  #liveFrom = 0
  /** The backlog's last call: when it ended, and how long it took. */
  #last = { endedAt: Number.NEGATIVE_INFINITY, tookMs: 0 }
  /** Whether the last call was one with live entries. */
  #liveHadItsTurn = false
  /** When a call last carried all that was live, monotonic. */
  #keptUpAt: number
  #waits = false
  #hurries = false

  constructor(options: NextCallOptions) {
    this.#options = options
    this.#portion = new Portion({ most: options.maxEntries })
    this.#keptUpAt = options.clock.monotonic()
    this.interrupted()
    // What went live before a restart may be pending again, if it was not confirmed durably: what is older stays a backlog.
    const { cursor, reader, replay } = options
    const { head } = reader
    const [oldest] = cursor.pending(head)
    if (replay !== 'in-order' && oldest !== undefined && oldest.from.seq < cursor.liveFrom)
      this.#liveFrom = Math.max(this.#liveFrom, Math.min(cursor.liveFrom, head.seq + 1))
  }

  /** Before something goes live beside a backlog: where that begins is durable when it resolves. A disk that refuses holds
   *  nothing up. */
  async mark(call: Call): Promise<void> {
    const { cursor, replay } = this.#options
    if (call.historical || replay === 'in-order' || this.#liveFrom <= cursor.liveFrom) return
    await cursor.markLive(this.#liveFrom).catch(() => undefined)
  }

  /** The link was away: what is pending now is a backlog, unless one call carries it. What stands before something that was
   *  delivered is one in any case: sent as if it were live, it would be taken for the present. */
  interrupted(): void {
    const { reader, cursor, clock, replay, maxEntries } = this.#options
    const { head } = reader
    const pending = cursor.pending(head)
    const last = pending.at(-1)
    this.#liveHadItsTurn = false
    this.#keptUpAt = clock.monotonic()
    if (last === undefined) return
    if (last.to.seq < head.seq) this.#liveFrom = head.seq + 1
    else if (pending.length > 1) this.#liveFrom = Math.max(this.#liveFrom, last.from.seq)
    if (replay === 'in-order') return
    const live = count(pending.flatMap((range) => this.#liveOf(range) ?? []))
    if (live > maxEntries) this.#liveFrom = head.seq + 1
  }

  /** A call that is to be repeated, as what it has become: the backlog's beginning, if nothing older is left. */
  anew(call: Call): Call {
    const [oldest] = this.#options.cursor.pending(this.#options.reader.head)
    const [range] = call.ranges
    if (range === undefined || range.to.seq >= this.#liveFrom || range.from.seq !== oldest?.from.seq) return call
    return { ...call, historical: true }
  }

  /** A call was done after so long: the rest of the sink's time is for others. */
  took(call: Call, elapsedMs: number): void {
    this.#portion.took(call.entries.length, elapsedMs, call.historical)
    if (call.historical) this.#last = { endedAt: this.#options.clock.monotonic(), tookMs: elapsedMs }
  }

  /** Nothing live comes any more: the backlog need not wait. */
  hurry(): void {
    this.#hurries = true
  }

  /** undefined: nothing is to be done before the next entry comes, or `waitMs` have passed if that is not Infinity. */
  next(): Call | undefined {
    const { cursor, reader, replay, maxEntries } = this.#options
    const again = cursor.retrying(maxEntries)
    const pending = cursor.pending(reader.head)
    const [first] = pending
    if (first === undefined) this.#liveFrom = 0
    const isOld = first !== undefined && first.from.seq < this.#liveFrom
    const live = this.#nextLive(pending)
    this.#waits = again.length > 0 || (isOld && replay !== 'in-order')
    // Live entries first; but where they never end, the backlog has its share of the turns.
    if (this.#waits && this.waitMs === 0 && (live === undefined || this.#liveHadItsTurn)) {
      this.#liveHadItsTurn = false
      if (again.length > 0)
        return { entries: again, ranges: [], filtered: 0, evicted: 0, historical: true, again: true }
      return this.#read(first!, true)
    }
    if (isOld && replay === 'in-order') return this.#read(first, true)
    if (live === undefined) return undefined
    this.#liveHadItsTurn = true
    return this.#read(live, false)
  }

  /** What is no backlog; undefined: there is none now. */
  live(): Call | undefined {
    const { cursor, reader } = this.#options
    const live = this.#nextLive(cursor.pending(reader.head))
    return live === undefined ? undefined : this.#read(live, false)
  }

  /** What stands behind a call and may go with it; undefined: nothing, or there is no room. */
  behind(call: Call): Range | undefined {
    const { cursor, reader } = this.#options
    const [range] = call.ranges
    if (call.again || range === undefined || count([range]) >= this.#most(call.historical)) return undefined
    const seq = range.to.seq + 1
    if (call.historical && this.#liveFrom > 0 && seq >= this.#liveFrom) return undefined
    const rest = cursor.pending(reader.head).find(({ from, to }) => from.seq <= seq && to.seq >= seq)
    return rest === undefined ? undefined : { from: { epoch: range.to.epoch, seq }, to: rest.to }
  }

  /** The call with more of what stands behind it. */
  longer(call: Call, behind: Range): Call {
    const [range] = call.ranges as readonly [Range]
    const more = this.#read(behind, call.historical, this.#most(call.historical) - count([range]))
    return {
      ...call,
      entries: [...call.entries, ...more.entries],
      ranges: [{ from: range.from, to: more.ranges[0]!.to }],
      filtered: call.filtered + more.filtered,
      evicted: call.evicted + more.evicted,
    }
  }

  /** How long the backlog has to wait; Infinity: there is none. */
  get waitMs(): number {
    if (!this.#waits) return Number.POSITIVE_INFINITY
    if (this.#hurries) return 0
    const { replay, clock } = this.#options
    const now = clock.monotonic()
    const whole = replay === 'in-order' ? AGAIN_SHARE : Math.max(0.01, replay)
    const share = now - this.#keptUpAt > LATE_MS ? whole * WHILE_LATE : whole
    return Math.max(0, this.#last.endedAt + this.#last.tookMs * (1 / share - 1) - now)
  }

  #nextLive(pending: readonly Range[]): Range | undefined {
    for (const range of pending) {
      const live = this.#liveOf(range)
      if (live !== undefined) return live
    }
    this.#keptUpAt = this.#options.clock.monotonic()
    return undefined
  }

  #liveOf({ from, to }: Range): Range | undefined {
    if (to.seq < this.#liveFrom) return undefined
    return { from: from.seq >= this.#liveFrom ? from : { epoch: from.epoch, seq: this.#liveFrom }, to }
  }

  /** Entries that a call may have. */
  #most(historical: boolean): number {
    const { replay, maxEntries } = this.#options
    return historical && replay !== 'in-order' ? this.#portion.entries : maxEntries
  }

  #read(range: Range, historical: boolean, most = this.#most(historical)): Call {
    const { reader, select, maxBytes, clock } = this.#options
    const read = reader.read(range.from, { entries: most, bytes: maxBytes })
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
    if (!historical && last.seq === to) this.#keptUpAt = clock.monotonic()
    const ranges = [{ from: range.from, to: last }]
    const evicted = last.seq - range.from.seq + 1 - taken
    return { entries, ranges, filtered: taken - entries.length, evicted, historical, again: false }
  }

  /** A gap that is told to other readers is none of ours. */
  #concerns(entry: Entry): boolean {
    return entry.kind !== 'gap' || (entry.readers?.includes(this.#options.cursor.reader) ?? true)
  }
}
