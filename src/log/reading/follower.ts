/** The log as another process sees it that reads what is written meanwhile: committed entries, straight from the segments. */
import type { FSWatcher } from 'node:fs'
import type { Batch, GroupRef } from '../../contracts/batch.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { Retryable, sentence } from '../../contracts/errors.ts'
import { type HealthLedger, type Line, unwatched } from '../../contracts/health.ts'
import type { Entry, GapEntry, LogReader, Position } from '../../contracts/log.ts'
import { followingLine } from '../progress.ts'
import { Dictionary } from '../records/dictionary.ts'
import { Latest } from '../segments/latest.ts'
import { LARGEST_SEGMENT_BYTES } from '../segments/layout.ts'
import { type Damage, Row } from '../segments/row.ts'
import { watchHead } from '../writing/head.ts'
import { BootsSeen, restampedAll, restampedBatch } from './boots.ts'
import { Waiting } from './waiting.ts'

/** How often is looked without being told. */
const LOOK_MS = 100
/** A look may fall into the moment in which a segment is made or removed: more than so many is a failure that is told. */
const TELL_AFTER = 20

export interface FollowerOptions {
  readonly path: string
  /** Its own first, then those of the logs that it is a copy of. */
  readonly streams: readonly string[]
  readonly segmentBytes?: number | undefined
  /** Which the writing process changes after each commit; undefined: looked for every 100 ms only. */
  readonly headFile?: string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly health?: HealthLedger | undefined
  readonly onDamage: (damage: Damage) => void
  /** Hears of new entries before readers wake. */
  readonly onHead?: (head: Position) => void
}

export class Follower implements LogReader {
  readonly stream: string
  readonly #options: FollowerOptions
  readonly #dictionary = new Dictionary()
  readonly #boots: BootsSeen
  readonly #row: Row
  readonly #waiting = new Waiting()
  #head: Position = { epoch: 0, seq: 0 }
  #watcher: FSWatcher | undefined
  #stop: Stop | undefined
  #line: Line | undefined
  #groups: readonly GroupRef[] = []
  /** Why the last look failed. */
  failure: string | undefined
  /** Looks that failed in a row. */
  #failed = 0

  /** Call `follow` to be told of what comes. */
  constructor(options: FollowerOptions) {
    this.#options = options
    this.stream = options.streams[0]!
    this.#boots = new BootsSeen(options.path)
    this.#row = new Row({
      folder: options.path,
      streams: options.streams,
      segmentBytes: options.segmentBytes ?? LARGEST_SEGMENT_BYTES,
      dictionary: this.#dictionary,
      following: true,
      onDamage: options.onDamage,
    })
    this.look()
  }

  get head(): Position {
    return this.#head
  }

  /** Whether there is a complete segment. */
  get isThere(): boolean {
    return this.#row.newest !== undefined
  }

  /** Where the oldest stored entry is or was. */
  get oldest(): Position {
    return this.#row.oldest ?? { epoch: 0, seq: 1 }
  }

  get segments(): readonly { readonly folder: string; readonly bytes: number; readonly base: Position }[] {
    for (const segment of this.#row.segments) segment.measure()
    return this.#row.segments
  }

  /** Gap entries that are still in the log; those left out that tell again what others told. */
  told(): readonly GapEntry[] {
    return [...this.#row.told()]
  }

  follow(): void {
    const { clock, headFile, health = unwatched } = this.#options
    this.#line ??= followingLine(health, 'following')
    this.#stop ??= clock.every(LOOK_MS, () => {
      if (headFile !== undefined) this.#watcher ??= watchHead(headFile, () => this.look())
      this.look()
      this.#line?.progress()
    })
  }

  /** Entries are given back with these very groups. */
  bind(groups: readonly GroupRef[]): void {
    this.#groups = groups
    this.#dictionary.bind(groups)
  }

  read(from: Position, max: { readonly entries: number; readonly bytes: number }): readonly Entry[] {
    if (from.seq > this.#head.seq || max.entries <= 0) return []
    return restampedAll(this.#read(from, max), this.#boots)
  }

  next(after: Position, signal: AbortSignal): Promise<void> {
    return this.#waiting.next(after, () => this.#head, signal)
  }

  snapshot(): { readonly at: Position; readonly batches: readonly Batch[] } {
    this.look()
    const { newest } = this.#row
    const latest = new Latest(() => (newest?.follow(this.#options.streams) === true ? newest.lastBatches() : []))
    latest.configure(this.#groups)
    this.#boots.look()
    return { at: this.#head, batches: latest.batches().map((batch) => restampedBatch(batch, this.#boots.offsetOf)) }
  }

  /** Finds out what was committed since, and wakes whoever waits for it. Never throws. */
  look(): void {
    try {
      this.#row.refresh()
      const { newest } = this.#row
      if (newest === undefined) return
      const last = newest.last() ?? { epoch: newest.base.epoch, seq: newest.base.seq - 1 }
      if (this.#failed >= TELL_AFTER) this.#options.log.info(`the log in ${this.#options.path} can be followed again`)
      this.failure = undefined
      this.#failed = 0
      if (last.seq <= this.#head.seq) return
      this.#head = last
    } catch (thrown) {
      this.failure = `the log in ${this.#options.path} cannot be followed: ${sentence(thrown)}`
      if (++this.#failed === TELL_AFTER) this.#options.log.error(this.failure)
      return
    }
    this.#options.onHead?.(this.#head)
    this.#waiting.wake(this.#head)
  }

  #read(from: Position, max: { readonly entries: number; readonly bytes: number }): readonly Entry[] {
    try {
      return this.#row.read(from.seq, this.#head, max)
    } catch (thrown) {
      if (!(thrown instanceof Retryable)) throw thrown
      // A segment that was there a moment ago may just have been removed.
      this.#row.refresh()
      return this.#row.read(from.seq, this.#head, max)
    }
  }

  async close(): Promise<void> {
    this.#stop?.()
    this.#watcher?.close()
    await this.#row.close()
    this.#line?.leave()
  }
}
