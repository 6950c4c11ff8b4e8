/** Whether there is room for what is to be stored: when a segment ends, which ones must go, and when nothing can. */
import type { Clock } from '../../contracts/clock.ts'
import type { Position, Range } from '../../contracts/log.ts'
import { count } from '../places/ranges.ts'
import type { Row } from '../segments/row.ts'
import type { Segment } from '../segments/segment.ts'
import { type Losses, lossesOf, type Unconfirmed } from './losses.ts'
import type { Space } from './space.ts'

/** How often free space is looked at while everything is refused. */
const LOOK_MS = 1000
/** How often a ballast that is missing is laid. */
const LAY_MS = 60_000
/** Kept free within the quota: pages that LMDB copies, gap entries. */
const HEADROOM_BYTES = 256 * 2 ** 10
const SEGMENT_BYTES = 32 * 2 ** 20
/** A log is never of fewer segments, or evicting one would cost too much of it. */
const FEWEST_SEGMENTS = 4

export interface RoomOptions {
  readonly row: Row
  readonly space: Space
  readonly clock: Clock
  readonly evict: 'oldest' | 'newest'
  readonly quotaBytes: number
  /** undefined: the larger of 32 MiB and 8 snapshots. */
  readonly segmentBytes: number | undefined
  /** What readers have not confirmed of a stretch. */
  readonly unconfirmed: (range: Range) => readonly Unconfirmed[]
}

export class Room {
  /** Bytes that segments may come to at present. */
  limit = 0
  /** Whether new batches are refused. */
  full = false
  /** When a segment was evicted last, monotonic; undefined: never. */
  evictedAt: number | undefined
  readonly #options: RoomOptions
  #lookedAt = Number.NEGATIVE_INFINITY
  #laidAt: number

  constructor(options: RoomOptions) {
    this.#options = options
    // Not at once: a gateway that starts has better things to do with its disk.
    this.#laidAt = options.clock.monotonic() - LAY_MS + LOOK_MS
    this.look()
  }

  /** Why a batch cannot be taken while `waiting` bytes are not stored yet; undefined: it can. */
  refusal(waiting: number): string | undefined {
    const { row, space, evict, clock } = this.#options
    if (evict === 'oldest' && !this.full) return undefined
    if (this.full && clock.monotonic() - this.#lookedAt >= LOOK_MS) this.look()
    this.full = this.#needed(waiting) > this.limit
    if (!this.full) return undefined
    return space.isShort(row.bytes)
      ? 'the disk is full; the log refuses new batches'
      : 'the log is full; new batches are refused (log.evict: newest)'
  }

  /** Whether the newest segment has to end before `waiting` bytes are stored. */
  isDue(waiting: number): boolean {
    const { row, evict } = this.#options
    const { newest } = row
    if (newest === undefined || newest.bytes >= this.#segmentBytes(newest)) return true
    if (evict === 'newest' || row.segments.length > 1) return false
    // Only what is not written any more can be evicted.
    this.look()
    return newest.bytes >= Math.max(newest.headBytes * 4, HEADROOM_BYTES) && this.#needed(2 * waiting) > this.limit
  }

  /** The oldest segments that must go so that `waiting` bytes have room; they may go once what is lost is told. */
  victims(waiting: number): readonly Segment[] {
    const { row, evict, clock } = this.#options
    this.look()
    const victims: Segment[] = []
    if (evict === 'newest') return victims
    let needed = this.#needed(2 * waiting)
    for (const segment of row.segments) {
      if (needed <= this.limit || segment === row.newest) break
      victims.push(segment)
      needed -= segment.bytes
      this.evictedAt = clock.monotonic()
    }
    // Nothing is left to evict: what comes next is refused until there is room again.
    this.full = needed > this.limit
    return victims
  }

  /** What readers lose with a segment, what gap entries in it told them of, and how many entries none of them had. */
  losses(segment: Segment, head: Position): Losses & { readonly entries: number } {
    const { row, unconfirmed } = this.#options
    const lost = unconfirmed({ from: segment.base, to: row.end(segment, head) })
    const entries = Math.max(0, ...lost.map(({ ranges }) => count(ranges)))
    return { ...lossesOf(lost, entries === 0 ? [] : segment.gaps('all')), entries }
  }

  /** Whether others have filled the disk. */
  get diskIsFull(): boolean {
    return this.#options.space.isFull
  }

  look(): void {
    const { space, row, clock } = this.#options
    this.#lookedAt = clock.monotonic()
    this.limit = space.limit(row.bytes)
    if (this.#lookedAt - this.#laidAt < LAY_MS) return
    this.#laidAt = this.#lookedAt
    space.layBallast()
  }

  #needed(waiting: number): number {
    const { row } = this.#options
    return row.bytes + waiting + (row.newest?.headBytes ?? 0) + HEADROOM_BYTES
  }

  #segmentBytes(newest: Segment): number {
    const { segmentBytes, quotaBytes } = this.#options
    if (segmentBytes !== undefined) return segmentBytes
    return Math.max(2 ** 20, Math.min(quotaBytes / FEWEST_SEGMENTS, Math.max(SEGMENT_BYTES, 8 * newest.headBytes)))
  }
}
