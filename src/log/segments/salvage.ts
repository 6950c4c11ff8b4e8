/** How far a segment's file got, read without LMDB: of a file that is no database any more the last position is still
 *  needed, because positions are never used twice. */
import { readFileSync } from 'node:fs'
import type { Position } from '../../contracts/log.ts'
import { Block, MAGIC } from '../records/block.ts'

/** The last position of any whole block in the file; undefined: there is none. */
export function lastPositionIn(path: string): Position | undefined {
  let file: Buffer
  try {
    file = readFileSync(path)
  } catch {
    return undefined
  }
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(MAGIC)
  let last: Position | undefined
  for (let at = file.indexOf(magic); at >= 0; at = file.indexOf(magic, at + 1)) {
    try {
      const block = new Block(file.subarray(at), { check: true })
      // The head's last values are blocks of epoch 0.
      if (block.first.epoch === 0) continue
      const end = block.position(block.count - 1)
      if (last === undefined || end.seq > last.seq) last = end
    } catch {
      // Four bytes that look like a block's.
    }
  }
  return last
}
