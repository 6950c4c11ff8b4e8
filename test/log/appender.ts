/** A process to be killed: appends counted batches without end, delivers them to a sink that answers at once, and says on
 *  stdout what it was promised. Usage: node appender.ts FOLDER FIRST_COUNT COMMIT_EVERY_MS [FASTER]
 *  `a COUNT EPOCH SEQ`: append resolved; `d SEQ SEQ`: delivered, first to last; `k SEQ`: confirmed durably up to there;
 *  `r COUNT`: an append was refused. FASTER: waits are that much shorter than they would be. */
import { writeSync } from 'node:fs'
import type { Stop } from '../../src/contracts/clock.ts'
import type { Cursor } from '../../src/contracts/log.ts'
import type { Sink } from '../../src/contracts/sink.ts'
import { Drain } from '../../src/log/delivery/drain.ts'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { counted, groupOf } from './batches.ts'

const [path, first, commitEvery, faster = '1'] = process.argv.slice(2) as [string, string, string, string?]

class FastClock extends SystemClock {
  override after(ms: number, run: () => void): Stop {
    return super.after(ms / Number(faster), run)
  }
}

const say = (line: string): void => void writeSync(1, `${line}\n`)
const clock = new FastClock()
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const log = await openLog({
  path,
  quotaBytes: 2 ** 30,
  commitEveryMs: Number(commitEvery),
  evict: 'oldest',
  segmentBytes: 300_000,
  clock,
  log: quiet,
})
const groups = [groupOf('press', 100), groupOf('oven', 20)]
log.configure({ groups, readers: ['emqx', 'slow'] })
await log.cursor('slow', { from: 'oldest' })
const cursor = await log.cursor('emqx', { from: 'oldest' })
const spoken: Cursor = Object.create(cursor, {
  confirm: {
    value: (...confirmed: Parameters<Cursor['confirm']>) => {
      const done = cursor.confirm(...confirmed)
      done.then(
        () => say(`k ${confirmed[0].at(-1)!.to.seq}`),
        () => undefined,
      )
      return done
    },
  },
  pending: { value: cursor.pending.bind(cursor) },
  receipt: { value: cursor.receipt.bind(cursor) },
  retrying: { value: cursor.retrying.bind(cursor) },
})
const sink: Sink = {
  name: 'emqx',
  delivery: 'stored',
  start: async () => undefined,
  stop: async () => undefined,
  state: () => ({ condition: 'fine', text: '' }),
  counters: () => ({}),
  deliver: async (entries) => {
    say(`d ${entries[0]!.position.seq} ${entries.at(-1)!.position.seq}`)
    return { rejected: [] }
  },
}
new Drain({ sink, reader: log.reader, cursor: spoken, clock, log: quiet, replay: 'in-order' }).start()

let outstanding = 0
for (let count = Number(first); ; count++) {
  outstanding++
  const ended = (): void => {
    outstanding--
  }
  log.writer.append(counted(groups[count % 2]!, count)).then(
    ({ epoch, seq }) => {
      ended()
      say(`a ${count} ${epoch} ${seq}`)
    },
    () => {
      ended()
      say(`r ${count}`)
    },
  )
  while (outstanding >= 50 || count % 25 === 0) {
    await clock.sleep(1, new AbortController().signal)
    if (outstanding < 50) break
  }
}
