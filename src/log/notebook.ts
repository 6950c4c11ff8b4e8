/** A small file beside the log in which components keep what they would have to learn anew: one JSON document, replaced as a
 *  whole. Nothing depends on it: one that cannot be read is set aside with a line, one that cannot be written is tried again. */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Stop } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import type { Notebook } from '../contracts/driver.ts'
import { sentence } from '../contracts/errors.ts'

const FILE = 'knowledge.json'
const VERSION = 1
/** Beyond this it is not knowledge any more. */
const MOST_BYTES = 1024 * 1024
/** What is learnt in one go is written once. */
const SETTLE_MS = 2000

export class NotebookFile implements Notebook {
  readonly #folder: string
  readonly #clock: Clock
  readonly #log: Logger
  #pages: Map<string, unknown>
  #timer: Stop | undefined
  #writing: Promise<void> = Promise.resolve()

  static async open(options: { folder: string; clock: Clock; log: Logger }): Promise<NotebookFile> {
    return new NotebookFile(options, await pagesIn(options.folder, options.log))
  }

  private constructor(options: { folder: string; clock: Clock; log: Logger }, pages: Map<string, unknown>) {
    this.#folder = options.folder
    this.#clock = options.clock
    this.#log = options.log
    this.#pages = pages
  }

  get(name: string): unknown {
    return this.#pages.get(name)
  }

  put(name: string, plain: unknown): void {
    this.#pages.set(name, plain)
    this.#timer ??= this.#clock.after(SETTLE_MS, () => {
      this.#timer = undefined
      this.#write()
    })
  }

  /** Drops the pages of whom the configuration does not name any more. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#pages.keys()) if (!names.has(name)) this.#pages.delete(name)
  }

  /** Resolves when what was put is on disk, or could not be written. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) {
      this.#timer()
      this.#timer = undefined
      this.#write()
    }
    await this.#writing
  }

  #write(): void {
    this.#writing = this.#writing
      .then(() => this.#replace())
      .catch((thrown) => {
        this.#log.warn(
          `${join(this.#folder, FILE)} could not be written, what was learnt of devices is lost at a restart: ${sentence(thrown)}`,
        )
      })
  }

  /** Written aside, synced, renamed into place: there is always a whole one. */
  async #replace(): Promise<void> {
    const text = `${JSON.stringify({ version: VERSION, pages: Object.fromEntries(this.#pages) })}\n`
    if (text.length > MOST_BYTES) {
      this.#log.warn(`${FILE} would be larger than ${MOST_BYTES} bytes: what was learnt of devices is not kept`)
      return
    }
    await mkdir(this.#folder, { recursive: true })
    const path = join(this.#folder, FILE)
    const handle = await open(`${path}.new`, 'w', 0o640)
    try {
      await handle.writeFile(text)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(`${path}.new`, path)
  }
}

async function pagesIn(folder: string, log: Logger): Promise<Map<string, unknown>> {
  const path = join(folder, FILE)
  try {
    const text = await readFile(path, 'utf8')
    if (text.length > MOST_BYTES) throw new SyntaxError(`it is larger than ${MOST_BYTES} bytes`)
    const { version, pages } = JSON.parse(text) as { version?: unknown; pages?: unknown }
    if (version !== VERSION || typeof pages !== 'object' || pages === null)
      throw new SyntaxError('it is of another kind')
    return new Map(Object.entries(pages))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') {
      log.warn(`${path} is not used, what it says of devices is learnt anew: ${sentence(thrown)}`)
    }
    return new Map()
  }
}
