/** The log: the only thing between field and north. Opens a folder and joins its parts. */
import type { GroupRef } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger, State } from '../contracts/component.ts'
import { ConfigurationFault, sentence } from '../contracts/errors.ts'
import type { Cursor, LogReader, LogWriter, Position, Quarantined, Range } from '../contracts/log.ts'
import type { LogReport } from '../contracts/report.ts'
import { BootsLedger } from './boots-ledger.ts'
import { Dictionary } from './dictionary.ts'
import type { FieldEnd, Place, SinkSaid, UplinkEnd } from './ends.ts'
import { Identity } from './identity.ts'
import { Latest } from './latest.ts'
import type { Commit } from './queue.ts'
import { Rate } from './rate.ts'
import { Reader } from './reader.ts'
import { Readers } from './readers.ts'
import { Room } from './room.ts'
import { type Damage, Row } from './row.ts'
import { Space } from './space.ts'
import { Tail } from './tail.ts'
import { Writer } from './writer.ts'

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
}

const TAIL_BYTES = 2 ** 20
const LARGEST_SEGMENT_BYTES = 256 * 2 ** 20
/** Evicting is told for so long after it happened. */
const EVICTED_LATELY_MS = 60_000

/** Throws ConfigurationFault when the folder cannot be used or another process writes it. A disk that is full or fails is
 *  no reason: the log then refuses what it cannot store, and tries again. */
export async function openLog(options: LogOptions): Promise<Log> {
  const identity = new Identity(options.path, options.clock.boot)
  try {
    const log = new Log(options, identity)
    await log.begin()
    return log
  } catch (thrown) {
    identity.release()
    if (thrown instanceof ConfigurationFault) throw thrown
    throw new ConfigurationFault(`log.path: the log in ${options.path} cannot be opened: ${sentence(thrown)}`)
  }
}

/** Both ends at once. */
export class Log implements FieldEnd, UplinkEnd {
  readonly writer: LogWriter
  readonly reader: LogReader
  readonly #options: LogOptions
  readonly #identity: Identity
  readonly #dictionary = new Dictionary()
  readonly #boots: BootsLedger
  readonly #latest: Latest
  readonly #tail = new Tail({ bytes: TAIL_BYTES })
  readonly #row: Row
  readonly #space: Space
  readonly #room: Room
  readonly #readers: Readers
  readonly #writer: Writer
  readonly #reader: Reader
  readonly #rate: Rate
  /** undefined until the configuration is known: nothing is deleted before. */
  #configured: readonly string[] | undefined
  readonly #said = new Map<string, SinkSaid>()
  readonly #damages: Damage[] = []
  #damagedCount = 0
  #damageText: string | undefined
  #epochFault: unknown
  readonly #openedAt: Position
  #begun = false
  #closed: Promise<void> | undefined

