/** The log's writing end: appended entries are grouped into commits, commits into segments, within the quota. Whoever
 *  appends never waits for the disk; what cannot be stored is refused and counted. */
import { type Batch, Reason } from '../../contracts/batch.ts'
import type { Clock, Instant, Stop } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import type { Line } from '../../contracts/health.ts'
import type { Entry, EventNote, GapEntry, LogWriter, Position } from '../../contracts/log.ts'
import type { Identity } from '../folder/identity.ts'
import type { Dictionary } from '../records/dictionary.ts'
import type { Latest } from '../segments/latest.ts'
import type { Row } from '../segments/row.ts'
import type { Segment } from '../segments/segment.ts'
import type { BootsLedger, Dating } from './boots-ledger.ts'
import type { GapLedger } from './gap-ledger.ts'
import type { Gap } from './losses.ts'
import { type Commit, Queue, type Settle } from './queue.ts'
import type { Room } from './room.ts'

/** Appended and not yet on disk: beyond that batches are refused. */
const MOST_WAITING_BYTES = 64 * 2 ** 20
const MOST_IN_COMMIT = 500
const AGAIN_MS = 10_000
/** While refusing lasts, a gap entry tells of it at least this often. */
const TELL_MS = 60_000

export interface WriterOptions {
  readonly identity: Identity
  readonly row: Row
  readonly room: Room
  readonly dictionary: Dictionary
  readonly latest: Latest
  readonly boots: BootsLedger
  readonly ledger: GapLedger
  readonly clock: Clock
  readonly log: Logger
  readonly commitEveryMs: number
  /** Due while something waits to be stored. */
  readonly line: Line
  readonly head: Position
  /** Hears of each commit, after it is durable and before its appends resolve. */
  readonly onCommit: (commit: Commit, head: Position) => void
}

export class Writer implements LogWriter {
  readonly #options: WriterOptions
  readonly #queue: Queue
  #head: Position
  #epoch: number
  #seq: number
  #inFlightBytes = 0
  #timer: Stop | undefined
  #again: Stop | undefined
  #committing: Promise<void> | undefined
  #recovering: Promise<void> | undefined
  #closed = false
  /** Segments to be replaced at the next commit, whatever their size. */
  #roll = false
  /** Why nothing can be stored: the disk fails. */
  failure: string | undefined
  /** Refused and not told of in a gap entry yet. */
  #untold = 0
  #toldAt = Number.NEGATIVE_INFINITY
  /** Gap entries for when the disk takes entries again. */
  readonly #owed: { readonly gap: Gap; readonly again: boolean }[] = []
  /** Seqs of gap entries that tell what others told which are evicted: the ledger has those. */
  readonly #retold = new Set<number>()
  readonly counters = {
    appended: 0,
    commits: 0,
    bytes: 0,
    refused: 0,
    evicted: 0,
    gaps: 0,
    ioErrors: 0,
    segments: 0,
    unencodable: 0,
  }

  constructor(options: WriterOptions) {
    this.#options = options
    this.#queue = new Queue(options.dictionary)
    this.#head = options.head
    this.#epoch = options.identity.epoch
    this.#seq = options.head.seq
  }

  get head(): Position {
    return this.#head
  }

