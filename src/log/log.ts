/** The log: the only thing between field and north. Opens a folder and joins its parts. */
import { isDeepStrictEqual } from 'node:util'
import type { GroupRef } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger, State } from '../contracts/component.ts'
import { ConfigurationFault, sentence } from '../contracts/errors.ts'
import { type HealthLedger, type Line, unwatched } from '../contracts/health.ts'
import type { Cursor, LogReader, LogWriter, Position, Quarantined, Range } from '../contracts/log.ts'
import type { LogReport } from '../contracts/report.ts'
import { Rate } from './delivery/rate.ts'
import type { FieldEnd, Place, SinkSaid, UplinkEnd } from './ends.ts'
import { Identity } from './folder/identity.ts'
import { fullInMs } from './outage.ts'
import { type Beginnings, beginningsIn, beginningsOf, writeBeginnings } from './places/beginnings.ts'
import { type CursorState, caughtUp, freshState, needs, unconfirmed } from './places/cursor-state.ts'
import { type Places, placesOf, SeenPlaces } from './places/places.ts'
import { quarantineBytes, Readers } from './places/readers.ts'
import { logLines } from './progress.ts'
import { Reader } from './reading/reader.ts'
import { Tail } from './reading/tail.ts'
import { Dictionary } from './records/dictionary.ts'
import { writeErrorsAreTold } from './segments/environment.ts'
import { Latest } from './segments/latest.ts'
import { LARGEST_SEGMENT_BYTES } from './segments/layout.ts'
import { type Damage, Row } from './segments/row.ts'
import { BootsLedger } from './writing/boots-ledger.ts'
import { GapLedger } from './writing/gap-ledger.ts'
import { HeadFile } from './writing/head.ts'
import type { Commit } from './writing/queue.ts'
import { Room } from './writing/room.ts'
import { Space } from './writing/space.ts'
import { Writer } from './writing/writer.ts'

export interface LogOptions {
  readonly path: string
  readonly quotaBytes: number
  /** 0: a commit begins as soon as the last one ended. */
  readonly commitEveryMs: number
  readonly evict: 'oldest' | 'newest'
  /** undefined: the larger of 32 MiB and 8 snapshots. */
  readonly segmentBytes?: number | undefined
  readonly clock: Clock
  readonly log: Logger
  /** Free bytes of the file system; undefined: ask it. */
  readonly freeBytes?: (() => number) | undefined
  readonly health?: HealthLedger | undefined
}

export interface FieldEndOptions extends LogOptions {
  /** Changed after each commit, to wake the other half. */
  readonly headFile?: string | undefined
}

/** Boots that a segment's records may name: a box that restarts for ever must not fill it with their names. */
const MOST_BOOTS = 1000
const TAIL_BYTES = 2 ** 20
/** Evicting is told for so long after it happened. */
const EVICTED_LATELY_MS = 60_000

/** Both ends in one process. Throws ConfigurationFault when the folder cannot be used or another process writes it. A disk that
 *  is full or fails is no reason: the log then refuses what it cannot store, and tries again. */
export function openLog(options: LogOptions): Promise<Log> {
  return open(options, 'both')
}

/** The writing end alone: what readers confirm is another process's, and seen in its files. Throws ConfigurationFault. */
export function openFieldEnd(options: FieldEndOptions): Promise<FieldEnd> {
  return open(options, 'field')
}

async function open(options: FieldEndOptions, ends: 'both' | 'field'): Promise<Log> {
  const identity = new Identity(options.path, options.clock.boot, ends === 'both' ? ['writer', 'reader'] : ['writer'])
  if (!writeErrorsAreTold) {
    options.log.warn('a disk that refuses a write may end the process: lmdb could not be kept from it (/proc/self/mem)')
  }
  if (identity.isCopy) {
    options.log.warn(
      `the log in ${options.path} is a copy: restored, or moved to another disk or machine. It goes on as a stream of its own (${identity.stream}); what sinks have had since the copy was made comes again`,
    )
  }
  try {
    const log = new Log(options, identity, ends)
    await log.begin()
    return log
  } catch (thrown) {
    identity.release()
    if (thrown instanceof ConfigurationFault) throw thrown
    throw new ConfigurationFault(`log.path: the log in ${options.path} cannot be opened: ${sentence(thrown)}`)
  }
}

