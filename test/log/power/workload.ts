/** The process that is recorded: appends counted entries, reads them with two readers that confirm, filter, quarantine and
 *  lag, and says in marks what it was promised. Usage: node workload.ts FOLDER MARKS, how it goes on stdin (marks.ts). */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Entry } from '../../../src/contracts/log.ts'
import { type Log, openLog } from '../../../src/log/log.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import {
  batchFor,
  type Change,
  chance,
  contentOf,
  eventFor,
  GROUPS,
  isEvent,
  type Mark,
  type Place,
  READERS,
  seqsOf,
  type Work,
} from './marks.ts'

const [folder, marksPath] = process.argv.slice(2) as [string, string]
const work = JSON.parse(readFileSync(0, 'utf8')) as Work
const marks = openSync(marksPath, 'a')
const mark = (what: Mark): void => void writeSync(marks, JSON.stringify(what))
const random = chance(work.seed)
const upTo = (most: number): number => 1 + Math.floor(random() * most)

class Reading {
  readonly name: string
  readonly #log: Log
  readonly #cursor: Awaited<ReturnType<Log['cursor']>>
  #changes = 0
  #quarantined: number[] = []

  constructor(name: string, log: Log, cursor: Awaited<ReturnType<Log['cursor']>>) {
    this.name = name
    this.#log = log
    this.#cursor = cursor
    this.#quarantined = this.place().quarantined.slice()
  }

  place(): Place {
    const { head } = this.#log.reader
    const quarantined = [...this.#log.quarantine(this.name)].map(({ entry }) => entry.position.seq)
    return { pending: seqsOf(this.#cursor.pending(head)), receipt: this.#cursor.receipt(head), quarantined }
  }

  /** Delivers a few entries, the oldest pending or the newest, and confirms them. */
  turn(): void {
    const { reader } = this.#log
    if (this.#quarantined.length > 3) this.#settle(this.#quarantined[0]!)
    const pending = this.#cursor.pending(reader.head)
    const range = random() < 0.3 && pending.length < 20 ? pending.at(-1) : pending[0]
    if (range === undefined) return
    const back = Math.floor(random() * Math.min(10, range.to.seq - range.from.seq + 1))
    const from = range === pending[0] ? range.from : { ...range.to, seq: range.to.seq - back }
    const read = reader.read(from, { entries: upTo(25), bytes: 2 ** 16 })
    const entries = read.filter(({ position }) => position.seq <= range.to.seq)
    const [first, last] = [entries[0], entries.at(-1)]
    if (first === undefined || last === undefined) return
    const refused: Entry[] = random() < 0.15 ? [entries[Math.floor(random() * entries.length)]!] : []
    const filtered = random() < 0.3 ? Math.floor(random() * (entries.length - refused.length)) : 0
    const change: Change = {
      ranges: [[first.position.seq, last.position.seq]],
      filtered,
      quarantined: refused.map(({ position }) => position.seq),
      settled: [],
    }
    this.#quarantined.push(...change.quarantined)
    this.#change(change, () =>
      this.#cursor.confirm([{ from: first.position, to: last.position }], {
        filtered,
        quarantined: refused.map((entry) => ({ entry, why: `why ${entry.position.seq}` })),
      }),
    )
  }

  #settle(seq: number): void {
    this.#quarantined.shift()
    this.#cursor.retry([{ epoch: 0, seq }])
    const change: Change = { ranges: [], filtered: 0, quarantined: [], settled: [seq] }
    this.#change(change, () => this.#cursor.settle({ epoch: 0, seq }, null))
  }

  #change(change: Change, make: () => Promise<void>): void {
    const told = { reader: this.name, number: ++this.#changes }
    mark({ m: 'changing', ...told, change })
    void make().then(() => mark({ m: 'changed', ...told }))
  }
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const log = await openLog({
  path: folder,
  quotaBytes: work.quotaBytes,
  commitEveryMs: work.commitEveryMs,
  evict: work.evict,
  segmentBytes: work.segmentBytes,
  clock: new SystemClock(),
  log: quiet,
  freeBytes: () => 2 ** 25,
})
log.configure({ groups: GROUPS, readers: READERS })
const readings: Reading[] = []
for (const name of READERS) readings.push(new Reading(name, log, await log.cursor(name, { from: 'oldest' })))
mark({
  m: 'opened',
  head: log.reader.head.seq,
  readers: Object.fromEntries(readings.map((reading) => [reading.name, reading.place()])),
})

let seen = 0
function look(): void {
  for (;;) {
    const entries = log.reader.read({ epoch: 0, seq: seen + 1 }, { entries: 500, bytes: 2 ** 20 })
    if (entries.length === 0) return
    seen = entries.at(-1)!.position.seq
    const told = entries.map((entry) => [entry.position.epoch, entry.position.seq, contentOf(entry)] as const)
    mark({ m: 'saw', entries: told })
  }
}

const waiting = new Set<Promise<void>>()
for (let count = work.first; count < work.first + work.entries; ) {
  for (let burst = upTo(random() < 0.1 ? 60 : 8); burst > 0; burst--, count++) {
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
  else await setImmediate()
  look()
  readings[0]!.turn()
  if (work.lag === 0 ? random() < 0.03 : Math.floor(count / work.lag) % 2 === 1)
    for (let turn = 0; turn < 4; turn++) readings[1]!.turn()
}
await Promise.all(waiting)
look()
if (work.closes) await log.close()
else await log.flush()
process.exit(0)
