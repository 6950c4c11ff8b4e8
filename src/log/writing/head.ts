/** Wakes the other half: a small file in memory that the writing half changes after each commit. What is committed is read
 *  from the segments; the file only says when to look. */
import { closeSync, type FSWatcher, mkdirSync, openSync, watch, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Position } from '../../contracts/log.ts'

export class HeadFile {
  readonly #file: number

  /** Throws what the file system throws. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true })
    this.#file = openSync(path, 'w', 0o640)
  }

  /** Never throws: readers look now and then without being told. */
  write({ epoch, seq }: Position): void {
    try {
      writeSync(this.#file, `${epoch} ${seq}\n`.padEnd(32), 0)
    } catch {
      // The next look finds it.
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** Calls `changed` when the file at `path` changes or comes to be; undefined: its folder is not there (yet). */
export function watchHead(path: string, changed: () => void): FSWatcher | undefined {
  const name = basename(path)
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_, file) => {
      if (file === name) changed()
    })
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
