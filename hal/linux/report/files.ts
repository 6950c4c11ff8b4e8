/** Small files of /sys and /proc, and what this user may do with a file. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import type { PartReport } from '../../contract.ts'

/** The first line; undefined: there is no such file, or it may not be read. */
export function line(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').split('\n')[0]!.replace(/\0/g, '').trim()
  } catch {
    return undefined
  }
}

export function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
  } catch {
    return []
  }
}

export function may(path: string, what: 'read' | 'write' | 'both'): boolean {
  const mode = { read: constants.R_OK, write: constants.W_OK, both: constants.R_OK | constants.W_OK }[what]
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

export function isThere(path: string): boolean {
  return existsSync(path)
}

/** The worst of several states tells of the whole. */
const WORST: readonly PartReport['state'][] = ['missing', 'refused', 'broken', 'in use', 'found']

export function worst(states: readonly PartReport['state'][]): PartReport['state'] {
  return WORST.find((state) => states.includes(state)) ?? 'found'
}
