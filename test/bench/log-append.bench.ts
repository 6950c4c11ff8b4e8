/** `log-append`: durable batches a second, 100 tags each, against raw lmdb puts of the same bytes in the same commits;
 *  and what is written to the disk for each byte of record, by `commitEvery`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import type { Logger } from '../../src/contracts/component.ts'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, groups, recordOf, TAGS } from './batches.ts'
import { median, round } from './rounds.ts'
import { wear } from './wear.ts'

/** Batches that are put at once and awaited together: as many as end a group commit early. */
const WAVE = 500
const TARGET = 0.6

const quiet: Logger = { debug() {}, info() {}, warn: console.error, error: console.error }
const clock = new SystemClock()

export async function run({ small }: { small: boolean }) {
  const waves = small ? 4 : 40
  const rounds = small ? 3 : 9
  const batches = Array.from({ length: WAVE }, (_, number) => batchOf(number, clock))
  const bytes = recordOf(batches[0]!)

  const folder = mkdtempSync(join(tmpdir(), 'log-append-'))
  try {
    const log = await openLog({
      path: join(folder, 'log'),
      quotaBytes: 2 ** 40,
      commitEveryMs: 0,
      evict: 'oldest',
      clock,
      log: quiet,
    })
    log.configure({ groups, readers: [] })
    const raw = open({
      path: join(folder, 'raw.mdb'),
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'uint32',
      overlappingSync: false,
      mapSize: 2 ** 33,
    })
    let key = 0
    const append = async (): Promise<void> => {
      const done: Promise<unknown>[] = []
      for (let wave = 0; wave < waves; wave++) {
        for (let at = 0; at < WAVE; at++) done.push(log.writer.append(batches[at]!))
        // One wave is encoded while the one before is written.
        if (wave > 0) await done[wave * WAVE - 1]
      }
      await Promise.all(done)
    }
    const put = async (): Promise<void> => {
      let before: Promise<unknown> | undefined
      for (let wave = 0; wave < waves; wave++) {
        let last: Promise<unknown> | undefined
        for (let at = 0; at < WAVE; at++) last = raw.put(key++, bytes)
        await before
        before = last
      }
      await before
    }
    const timed = async (work: () => Promise<void>): Promise<{ perSecond: number; cpu: number }> => {
      const from = clock.monotonic()
      const used = process.cpuUsage()
      await work()
      const elapsed = clock.monotonic() - from
      const { user, system } = process.cpuUsage(used)
      return { perSecond: (waves * WAVE * 1000) / elapsed, cpu: (user + system) / (waves * WAVE) }
    }
    await append()
    await put()
    const ours: { perSecond: number; cpu: number }[] = []
    const theirs: { perSecond: number; cpu: number }[] = []
    for (let round = 0; round < rounds; round++) {
      ours.push(await timed(append))
      theirs.push(await timed(put))
    }
    await log.close()
    await raw.close()
    const ratio = median(ours.map(({ perSecond }, at) => perSecond / theirs[at]!.perSecond))
    const batchesPerSecond = median(ours.map(({ perSecond }) => perSecond))
    return {
      bench: 'log-append',
      target: `at least ${TARGET} of raw lmdb puts of the same bytes`,
      verdict: ratio >= TARGET ? ('met' as const) : ('missed' as const),
      ratio: round(ratio),
      tagsPerBatch: TAGS,
      bytesPerBatch: bytes.length,
      rounds,
      batchesPerSecond: round(batchesPerSecond, 0),
      samplesPerSecond: round(batchesPerSecond * TAGS, 0),
      rawPutsPerSecond: round(median(theirs.map(({ perSecond }) => perSecond)), 0),
      microsecondsOfCpuPerBatch: round(median(ours.map(({ cpu }) => cpu))),
      microsecondsOfCpuPerRawPut: round(median(theirs.map(({ cpu }) => cpu))),
      wear: await wear({ small }),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