/** Both ends at once, or without readers of its own the field's end. */
export class Log implements FieldEnd, UplinkEnd {
  readonly writer: LogWriter
  readonly reader: LogReader
  readonly #options: FieldEndOptions
  readonly #identity: Identity
  readonly #dictionary = new Dictionary()
  readonly #boots: BootsLedger
  readonly #ledger: GapLedger
  readonly #latest: Latest
  readonly #tail = new Tail({ bytes: TAIL_BYTES })
  readonly #row: Row
  readonly #space: Space
  readonly #room: Room
  readonly #places: Places
  /** undefined: they are the other half's. */
  readonly #readers: Readers | undefined
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #entryRate: Rate
  readonly #byteRate: Rate
  /** Of the newest segment, as of the last commit. */
  #measured: { readonly segment: number; readonly bytes: number } = { segment: 0, bytes: 0 }
  /** undefined until the configuration is known: nothing is deleted before. */
  #configured: readonly string[] | undefined
  #beginnings: Beginnings = new Map()
  readonly #headFile: HeadFile | undefined
  readonly #damages: Damage[] = []
  /** Readers of the other half that came upon damage. */
  #stumbled: readonly string[] = []
  #damagedCount = 0
  #damageText: string | undefined
  #epochFault: unknown
  /** The newest segment of another run is not written on. */
  #sealed = false
  readonly #openedAt: Position
  #begun = false
  readonly #lines: readonly Line[]
  #closed: Promise<void> | undefined

