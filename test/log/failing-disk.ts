/** A disk that fails when told to, for a process that is started on it: failing-disk.c, built when a test first needs it. */
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export const canFailDisks = existsSync('/usr/bin/cc')

export interface FailingDisk {
  /** Of the process whose disk it is. */
  readonly env: NodeJS.ProcessEnv
  /** Lines of `CALL ERROR PER_MILLE [PART_OF_PATH]`; none: it works. */
  orders(...lines: readonly string[]): void
}

/** For files under `under`; its own files stand in `folder`. */
export function failingDisk(folder: string, under: string, seed = 1): FailingDisk {
  const library = join(folder, 'failing-disk.so')
  if (!existsSync(library)) {
    const source = new URL('failing-disk.c', import.meta.url).pathname
    const built = spawnSync('/usr/bin/cc', ['-shared', '-fPIC', '-O1', '-w', '-o', library, source, '-ldl'])
    if (built.status !== 0) throw new Error(`cc: ${built.stderr}`)
  }
  const file = join(folder, `orders-${seed}`)
  writeFileSync(file, Buffer.alloc(4096))
  return {
    env: {
      LD_PRELOAD: library,
      FAILING_DISK_UNDER: under,
      FAILING_DISK_ORDERS: file,
      FAILING_DISK_SEED: String(seed),
    },
    orders: (...lines) => {
      const handle = openSync(file, 'r+')
      writeSync(handle, `${lines.join('\n')}\n\0`)
      closeSync(handle)
    },
  }
}

/** Numbers of errno as orders name them; 0 is a short write. */
export const ERRNO = { short: 0, EIO: 5, ENOSPC: 28, EROFS: 30 } as const
