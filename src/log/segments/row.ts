/** The row of segments in a log's folder: which there are, which one is written, who reads where. */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import type { Line } from '../../contracts/health.ts'
import type { Entry, GapEntry, Position, Range } from '../../contracts/log.ts'
import { moveAside } from '../folder/damaged.ts'
import { syncNow } from '../folder/durable.ts'
import type { Dictionary } from '../records/dictionary.ts'
import { DATABASE_FILE } from './environment.ts'
import type { Latest } from './latest.ts'
import { LEAVING, MAKING, nameOf, type SegmentName } from './layout.ts'
import { lastPositionIn } from './salvage.ts'
import { Segment } from './segment.ts'

/** Segments beside the newest that stay mapped: one a reader that is behind, up to so many. */
const MAPPED = 3
/** What is stored beside a segment's records is stored before the next segment is made, unless the disk fails. */
const LATELY = 2
/** What a disk says that cannot read what it has. */
const UNREADABLE = new Set(['EIO', 'EUCLEAN', 'EBADMSG', 'EISDIR'])
/** So often in a row it is asked again. */
const MOST_FAILURES = 20

export interface Damage {
  readonly range: Range
  readonly entries: number
  /** Which file, what is wrong, where it was put. */
  readonly text: string
  /** The segment that is written cannot be read. */
  readonly newest: boolean
  /** Not even what there is can be looked up: the rest of the segment is given up. */
  readonly unreadable: boolean
  /** Nothing is there: whoever only looks cannot tell what was lost from what went because everybody had confirmed it. */
  readonly missing: boolean
}

export interface Reopened {
  readonly last: Position | undefined
  readonly damagedUpTo: Position | undefined
  readonly sealed?: boolean
}

export interface RowOptions {
  readonly folder: string
  /** Its own first, then those of the logs that it is a copy of. */
  readonly streams: readonly string[]
  readonly segmentBytes: number
  readonly dictionary: Dictionary
  /** Another process writes and removes the segments: nothing is made, moved or deleted here, and `refresh` takes in what changed. */
  readonly following?: boolean
  /** Hears of each damage once. */
  readonly onDamage: (damage: Damage) => void
  /** Due while files are being deleted. */
  readonly deleting?: Line
  /** Hears when another segment is about to be looked through. */
  readonly step?: (text: string) => void
}

export class Row {
  readonly #options: RowOptions
  readonly #within: string
  /** Oldest first. */
  readonly #segments: Segment[] = []
  /** Sealed segments that are mapped, longest unused first. */
  readonly #mapped: Segment[] = []
  /** Seqs that were found damaged. */
  readonly #holes: { readonly from: number; readonly to: number }[] = []
  readonly #going = new Set<Promise<void>>()
  #nextNumber = 1
  /** When the folder of the segments was changed last, as of the last look. */
  #changedAt = -1n

