/** Everything a log holds, read as a gateway that starts would. */
import type { Entry } from '../../src/contracts/log.ts'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { Said } from './batches.ts'

export async function contentsOf(path: string): Promise<readonly Entry[]> {
  const log = await openLog({
    path,
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    segmentBytes: 300_000,
    clock: new SystemClock(),
    log: new Said(),
  })
  const all: Entry[] = []
  for (;;) {
    const from = { epoch: 0, seq: (all.at(-1)?.position.seq ?? 0) + 1 }
    const some = log.reader.read(from, { entries: 500, bytes: 2 ** 16 })
    if (some.length === 0) break
    all.push(...some)
  }
  await log.close()
  return all
}
