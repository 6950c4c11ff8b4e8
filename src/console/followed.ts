/** Live values for a process that only has the log: its snapshot, and then what is appended. Nothing is read before somebody
 *  asks. */
import { type Batch, type GroupRef, Reason } from '../contracts/batch.ts'
import type { Clock, Instant } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import { sentence } from '../contracts/errors.ts'
import type { LogReader, Position } from '../contracts/log.ts'
import type { LiveValues } from '../contracts/report.ts'
import { Live } from './live.ts'

/** One turn: others have theirs in between. */
const MOST = { entries: 500, bytes: 64 * 2 ** 10 }
const AGAIN_MS = 1000

/** With one of these the device itself said nothing. */
const SILENT: ReadonlySet<number> = new Set([Reason.timeout, Reason.noConnection, Reason.badFrame, Reason.deviceSilent])

interface Heard {
  readonly at: Instant
  readonly answers: boolean
}

export class FollowedLive implements LiveValues {
  readonly #reader: LogReader
  readonly #clock: Clock
  readonly #log: Logger
  readonly #heard = new Map<string, Heard>()
  readonly #live = new Live((device) => this.#heard.get(device)?.answers)
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: { reader: LogReader; clock: Clock; log: Logger }) {
    this.#reader = options.reader
    this.#clock = options.clock
    this.#log = options.log
  }

  get(device: string, group: string): Batch | undefined {
    this.#begin()
    return this.#live.get(device, group)
  }

  all(): Iterable<Batch> {
    this.#begin()
    return this.#live.all()
  }

  answers(device: string): boolean | undefined {
    this.#begin()
    return this.#live.answers(device)
  }

  watch(listen: (batch: Batch) => void): () => void {
    this.#begin()
    return this.#live.watch(listen)
  }

  /** Forgets groups that are no longer configured. */
  configure(groups: readonly GroupRef[]): void {
    this.#live.configure(groups)
    const devices = new Set(groups.map(({ device }) => device))
    for (const device of this.#heard.keys()) if (!devices.has(device)) this.#heard.delete(device)
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  #begin(): void {
    if (this.#running !== undefined || this.#ending.signal.aborted) return
    let from: Position | undefined
    try {
      from = this.#snapshot()
    } catch (thrown) {
      this.#log.warn(`the last values cannot be read from the log: ${sentence(thrown)}`)
    }
    this.#running = this.#follow(from)
  }

  #snapshot(): Position {
    const { at, batches } = this.#reader.snapshot()
    for (const batch of batches) this.#put(batch)
    return at
  }

  async #follow(from: Position | undefined): Promise<void> {
    const { signal } = this.#ending
    let at = from
    while (!signal.aborted) {
      try {
        at ??= this.#snapshot()
        const { head } = this.#reader
        const entries = this.#reader.read({ epoch: at.epoch, seq: at.seq + 1 }, MOST)
        for (const entry of entries) if (entry.kind === 'batch') this.#put(entry.batch)
        at = entries.at(-1)?.position ?? at
        if (entries.length > 0) await this.#clock.sleep(0, signal)
        else if (head.seq <= at.seq) await this.#reader.next(at, signal)
        else at = await this.#again()
      } catch {
        // What is gone or cannot be read is passed over: the snapshot has the last of it.
        at = await this.#again()
      }
    }
  }

  async #again(): Promise<undefined> {
    await this.#clock.sleep(AGAIN_MS, this.#ending.signal).catch(() => {})
  }

  #put(batch: Batch): void {
    const { device } = batch.group
    this.#live.put(batch)
    const answers = answersIn(batch)
    const before = this.#heard.get(device)
    if (answers === undefined || (before !== undefined && this.#isBefore(batch.at, before.at))) return
    this.#heard.set(device, { at: batch.at, answers })
  }

  /** Wall time orders nothing in this boot: its clock may not be set yet. */
  #isBefore(a: Instant, b: Instant): boolean {
    if (a.boot === b.boot) return a.monotonic < b.monotonic
    const { boot } = this.#clock
    return a.boot === boot || b.boot === boot ? b.boot === boot : a.wall < b.wall
  }
}

/** Whether the device said anything; undefined: it was not asked. */
function answersIn({ quality }: Batch): boolean | undefined {
  if (quality === null) return true
  const asked = quality.filter((reason) => reason !== Reason.notYet)
  return asked.length === 0 ? undefined : asked.some((reason) => !SILENT.has(reason))
}
