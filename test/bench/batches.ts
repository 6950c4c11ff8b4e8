/** What `log-append` and `log-drain` store: batches of 100 doubles that fit no shorter form, so the most bytes there can be. */
import type { Batch, GroupRef } from '../../src/contracts/batch.ts'
import type { Clock } from '../../src/contracts/clock.ts'
import { ByteWriter } from '../../src/log/records/bytes.ts'
import { writeEntry } from '../../src/log/records/record.ts'

export const TAGS = 100
const DEVICES = 50

const tags = Array.from({ length: TAGS }, (_, tag) => ({ name: `t${tag}`, type: 'float64', kind: 'real' as const }))
export const groups = Array.from(
  { length: DEVICES },
  (_, device): GroupRef => ({
    id: device,
    revision: 0,
    device: `d${device}`,
    group: 'g',
    path: { gateway: 'bench' },
    tags,
  }),
)

export function batchOf(number: number, clock: Clock): Batch {
  const numbers = new Float64Array(TAGS)
  for (let tag = 0; tag < TAGS; tag++) numbers[tag] = Math.sqrt(number * TAGS + tag)
  return {
    group: groups[number % DEVICES]!,
    at: clock.now(),
    tags: null,
    numbers,
    others: null,
    quality: null,
    carry: null,
  }
}

/** A batch as the log stores it, for whoever stores the same bytes without the log. */
export function recordOf(batch: Batch): Buffer {
  const record = new ByteWriter(1024)
  writeEntry(record, { kind: 'batch', position: { epoch: 1, seq: 1 }, batch }, { group: () => 1, boot: () => 0 })
  return record.copy()
}
