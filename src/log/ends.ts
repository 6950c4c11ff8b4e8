/** The two ends of the log. The field half writes it, the uplink half reads it and remembers how far each sink has come; in one
 *  process the log is both at once. */
import type { GroupRef } from '../contracts/batch.ts'
import type { Instant } from '../contracts/clock.ts'
import type { Counters, State } from '../contracts/component.ts'
import type { Cursor, LogReader, LogWriter, Quarantined, Receipt } from '../contracts/log.ts'
import type { LogReport } from '../contracts/report.ts'

/** What a sink says of itself, for a half that cannot ask it. */
export interface SinkSaid {
  /** When it said so. The wall clock may be set meanwhile. */
  readonly at: Pick<Instant, 'boot' | 'monotonic'>
  readonly type: string
  readonly state: State
  /** Acquisition time of the oldest entry it has not confirmed, UTC ms. */
  readonly oldest: number | null
  /** Entries a second over the last ten seconds. */
  readonly rate: number
  readonly counters: Counters
}

/** How far a reader has come. */
export interface Place {
  readonly reader: string
  readonly receipt: Receipt
  /** undefined: it has never said anything. */
  readonly said: SinkSaid | undefined
}

export interface FieldEnd {
  readonly writer: LogWriter
  readonly reader: LogReader
  /** What is in force from now on. What none of these readers waits for any more is deleted. */
  configure(configuration: { readonly groups: readonly GroupRef[]; readonly readers: readonly string[] }): void
  report(): LogReport
  /** Of every reader that the log knows, configured or not. */
  places(): readonly Place[]
  /** What has been appended so far is durable or refused when it resolves. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface UplinkEnd {
  readonly reader: LogReader
  /** The reader's place, by its configured name. A new reader begins where `from` says. Throws Retryable. */
  cursor(name: string, options: { readonly from: 'now' | 'oldest' }): Promise<Cursor>
  /** Entries are given back with these very groups. Where the readers' places were lost, these begin at the oldest entry. */
  configure(configuration: { readonly groups: readonly GroupRef[]; readonly readers: readonly string[] }): void
  /** Stored with the next confirmation, or by itself where none comes: not to be called without need. */
  tell(reader: string, said: SinkSaid): void
  /** What a reader's far side refused, oldest first. */
  quarantine(reader: string): Iterable<Quarantined>
  /** What has been confirmed so far is durable or has failed to be when it resolves. */
  flush(): Promise<void>
  close(): Promise<void>
}
