/** What a log's folder is: its stream, drawn once; the epoch of its last writer; and who writes it now. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault, sentence } from '../contracts/errors.ts'

const FORMAT = 1

interface Kept {
  readonly format: number
  readonly stream: string
  readonly epoch: number
}

export class Identity {
  readonly stream: string
  readonly #folder: string
  #epoch: number

  /** Throws ConfigurationFault when the folder cannot be used, or another process writes it. */
  constructor(folder: string, boot: string) {
    this.#folder = folder
    try {
      mkdirSync(folder, { recursive: true })
      claim(folder, 'writer', boot)
      const kept = readKept(join(folder, 'log.json'))
      this.stream = kept?.stream ?? randomBytes(8).toString('hex')
      this.#epoch = kept?.epoch ?? 0
      if (kept === undefined) this.#keep()
    } catch (thrown) {
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
    release(this.#folder, 'writer')
  }

  #keep(): void {
    const kept: Kept = { format: FORMAT, stream: this.stream, epoch: this.#epoch }
    writeDurably(this.#folder, 'log.json', `${JSON.stringify(kept)}\n`)
  }
}

function readKept(path: string): Kept | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
  const kept = JSON.parse(text) as Partial<Kept>
  if (kept.format !== FORMAT || !/^[0-9a-f]{16}$/.test(kept.stream ?? '') || !Number.isSafeInteger(kept.epoch)) {
    throw new ConfigurationFault(
      `${path} was written by another version of fieldgate or is damaged; move the folder away`,
    )
  }
  return kept as Kept
}

/** The stream of the log in a folder; undefined: there is none yet. Throws ConfigurationFault. */
export function streamOf(folder: string): string | undefined {
  try {
    return readKept(join(folder, 'log.json'))?.stream
  } catch (thrown) {
    if (thrown instanceof ConfigurationFault) throw thrown
    throw new ConfigurationFault(
      `log.path: the log in ${folder} cannot be read (${sentence(thrown)}); let fieldgate's group read the folder`,
    )
  }
}

/** One writer and one deliverer a folder. A process is known by its id, its start and its boot, so that a reused id is not mistaken for it. */
export function claim(folder: string, role: 'writer' | 'reader', boot: string): void {
  const path = join(folder, role)
  let holder: string | undefined
  try {
    holder = readFileSync(path, 'utf8')
  } catch {
    // Nobody holds it.
  }
  const [pid, start, since] = holder?.trim().split(' ') ?? []
  if (pid !== undefined && start !== undefined && since === boot && startOf(pid) === start) {
    const text = role === 'writer' ? 'written by process' : 'delivered from by process'
    throw new ConfigurationFault(`log.path: ${folder} is ${text} ${pid}; a log belongs to one gateway`)
  }
  writeFileSync(path, `${process.pid} ${startOf(String(process.pid))} ${boot}\n`)
}

export function release(folder: string, role: 'writer' | 'reader'): void {
  rmSync(join(folder, role), { force: true })
}

/** The kernel's start time of a process, in ticks since boot; undefined: there is no such process. */
function startOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]
  } catch {
    return undefined
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
  const directory = openSync(folder, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