  append(batch: Batch): Promise<Position> {
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      this.counters.refused++
      this.#untold++
      return Promise.reject(new Retryable(refusal, { reason: Reason.refused }))
    }
    this.#see(batch.at)
    return this.#push((position) => ({ kind: 'batch', position, batch }))
  }

  note(event: EventNote): Promise<Position> {
    if (this.#closed || this.failure !== undefined) {
      this.counters.refused++
      this.#untold++
      return Promise.reject(new Retryable(this.failure ?? 'the log is closed', { reason: Reason.refused }))
    }
    const { at, name, text, facts } = event
    this.#see(at)
    return this.#push((position) => ({ kind: 'event', position, at, name, text, facts }))
  }

  /** The entry must follow the newest one. Throws Rejected otherwise, and Retryable when the disk refuses. */
  async adopt(entry: Entry): Promise<void> {
    const refusal = this.#refusal()
    if (refusal !== undefined) throw new Retryable(refusal, { reason: Reason.refused })
    const { epoch, seq } = entry.position
    if (seq !== this.#seq + 1 || epoch < this.#head.epoch) {
      throw new Rejected(`entry ${epoch}/${seq} does not follow ${this.#head.epoch}/${this.#seq}`)
    }
    // What this writer appends itself later stands in an epoch behind every adopted one.
    if (epoch >= this.#epoch) this.#epoch = this.#options.identity.advance(epoch + 1)
    await this.#push(() => entry)
    if (entry.kind === 'clock') this.#options.boots.adopt(entry)
  }

  /** Tells readers of entries that are gone or never came. */
  gap(gap: Gap, again = false): void {
    if (this.failure !== undefined) {
      this.#owed.push({ gap, again })
      return
    }
    this.counters.gaps++
    const at = this.#options.clock.now()
    this.#see(at)
    this.#push((position) => {
      if (again) this.#retold.add(position.seq)
      return { kind: 'gap', position, at, ...gap }
    }).catch(() => undefined)
  }

  /** The newest segment is given up at the next commit. */
  rollNext(): void {
    this.#roll = true
  }

  /** The first segment, or one in place of a damaged one. Never throws: what fails is tried again. `fault`: why the
   *  epoch could not be taken. */
  async begin(fault: unknown): Promise<void> {
    const { row } = this.#options
    // Without an epoch of its own it must not write.
    if (fault !== undefined) {
      this.#fail(fault)
      return
    }
    this.#tellAgain()
    const newest = row.newest
    if (newest !== undefined && this.#seq >= newest.base.seq - 1 && !this.#roll) {
      return
    }
    try {
      await this.#addSegment()
    } catch (thrown) {
      this.#fail(thrown)
      this.#ended()
    }
  }

  /** Everything appended so far is durable or refused when it resolves. */
  async flush(): Promise<void> {
    while (this.#committing !== undefined || (this.#queue.count > 0 && this.failure === undefined)) {
      await (this.#committing ?? this.#commit())
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#tell(true)
    await this.flush()
    this.#timer?.()
    this.#again?.()
    await this.#recovering
    await this.#options.boots.keep()
    await this.#keepGaps([])
  }

  #refusal(): string | undefined {
    if (this.#closed) return 'the log is closed'
    if (this.failure !== undefined) return this.failure
    const waiting = this.#queue.bytes + this.#inFlightBytes
    if (waiting > MOST_WAITING_BYTES) return 'the disk is too slow: 64 MiB wait to be stored'
    const refusal = this.#options.room.refusal(waiting)
    if (this.#untold > 0) this.#tell(refusal === undefined)
    return refusal
  }

  #push(make: (position: Position) => Entry): Promise<Position> {
    return new Promise((resolve, reject) => {
      const entry = make({ epoch: this.#epoch, seq: this.#seq + 1 })
      this.#enqueue(entry, { resolve, reject })
    })
  }

  #enqueue(entry: Entry, settle: Settle): void {
    try {
      this.#queue.push(entry, settle)
    } catch (thrown) {
      this.counters.unencodable++
      settle.reject(new Rejected(`a record cannot be stored: ${sentence(thrown)}`, { cause: thrown }))
      return
    }
    this.#seq = entry.position.seq
    this.#options.line.begin()
    this.#schedule()
  }

  #schedule(): void {
    if (this.#committing !== undefined || this.failure !== undefined) return
    const { commitEveryMs, clock } = this.#options
    if (commitEveryMs === 0 || this.#queue.count >= MOST_IN_COMMIT) {
      if (this.#timer !== soon) {
        this.#timer?.()
        this.#timer = soon
        queueMicrotask(() => {
          if (this.#timer === soon) void this.#commit()
        })
      }
    } else this.#timer ??= clock.after(commitEveryMs, () => void this.#commit())
  }

  #commit(): Promise<void> {
    this.#timer?.()
    this.#timer = undefined
    if (this.#queue.count === 0 || this.failure !== undefined) return Promise.resolve()
    this.#committing ??= this.#store().finally(() => {
      this.#committing = undefined
      this.#ended()
      if (this.#queue.count > 0) this.#schedule()
    })
    return this.#committing
  }

  /** What waits has been stored, or refused. */
  #ended(): void {
    if (this.#queue.count > 0) this.#options.line.progress()
    else this.#options.line.idle()
  }

  /** Never rejects: what fails refuses what waits. */
  async #store(): Promise<void> {
    let commit: Commit | undefined
    try {
      if (this.#roll || this.#options.room.isDue(this.#queue.bytes)) await this.#addSegment()
      const victims = this.#makeRoom()
      await this.#options.boots.keep()
      commit = this.#queue.take()
      this.#inFlightBytes = commit.bytes
      const gaps = commit.entries.filter(isGap).map(seqOf)
      await this.#append(
        commit,
        gaps.map((seq) => ({ seq, again: this.#retold.has(seq) })),
      )
      await this.#keepGaps(commit.entries)
      this.#stored(commit)
      for (const victim of victims) await this.#options.row.remove(victim).catch((thrown) => this.#cannotRemove(thrown))
    } catch (thrown) {
      this.#fail(thrown, commit)
    } finally {
      this.#queue.done()
      this.#inFlightBytes = 0
    }
  }

  async #append({ blocks, groups }: Commit, gaps: Parameters<Segment['append']>[2]): Promise<void> {
    const { row, log } = this.#options
    try {
      await row.newest!.append(blocks, groups, gaps)
    } catch (thrown) {
      if (!(thrown instanceof Rejected)) throw thrown
      // Its file was damaged while we wrote it. What stands in it is judged when it is read.
      log.error(`${sentence(thrown)}; the log goes on in another segment`)
      await this.#addSegment()
      await row.newest!.append(blocks, groups, gaps)
    }
  }

  #stored(commit: Commit): void {
    this.#head = commit.entries.at(-1)!.position
    this.counters.commits++
    this.counters.appended += commit.entries.length
    this.counters.bytes += commit.bytes
    this.#options.onCommit(commit, this.#head)
    for (let index = 0; index < commit.settles.length; index++) {
      commit.settles[index]!.resolve(commit.entries[index]!.position)
    }
  }

  /** Before the next segment is made: when the log is opened again, only the last ones are looked through for what is missing
   *  in the ledger. */
  async #keepGaps(entries: readonly Entry[]): Promise<void> {
    const { ledger } = this.#options
    const gaps = entries.filter(isGap).filter((gap) => !this.#retold.delete(seqOf(gap)))
    if (gaps.length > 0 || ledger.owes) await ledger.keep(gaps)
  }

  async #addSegment(): Promise<void> {
    const { row, latest } = this.#options
    if (row.oldest !== undefined) latest.forget(row.oldest)
    await row.add({ epoch: this.#epoch, seq: this.#head.seq + 1 }, latest)
    this.#roll = false
    this.#options.boots.touch()
    this.counters.segments++
  }

  /** The segments that go once this commit, with the gaps they leave, is durable. */
  #makeRoom(): readonly Segment[] {
    const { room } = this.#options
    const victims = room.victims(this.#queue.bytes)
    for (const segment of victims) {
      const { gaps, again, entries } = room.losses(segment, this.#head)
      this.counters.evicted += entries
      for (const gap of gaps) this.gap(gap)
      for (const gap of again) this.gap(gap, true)
    }
    return victims
  }

  // ── what fails ───────────────────────────────────────────────────────────────────────────────

  /** The segment is sealed where it was last known to be sound; what waits is refused; a new one is tried later. */
  #fail(thrown: unknown, commit?: Commit): void {
    const { log, clock } = this.#options
    this.counters.ioErrors++
    const full = this.#options.room.diskIsFull ? 'the disk is full, ' : ''
    const text = `the log cannot be stored: ${full}${sentence(thrown)}`
    if (this.failure === undefined) log.error(text)
    this.failure = text
    this.#roll = true
    const waiting = this.#queue.take()
    const why = new Retryable(text, { reason: Reason.refused, cause: thrown })
    for (const { settles, entries } of commit === undefined ? [waiting] : [commit, waiting]) {
      for (const entry of entries) {
        if (entry.kind === 'gap') {
          const { range, entries, why, readers } = entry
          const gap = { range, entries, why, ...(readers && { readers }) }
          this.#owed.push({ gap, again: this.#retold.delete(seqOf(entry)) })
        } else if (entry.kind !== 'clock') {
          // A clock entry is told again.
          this.counters.refused++
          this.#untold++
        }
      }
      for (const { reject } of settles) reject(why)
    }
    this.#seq = this.#head.seq
    this.#timer?.()
    this.#timer = undefined
    if (!this.#closed)
      this.#again ??= clock.after(AGAIN_MS, () => {
        this.#options.line.begin()
        this.#recovering = this.#recover().finally(() => this.#ended())
      })
  }

  async #recover(): Promise<void> {
    this.#again = undefined
    if (this.#closed) return
    try {
      // Positions of the failed commit may stand on disk: they are never used again.
      this.#epoch = this.#options.identity.advance()
      await this.#addSegment()
      this.failure = undefined
      this.#options.log.info('the log is stored again')
      for (const { gap, again } of this.#owed.splice(0)) this.gap(gap, again)
      this.#tellAgain()
      this.#tell(true)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  #cannotRemove(thrown: unknown): void {
    this.counters.ioErrors++
    this.#options.log.warn(`an evicted segment cannot be deleted: ${sentence(thrown)}`)
  }

  /** What the stamp of an entry of this box tells of its boot: once its clock is set, what was stored before can be dated. */
  #see(at: Instant): void {
    const dating = this.#options.boots.see(at)
    if (dating !== undefined) this.#tellClock(dating, at)
  }

  #tellClock({ boot, offsetMs }: Dating, at: Instant): void {
    this.#push((position) => ({ kind: 'clock', position, at, boot, offsetMs })).then(
      () => this.#options.boots.told({ boot, offsetMs }),
      () => undefined,
    )
  }

  /** Clock entries that a failing disk or the end of an earlier run has cost. */
  #tellAgain(): void {
    const at = this.#options.clock.now()
    for (const dating of this.#options.boots.untold) this.#tellClock(dating, at)
  }

  /** A gap entry for what was refused: when it is over, and now and then while it lasts. */
  #tell(over: boolean): void {
    const now = this.#options.clock.monotonic()
    if (this.#untold === 0 || this.failure !== undefined || (!over && now - this.#toldAt < TELL_MS)) return
    this.#toldAt = now
    const entries = this.#untold
    this.#untold = 0
    this.gap({ range: null, entries, why: 'refused' })
  }
}

const isGap = (entry: Entry): entry is GapEntry => entry.kind === 'gap'
const seqOf = ({ position }: Entry): number => position.seq

/** In place of a timer: the commit is queued behind what runs now. */
const soon: Stop = () => undefined
