/** Small files that hold either what they held before or all of what is written, and folders that stay once they are made,
 *  whenever the power goes. */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** Throws what the file system throws. */
export async function writeDurably(folder: string, name: string, text: string): Promise<void> {
  const path = join(folder, name)
  const file = await open(`${path}.new`, 'w', 0o640)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  await syncFolder(folder)
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** The folder, and those it is in. That it is there already does not mean that it would be after a power cut: a process may
 *  have ended between making and syncing it. Throws what the file system throws. */
export function makeFolder(path: string): void {
  const folder = resolve(path)
  const first = mkdirSync(folder, { recursive: true })
  try {
    for (let made = folder; made.length >= (first ?? folder).length; made = dirname(made)) syncNow(dirname(made))
  } catch (thrown) {
    // Whoever made it for us may keep us from reading what it is in.
    if (first !== undefined) throw thrown
  }
}

/** What is in a file, or which names are in a folder, is durable when it returns. */
export function syncNow(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Before a database of the other half is opened: if that half was killed, there may be what is written and not durable,
 *  and nothing is to be built on it. While it lives LMDB says what is durable. Never throws: what a disk that refuses has can
 *  still be read. */
export function syncForeign(path: string): void {
  try {
    syncNow(path)
  } catch {
    // The half whose it is says so.
  }
}
