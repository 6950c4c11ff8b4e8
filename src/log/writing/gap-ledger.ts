/** The ledger of gaps: what was lost, when, why and for whom. Gap entries leave with their segment; the ledger stays beside
 *  the segments. JSON lines, each with its own checksum, appended by the field's end alone. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Instant } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import type { GapEntry, Position } from '../../contracts/log.ts'
import { syncFolder, writeDurably } from '../folder/durable.ts'

const FILE = 'gaps.jsonl'
/** What was written before it. */
const BEFORE = 'gaps-before.jsonl'
/** The file to be, while the ledger is turned over. */
const TURNING = 'gaps-next.jsonl'
/** Of each of the two files: some four thousand gaps. */
const MOST_BYTES = 2 ** 20
/** Gaps that wait for a disk that takes them. */
const MOST_OWED = 10_000

/** Gaps that the ledger was too small for, all together. */
export interface Forgotten {
  readonly gaps: number
  /** The last of them. */
  readonly position: Position
  readonly at: Instant
  /** Batches that were never stored. */
  readonly refused: number
  /** Entries that each of these readers lost. */
  readonly lost: Readonly<Record<string, number>>
  /** Entries that every reader lost. */
  readonly lostByAll: number
}

export interface GapsKept {
  /** Oldest first. */
  readonly gaps: readonly GapEntry[]
  readonly forgotten: Forgotten | null
  /** Lines that are not what was written. */
  readonly unreadable: number
}

const NOTHING: GapsKept = { gaps: [], forgotten: null, unreadable: 0 }

export interface GapLedgerOptions {
  readonly folder: string
  readonly log: Logger
  readonly mostBytes?: number
}

export class GapLedger {
  readonly #options: GapLedgerOptions
  /** Seqs of what it held when it was opened. */
  readonly #known: ReadonlySet<number>
  readonly #owed: GapEntry[] = []
  #bytes = 0
  /** Behind `#bytes` may stand what was only half written. */
  #torn = false
  #failing = false

