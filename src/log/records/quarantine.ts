/** An entry that stands alone: with its group and boot beside it, readable when its segment is long gone. */
import type { GroupRef } from '../../contracts/batch.ts'
import type { Entry, Quarantined } from '../../contracts/log.ts'
import { ByteReader, ByteWriter, damaged } from './bytes.ts'
import { decodeGroup, encodeGroup } from './dictionary.ts'
import { readEntry, writeEntry } from './record.ts'

const VERSION = 1

export interface Kept extends Quarantined {
  /** To be tried once more. */
  readonly retry: boolean
}

export function writeKept({ entry, why, retry }: Kept): Buffer {
  const to = new ByteWriter(512)
  to.u8(VERSION)
  to.u8(retry ? 1 : 0)
  to.text(why)
  to.u32(entry.position.epoch)
  to.f64(entry.position.seq)
  const boots: string[] = []
  const record = new ByteWriter(512)
  writeEntry(record, entry, {
    group: () => 1,
    boot: (boot) => (boots.includes(boot) ? boots.indexOf(boot) : boots.push(boot) - 1),
  })
  to.block(entry.kind === 'batch' ? encodeGroup(entry.batch.group) : new Uint8Array())
  to.text(JSON.stringify(boots))
  to.block(record.copy())
  return to.copy()
}

export function readKept(bytes: Uint8Array): Kept {
  const from = new ByteReader(bytes)
  if (from.u8() !== VERSION) throw damaged('a quarantined entry is of another version')
  const retry = from.u8() === 1
  const why = from.text()
  const position = { epoch: from.u32(), seq: from.f64() }
  const group = from.block()
  const boots = JSON.parse(from.text()) as string[]
  let ref: GroupRef | undefined
  const entry: Entry = readEntry(new ByteReader(from.block()), position, {
    group: () => (ref ??= decodeGroup(group)),
    boot: (number) => boots[number] ?? '',
  })
  return { entry, why, retry }
}
