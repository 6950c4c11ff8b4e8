/** Which processes have a file open. Others' files are shown to root only. */
import { readdirSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { line } from './files.ts'

export interface Opener {
  readonly pid: number
  readonly name: string
  /** A process of Fieldgate. */
  readonly own: boolean
}

export async function openersOf(path: string, root: string): Promise<Opener[]> {
  const proc = join(root, 'proc')
  const found: Opener[] = []
  for (const pid of await entries(proc)) {
    if (!/^\d+$/.test(pid)) continue
    const folder = join(proc, pid)
    // Awaited one by one: the event loop has its turn between two processes.
    const files = await entries(join(folder, 'fd'))
    if (!files.some((fd) => target(join(folder, 'fd', fd)) === path)) continue
    const words = line(join(folder, 'cmdline')) ?? ''
    const own = pid === String(process.pid) || /fieldgate|src\/main\.[jt]s/.test(words)
    found.push({ pid: Number(pid), name: line(join(folder, 'comm')) ?? '?', own })
  }
  return found
}

/** Whether this very process has it. */
export function isOpenHere(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => target(join('/proc/self/fd', fd)) === path)
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
  }
}

function target(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}
