/** Where a reader begins that has no place yet: at the end of the log as it was when the reader was first configured. Whoever writes
 *  the log keeps it, so that what is stored until a reader comes for it belongs to that reader: the other half may be up later. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Position } from '../../contracts/log.ts'
import { syncNow } from '../folder/durable.ts'

const FILE = 'beginnings.json'

export type Beginnings = ReadonlyMap<string, Position>

/** By reader. Throws what the file system throws, and where the file is damaged. */
export function beginningsIn(folder: string): Beginnings {
  try {
    return new Map(JSON.parse(readFileSync(join(folder, FILE), 'utf8')) as [string, Position][])
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw thrown
  }
}

/** Of those of `readers`, which are configured, that have no place. The others are forgotten: they begin anew when they are
 *  configured again without a place. None lies behind the head: a log that lost its end gives those numbers anew. */
export function beginningsOf(
  known: Beginnings,
  { readers, hasPlace, head }: { readers: readonly string[]; hasPlace: (reader: string) => boolean; head: Position },
): Beginnings {
  return new Map(
    readers.flatMap((reader): [string, Position][] => {
      if (hasPlace(reader)) return []
      const beginning = known.get(reader)
      return [[reader, beginning !== undefined && beginning.seq < head.seq ? beginning : head]]
    }),
  )
}

/** Durable when it returns; throws what the file system throws. */
export function writeBeginnings(folder: string, beginnings: Beginnings): void {
  const path = join(folder, FILE)
  writeFileSync(`${path}.new`, `${JSON.stringify([...beginnings])}\n`, { mode: 0o640, flush: true })
  renameSync(`${path}.new`, path)
  syncNow(folder)
}
