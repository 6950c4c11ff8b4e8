/** What is stored of a reader's place, and what it comes to as the log goes on. */
import type { Position, Range, Receipt } from '../../contracts/log.ts'
import { damaged } from '../records/bytes.ts'
import { count, extended, upTo, without } from './ranges.ts'

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
  /** Of these no gap tells: dropped from quarantine, lost in it, or gone while the reader was away. Absent: none. */
  readonly dropped?: number
  /** From here on entries went live while older ones were a backlog. Absent: never. */
  readonly liveFrom?: number
  /** It is not configured: nothing is held for it, and it is told of nothing that goes. */
  readonly away?: boolean
}

export function freshState(start: Position): CursorState {
  return { start, head: start, ranges: [], delivered: 0, filtered: 0, quarantined: 0, evicted: 0 }
}

/** Throws Rejected. */
export function readState(bytes: Uint8Array): CursorState {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as CursorState
  } catch {
    throw damaged('the place of a reader is not what was written')
  }
}

/** Takes in what was appended up to `head`, and gives up what is gone before `oldest`. */
export function caughtUp(state: CursorState, head: Position, oldest: Position): CursorState {
  let now = state
  if (head.seq > now.head.seq) now = { ...now, ranges: extended(now.ranges, now.head, head), head }
  const first = now.ranges[0]
  if (first === undefined || first.from.seq >= oldest.seq) return now
  const gone = { from: { epoch: 0, seq: 0 }, to: { epoch: oldest.epoch, seq: oldest.seq - 1 } }
  const { ranges, removed } = without(now.ranges, gone)
  const { evicted, dropped = 0, away = false } = now
  return { ...now, ranges, evicted: evicted + removed, dropped: away ? dropped + removed : dropped }
}

/** A log that lost its newest entries goes on behind the last that it still has; the receipt is of what is left. */
export function steppedBack(state: CursorState, head: Position): CursorState {
  const ranges = upTo(state.ranges, head)
  const elsewhere = state.filtered + state.quarantined + state.evicted
  const delivered = Math.max(0, head.seq - state.start.seq - count(ranges) - elsewhere)
  const start = { epoch: 0, seq: head.seq - count(ranges) - elsewhere - delivered }
  return { ...state, start, head, ranges, delivered }
}

/** Beyond so many pending ranges, neighbours are joined: repeats, never loss. */
export const MOST_RANGES = 64
/** What is between the oldest was confirmed, and may be gone; the newest is what is live. */
export const APART = { oldest: MOST_RANGES / 2, newest: 1 }

/** Whether it has not confirmed something from `from` to `to`, both seqs included, or may have to repeat it. */
export function needs({ ranges }: CursorState, from: number, to: number): boolean {
  const last = ranges[APART.oldest - 1]
  if (last !== undefined && to > last.to.seq) return true
  return ranges.some((range) => range.from.seq <= to && range.to.seq >= from)
}

/** What it has not confirmed of a stretch of the log. */
export function unconfirmed({ ranges }: CursorState, { from, to }: Range): readonly Range[] {
  const behind = without(ranges, { from: { epoch: to.epoch, seq: to.seq + 1 }, to: LAST }).ranges
  return without(behind, { from: FIRST, to: { epoch: from.epoch, seq: from.seq - 1 } }).ranges
}

export function receiptOf(reader: string, state: CursorState): Receipt {
  const { start, head, delivered, filtered, quarantined, evicted, ranges } = state
  const [stored, pending] = [head.seq - start.seq, count(ranges)]
  return { reader, head, stored, delivered, filtered, pending, quarantined, evicted }
}

const FIRST: Position = { epoch: 0, seq: 0 }
const LAST: Position = { epoch: 2 ** 32 - 1, seq: 2 ** 48 - 1 }
