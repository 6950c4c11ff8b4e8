/** What is known of the clock of each boot: `boots.json` in the log's folder, written by the field's end alone. Entries that
 *  were stamped before the clock of their boot was set are read with the wall time that it was. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Batch } from '../../contracts/batch.ts'
import type { Instant } from '../../contracts/clock.ts'
import { Rejected, sentence } from '../../contracts/errors.ts'
import type { Entry } from '../../contracts/log.ts'

export const BOOTS_FILE = 'boots.json'
const FORMAT = 1

/** A boot that stored entries before its clock was set. */
export interface Boot {
  readonly boot: string
  /** UTC = monotonic + offsetMs; null: the clock of this boot was not set yet, or never. */
  readonly offsetMs: number | null
  /** The clock entry with this offset is in the log. */
  readonly told: boolean
}

export interface KeptBoots {
  /** Oldest first. */
  readonly boots: readonly Boot[]
  /** The last entry that was stamped under a set clock, as far as it was written down. */
  readonly synced: Instant | null
}

/** Milliseconds between the monotonic clock of a boot and UTC; undefined: its clock was never set, as far as is known. */
export type OffsetOf = (boot: string) => number | undefined

export interface Boots {
  readonly offsetOf: OffsetOf
  /** What another process has learnt since is known afterwards. */
  look(): void
}

export function instantOf(entry: Entry): Instant {
  return entry.kind === 'batch' ? entry.batch.at : entry.at
}

/** The moment under the clock of its boot as it was set later; itself where there is nothing to correct. A device's own time
 *  is left alone. */
function corrected(at: Instant, offsetOf: OffsetOf): Instant {
  if (at.clock !== 'unsynced') return at
  const offsetMs = offsetOf(at.boot)
  return offsetMs === undefined ? at : { ...at, wall: Math.round(at.monotonic + offsetMs), clock: 'corrected' }
}

/** Itself where there is nothing to correct. */
export function restampedBatch(batch: Batch, offsetOf: OffsetOf): Batch {
  const at = corrected(batch.at, offsetOf)
  return at === batch.at ? batch : { ...batch, at }
}

/** Itself where there is nothing to correct. */
export function restamped(entry: Entry, offsetOf: OffsetOf): Entry {
  if (entry.kind === 'batch') {
    const batch = restampedBatch(entry.batch, offsetOf)
    return batch === entry.batch ? entry : { ...entry, batch }
  }
  const at = corrected(entry.at, offsetOf)
  return at === entry.at ? entry : { ...entry, at }
}

/** The very list where every entry was stamped under a set clock: the common case costs one comparison an entry. */
export function restampedAll(entries: readonly Entry[], boots: Boots): readonly Entry[] {
  if (!entries.some((entry) => instantOf(entry).clock === 'unsynced')) return entries
  boots.look()
  return entries.map((entry) => restamped(entry, boots.offsetOf))
}

/** The ledger as a process sees it that does not write it. */
export class BootsSeen implements Boots {
  readonly #path: string
  #offsets: ReadonlyMap<string, number> = new Map()
  #version = ''

  constructor(folder: string) {
    this.#path = join(folder, BOOTS_FILE)
  }

  readonly offsetOf: OffsetOf = (boot) => this.#offsets.get(boot)

  /** Reads the file again if it is another one; what cannot be read now leaves what was known before. */
  look(): void {
    const version = versionOf(this.#path)
    if (version === undefined || version === this.#version) return
    try {
      this.#offsets = offsetsOf(readBoots(this.#path).boots)
      this.#version = version
    } catch {
      // It is replaced as a whole: the next look finds it, or the field's end has said what is wrong with it.
    }
  }
}

/** Empty when there is no file yet. Throws Rejected when it is not what was written. */
export function readBoots(path: string): KeptBoots {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return { boots: [], synced: null }
    throw new Rejected(`${path} cannot be read: ${sentence(thrown)}`, { cause: thrown })
  }
  let kept: Partial<KeptBoots> & { readonly format?: number }
  try {
    kept = JSON.parse(text) ?? {}
  } catch {
    kept = {}
  }
  const { format, boots, synced = null } = kept
  if (format !== FORMAT || !Array.isArray(boots) || !boots.every(isBoot) || (synced !== null && !isInstant(synced))) {
    throw new Rejected(`${path} is damaged or of another version`)
  }
  return { boots, synced }
}

export function writeBoots(kept: KeptBoots): string {
  return `${JSON.stringify({ format: FORMAT, ...kept })}\n`
}

export function offsetsOf(boots: Iterable<Boot>): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>()
  for (const { boot, offsetMs } of boots) if (offsetMs !== null) offsets.set(boot, offsetMs)
  return offsets
}

/** Changes when the file is replaced; undefined: there is none. */
function versionOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.ino} ${found.mtimeNs} ${found.size}`
}

function isBoot(value: Partial<Boot> | null): value is Boot {
  return (
    typeof value?.boot === 'string' &&
    (value.offsetMs === null || Number.isFinite(value.offsetMs)) &&
    typeof value.told === 'boolean'
  )
}

function isInstant(value: Partial<Instant>): value is Instant {
  return typeof value.boot === 'string' && Number.isFinite(value.wall) && Number.isFinite(value.monotonic)
}
