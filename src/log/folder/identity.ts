/** What a log's folder is: its stream, drawn once; the epoch of its last writer; and who writes it now. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault, sentence } from '../../contracts/errors.ts'
import { claim, type Role, release } from './claim.ts'
import { makeFolder, syncNow } from './durable.ts'
import { checkGround, checkVersions } from './ground.ts'
import { homeOf } from './home.ts'

const FORMAT = 1

interface Kept {
  readonly format: number
  readonly stream: string
  readonly epoch: number
  /** The streams of the logs that this one is a copy of, latest first. */
  readonly formerly?: readonly string[]
  /** Which file this is, and where. */
  readonly home?: string
}

/** What a disk says that is full, or takes nothing at present. */
const LATER = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

export class Identity {
  readonly stream: string
  /** The log is a copy of another: it goes on under a stream of its own, so that no key of the other's is used again. */
  readonly isCopy: boolean
  readonly #formerly: readonly string[]
  readonly #folder: string
  readonly #boot: string
  readonly #roles: readonly Role[]
  readonly #claimed = new Set<Role>()
  #epoch: number

  /** `roles`: what this process does with the log. Throws ConfigurationFault when the folder cannot be used, or another process
   *  does that; it is left as it is then. A disk that is full or fails is no reason where there is a log already: `advance`
   *  fails then. */
  constructor(folder: string, boot: string, roles: readonly Role[]) {
    this.#folder = folder
    this.#boot = boot
    this.#roles = roles
    try {
      checkGround(folder)
      const isLog = readKept(folder) !== undefined
      checkVersions(folder)
      if (!isLog) makeFolder(folder)
      try {
        this.#claim()
      } catch (thrown) {
        if (!isLog || !LATER.has((thrown as NodeJS.ErrnoException).code ?? '')) throw thrown
      }
      // Another may have made it meanwhile, and ended.
      const kept = readKept(folder)
      this.isCopy = kept?.isCopy ?? false
      this.stream = kept === undefined || this.isCopy ? randomBytes(8).toString('hex') : kept.stream
      const before = kept?.formerly ?? []
      this.#formerly = kept !== undefined && this.isCopy ? [kept.stream, ...before] : before
      this.#epoch = kept?.epoch ?? 0
      if (kept === undefined) this.#keep()
    } catch (thrown) {
      this.release()
      if (thrown instanceof ConfigurationFault) throw thrown
      throw new ConfigurationFault(
        `log.path: ${folder} cannot be used for the log (${sentence(thrown)}); make it a folder that fieldgate may write`,
      )
    }
  }

  /** This log's stream, and those its segments may be of as well. */
  get streams(): readonly string[] {
    return [this.stream, ...this.#formerly]
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The next epoch, durable when this returns. Throws what the file system throws. */
  advance(atLeast = 0): number {
    this.#claim()
    const before = this.#epoch
    this.#epoch = Math.max(before + 1, atLeast)
    try {
      this.#keep()
    } catch (thrown) {
      this.#epoch = before
      throw thrown
    }
    return this.#epoch
  }

  release(): void {
    for (const role of this.#claimed) release(this.#folder, role)
    this.#claimed.clear()
  }

  #claim(): void {
    for (const role of this.#roles) {
      if (this.#claimed.has(role)) continue
      claim(this.#folder, role, this.#boot)
      this.#claimed.add(role)
    }
  }

  #keep(): void {
    const kept: Kept = { format: FORMAT, stream: this.stream, epoch: this.#epoch, formerly: this.#formerly }
    writeDurably(this.#folder, 'log.json', (file) => `${JSON.stringify({ ...kept, home: homeOf(file) })}\n`)
  }
}

/** What log.json says; undefined: there is none. Throws ConfigurationFault, and what the file system throws. */
function readKept(folder: string): (Kept & { readonly isCopy: boolean }) | undefined {
  const path = join(folder, 'log.json')
  let text: string
  let home: string
  try {
    const file = openSync(path, 'r')
    try {
      text = readFileSync(file, 'utf8')
      home = homeOf(file)
    } finally {
      closeSync(file)
    }
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw thrown
  }
  const kept = parsed(text)
  if (Number.isSafeInteger(kept?.format) && kept!.format! > FORMAT) {
    throw new ConfigurationFault(
      `log.path: the log in ${folder} was written by a newer fieldgate (format ${kept!.format}, this one knows ${FORMAT}); run that version, or move the folder away`,
    )
  }
  if (kept?.format !== FORMAT || !/^[0-9a-f]{16}$/.test(kept.stream ?? '') || !Number.isSafeInteger(kept.epoch)) {
    throw new ConfigurationFault(
      `log.path: ${path} is damaged, it does not say what log this is; put it back from a backup, or move the folder away`,
    )
  }
  return { ...(kept as Kept), isCopy: kept.home !== undefined && kept.home !== home }
}

function parsed(text: string): Partial<Kept> | undefined {
  try {
    return JSON.parse(text) as Partial<Kept>
  } catch {
    return undefined
  }
}

/** The stream of the log in a folder, and those its segments may be of as well; undefined: there is none yet, or it is a copy
 *  that has still to be given a stream of its own. Throws ConfigurationFault. */
export function streamsOf(folder: string, options: { readonly evenOfCopy: boolean }): readonly string[] | undefined {
  try {
    const kept = readKept(folder)
    if (kept === undefined || (kept.isCopy && !options.evenOfCopy)) return undefined
    return [kept.stream, ...(kept.formerly ?? [])]
  } catch (thrown) {
    if (thrown instanceof ConfigurationFault) throw thrown
    throw new ConfigurationFault(
      `log.path: the log in ${folder} cannot be read (${sentence(thrown)}); let fieldgate's group read the folder`,
    )
  }
}

/** The file holds either what it held before or all of the text, whenever the power goes. */
function writeDurably(folder: string, name: string, textFor: (file: number) => string): void {
  const path = join(folder, name)
  const file = openSync(`${path}.new`, 'w', 0o640)
  try {
    writeSync(file, textFor(file))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
  syncNow(folder)
}
