/** What the log's readers have confirmed: their cursors, receipts and quarantine, in an environment of their own. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import type { HealthLedger, Line } from '../../contracts/health.ts'
import type { Position } from '../../contracts/log.ts'
import type { SinkSaid } from '../ends.ts'
import { moveAside } from '../folder/damaged.ts'
import { syncNow } from '../folder/durable.ts'
import { confirmingLine } from '../progress.ts'
import { type Boots, restampedAll } from '../reading/boots.ts'
import { type Kept, readKept, writeKept } from '../records/quarantine.ts'
import { DATABASE_FILE, type Environment, type Put } from '../segments/environment.ts'
import type { Damage } from '../segments/row.ts'
import { beginningsIn } from './beginnings.ts'
import { StoredCursor } from './cursor.ts'
import { type CursorState, caughtUp, freshState, unconfirmed } from './cursor-state.ts'
import { behind, KEY, keyOfReader, openPlaces, type Places, type Stumble, statesIn } from './places.ts'

const AGAIN_MS = 10_000

export interface ReadersOptions {
  readonly folder: string
  readonly commitEveryMs: number
  readonly quarantineBytes: number
  readonly health: HealthLedger
  readonly clock: Clock
  readonly log: Logger
  readonly boots: Boots
  readonly head: () => Position
  /** Where the oldest stored entry is or was. */
  readonly oldest: () => Position
  /** Hears when ranges were confirmed durably: segments may be free to go. */
  readonly onConfirmed: () => void
  /** Hears when the places could not be read; every reader begins at the oldest entry again. */
  readonly onLost: (text: string) => void
}

function openWithin(folder: string): Environment {
  const place = join(folder, 'readers')
  mkdirSync(place, { recursive: true })
  const environment = openPlaces(folder, { readOnly: false })
  // A process that was killed may have left what is written and not durable: nothing is built on it.
  for (const made of [join(place, DATABASE_FILE), place, folder]) syncNow(made)
  return environment
}

/** Of the log's quota, beside it. */
export function quarantineBytes(quotaBytes: number): number {
  return Math.min(64 * 2 ** 20, Math.floor(quotaBytes / 16))
}

/** What the next commit stores, and who waits for it. */
interface Waiting {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (why: unknown) => void
}

function before({ epoch, seq }: Position): Position {
  return { epoch, seq: seq - 1 }
}

export class Readers implements Places {
  readonly #options: ReadersOptions
  #environment: Environment
  readonly #cursors = new Map<string, StoredCursor>()
  readonly #stored = new Map<string, CursorState>()
  readonly #dirty = new Set<StoredCursor>()
  /** Keys of damage that was reported. */
  readonly #stumbles: Buffer[] = []
  readonly #said = new Map<string, SinkSaid>()
  #puts = new Map<string, Put>()
  #removals = new Map<string, Buffer>()
  /** Puts of the commit that is under way. */
  #flying: ReadonlyMap<string, Put> = new Map()
  #waiting: Waiting | undefined
  #timer: Stop | undefined
  /** What waits should be stored by now, but a commit was under way. */
  #due = false
  #committing: Promise<void> | undefined
  /** Why confirmations cannot be stored at present. */
  failure: string | undefined
  failures = 0
  /** The places were lost: who is known from the configuration alone begins at the oldest entry. */
  #lost = false
  #closed = false
  readonly #line: Line

  constructor(options: ReadersOptions) {
    this.#options = options
    this.#line = confirmingLine(options.health, options)
    try {
      this.#environment = openWithin(options.folder)
      this.#states()
    } catch (thrown) {
      if (thrown instanceof Retryable) {
        // A disk that takes nothing may still be read.
        this.#environment = openPlaces(options.folder, { readOnly: true })
        this.#states()
        this.#fails(thrown)
        return
      }
      if (!(thrown instanceof Rejected)) throw thrown
      const place = moveAside(options.folder, join(options.folder, 'readers'))
      options.onLost(
        `what sinks confirmed cannot be read (${thrown.message}); it was moved to ${place}, everything is sent again`,
      )
      this.#environment = openWithin(options.folder)
      this.#lost = true
    }
  }

