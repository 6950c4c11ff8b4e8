/** The log's reading end in a process of its own: entries as the other half commits them, and how far each sink has come. */
import type { GroupRef } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import { type HealthLedger, unwatched } from '../contracts/health.ts'
import type { Cursor, LogReader, Quarantined } from '../contracts/log.ts'
import type { SinkSaid, UplinkEnd } from './ends.ts'
import { claim, release } from './folder/claim.ts'
import { streamsOf } from './folder/identity.ts'
import { quarantineBytes, Readers } from './places/readers.ts'
import { BootsSeen } from './reading/boots.ts'
import { Follower } from './reading/follower.ts'
import type { Damage } from './segments/row.ts'

export interface UplinkEndOptions {
  readonly path: string
  /** The quarantine's quota is a part of it. */
  readonly quotaBytes: number
  readonly commitEveryMs: number
  readonly segmentBytes?: number | undefined
  /** Which the writing half changes after each commit. */
  readonly headFile?: string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly health?: HealthLedger | undefined
  /** Ends the wait for the writing half. */
  readonly signal: AbortSignal
}

const LOOK_MS = 100
/** So long the other half is given to open a log that seems to have lost its newest entries. */
const PATIENCE_MS = 30_000
/** The other half, once it is there, has seen after this what was reported to it. */
const REPORTED_MS = 10_000

/** Waits until the writing half has made the log. Throws ConfigurationFault when the folder cannot be used or another process
 *  delivers from it; rejects with the signal's reason. */
export async function openUplinkEnd(options: UplinkEndOptions): Promise<UplinkEnd> {
  const { path, clock, log, signal, health = unwatched } = options
  let told = false
  for (let waited = 0; ; waited += LOOK_MS) {
    const streams = streamsOf(path, { evenOfCopy: false })
    const opened = streams === undefined ? undefined : new UplinkLog(options, streams)
    if (opened?.begin({ patient: waited < PATIENCE_MS }) === true) return opened
    await opened?.close()
    if (!told) log.info(`waiting for the field half to make the log in ${path}`)
    told = true
    // Who waits for somebody else does not hang.
    health.step('waiting for the field half to make the log')
    await clock.sleep(LOOK_MS, signal)
  }
}

class UplinkLog implements UplinkEnd {
  readonly reader: LogReader
  readonly #options: UplinkEndOptions
  readonly #follower: Follower
  /** undefined until `begin`. */
  #readers: Readers | undefined
  /** When damage was reported last, monotonic. */
  #reportedAt: number | undefined

  constructor(options: UplinkEndOptions, streams: readonly string[]) {
    this.#options = options
    this.#follower = new Follower({
      ...options,
      streams,
      onDamage: (damage) => this.#damaged(damage),
      onHead: () => this.#hear(),
    })
    this.reader = this.#follower
  }

  /** False: there is nothing to read yet, or less than a sink was given. Throws ConfigurationFault when another process has these readers. */
  begin({ patient }: { readonly patient: boolean }): boolean {
    if (!this.#follower.isThere) return false
    const { path, quotaBytes, commitEveryMs, clock, log, health = unwatched } = this.#options
    claim(path, 'reader', clock.boot)
    this.#readers = new Readers({
      folder: path,
      commitEveryMs,
      health,
      quarantineBytes: quarantineBytes(quotaBytes),
      clock,
      log,
      boots: new BootsSeen(path),
      head: () => this.#follower.head,
      oldest: () => this.#follower.oldest,
      onConfirmed: () => undefined,
      onLost: (text) => log.error(text),
    })
    if (patient && (this.#readers.furthest()?.seq ?? 0) > this.#follower.head.seq) return false
    this.#readers.load()
    this.#readers.forgetDamage()
    this.#follower.follow()
    return true
  }

  configure({ groups, readers }: { readonly groups: readonly GroupRef[]; readonly readers: readonly string[] }): void {
    this.#follower.bind(groups)
    this.#readers!.expect(readers)
  }

  cursor(name: string, options: { readonly from: 'now' | 'oldest' }): Promise<Cursor> {
    return this.#readers!.open(name, options)
  }

  tell(reader: string, said: SinkSaid): void {
    this.#readers!.tell(reader, said)
  }

  *quarantine(reader: string): Iterable<Quarantined> {
    yield* this.#readers!.get(reader)?.quarantine() ?? []
  }

  async flush(): Promise<void> {
    await this.#readers!.flush()
  }

  async close(): Promise<void> {
    await this.#follower.close()
    if (this.#readers === undefined) return
    await this.#readers.close()
    release(this.#options.path, 'reader')
  }

  /** The other half moves aside what is damaged, and tells the sinks of the gap. */
  #damaged(damage: Damage): void {
    this.#options.log.error(damage.text)
    this.#readers?.reportDamage(damage)
    this.#reportedAt = this.#options.clock.monotonic()
  }

  #hear(): void {
    if (this.#reportedAt === undefined || this.#options.clock.monotonic() - this.#reportedAt < REPORTED_MS) return
    this.#reportedAt = undefined
    this.#readers?.forgetDamage()
  }
}
