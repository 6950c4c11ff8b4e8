/** How many bytes the log may have: its own quota, or less where the file system has less to give. A full disk must never
 *  reach LMDB, so a ballast file stands by to be freed first. */
import { existsSync, rmSync, statfsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

const BALLAST_BYTES = 8 * 2 ** 20
/** Free space below this is not touched. */
const KEEP_FREE_BYTES = 8 * 2 ** 20

export interface SpaceOptions {
  readonly folder: string
  readonly quotaBytes: number
  /** Free bytes of the file system; undefined: ask it. */
  readonly freeBytes: (() => number) | undefined
}

export class Space {
  readonly #options: SpaceOptions
  readonly #ballast: string
  #hasBallast: boolean
  /** Times the ballast was freed. */
  freed = 0
  #free = Number.POSITIVE_INFINITY
  /** A ballast that is being laid. */
  settled: Promise<void> = Promise.resolve()

  constructor(options: SpaceOptions) {
    this.#options = options
    this.#ballast = join(options.folder, 'ballast')
    this.#hasBallast = existsSync(this.#ballast)
  }

  /** Bytes that segments may come to, when they are `used` now. Frees the ballast when the file system runs out. */
  limit(used: number): number {
    const { quotaBytes } = this.#options
    this.#free = this.#look()
    if (this.#free < KEEP_FREE_BYTES && this.#hasBallast) {
      rmSync(this.#ballast, { force: true })
      this.#hasBallast = false
      this.freed++
      this.#free = this.#look()
    }
    return Math.min(quotaBytes, used + Math.max(0, this.#free - KEEP_FREE_BYTES))
  }

  /** Whether the file system has next to nothing left, as of now. LMDB calls what a full disk did not write an I/O error. */
  get isFull(): boolean {
    return this.#look() < KEEP_FREE_BYTES
  }

  /** Whether the file system, not the quota, is what limits. */
  isShort(used: number): boolean {
    return used + this.#free - KEEP_FREE_BYTES < this.#options.quotaBytes
  }

  /** Lays the ballast when there is plenty of space. Never throws: without it the log only warns later. */
  layBallast(): void {
    if (this.#hasBallast || this.#look() < 4 * (BALLAST_BYTES + KEEP_FREE_BYTES)) return
    this.settled = this.settled.then(() => this.#lay())
  }

  async #lay(): Promise<void> {
    if (this.#hasBallast) return
    const chunk = Buffer.alloc(2 ** 18)
    try {
      const file = await open(this.#ballast, 'w', 0o640)
      try {
        // It takes space from now on, and may be freed in the middle.
        this.#hasBallast = true
        for (let written = 0; this.#hasBallast && written < BALLAST_BYTES; written += chunk.length)
          await file.write(chunk)
        await file.sync()
      } finally {
        await file.close()
      }
    } catch {
      this.#hasBallast = false
      await rm(this.#ballast, { force: true }).catch(() => undefined)
    }
  }

  #look(): number {
    if (this.#options.freeBytes !== undefined) return this.#options.freeBytes()
    try {
      const { bavail, bsize } = statfsSync(this.#options.folder)
      return bavail * bsize
    } catch {
      return 0
    }
  }
}
