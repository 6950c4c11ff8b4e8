/** What a log's folder is: its stream, drawn once; the epoch of its last writer; and who writes it now. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault, sentence } from '../contracts/errors.ts'
import { claim, type Role, release } from './claim.ts'
import { makeFolder, syncNow } from './durable.ts'
import { checkGround, checkVersions } from './ground.ts'

const FORMAT = 1

interface Kept {
  readonly format: number
  readonly stream: string
  readonly epoch: number
}

/** What a disk says that is full, or takes nothing at present. */
const LATER = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

export class Identity {
  readonly stream: string
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
      this.stream = kept?.stream ?? randomBytes(8).toString('hex')
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
    const kept: Kept = { format: FORMAT, stream: this.stream, epoch: this.#epoch }
    writeDurably(this.#folder, 'log.json', `${JSON.stringify(kept)}\n`)
  }
}

/** What log.json says; undefined: there is none. Throws ConfigurationFault, and what the file system throws. */
function readKept(folder: string): Kept | undefined {
  const path = join(folder, 'log.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
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
  return kept as Kept
}

function parsed(text: string): Partial<Kept> | undefined {
  try {
    return JSON.parse(text) as Partial<Kept>
  } catch {
    return undefined
  }
}

/** The stream of the log in a folder; undefined: there is none yet. Throws ConfigurationFault. */
export function streamOf(folder: string): string | undefined {
  try {
    return readKept(folder)?.stream
  } catch (thrown) {
    if (thrown instanceof ConfigurationFault) throw thrown
    throw new ConfigurationFault(
      `log.path: the log in ${folder} cannot be read (${sentence(thrown)}); let fieldgate's group read the folder`,
    )
  }
}

/** The file holds either what it held before or all of `text`, whenever the power goes. */
function writeDurably(folder: string, name: string, text: string): void {
  const path = join(folder, name)
  const file = openSync(`${path}.new`, 'w', 0o640)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
  syncNow(folder)
}