  /** Use `openLog`. */
  constructor(options: LogOptions, identity: Identity) {
    const { path, clock, log, quotaBytes, commitEveryMs } = options
    this.#options = options
    this.#identity = identity
    const { stream } = identity
    this.#boots = new BootsLedger({ folder: path, log })
    this.#row = new Row({
      folder: path,
      stream,
      segmentBytes: options.segmentBytes ?? LARGEST_SEGMENT_BYTES,
      dictionary: this.#dictionary,
      onDamage: (damage) => this.#damaged(damage),
    })
    this.#readers = new Readers({
      folder: path,
      commitEveryMs,
      quarantineBytes: Math.min(64 * 2 ** 20, Math.floor(quotaBytes / 16)),
      clock,
      log,
      head: () => this.#head(),
      oldest: () => this.#row.oldest ?? { epoch: 0, seq: 1 },
      onConfirmed: () => this.#retire(),
      onLost: (text) => {
        this.#damageText = text
        this.#damagedCount++
        log.error(text)
      },
    })
    this.#openedAt = this.#takeUp()
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
    this.#readers.load()
    this.#writer = new Writer({
      identity,
      row: this.#row,
      room: this.#room,
      dictionary: this.#dictionary,
      latest: this.#latest,
      boots: this.#boots,
      clock,
      log,
      commitEveryMs,
      head: this.#openedAt,
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
    this.#rate = new Rate({ clock, windowMs: 60_000 })
    this.writer = this.#writer
    this.reader = this.#reader
  }

  /** Makes the newest segment ready. Part of `openLog`. */
  async begin(): Promise<void> {
    await this.#writer.begin(this.#epochFault)
    this.#begun = true
    for (const damage of this.#damages.splice(0)) this.#tellDamage(damage)
  }

  /** The reader's place, by its configured name. A new reader begins where `from` says. Throws Retryable. */
  cursor(name: string, options: { readonly from: 'now' | 'oldest' }): Promise<Cursor> {
    return this.#readers.open(name, options)
  }

  /** What is in force from now on. Values and entries are given back with these very groups; whatever none of these
   *  readers waits for any more is deleted; absent: nothing new about that. */
  configure(configuration: { readonly groups: readonly GroupRef[]; readonly readers?: readonly string[] }): void {
    this.#dictionary.bind(configuration.groups)
    this.#latest.configure(configuration.groups)
    if (this.#row.oldest !== undefined) this.#latest.forget(this.#row.oldest)
    if (configuration.readers === undefined) return
    this.#configured = configuration.readers
    this.#readers.expect(configuration.readers)
    this.#retire()
  }

  /** Every reader the log knows a place of, configured or not. */
  readers(): readonly string[] {
    return this.#readers.names
  }

  tell(reader: string, said: SinkSaid): void {
    this.#said.set(reader, said)
  }

  places(): readonly Place[] {
    const head = this.#writer.head
    return this.#readers.names.map((reader) => ({
      reader,
      receipt: this.#readers.get(reader)!.receipt(head),
      said: this.#said.get(reader),
    }))
  }

  /** What a reader's far side refused, oldest first. */
  *quarantine(reader: string): Iterable<Quarantined> {
    yield* this.#readers.get(reader)?.quarantine() ?? []
  }

  /** What has been appended and confirmed so far is durable or refused when it resolves. */
  async flush(): Promise<void> {
    await this.#writer.flush()
    await this.#readers.flush()
    await this.#row.settled()
  }

  report(): LogReport {
    const { quotaBytes } = this.#options
    const { bytes } = this.#row
    const limit = this.#room.limit
    const perSecond = this.#rate.perSecond()
    return {
      state: this.#state(bytes, limit),
      stream: this.#identity.stream,
      head: this.#writer.head,
      bytes,
      quotaBytes,
      segments: this.#row.segments.length,
      fullInMs: perSecond === 0 ? null : Math.max(0, ((limit - bytes) / perSecond) * 1000),
      counters: {
        ...this.#writer.counters,
        ballastFreed: this.#space.freed,
        damaged: this.#damagedCount,
        confirmFailed: this.#readers.failures,
      },
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#writer.close()
    await this.#readers.close()
    await this.#row.close()
    await this.#space.settled
    this.#identity.release()
  }

  /** Opens what an earlier run left, and takes the next epoch. Returns the head. */
  #takeUp(): Position {
    const { last, damagedUpTo } = this.#row.reopen()
    let head = last ?? this.#readers.furthest() ?? { epoch: 0, seq: 0 }
    if (damagedUpTo !== undefined && damagedUpTo.seq > head.seq) head = damagedUpTo
    try {
      this.#identity.advance(head.epoch + 1)
    } catch (thrown) {
      this.#epochFault = thrown
    }
    return head
  }

  #head(): Position {
    return this.#writer?.head ?? this.#openedAt
  }

  #committed({ entries, sizes, bytes }: Commit): void {
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]!
      this.#tail.push(entry, sizes[index]!)
      if (entry.kind === 'batch') this.#latest.put(entry.batch, entry.position)
    }
    this.#rate.add(bytes)
    queueMicrotask(() => this.#reader.wake())
  }

  /** Deletes the segments that no configured reader waits for. The newest stays. */
  #retire(): void {
    if (this.#configured === undefined) return
    const cursors = this.#configured.flatMap((name) => this.#readers.get(name) ?? [])
    const head = this.#writer.head
    const { newest } = this.#row
    const idle = this.#row.segments.filter((segment) => {
      if (segment === newest) return false
      const { seq } = this.#row.end(segment, head)
      return !cursors.some((cursor) => cursor.needs(segment.base.seq, seq))
    })
    for (const segment of idle) {
      this.#row
        .remove(segment)
        .catch((thrown) => this.#options.log.warn(`a segment cannot be deleted: ${sentence(thrown)}`))
    }
  }

  #unconfirmed(range: Range): readonly { readonly reader: string; readonly ranges: readonly Range[] }[] {
    const names = this.#configured ?? this.#readers.names
    return names.flatMap((reader) => {
      const cursor = this.#readers.get(reader)
      return cursor === undefined ? [] : [{ reader, ranges: cursor.unconfirmed(range) }]
    })
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
    if (entries === 0) return
    const readers = this.#unconfirmed(range).flatMap(({ reader, ranges }) => (ranges.length > 0 ? [reader] : []))
    this.#writer.gap({ range, entries, why: 'damaged', readers })
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
    if (this.#readers.failure !== undefined) {
      return { condition: 'fault', text: `what sinks confirmed cannot be stored: ${this.#readers.failure}` }
    }
    const percent = Math.floor((bytes / limit) * 100)
    if (percent >= 95) return { condition: 'degraded', text: `${short} is ${percent} % full; soon records are lost` }
    if (percent >= 85) return { condition: 'degraded', text: `${short} is ${percent} % full; a sink is far behind` }
    if (percent >= 70) return { condition: 'degraded', text: `${short} is ${percent} % full` }
    if (this.#damageText !== undefined) return { condition: 'degraded', text: this.#damageText }
    return { condition: 'fine', text: `${percent} % full` }
  }
}
