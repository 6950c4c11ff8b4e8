/** Where disks are laid to be judged. */
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { atHome } from '../at-home.ts'
import type { Tree } from './recording.ts'

const NEEDED_BYTES = 2 ** 29

/** They are thousands: in memory, if there is enough. */
export function inMemory(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (bavail * bsize > NEEDED_BYTES) return '/dev/shm'
  } catch {
    // No such place.
  }
  return tmpdir()
}

export function lay(tree: Tree, root: string): void {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  for (const [path, bytes] of tree) {
    if (bytes === null) mkdirSync(join(root, path))
    else writeFileSync(join(root, path), basename(path) === 'log.json' ? atHome(bytes) : bytes)
  }
}
