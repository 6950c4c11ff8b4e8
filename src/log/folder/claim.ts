/** One writer and one deliverer a folder. A process is known by its id, its start and its boot, so that neither a reused id nor
 *  what a power cut left is mistaken for it. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault } from '../../contracts/errors.ts'

export type Role = 'writer' | 'reader'

/** More tries are needed only while several start at once. */
const TRIES = 10

/** Throws ConfigurationFault when another process holds it, and what the file system throws. */
export function claim(folder: string, role: Role, boot: string): void {
  const path = join(folder, role)
  const before = read(path)
  if (before !== undefined && isAlive(before, boot)) throw taken(folder, role, before)
  const own = `${path}.${process.pid}`
  writeFileSync(own, `${process.pid} ${startOf(String(process.pid))} ${boot}\n`, { mode: 0o640 })
  try {
    for (let left = TRIES; left > 0; left--) {
      if (linked(own, path)) return
      const holder = read(path)
      if (holder !== undefined && isAlive(holder, boot)) break
      if (holder !== undefined && !setAside(path, holder, boot)) break
    }
  } finally {
    rmSync(own, { force: true })
  }
  throw taken(folder, role, read(path))
}

function taken(folder: string, role: Role, holder: string | undefined): ConfigurationFault {
  const text = role === 'writer' ? 'written by' : 'delivered from by'
  const whom = holder === undefined ? 'another gateway' : `process ${holder.split(' ')[0]}`
  return new ConfigurationFault(
    `log.path: ${folder} is ${text} ${whom}; a log belongs to one gateway: stop that one, or give this one a folder of its own`,
  )
}

/** Never throws: what stays behind is known to be nobody's once the process has ended. */
export function release(folder: string, role: Role): void {
  try {
    rmSync(join(folder, role), { force: true })
  } catch {
    // The disk refuses.
  }
}

/** The name comes to be with all of its content, for one of those who try. */
function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw thrown
  }
}

/** What a process left that is no more goes; what another has put in its place meanwhile is put back: false. */
function setAside(path: string, holder: string, boot: string): boolean {
  const aside = `${path}.${process.pid}.old`
  try {
    renameSync(path, aside)
  } catch {
    return true
  }
  const moved = read(aside)
  const isOld = moved === holder || moved === undefined || !isAlive(moved, boot)
  if (!isOld) linked(aside, path)
  rmSync(aside, { force: true })
  return isOld
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function isAlive(holder: string, boot: string): boolean {
  const [pid, start, since] = holder.split(' ')
  return pid !== undefined && start !== undefined && since === boot && startOf(pid) === start
}

/** The kernel's start time of a process, in ticks since boot; undefined: there is no such process. */
function startOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]
  } catch {
    return undefined
  }
}
