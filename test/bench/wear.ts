/** What small commits cost a flash disk: bytes written for each byte of record, by `commitEvery`. Ten groups of 100 tags each
 *  second, one sink that confirms at once; the seconds are a manual clock's, the writes and syncs are real. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../../src/contracts/component.ts'
import type { Sink } from '../../src/contracts/sink.ts'
import { Drain } from '../../src/log/delivery/drain.ts'
import { openLog } from '../../src/log/log.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { groups, TAGS } from './batches.ts'
import { type Disk, diskIn, writtenByProcess } from './disk.ts'
import { round } from './rounds.ts'

const INTERVALS_MS = [0, 50, 200, 1000, 5000]
const GROUPS = 10
const BATCHES_A_SECOND = 10
const DAY_S = 86_400

/** What a disk of 32 GB stands before its cells are worn, if it wrote only what it is told to: cells × cycles. It writes more,
 *  as it erases in blocks that are larger than a page: taken as twice as much. */
const ENDURANCE_BYTES = { emmc: 32e9 * 3000, sdCard: 32e9 * 500 } as const
const WITHIN_THE_CARD = 2

const quiet: Logger = { debug() {}, info() {}, warn: console.error, error: console.error }

export async function wear({ small }: { small: boolean }) {
  const folder = mkdtempSync(join(tmpdir(), 'log-wear-'))
  const disk = diskIn(folder)
  try {
    const rows = []
    for (const commitEveryMs of INTERVALS_MS) rows.push(await worn(disk, commitEveryMs, small))
    return {
      load: `${GROUPS} groups of ${TAGS} tags a second, decimals with one place, one sink`,
      assumed: '32 GB: eMMC of 3,000 cycles, SD card of 500; within the card twice as much is written as it is told to',
      rows,
    }
  } finally {
    disk.release()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function worn(disk: Disk, commitEveryMs: number, small: boolean) {
  const clock = new ManualClock()
  const path = join(disk.folder, `log-${commitEveryMs}`)
  const log = await openLog({ path, quotaBytes: 2 ** 28, commitEveryMs, evict: 'oldest', clock, log: quiet })
  log.configure({ groups: groups.slice(0, GROUPS), readers: ['sink'] })
  const drain = new Drain({
    sink: new Confirming(),
    reader: log.reader,
    cursor: await log.cursor('sink', { from: 'now' }),
    clock,
    log: quiet,
    replay: 'in-order',
  })
  drain.start()
  const waiting: { readonly at: number; readonly stored: Promise<unknown> }[] = []
  let count = 0
  const seconds = async (many: number): Promise<void> => {
    for (let left = many * BATCHES_A_SECOND; left > 0; left--) {
      waiting.push({ at: clock.monotonic(), stored: log.writer.append(decimals(count++, clock)) })
      await clock.advance(1000 / BATCHES_A_SECOND)
      while (waiting.length > 0 && waiting[0]!.at + commitEveryMs <= clock.monotonic()) await waiting.shift()!.stored
      await clock.advance(0)
    }
  }
  // Until the tree is as high as it is for most of a segment's life.
  await seconds(small ? 5 : 400)
  const before = { device: disk.written(), process: writtenByProcess(), log: log.report().counters }
  const measured = small ? 10 : 120
  await seconds(measured)
  const after = { process: writtenByProcess(), device: disk.written(), log: log.report().counters }
  // What waits for the clock now is to end without it.
  const turn = setInterval(() => void clock.advance(1000), 1)
  await drain.stop()
  await log.close()
  clearInterval(turn)
  rmSync(path, { recursive: true, force: true })

  const records = after.log.bytes! - before.log.bytes!
  const byProcess = after.process - before.process
  const byDevice = after.device === null || before.device === null ? null : after.device - before.device
  const bytesPerDay = ((byDevice ?? byProcess) / measured) * DAY_S
  const years = (endurance: number): number => round(endurance / WITHIN_THE_CARD / bytesPerDay / 365, 1)
  return {
    commitEveryMs,
    commits: after.log.commits! - before.log.commits!,
    bytesOfRecords: records,
    writtenPerByteOfRecord: byDevice === null ? null : round(byDevice / records, 1),
    writtenPerByteOfRecordByProcess: round(byProcess / records, 1),
    gigabytesPerDay: round(bytesPerDay / 1e9),
    yearsOfEmmc: years(ENDURANCE_BYTES.emmc),
    yearsOfSdCard: years(ENDURANCE_BYTES.sdCard),
  }
}

function decimals(count: number, clock: ManualClock) {
  const numbers = new Float64Array(TAGS)
  for (let tag = 0; tag < TAGS; tag++) numbers[tag] = Math.round(200 + 50 * Math.sin(count / 10 + tag)) / 10
  const group = groups[count % GROUPS]!
  return { group, at: clock.now(), tags: null, numbers, others: null, quality: null, carry: null }
}

class Confirming implements Sink {
  readonly name = 'sink'
  readonly delivery = 'stored'

  deliver() {
    return Promise.resolve({ rejected: [] })
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  state() {
    return { condition: 'fine' as const, text: '' }
  }

  counters() {
    return {}
  }
}