  /** Never throws: what cannot be read is said. */
  constructor(options: GapLedgerOptions) {
    this.#options = options
    const { folder, log } = options
    const kept = readGaps(folder)
    if (kept.unreadable > 0) {
      log.error(`${join(folder, FILE)}: ${kept.unreadable} gaps cannot be read any more; the others are kept`)
    }
    this.#known = new Set(kept.gaps.map(({ position }) => position.seq))
    try {
      finishTurning(folder)
      const text = textOf(join(folder, FILE)) ?? ''
      this.#bytes = Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1))
      this.#torn = !text.endsWith('\n') && text !== ''
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** What an earlier run stored and had no time to write here as well. */
  takeUp(found: Iterable<GapEntry>): Promise<void> {
    return this.keep([...found].filter(({ position }) => !this.#known.has(position.seq)))
  }

  /** Whether there is something to keep that the disk has not taken yet. */
  get owes(): boolean {
    return this.#owed.length > 0
  }

  /** Call it when the entries are durable in the log, before anything else is stored. What is kept is durable when it resolves; what
   *  the disk refuses is kept with the next call. Never rejects. */
  async keep(entries: readonly GapEntry[]): Promise<void> {
    this.#owed.push(...entries)
    this.#owed.splice(0, this.#owed.length - MOST_OWED)
    if (this.#owed.length === 0) return
    try {
      const now = [...this.#owed]
      await this.#append(now)
      this.#owed.splice(0, now.length)
      this.#failing = false
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  async #append(entries: readonly GapEntry[]): Promise<void> {
    const { folder, mostBytes = MOST_BYTES } = this.#options
    if (this.#bytes >= mostBytes) await this.#turn()
    const bytes = Buffer.from(entries.map(lineOf).join(''))
    const isNew = this.#bytes === 0
    const file = await open(join(folder, FILE), 'a', 0o640)
    try {
      if (this.#torn) await file.truncate(this.#bytes)
      this.#torn = true
      await file.writeFile(bytes)
      await file.datasync()
    } finally {
      await file.close()
    }
    if (isNew) await syncFolder(folder)
    this.#bytes += bytes.length
    this.#torn = false
  }

  /** A new file, which begins with what the one that is dropped came to. */
  async #turn(): Promise<void> {
    const { folder } = this.#options
    let head = textOf(join(folder, TURNING))
    if (head === undefined) {
      const dropped = gapsIn(textOf(join(folder, BEFORE)) ?? '')
      const forgotten = summed(gapsIn(textOf(join(folder, FILE)) ?? '').forgotten, dropped.gaps)
      head = forgotten === null ? '' : `${checked(JSON.stringify({ forgotten }))}\n`
      await writeDurably(folder, TURNING, head)
    }
    finishTurning(folder)
    this.#bytes = Buffer.byteLength(head)
    this.#torn = false
  }

  #fail(thrown: unknown): void {
    if (!this.#failing) this.#options.log.warn(`the ledger of gaps cannot be stored: ${sentence(thrown)}`)
    this.#failing = true
  }
}

/** There is a new file: the one in use becomes the one before it. Throws what the file system throws. */
function finishTurning(folder: string): void {
  const next = join(folder, TURNING)
  if (textOf(next) === undefined) return
  const inUse = textOf(join(folder, FILE))
  if (inUse !== undefined) renameSync(join(folder, FILE), join(folder, BEFORE))
  renameSync(next, join(folder, FILE))
  const folderFile = openSync(folder, 'r')
  try {
    fsyncSync(folderFile)
  } finally {
    closeSync(folderFile)
  }
}

/** What the ledger in a log's folder holds, whoever writes it meanwhile. Never throws: what cannot be read is counted. */
export function readGaps(folder: string): GapsKept {
  try {
    const inUse = (): number | undefined => statSync(join(folder, FILE), { throwIfNoEntry: false })?.ino
    let [before, now] = [NOTHING, NOTHING]
    // While it is turned over there is no file in use for a moment, and one may be read for the other.
    for (let file = inUse(), tries = 0; tries === 0 || (file !== inUse() && tries < 3); file = inUse(), tries++) {
      before = gapsIn(textOf(join(folder, BEFORE)) ?? '')
      now = gapsIn(textOf(join(folder, FILE)) ?? textOf(join(folder, TURNING)) ?? '')
    }
    const gaps = new Map([...before.gaps, ...now.gaps].map((gap) => [gap.position.seq, gap]))
    return {
      gaps: [...gaps.values()].sort((a, b) => a.position.seq - b.position.seq),
      forgotten: now.forgotten,
      unreadable: before.unreadable + now.unreadable,
    }
  } catch {
    return { gaps: [], forgotten: null, unreadable: 1 }
  }
}

function gapsIn(text: string): GapsKept {
  const gaps: GapEntry[] = []
  let forgotten: Forgotten | null = null
  let unreadable = 0
  // What stands behind the last line end was never whole.
  for (const line of text.split('\n').slice(0, -1)) {
    const said = unchecked(line) as (GapEntry & { readonly forgotten?: Forgotten }) | undefined
    if (said === undefined) unreadable++
    else if (said.forgotten !== undefined) forgotten = said.forgotten
    else gaps.push({ ...said, kind: 'gap' })
  }
  return { gaps, forgotten, unreadable }
}

function summed(before: Forgotten | null, gaps: readonly GapEntry[]): Forgotten | null {
  const last = gaps.at(-1)
  if (last === undefined) return before
  let { refused, lostByAll } = before ?? { refused: 0, lostByAll: 0 }
  const lost: Record<string, number> = { ...before?.lost }
  for (const { why, entries, readers } of gaps) {
    if (why === 'refused') refused += entries
    else if (readers === undefined) lostByAll += entries
    else for (const reader of readers) lost[reader] = (lost[reader] ?? 0) + entries
  }
  const { position, at } = last
  return { gaps: (before?.gaps ?? 0) + gaps.length, position, at, refused, lost, lostByAll }
}

function lineOf({ position, at, range, entries, why, readers }: GapEntry): string {
  return `${checked(JSON.stringify({ position, at, range, entries, why, readers }))}\n`
}

/** The object with the checksum of the rest of it as its first member. */
function checked(json: string): string {
  return `{"crc":"${sumOf(json)}",${json.slice(1)}`
}

function unchecked(line: string): object | undefined {
  const [, sum, rest] = /^\{"crc":"([0-9a-f]{8})",(.*)$/.exec(line) ?? []
  if (rest === undefined || sumOf(`{${rest}`) !== sum) return undefined
  return JSON.parse(`{${rest}`) as object
}

function sumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/** undefined: there is no such file. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}