  /** Use `openLog`. */
  constructor(options: FieldEndOptions, identity: Identity, ends: 'both' | 'field') {
    const { path, clock, log, quotaBytes, commitEveryMs, health = unwatched } = options
    const { writing, deleting } = logLines(health, { commitEveryMs })
    this.#lines = [writing, deleting]
    this.#options = options
    this.#identity = identity
    const { stream, streams } = identity
    this.#boots = new BootsLedger({ folder: path, log })
    this.#ledger = new GapLedger({ folder: path, log })
    this.#row = new Row({
      folder: path,
      streams,
      segmentBytes: options.segmentBytes ?? LARGEST_SEGMENT_BYTES,
      dictionary: this.#dictionary,
      onDamage: (damage) => this.#damaged(damage),
      deleting,
      step: (text) => health.step(text),
    })
    const around = { folder: path, head: () => this.#head(), oldest: () => this.#row.oldest ?? { epoch: 0, seq: 1 } }
    this.#readers = ends === 'field' ? undefined : this.#openReaders(around)
    this.#places = this.#readers ?? this.#seePlaces(around)
    this.#openedAt = this.#takeUp()
    const synced = this.#boots.takeUp(this.#row.newest?.lastSynced())
    if (synced !== null) clock.recall(synced)
    this.#space = new Space({ folder: path, quotaBytes, freeBytes: options.freeBytes })
    this.#room = new Room({
      row: this.#row,
      space: this.#space,
      clock,
      evict: options.evict,
      quotaBytes,
      segmentBytes: options.segmentBytes,
      unconfirmed: (range) => this.#unconfirmed(range),
    })
    this.#latest = new Latest(() => this.#row.newest?.lastBatches() ?? [])
    this.#readers?.load()
    this.#writer = new Writer({
      identity,
      row: this.#row,
      room: this.#room,
      dictionary: this.#dictionary,
      latest: this.#latest,
      boots: this.#boots,
      ledger: this.#ledger,
      clock,
      log,
      commitEveryMs,
      head: this.#openedAt,
      line: writing,
      onCommit: (commit) => this.#committed(commit),
    })
    this.#reader = new Reader({
      stream,
      row: this.#row,
      tail: this.#tail,
      latest: this.#latest,
      boots: this.#boots,
      head: () => this.#writer.head,
    })
    this.#entryRate = new Rate({ clock, windowMs: 60_000 })
    this.#byteRate = new Rate({ clock, windowMs: 60_000 })
    const { newest } = this.#row
    if (newest !== undefined) this.#measured = { segment: newest.number, bytes: newest.bytes }
    this.#headFile = options.headFile === undefined ? undefined : new HeadFile(options.headFile)
    this.writer = this.#writer
    this.reader = this.#reader
  }

  /** Makes the newest segment ready. Part of `openLog`. */
  async begin(): Promise<void> {
    await this.#ledger.takeUp(this.#row.latelyTold())
    if (this.#dictionary.boots.length > MOST_BOOTS) {
      // Each segment has a list of its own: a new one begins it anew.
      this.#dictionary.loadBoots([])
      this.#writer.rollNext()
    }
    if (this.#sealed) this.#writer.rollNext()
    await this.#writer.begin(this.#epochFault)
    this.#begun = true
    if (this.#places instanceof SeenPlaces) this.#places.follow(this.#options.clock)
    for (const damage of this.#damages.splice(0)) this.#tellDamage(damage)
  }

  /** The reader's place, by its configured name. A new reader begins where `from` says. Throws Retryable. */
  cursor(name: string, options: { readonly from: 'now' | 'oldest' }): Promise<Cursor> {
    return this.#own().open(name, options)
  }

  /** What is in force from now on. Values and entries are given back with these very groups; whatever none of these
   *  readers waits for any more is deleted. */
  configure(configuration: { readonly groups: readonly GroupRef[]; readonly readers: readonly string[] }): void {
    this.#dictionary.bind(configuration.groups)
    this.#latest.configure(configuration.groups)
    if (this.#row.oldest !== undefined) this.#latest.forget(this.#row.oldest)
    this.#configured = configuration.readers
    this.#readers?.expect(configuration.readers)
    this.#keepBeginnings(configuration.readers)
    this.#retire()
  }

  /** A reader may come for its place long after it was configured. */
  #keepBeginnings(readers: readonly string[]): void {
    const { path, log } = this.#options
    try {
      this.#places.look()
      const known = beginningsIn(path)
      const hasPlace = (reader: string): boolean => this.#places.state(reader) !== undefined
      this.#beginnings = beginningsOf(known, { readers, hasPlace, head: this.#head() })
      if (!isDeepStrictEqual(known, this.#beginnings)) writeBeginnings(path, this.#beginnings)
    } catch (thrown) {
      log.warn(`where new sinks begin cannot be kept: ${sentence(thrown)}`)
    }
  }

  /** Every reader the log knows a place of, configured or not. */
  readers(): readonly string[] {
    return this.#places.names
  }

  tell(reader: string, said: SinkSaid): void {
    this.#own().tell(reader, said)
  }

  places(): readonly Place[] {
    return placesOf(this.#places)
  }

  /** What a reader's far side refused, oldest first. */
  *quarantine(reader: string): Iterable<Quarantined> {
    yield* this.#own().get(reader)?.quarantine() ?? []
  }

  /** What has been appended and confirmed so far is durable or refused when it resolves. */
  async flush(): Promise<void> {
    await this.#writer.flush()
    await this.#places.flush()
    await this.#row.settled()
  }

  report(): LogReport {
    const { quotaBytes } = this.#options
    const { bytes } = this.#row
    const limit = this.#room.limit
    const { evict } = this.#options
    const perSecond = { entries: this.#entryRate.perSecond(), bytes: this.#byteRate.perSecond() }
    const filling = { bytes, limitBytes: limit, evict, perSecond }
    return {
      state: this.#state(bytes, limit),
      stream: this.#identity.stream,
      head: this.#writer.head,
      ...filling,
      quotaBytes,
      segments: this.#row.segments.length,
      fullInMs: fullInMs(filling),
      counters: {
        ...this.#writer.counters,
        ballastFreed: this.#space.freed,
        damaged: this.#damagedCount,
        confirmFailed: this.#places.failures,
      },
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#writer.close()
    await this.#places.close()
    await this.#row.close()
    this.#headFile?.close()
    await this.#space.settled
    for (const line of this.#lines) line.leave()
    this.#identity.release()
  }

  /** Opens what an earlier run left, and takes the next epoch. Returns the head. */
  #takeUp(): Position {
    const { last, damagedUpTo, sealed } = this.#row.reopen()
    this.#sealed = sealed === true
    const furthest = this.#places.furthest()
    let head = last ?? furthest ?? { epoch: 0, seq: 0 }
    if (damagedUpTo !== undefined && damagedUpTo.seq > head.seq) head = damagedUpTo
    // A place that a sink knows is never given to another entry: it would be taken for one that was delivered.
    if (furthest !== undefined && furthest.seq > head.seq) {
      const range = { from: { epoch: head.epoch, seq: head.seq + 1 }, to: furthest }
      this.#row.lose(
        range,
        'the newest records that sinks were given are not in the log any more; it goes on behind them',
      )
      head = { epoch: Math.max(head.epoch, furthest.epoch), seq: furthest.seq }
    }
    try {
      this.#identity.advance(head.epoch + 1)
    } catch (thrown) {
      this.#epochFault = thrown
    }
    return head
  }

  #openReaders(around: Around): Readers {
    const { commitEveryMs, quotaBytes, clock, log, health = unwatched } = this.#options
    return new Readers({
      ...around,
      commitEveryMs,
      health,
      quarantineBytes: quarantineBytes(quotaBytes),
      clock,
      log,
      boots: this.#boots,
      onConfirmed: () => this.#retire(),
      onLost: (text) => {
        this.#damageText = text
        this.#damagedCount++
        log.error(text)
      },
    })
  }

  #seePlaces(around: Around): SeenPlaces {
    return new SeenPlaces({
      ...around,
      health: this.#options.health ?? unwatched,
      onLooked: () => {
        this.#row.newest?.forgetDeadReaders()
        this.#retire()
      },
      onDamage: (damage) => {
        this.#stumbled = damage.readers
        this.#row.believe(damage)
        this.#stumbled = []
      },
    })
  }

  /** Throws ConfigurationFault when the readers are the other half's. */
  #own(): Readers {
    if (this.#readers === undefined) throw new ConfigurationFault('the uplink half keeps what sinks have confirmed')
    return this.#readers
  }

  #head(): Position {
    return this.#writer?.head ?? this.#openedAt
  }

  #committed({ entries, sizes }: Commit): void {
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]!
      this.#tail.push(entry, sizes[index]!)
      if (entry.kind === 'batch') this.#latest.put(entry.batch, entry.position)
    }
    this.#entryRate.add(entries.length)
    this.#byteRate.add(this.#grown())
    this.#headFile?.write(entries.at(-1)!.position)
    queueMicrotask(() => this.#reader.wake())
  }

  /** Bytes that the last commit has added on the disk: more than its records, the smaller it is. */
  #grown(): number {
    const { number, bytes } = this.#row.newest!
    const before = this.#measured.segment === number ? this.#measured.bytes : 0
    this.#measured = { segment: number, bytes }
    return Math.max(0, bytes - before)
  }

  /** Deletes the segments that no configured reader waits for. The newest stays. */
  #retire(): void {
    if (this.#configured === undefined) return
    const states = this.#configured.map((name) => this.#places.stored(name))
    // A reader that is configured and has no place yet has still to come for it: what it begins with must be there.
    if (states.includes(undefined)) return
    const head = this.#writer.head
    const { newest } = this.#row
    const idle = this.#row.segments.filter((segment) => {
      if (segment === newest) return false
      const { seq } = this.#row.end(segment, head)
      return !states.some((state) => state !== undefined && needs(state, segment.base.seq, seq))
    })
    for (const segment of idle) {
      this.#row
        .remove(segment)
        .catch((thrown) => this.#options.log.warn(`a segment cannot be deleted: ${sentence(thrown)}`))
    }
  }

  #unconfirmed(range: Range): readonly { readonly reader: string; readonly ranges: readonly Range[] }[] {
    this.#places.look()
    return (this.#configured ?? this.#places.names).flatMap((reader) => {
      const state = this.#places.state(reader) ?? this.#unopened(reader)
      return state === undefined ? [] : [{ reader, ranges: unconfirmed(state, range) }]
    })
  }

  /** What the place of a reader will be that has still to come for it. */
  #unopened(reader: string): CursorState | undefined {
    const beginning = this.#beginnings.get(reader)
    const oldest = this.#row.oldest ?? { epoch: 0, seq: 1 }
    return beginning && caughtUp(freshState(beginning), this.#head(), oldest)
  }

  #damaged(damage: Damage): void {
    this.#damagedCount++
    this.#damageText = damage.text
    // What cannot even be looked up is not written on.
    if (damage.newest) this.#writer.rollNext()
    this.#options.log.error(damage.text)
    if (this.#begun) this.#tellDamage(damage)
    else this.#damages.push(damage)
  }

  #tellDamage({ range, entries }: Damage): void {
    if (entries <= 0) return
    const readers = new Set(this.#stumbled)
    for (const { reader, ranges } of this.#unconfirmed(range)) if (ranges.length > 0) readers.add(reader)
    this.#writer.gap({ range, entries, why: 'damaged', readers: [...readers] })
  }

  #state(bytes: number, limit: number): State {
    const { failure } = this.#writer
    const { full, evictedAt } = this.#room
    if (failure !== undefined) return { condition: 'fault', text: `${failure}; values are live but not stored` }
    const short = this.#space.isShort(bytes) ? 'the disk' : 'the log'
    if (full) return { condition: 'fault', text: `${short} is full; new batches are refused and counted` }
    if (evictedAt !== undefined && this.#options.clock.monotonic() - evictedAt < EVICTED_LATELY_MS) {
      return { condition: 'fault', text: `${short} is full; the oldest records are deleted undelivered` }
    }
    if (this.#places.failure !== undefined) {
      const what = this.#readers === undefined ? 'seen' : 'stored'
      return { condition: 'fault', text: `what sinks confirmed cannot be ${what}: ${this.#places.failure}` }
    }
    const percent = Math.floor((bytes / limit) * 100)
    if (percent >= 95) return { condition: 'degraded', text: `${short} is ${percent} % full; soon records are lost` }
    if (percent >= 85) return { condition: 'degraded', text: `${short} is ${percent} % full; a sink is far behind` }
    if (percent >= 70) return { condition: 'degraded', text: `${short} is ${percent} % full` }
    if (this.#damageText !== undefined) return { condition: 'degraded', text: this.#damageText }
    return { condition: 'fine', text: `${percent} % full` }
  }
}

interface Around {
  readonly folder: string
  readonly head: () => Position
  readonly oldest: () => Position
}