  /** The furthest that any reader knows the log to have come. */
  furthest(): Position | undefined {
    let furthest: Position | undefined
    for (const [, { head }] of this.#states()) if (head.seq > (furthest?.seq ?? 0)) furthest = head
    return furthest
  }

  /** Takes up every reader's place, once it is known how far the log goes. */
  load(): void {
    for (const [name, state] of this.#states()) {
      this.#cursors.set(name, this.#cursor(name, state))
      this.#stored.set(name, state)
    }
  }

  /** Every reader there ever was, configured or not. */
  get names(): readonly string[] {
    return [...this.#cursors.keys()]
  }

  get(name: string): StoredCursor | undefined {
    return this.#cursors.get(name)
  }

  state(name: string): CursorState | undefined {
    return this.#cursors.get(name)?.state()
  }

  stored(name: string): CursorState | undefined {
    const state = this.#stored.get(name)
    return state === undefined ? this.state(name) : caughtUp(state, this.#options.head(), this.#options.oldest())
  }

  said(name: string): SinkSaid | undefined {
    return this.#said.get(name)
  }

  /** Stored with the next confirmation, or by itself where none comes. */
  tell(name: string, said: SinkSaid): void {
    this.#said.set(name, said)
    const key = keyOfReader(KEY.said, name)
    this.#puts.set(key.toString('latin1'), { key, value: Buffer.from(JSON.stringify(said)) })
    this.#store(false).catch(() => undefined)
  }

  look(): void {
    // It is here that the places are changed.
  }

  /** The other half is to look at a stretch that could not be read. */
  reportDamage({ range, text, unreadable }: Damage): void {
    const readers = this.names.filter((name) => unconfirmed(this.state(name)!, range).length > 0)
    const key = keyOfReader(KEY.damage, String(range.from.seq))
    const stumble: Stumble = { range, text, unreadable, readers }
    this.#puts.set(key.toString('latin1'), { key, value: Buffer.from(JSON.stringify(stumble)) })
    this.#stumbles.push(key)
    this.#store(false).catch(() => undefined)
  }

  /** What was reported has been looked at. */
  forgetDamage(): void {
    for (const key of this.#stumbles.splice(0)) this.#removals.set(key.toString('latin1'), key)
    this.#store(false).catch(() => undefined)
  }

  /** The reader's place; a new reader begins behind the newest entry or at the oldest. Resolves when it is durable. */
  async open(name: string, options: { readonly from: 'now' | 'oldest' }): Promise<StoredCursor> {
    const known = this.#cursors.get(name)
    if (known !== undefined) return known
    const cursor = this.#begin(name, options.from)
    await this.#store(true)
    return cursor
  }

  /** These readers are configured. Where the places were lost, nothing may go before they have had it. */
  expect(names: readonly string[]): void {
    for (const [name, cursor] of this.#cursors) cursor.configure(names.includes(name))
    if (!this.#lost) return
    this.#lost = false
    for (const name of names) if (!this.#cursors.has(name)) this.#begin(name, 'oldest')
    this.#store(true).catch(() => undefined)
  }

  #begin(name: string, from: 'now' | 'oldest'): StoredCursor {
    const start = from === 'now' && !this.#lost ? this.#now(name) : before(this.#options.oldest())
    const cursor = this.#cursor(name, freshState(start))
    this.#cursors.set(name, cursor)
    this.#dirty.add(cursor)
    return cursor
  }

  /** The end of the log; or where it was when the reader was configured, if that was before. */
  #now(name: string): Position {
    const { folder, head, oldest, log } = this.#options
    try {
      const beginning = beginningsIn(folder).get(name)
      return beginning !== undefined && beginning.seq < head().seq ? beginning : head()
    } catch (thrown) {
      // Rather what nobody asked for than nothing of what somebody did.
      log.error(`where the sink ${name} begins cannot be read, it begins at the oldest record: ${sentence(thrown)}`)
      return before(oldest())
    }
  }

  /** Everything that was confirmed is durable, or has failed to be. */
  async flush(): Promise<void> {
    while (this.#waiting !== undefined || this.#committing !== undefined) {
      if (this.#committing !== undefined) await this.#committing
      else await this.#commit()
      if (this.failure !== undefined) return
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
    this.#timer?.()
    await this.#environment.close()
    this.#line.leave()
  }

  /** After an error LMDB may never answer again in the same environment. */
  async #renew(): Promise<void> {
    const { folder, onLost } = this.#options
    try {
      await this.#environment.close()
      this.#environment = openWithin(folder)
    } catch (thrown) {
      this.failure = sentence(thrown)
      if (!(thrown instanceof Rejected)) return
      // It was damaged while we had it: the places are known here, what was quarantined is not.
      try {
        const place = moveAside(folder, join(folder, 'readers'))
        this.#environment = openWithin(folder)
        for (const cursor of this.#cursors.values()) this.#dirty.add(cursor)
        onLost(`what sinks confirmed cannot be read (${thrown.message}); it was moved to ${place} and is written anew`)
      } catch (again) {
        this.failure = sentence(again)
      }
    }
  }

  #fails(thrown: unknown): void {
    this.failures++
    if (this.failure === undefined)
      this.#options.log.error(`what sinks confirmed cannot be stored: ${sentence(thrown)}`)
    this.failure = sentence(thrown)
  }

  #states(): readonly (readonly [string, CursorState])[] {
    return statesIn(this.#environment)
  }

  #cursor(name: string, state: CursorState): StoredCursor {
    const prefix = Buffer.concat([keyOfReader(KEY.kept, name), Buffer.alloc(1)])
    const keyOf = (seq: number): Buffer => {
      const key = Buffer.concat([prefix, Buffer.alloc(6)])
      key.writeUIntBE(seq, prefix.length, 6)
      return key
    }
    const cursor: StoredCursor = new StoredCursor({
      reader: name,
      state,
      quarantineBytes: this.#options.quarantineBytes,
      head: this.#options.head,
      oldest: this.#options.oldest,
      changed: () => {
        this.#dirty.add(cursor)
        return this.#store(false)
      },
      quarantine: {
        put: (kept) => {
          const value = writeKept(kept)
          const key = keyOf(kept.entry.position.seq)
          this.#removals.delete(key.toString('latin1'))
          this.#puts.set(key.toString('latin1'), { key, value })
          return value.length
        },
        get: (seq) => {
          const key = keyOf(seq)
          const name = key.toString('latin1')
          const waiting = this.#puts.get(name) ?? this.#flying.get(name)
          const bytes = waiting?.value ?? this.#environment.get(key)
          if (bytes === undefined) return undefined
          const kept = readKept(bytes)
          return { ...kept, entry: restampedAll([kept.entry], this.#options.boots)[0]! }
        },
        remove: (seq) => {
          const key = keyOf(seq)
          this.#puts.delete(key.toString('latin1'))
          this.#removals.set(key.toString('latin1'), key)
        },
        list: () => {
          const found: { kept: Kept; bytes: number }[] = []
          for (const { value } of this.#environment.range(prefix, behind(prefix))) {
            try {
              found.push({ kept: readKept(value), bytes: value.length })
            } catch (thrown) {
              this.#options.log.error(`a record in quarantine of ${name} is lost: ${sentence(thrown)}`)
            }
          }
          return found
        },
      },
    })
    return cursor
  }

  /** Resolves when what has changed is durable. */
  #store(now: boolean): Promise<void> {
    this.#line.begin()
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers<void>()
      this.#waiting.promise.catch(() => undefined)
    }
    const { promise } = this.#waiting
    const { clock, commitEveryMs } = this.#options
    if (now || (commitEveryMs === 0 && this.failure === undefined)) {
      queueMicrotask(() => void this.#commit())
    } else this.#timer ??= clock.after(this.failure === undefined ? commitEveryMs : AGAIN_MS, () => void this.#commit())
    return promise
  }

  async #commit(): Promise<void> {
    this.#timer?.()
    this.#timer = undefined
    if (this.#committing !== undefined) {
      this.#due = this.#waiting !== undefined
      return this.#committing
    }
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    const dirty = [...this.#dirty]
    const puts = this.#puts
    this.#flying = puts
    const removals = this.#removals
    this.#dirty.clear()
    this.#puts = new Map()
    this.#removals = new Map()
    const states = dirty.map((cursor) => [cursor.reader, cursor.state()] as const)
    const places = states.map(([reader, state]) => ({
      key: keyOfReader(KEY.reader, reader),
      value: Buffer.from(JSON.stringify(state)),
    }))
    this.#committing = this.#environment.commit([...places, ...puts.values()], [...removals.values()]).then(
      () => {
        this.failure = undefined
        for (const [reader, state] of states) this.#stored.set(reader, state)
        waiting.resolve()
      },
      (thrown: unknown) => {
        this.#fails(thrown)
        for (const cursor of dirty) this.#dirty.add(cursor)
        for (const [key, put] of puts) if (!this.#puts.has(key) && !this.#removals.has(key)) this.#puts.set(key, put)
        for (const [key, gone] of removals) if (!this.#puts.has(key)) this.#removals.set(key, gone)
        waiting.reject(thrown)
        return this.#renew()
      },
    )
    await this.#committing
    this.#committing = undefined
    this.#flying = new Map()
    if (this.#waiting === undefined) this.#line.idle()
    else this.#line.progress()
    if (this.failure === undefined) this.#options.onConfirmed()
    const now = this.#due && this.failure === undefined
    this.#due = false
    if (!this.#closed && (this.#waiting !== undefined || this.failure !== undefined))
      void this.#store(now).catch(() => undefined)
  }
}