  constructor(options: RowOptions) {
    this.#options = options
    this.#within = join(options.folder, 'segments')
    if (options.following === true) return
    mkdirSync(this.#within, { recursive: true })
    this.#clear()
    const names = this.#names()
    this.#segments.push(...names.map((name) => this.#segment(name.number, name.base)))
    this.#nextNumber = (names.at(-1)?.number ?? 0) + 1
  }

  /** Takes in the segments that the writing process has added, the newest once it is complete, and closes those it has
   *  removed: a file that is unlinked and still open still fills the disk. Throws what the file system throws. */
  refresh(): void {
    const changedAt = statSync(this.#within, { bigint: true }).mtimeNs
    if (changedAt === this.#changedAt) return
    const names = this.#names()
    const there = new Set(names.map(({ number }) => number))
    for (const segment of this.#segments.filter(({ number }) => !there.has(number))) {
      this.#drop(segment)
      void segment.close().catch(() => undefined)
    }
    const newest = this.newest?.number ?? 0
    const added = names.filter(({ number }) => number > newest).map(({ number, base }) => this.#segment(number, base))
    const last = added.pop()
    const before = this.newest
    this.#segments.push(...added)
    if (last !== undefined && !this.#isComplete(last)) return
    if (last !== undefined) this.#segments.push(last)
    if (before !== undefined && before !== this.newest) this.#touch(before)
    this.#changedAt = changedAt
  }

  get newest(): Segment | undefined {
    return this.#segments.at(-1)
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** Bytes of all segments on disk. */
  get bytes(): number {
    let bytes = 0
    for (const segment of this.#segments) bytes += segment.bytes
    return bytes
  }

  /** Where the oldest segment begins. */
  get oldest(): Position | undefined {
    return this.#segments[0]?.base
  }

  /** Makes the newest segment of another run writable and says how far it got; undefined: there is none that can be
   *  written on. What cannot be read is moved aside. `damagedUpTo`: the last position of a segment that was lost.
   *  `sealed`: it is sound enough to be read, and is not to be written on. Throws Retryable when a segment may be sound but
   *  cannot be opened now. */
  reopen(): Reopened {
    let damagedUpTo: Position | undefined
    while (this.newest !== undefined) {
      const newest = this.newest
      this.#options.step?.(`opening ${newest.folder}`)
      try {
        return { ...this.#taken(newest), damagedUpTo }
      } catch (thrown) {
        if (thrown instanceof Retryable) throw thrown
        this.#options.step?.(`looking through ${newest.folder}, which is damaged`)
        const end = lastPositionIn(join(newest.folder, DATABASE_FILE)) ?? {
          epoch: newest.base.epoch,
          seq: newest.base.seq - 1,
        }
        if (damagedUpTo === undefined || end.seq > damagedUpTo.seq) damagedUpTo = end
        this.#moveAside(newest, end, sentence(thrown))
      }
    }
    return { last: undefined, damagedUpTo }
  }

  /** Throws Rejected when it cannot be read at all, Retryable. */
  #taken(newest: Segment): { readonly last: Position; readonly sealed: boolean } {
    let sealed = false
    try {
      newest.reopen(this.#options.streams, { readOnly: false })
    } catch (thrown) {
      if (!(thrown instanceof Retryable)) throw thrown
      // A disk that takes nothing may still be read.
      newest.reopen(this.#options.streams, { readOnly: true })
      sealed = true
    }
    try {
      return { last: newest.last() ?? { epoch: newest.base.epoch, seq: newest.base.seq - 1 }, sealed }
    } catch (thrown) {
      if (thrown instanceof Retryable) throw thrown
      return { last: newest.claimed(), sealed: true }
    }
  }

  /** A new newest segment. Throws Retryable. */
  async add(base: Position, latest: Latest): Promise<Segment> {
    const before = this.newest
    const segment = this.#segment(this.#nextNumber++, base)
    try {
      await segment.create({ stream: this.#options.streams[0]!, latest: latest.entries() })
    } catch (thrown) {
      await segment.remove().catch(() => undefined)
      throw thrown
    }
    this.#segments.push(segment)
    if (before !== undefined) this.#touch(before)
    return segment
  }

  /** Last position that a segment holds, for the figures; the newest ends at `head`. */
  end(segment: Segment, head: Position): Position {
    const next = this.#segments[this.#segments.indexOf(segment) + 1]
    return next === undefined ? head : { epoch: Math.max(segment.base.epoch, next.base.epoch), seq: next.base.seq - 1 }
  }

  remove(segment: Segment): Promise<void> {
    this.#drop(segment)
    const removal = segment.remove()
    this.#going.add(removal)
    const { deleting } = this.#options
    deleting?.begin()
    const gone = (): void => {
      this.#going.delete(removal)
      if (this.#going.size > 0) deleting?.progress()
      else deleting?.idle()
    }
    removal.then(gone, gone)
    return removal
  }

  /** What was removed is gone from the disk, or cannot be removed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#going)
  }

  /** Gap entries of the last few segments, as far as they can be read; those left out that tell again what others told. */
  latelyTold(): Iterable<GapEntry> {
    return this.told(LATELY)
  }

  /** The same of so many segments, or of all. */
  *told(segments = Number.POSITIVE_INFINITY): Iterable<GapEntry> {
    for (const segment of this.#segments.slice(-segments)) {
      try {
        yield* segment.gaps('first')
      } catch {
        // It is named and counted when a reader comes to it.
      }
      if (segment !== this.newest) this.#touch(segment)
    }
  }

  /** Entries from `seq` up to `head`; what is gone is passed over. */
  read(from: number, head: Position, max: { readonly entries: number; readonly bytes: number }): readonly Entry[] {
    let seq = from
    while (seq <= head.seq) {
      const place = this.#place(seq)
      const segment = this.#segments[place]
      if (segment === undefined) return []
      seq = Math.max(seq, segment.base.seq)
      const next = this.#segments[place + 1]
      const last = next === undefined ? head.seq : Math.min(head.seq, next.base.seq - 1)
      const hole = this.#holes.find(({ from, to }) => seq >= from && seq <= to)
      if (hole !== undefined) {
        seq = hole.to + 1
        continue
      }
      try {
        if (segment !== this.newest || this.#options.following !== true) segment.verify()
        let entries = seq > last ? [] : segment.entries(seq, last, max)
        if (entries[0]?.position.seq !== seq && seq <= last && this.#options.following === true) {
          // It may have been written on since this view of it was taken.
          segment.renew()
          entries = segment.entries(seq, last, max)
        }
        if (segment !== this.newest) this.#touch(segment)
        segment.failures = 0
        const found = entries[0]?.position.seq ?? last + 1
        if (found > seq) this.#miss(segment, seq, found - 1)
        if (entries.length > 0) return entries
        seq = last + 1
      } catch (thrown) {
        // Whatever else is thrown on the way is what damaged bytes lead to.
        if (thrown instanceof Retryable && !this.#isHopeless(segment, thrown)) throw thrown
        seq = this.#pass(segment, seq, last, sentence(thrown)) + 1
      }
    }
    return []
  }

  async close(): Promise<void> {
    await this.settled()
    for (const segment of this.#segments) await segment.close()
  }

  /** Trying again does not bring it back: its file is gone, or the disk could not read it time and again. Whoever follows leaves
   *  the judgement to the writer. */
  #isHopeless(segment: Segment, { cause }: Retryable): boolean {
    if (this.#options.following === true || segment === this.newest) return false
    if (segment.isGone) return true
    return (
      UNREADABLE.has((cause as NodeJS.ErrnoException | undefined)?.code ?? '') && ++segment.failures >= MOST_FAILURES
    )
  }

  /** Notes what is damaged at `seq` and returns its last seq: records that cannot be understood, a block, or if not even keys
   *  can be read, the segment. */
  #pass(segment: Segment, seq: number, last: number, why: string): number {
    const position = (at: number): Position => ({ epoch: segment.base.epoch, seq: at })
    let end: number
    let unreadable = false
    try {
      segment.verify()
      end = Math.min(last, segment.obscure(seq) ?? (segment.after(seq) ?? last + 1) - 1)
    } catch {
      if (segment !== this.newest && this.#options.following !== true) {
        this.#moveAside(segment, position(last), why)
        return last
      }
      end = last
      unreadable = true
    }
    const range = { from: position(seq), to: position(end) }
    const newest = unreadable && segment === this.newest
    this.lose(range, `${segment.folder} is damaged: ${why}`, { newest, unreadable })
    return end
  }

  /** Nothing stands from `seq` to `last`, though every place up to the head was given to an entry. */
  #miss(segment: Segment, seq: number, last: number): void {
    const { epoch } = segment.base
    const known = this.#holes.find(({ from, to }) => to >= seq && from <= last)
    const end = Math.min(last, (known?.from ?? last + 1) - 1)
    if (end >= seq)
      this.lose(
        { from: { epoch, seq }, to: { epoch, seq: end } },
        `records are missing in or behind ${segment.folder}`,
        {
          missing: true,
        },
      )
  }

  /** These places are known to hold nothing: it is told once. */
  lose(range: Range, text: string, how: Partial<Pick<Damage, 'newest' | 'unreadable' | 'missing'>> = {}): void {
    const { newest = false, unreadable = false, missing = false } = how
    this.#holes.push({ from: range.from.seq, to: range.to.seq })
    this.#options.onDamage({ range, entries: range.to.seq - range.from.seq + 1, text, newest, unreadable, missing })
  }

  /** Another process could not read this. */
  believe({ range, text, unreadable }: Pick<Damage, 'range' | 'text' | 'unreadable'>): void {
    if (this.#holes.some(({ from, to }) => from <= range.from.seq && to >= range.to.seq)) return
    const segment = this.#segments[this.#place(range.from.seq)]
    if (unreadable && segment !== undefined && segment !== this.newest) this.#moveAside(segment, range.to, text)
    else this.lose(range, text, { newest: unreadable && segment === this.newest })
  }

  #moveAside(segment: Segment, end: Position, why: string): void {
    let what: string
    try {
      what = `a segment was moved to ${moveAside(this.#options.folder, segment.folder)}`
    } catch (thrown) {
      what = `${segment.folder} cannot be read, nor moved (${sentence(thrown)})`
    }
    // While it still has its place: who waits for what was in it is asked before it counts as gone.
    this.lose({ from: segment.base, to: end }, `${what}: ${why}`)
    this.#drop(segment)
    void segment.close().catch(() => undefined)
  }

  /** What was never whole, and what was to go, when the power went. */
  #clear(): void {
    const left = readdirSync(this.#within).filter((name) => name.endsWith(MAKING) || name.endsWith(LEAVING))
    // The names that they lost stay lost, whatever becomes of what is in them.
    if (left.length > 0) syncNow(this.#within)
    for (const name of left) {
      try {
        rmSync(join(this.#within, name), { recursive: true, force: true })
      } catch {
        // A disk that refuses this is told of by what refuses to be stored.
      }
    }
  }

  /** Of the segments in the folder, oldest first. */
  #names(): readonly SegmentName[] {
    const names = readdirSync(this.#within).flatMap((folder) => nameOf(folder) ?? [])
    return names.sort((a, b) => a.number - b.number)
  }

  #isComplete(segment: Segment): boolean {
    try {
      if (segment.follow(this.#options.streams)) return true
    } catch (thrown) {
      // Whoever writes it finds the same, and puts another in its place.
      if (thrown instanceof Rejected) return true
    }
    void segment.close().catch(() => undefined)
    return false
  }

  #segment(number: number, base: Position): Segment {
    const { segmentBytes, dictionary } = this.#options
    // Room for the head and for a commit beyond the bound; only addresses are taken, no memory.
    return new Segment({ number, base, within: this.#within, mapBytes: 4 * segmentBytes + 2 ** 28, dictionary })
  }

  /** The segment that `seq` is in, or the first behind it. */
  #place(seq: number): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#segments[middle]!.base.seq <= seq) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }

  #touch(segment: Segment): void {
    if (!segment.isOpen || this.#mapped.at(-1) === segment) return
    const at = this.#mapped.indexOf(segment)
    if (at >= 0) this.#mapped.splice(at, 1)
    this.#mapped.push(segment)
    while (this.#mapped.length > MAPPED)
      void this.#mapped
        .shift()!
        .close()
        .catch(() => undefined)
  }

  #drop(segment: Segment): void {
    const at = this.#segments.indexOf(segment)
    if (at >= 0) this.#segments.splice(at, 1)
    const mapped = this.#mapped.indexOf(segment)
    if (mapped >= 0) this.#mapped.splice(mapped, 1)
  }
}
