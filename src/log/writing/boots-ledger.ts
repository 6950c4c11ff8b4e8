/** The field's end of the ledger of boots: learns from each stamp what the clock of its boot is, and keeps it durably. */
import { join } from 'node:path'
import type { Instant } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import type { ClockEntry } from '../../contracts/log.ts'
import { writeDurably } from '../folder/durable.ts'
import { BOOTS_FILE, type Boot, type Boots, type OffsetOf, offsetsOf, readBoots, writeBoots } from '../reading/boots.ts'

/** Boots that are remembered; entries of a boot before these stay uncertain. */
const MOST = 256
/** A set clock that is set anew by more than this was wrong when it was set first: the boot is dated anew. */
const WRONG_MS = 60_000

export type Dating = Pick<ClockEntry, 'boot' | 'offsetMs'>

export class BootsLedger implements Boots {
  readonly #folder: string
  readonly #log: Logger
  readonly #boots: Map<string, Boot>
  #offsets: ReadonlyMap<string, number>
  #synced: Instant | null
  /** The last stamp that was seen is of a set clock. */
  #isSynced = false
  #dirty = false
  #keeping: Promise<void> | undefined
  #failing = false

  /** What cannot be read is said and begun anew: times of earlier boots stay uncertain then. */
  constructor(options: { readonly folder: string; readonly log: Logger }) {
    this.#folder = options.folder
    this.#log = options.log
    let boots: readonly Boot[] = []
    let synced: Instant | null = null
    try {
      ;({ boots, synced } = readBoots(join(options.folder, BOOTS_FILE)))
    } catch (thrown) {
      this.#log.error(`${sentence(thrown)}; times of boots before this one that are uncertain stay so`)
    }
    this.#boots = new Map(boots.map((boot) => [boot.boot, boot]))
    this.#offsets = offsetsOf(boots)
    this.#synced = synced
  }

  readonly offsetOf: OffsetOf = (boot) => this.#offsets.get(boot)

  /** Nobody else writes it. */
  look(): void {}

  /** The last stamp under a set clock: the one found in the log, or else what an earlier run has written down. Not the latest:
   *  a wrong time that was taken for right goes with the next right one. */
  takeUp(found: Instant | undefined): Instant | null {
    this.#synced = found ?? this.#synced
    return this.#synced
  }

  /** Clock entries of which it is not known that they are in the log. */
  get untold(): readonly Dating[] {
    return [...this.#boots.values()].flatMap(({ boot, offsetMs, told }) =>
      offsetMs === null || told ? [] : [{ boot, offsetMs }],
    )
  }

  /** The stamp of an entry that is about to be stored. What it returns is to be stored as a clock entry before it. */
  see(at: Instant): Dating | undefined {
    if (at.clock === 'synced') {
      this.#synced = at
      this.#isSynced = true
    } else if (this.#isSynced && at.clock !== 'device') {
      // The last set stamp moves out of sight, and is the floor of the next boot.
      this.#isSynced = false
      this.#dirty = true
    }
    if (at.clock === 'device' || at.clock === 'corrected') return undefined
    const known = this.#boots.get(at.boot)
    if (at.clock === 'unsynced') {
      if (known === undefined) this.#put({ boot: at.boot, offsetMs: null, told: false })
      return undefined
    }
    if (known === undefined) return undefined
    const offsetMs = at.wall - at.monotonic
    const before = known.offsetMs
    if (before !== null && (at.clock !== 'synced' || Math.abs(offsetMs - before) <= WRONG_MS)) return undefined
    this.#put({ boot: at.boot, offsetMs, told: false })
    return { boot: at.boot, offsetMs }
  }

  /** The clock entry is durable. The boot may have been dated anew since it was on its way. */
  told({ boot, offsetMs }: Dating): void {
    if (this.#boots.get(boot)?.offsetMs === offsetMs) this.#put({ boot, offsetMs, told: true })
  }

  /** Another box's clock entry is in the log. */
  adopt({ boot, offsetMs }: Dating): void {
    this.#put({ boot, offsetMs, told: true })
  }

  /** The last stamp under a set clock is worth writing down with the next commit. */
  touch(): void {
    this.#dirty = this.#synced !== null
  }

  /** What is known is durable when it resolves; if the disk refuses, the next call tries again: entries are stored all the
   *  same. Never rejects. */
  async keep(): Promise<void> {
    await this.#keeping
    while (this.#dirty) {
      this.#dirty = false
      this.#keeping = this.#write()
      await this.#keeping
      if (this.#failing) {
        this.#dirty = true
        return
      }
    }
  }

  async #write(): Promise<void> {
    const boots = [...this.#boots.values()]
    try {
      await writeDurably(this.#folder, BOOTS_FILE, writeBoots({ boots, synced: this.#synced }))
      this.#failing = false
    } catch (thrown) {
      if (!this.#failing) this.#log.warn(`what is known of the clock cannot be stored: ${sentence(thrown)}`)
      this.#failing = true
    }
    // Only now: whoever reads an entry again gets the same time again, even if the power goes between.
    this.#offsets = offsetsOf(boots)
  }

  #put(boot: Boot): void {
    this.#boots.delete(boot.boot)
    this.#boots.set(boot.boot, boot)
    for (const oldest of this.#boots.keys()) {
      if (this.#boots.size <= MOST) break
      this.#boots.delete(oldest)
    }
    this.#dirty = true
  }
}
