/** Where `log-append` counts what is written: an ext4 of its own on a loop device, whose counters see every write, the file
 *  system's journal included. It takes root; without it only the process's own count is left. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { basename, join } from 'node:path'

const BYTES = 512 * 2 ** 20
const SECTOR = 512

export interface Disk {
  readonly folder: string
  /** Bytes written to the device so far, file system and journal included; null: it has no counter of its own. */
  written(): number | null
  release(): void
}

/** Within `folder`, which must be empty. */
export function diskIn(folder: string): Disk {
  const image = join(folder, 'disk.img')
  const mounted = join(folder, 'disk')
  mkdirSync(mounted)
  closeSync(openSync(image, 'w'))
  truncateSync(image, BYTES)
  let device = ''
  try {
    device = command('losetup', '-f', '--show', image).trim()
    command('mkfs.ext4', '-q', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0', device)
    command('mount', device, mounted)
  } catch {
    if (device !== '') command('losetup', '-d', device)
    return { folder: mounted, written: () => null, release: () => undefined }
  }
  return {
    folder: mounted,
    written: () => {
      command('sync', '-f', mounted)
      const counters = readFileSync(`/sys/block/${basename(device)}/stat`, 'utf8')
        .trim()
        .split(/\s+/)
      return Number(counters[6]) * SECTOR
    },
    release: () => {
      command('umount', mounted)
      command('losetup', '-d', device)
    },
  }
}

/** Bytes that this process had written to disks, as the kernel counts pages that it makes dirty: without the journal, and a page
 *  that is made dirty again before it is written counts twice. */
export function writtenByProcess(): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))![1])
}

function command(name: string, ...words: string[]): string {
  return execFileSync(name, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
