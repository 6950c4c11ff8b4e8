/** What is known of how far readers have come, by whoever only looks: the half that writes the segments, and the log command. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Stop } from '../../contracts/clock.ts'
import { Rejected, sentence } from '../../contracts/errors.ts'
import { type HealthLedger, type Line, unwatched } from '../../contracts/health.ts'
import type { Position } from '../../contracts/log.ts'
import type { Place, SinkSaid } from '../ends.ts'
import { syncForeign } from '../folder/durable.ts'
import { followingLine } from '../progress.ts'
import { type Kept, readKept } from '../records/quarantine.ts'
import { DATABASE_FILE, Environment } from '../segments/environment.ts'
import type { Damage } from '../segments/row.ts'
import { type CursorState, caughtUp, readState, receiptOf } from './cursor-state.ts'

/** What the field's end asks: for retention, for what an eviction costs, for lights and status. */
export interface Places {
  /** Every reader there ever was, configured or not. */
  readonly names: readonly string[]
  /** Why confirmations cannot be stored or seen at present. */
  readonly failure: string | undefined
  readonly failures: number
  /** undefined: it has no place. */
  state(reader: string): CursorState | undefined
  /** As a power cut would leave it: what may be deleted must not be pending after one. */
  stored(reader: string): CursorState | undefined
  said(reader: string): SinkSaid | undefined
  /** The furthest that any reader knows the log to have come. */
  furthest(): Position | undefined
  /** What is said from now on is as of now. */
  look(): void
  flush(): Promise<void>
  close(): Promise<void>
}

/** What readers could not read, and which ones were still to have it. */
export interface Stumble extends Pick<Damage, 'range' | 'text' | 'unreadable'> {
  readonly readers: readonly string[]
}

export function placesOf(places: Places): readonly Place[] {
  return places.names.flatMap((reader) => {
    const state = places.state(reader)
    return state === undefined ? [] : [{ reader, receipt: receiptOf(reader, state), said: places.said(reader) }]
  })
}

/** First byte of a key. */
export const KEY = { reader: 1, kept: 2, said: 3, damage: 4 } as const
const MAP_BYTES = 2 ** 32

export function keyOfReader(kind: number, reader: string): Buffer {
  return Buffer.concat([Buffer.from([kind]), Buffer.from(reader)])
}

export function openPlaces(folder: string, options: { readonly readOnly: boolean }): Environment {
  return new Environment({ path: join(folder, 'readers', DATABASE_FILE), mapBytes: MAP_BYTES, ...options })
}

/** Throws Rejected. */
export function statesIn(environment: Environment): readonly (readonly [string, CursorState])[] {
  const pairs = [...environment.range(Buffer.from([KEY.reader]), Buffer.from([KEY.reader + 1]))]
  return pairs.map(({ key, value }) => [nameIn(key), readState(value)])
}

/** The first key that does not begin with the prefix, which ends in a zero. */
export function behind(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1] = 1
  return end
}

function readable(value: Uint8Array): Kept | undefined {
  try {
    return readKept(value)
  } catch {
    return undefined
  }
}

function nameIn(key: Uint8Array): string {
  return Buffer.from(key).toString('utf8', 1)
}

const LOOK_MS = 1000

export interface SeenPlacesOptions {
  readonly folder: string
  readonly health?: HealthLedger
  readonly head: () => Position
  /** Where the oldest stored entry is or was. */
  readonly oldest: () => Position
  /** Hears when something may have been confirmed. */
  readonly onLooked?: () => void
  /** Readers came upon a stretch that they could not read. */
  readonly onDamage?: (damage: Stumble) => void
}

/** Places that another process changes. */
export class SeenPlaces implements Places {
  failure: string | undefined
  failures = 0
  readonly #options: SeenPlacesOptions
  #environment: Environment | undefined
  #file = 0
  #states = new Map<string, CursorState>()
  #said = new Map<string, SinkSaid>()
  readonly #damages = new Set<string>()
  #stop: Stop | undefined
  #line: Line | undefined

  constructor(options: SeenPlacesOptions) {
    this.#options = options
    this.look()
  }

  /** Looks each second from now on. */
  follow(clock: Clock): void {
    this.#line ??= followingLine(this.#options.health ?? unwatched, 'places of the sinks')
    this.#stop ??= clock.every(LOOK_MS, () => {
      this.look()
      this.#line?.progress()
      this.#options.onLooked?.()
    })
  }

  get names(): readonly string[] {
    return [...this.#states.keys()]
  }

  state(reader: string): CursorState | undefined {
    const state = this.#states.get(reader)
    return state && caughtUp(state, this.#options.head(), this.#options.oldest())
  }

  /** What another process shows is durable. */
  stored(reader: string): CursorState | undefined {
    return this.state(reader)
  }

  said(reader: string): SinkSaid | undefined {
    return this.#said.get(reader)
  }

  furthest(): Position | undefined {
    let furthest: Position | undefined
    for (const { head } of this.#states.values()) if (head.seq > (furthest?.seq ?? 0)) furthest = head
    return furthest
  }

  /** Never throws: what cannot be seen now is as it was seen last. */
  look(): void {
    try {
      const environment = this.#open()
      if (environment === undefined) return
      const states = new Map(statesIn(environment))
      const said = new Map<string, SinkSaid>()
      for (const { key, value } of environment.range(Buffer.from([KEY.said]), Buffer.from([KEY.damage])))
        said.set(nameIn(key), JSON.parse(Buffer.from(value).toString('utf8')) as SinkSaid)
      this.#states = states
      this.#said = said
      for (const { key, value } of environment.range(Buffer.from([KEY.damage]), Buffer.from([KEY.damage + 1]))) {
        if (this.#damages.has(nameIn(key))) continue
        this.#damages.add(nameIn(key))
        this.#options.onDamage?.(JSON.parse(Buffer.from(value).toString('utf8')) as Stumble)
      }
      this.failure = undefined
    } catch (thrown) {
      this.failures++
      this.failure = sentence(thrown)
      // Its owner moves it aside and begins anew, if it is damaged.
      if (thrown instanceof Rejected) this.#let()
    }
  }

  /** What the reader's far side refused, oldest first; `kept`: undefined where it cannot be read any more. */
  *quarantine(reader: string): Iterable<{ readonly kept: Kept | undefined; readonly bytes: number }> {
    const prefix = Buffer.concat([keyOfReader(KEY.kept, reader), Buffer.alloc(1)])
    for (const { value } of this.#open()?.range(prefix, behind(prefix)) ?? [])
      yield { kept: readable(value), bytes: value.length }
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  async close(): Promise<void> {
    this.#stop?.()
    await this.#environment?.close()
    this.#line?.leave()
    this.#environment = undefined
  }

  /** undefined: no reader was ever here. */
  #open(): Environment | undefined {
    const path = join(this.#options.folder, 'readers', DATABASE_FILE)
    const file = statSync(path, { throwIfNoEntry: false })?.ino
    if (file !== this.#file) this.#let()
    if (file === undefined) return undefined
    if (this.#environment === undefined) syncForeign(path)
    this.#environment ??= openPlaces(this.#options.folder, { readOnly: true })
    this.#file = file
    return this.#environment
  }

  #let(): void {
    const environment = this.#environment
    this.#environment = undefined
    this.#file = 0
    environment?.close().catch(() => undefined)
  }
}
