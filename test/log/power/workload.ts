/** What is recorded: a process that appends counted entries, one that reads them as two sinks would, or both in one. They say
 *  in marks what they were promised. Usage: node workload.ts FOLDER MARKS both|field|uplink, how it goes on stdin (marks.ts). */

import { openSync, readFileSync, writeSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { seeded } from '../../../hal/simulated/random.ts'
import type { FieldEnd, UplinkEnd } from '../../../src/log/ends.ts'
import { openFieldEnd, openLog } from '../../../src/log/log.ts'
import { openUplinkEnd } from '../../../src/log/uplink-log.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { batchFor, eventFor, GROUPS, isEvent, type Mark, READERS, type Role, type Work } from './marks.ts'
import { type Around, Looking, Reading } from './reading.ts'

const [path, marksPath, role] = process.argv.slice(2) as [string, string, Role]
const work = JSON.parse(readFileSync(0, 'utf8')) as Work
const marks = openSync(marksPath, 'a')
const random = seeded(work.seed)
const around: Around = { mark: (what: Mark) => void writeSync(marks, JSON.stringify(what)), random }
const { mark } = around
const configuration = { groups: GROUPS, readers: READERS }
const options = {
  path,
  quotaBytes: work.quotaBytes,
  commitEveryMs: work.commitEveryMs,
  evict: work.evict,
  segmentBytes: work.segmentBytes,
  headFile: `${marksPath}.head`,
  clock: new SystemClock(),
  log: { debug() {}, info() {}, warn() {}, error() {} },
  freeBytes: () => 2 ** 25,
}

/** What the readers do once in a while. */
async function readers(log: UplinkEnd): Promise<(count: number) => void> {
  log.configure(configuration)
  const [fast, slow] = await Promise.all(
    READERS.map(async (name) => new Reading(name, log, await log.cursor(name, { from: 'oldest' }), around)),
  )
  const places = [fast!, slow!].map((reading) => [reading.name, reading.place()] as const)
  mark({ m: 'opened', head: log.reader.head.seq, readers: Object.fromEntries(places) })
  const looking = new Looking(log.reader, around)
  return (count) => {
    looking.look()
    fast!.turn()
    // The slow one stands still for a while, then hurries.
    if (work.lag === 0 ? random() < 0.03 : Math.floor(count / work.lag) % 2 === 1)
      for (let turn = 0; turn < 4; turn++) slow!.turn()
  }
}

async function append(log: FieldEnd, pause: (count: number) => Promise<void>): Promise<void> {
  const waiting = new Set<Promise<void>>()
  for (let count = work.first; count < work.first + work.entries; ) {
    for (let burst = 1 + Math.floor(random() * (random() < 0.1 ? 60 : 8)); burst > 0; burst--, count++) {
      mark({ m: 'tried', count })
      const stored = isEvent(count) ? log.writer.note(eventFor(count)) : log.writer.append(batchFor(count))
      const said = count
      if (work.hasty) mark({ m: 'stored', count, epoch: 1, seq: count - work.first + 1 })
      const told: Promise<void> = stored.then((position) => {
        if (!work.hasty) mark({ m: 'stored', count: said, ...position })
        waiting.delete(told)
      })
      waiting.add(told)
    }
    if (random() < 0.3) await Promise.all(waiting)
    await pause(count)
  }
  await Promise.all(waiting)
}

async function end(log: FieldEnd | UplinkEnd): Promise<never> {
  if (work.closes) await log.close()
  else await log.flush()
  process.exit(0)
}

if (role === 'uplink') {
  const ending = new AbortController()
  process.once('SIGTERM', () => ending.abort())
  const log = await openUplinkEnd({ ...options, signal: ending.signal })
  const turn = await readers(log)
  while (!ending.signal.aborted) {
    // Whoever wants the last values has a look at what was committed meanwhile.
    log.reader.snapshot()
    turn(log.reader.head.seq)
    await setTimeout(3)
  }
  await end(log)
} else if (role === 'field') {
  const log = await openFieldEnd(options)
  log.configure(configuration)
  await append(log, () => setTimeout(10))
  await end(log)
} else {
  const log = await openLog(options)
  const turn = await readers(log)
  await append(log, async (count) => {
    await setImmediate()
    turn(count)
  })
  turn(work.first)
  await end(log)
}
