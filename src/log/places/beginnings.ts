/** Where a reader begins that has no place yet: at the end of the log as it was when the reader was first configured. The field half
 *  writes it down, so that what it stores until the other half is up is not lost to a sink that begins `now`. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Position } from '../../contracts/log.ts'
import { syncNow } from '../folder/durable.ts'

const FILE = 'beginnings.json'

/** By reader. Empty where nothing can be read. */
export function beginningsIn(folder: string): Map<string, Position> {
  try {
    return new Map(JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as [string, Position][])
  } catch {
    return new Map()
  }
}

/** `readers`: that are configured; those which are not are forgotten, and begin anew when they are again. `hasPlace`: it begins
 *  there. Durable when it returns; throws what the file system throws. */
export function keepBeginnings(
  folder: string,
  { readers, hasPlace, head }: { readers: readonly string[]; hasPlace: (reader: string) => boolean; head: Position },
): void {
  const known = beginningsIn(folder)
  const kept = readers.flatMap((reader): [string, Position][] => {
    const beginning = known.get(reader) ?? (hasPlace(reader) ? undefined : head)
    return beginning === undefined ? [] : [[reader, beginning]]
  })
  if (kept.length === known.size && kept.every(([reader]) => known.has(reader))) return
  const path = join(folder, FILE)
  writeFileSync(`${path}.new`, `${JSON.stringify(kept)}\n`, { mode: 0o640, flush: true })
  renameSync(`${path}.new`, path)
  syncNow(folder)
}
