/** A day's backlog: a sink that was away for 24 hours is brought up to date while live values go on. Real records in real segments;
 *  only time is simulated. Promises 3 and 6. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { Drain } from '../../src/log/delivery/drain.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { batchOf, groupOf, Said } from './batches.ts'
import { p99, Receiver } from './receiver.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-day-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const DEVICES = 100
const TAGS = 10
const DAY_S = 24 * 3600
/** Each device once so often: a tenth of what a hundred devices polled each second make. */
const EVERY_S = 10
const COMMIT_MS = 200
/** As of a broker near by: a way there and back, and 10,000 records a second. */
const takesMs = (entries: number): number => 15 + entries / 10

describe('a backlog of 24 hours', () => {
  const groups = Array.from({ length: DEVICES }, (_, device) => groupOf(`d${device}`, TAGS))
  let log: Log | undefined
  afterEach(async () => {
    await log?.close()
  })

  it.each([0.3, 'in-order' as const])(
    'is drained, in order, beside live values (%s)',
    async (replay) => {
      const clock = new ManualClock()
      const said = new Said()
      const path = join(root, String(replay))
      log = await openLog({ path, quotaBytes: 2 ** 34, commitEveryMs: 0, evict: 'oldest', clock, log: said })
      log.configure({ groups, readers: ['emqx'] })
      const cursor = await log.cursor('emqx', { from: 'oldest' })
      const receiver = new Receiver({ clock, takesMs })
      const lastOf = { live: new Uint32Array(DEVICES), backlog: new Uint32Array(DEVICES) }
      const came = { live: 0, backlog: 0, repeats: 0, disorder: 0 }
      const latencies: number[] = []
      /** What each device numbered, and when: by the number, from the return of the link on. */
      const numbers = new Uint32Array(DEVICES)
      const firstLive = new Uint32Array(DEVICES)
      const seen: Uint8Array[] = groups.map(() => new Uint8Array(30_000))
      receiver.onArrival = ({ entry, historical, at }) => {
        if (entry.kind !== 'batch') return
        const device = Number(entry.batch.group.device.slice(1))
        const number = entry.batch.numbers[0]!
        if (seen[device]![number]! > 0) came.repeats++
        seen[device]![number] = 1
        const last = historical ? lastOf.backlog : lastOf.live
        if (number <= last[device]!) came.disorder++
        last[device] = number
        if (historical) came.backlog++
        else came.live++
        if (number >= firstLive[device]! && firstLive[device]! > 0) latencies.push(at - entry.batch.at.monotonic)
      }
      const pending: Promise<unknown>[] = []
      const say = (device: number): void => {
        const number = ++numbers[device]!
        const values = groups[device]!.tags.map((_, tag) =>
          tag === 0 ? number : Math.round(1e4 * Math.sin(number + tag)),
        )
        const batch = { ...batchOf(groups[device]!, ...values), at: clock.now() }
        pending.push(log!.writer.append(batch))
      }
      const committed = async (): Promise<void> => void (await Promise.all(pending.splice(0)))

      receiver.leave()
      for (let second = 0; second < DAY_S; second++) {
        for (let device = second % EVERY_S; device < DEVICES; device += EVERY_S) say(device)
        await clock.advance(1000)
        if (second % 100 === 99) await committed()
      }
      await committed()
      for (let device = 0; device < DEVICES; device++) firstLive[device] = numbers[device]! + 1
      const backlog = cursor.pending(log.reader.head).reduce((sum, { from, to }) => sum + to.seq - from.seq + 1, 0)
      expect(backlog).toBe((DAY_S / EVERY_S) * DEVICES)
      const { bytes } = log.report()

      receiver.comeBack()
      const drain = new Drain({ sink: receiver, reader: log.reader, cursor, clock, log: said, replay })
      drain.start()
      const began = clock.monotonic()
      let drainedAt: number | undefined
      for (let turn = 0; drainedAt === undefined || clock.monotonic() < drainedAt + 30_000; turn++) {
        // Twenty devices in each commit: all hundred each second.
        for (let at = 0; at < 20; at++) {
          say((turn * 20 + at) % DEVICES)
          await clock.advance(COMMIT_MS / 20)
        }
        await committed()
        await clock.advance(0)
        if (drainedAt === undefined && drain.report().receipt.pending < 100) drainedAt = clock.monotonic()
        expect(clock.monotonic() - began).toBeLessThan(3_600_000)
      }
      await clock.advance(5000)
      await drain.stop()

      const all = numbers.reduce((sum, number) => sum + number, 0)
      expect(came).toEqual({ live: all - came.backlog, backlog: came.backlog, repeats: 0, disorder: 0 })
      for (const [device, ledger] of seen.entries()) {
        expect(ledger.subarray(1, numbers[device]! + 1).every((mark) => mark === 1)).toBe(true)
      }
      expect(drain.report().receipt).toMatchObject({ delivered: all, pending: 0, evicted: 0, quarantined: 0 })
      const minutes = (drainedAt - began) / 60_000
      const worst = p99(latencies)
      if (replay === 'in-order') {
        // Live values wait behind the backlog, and no longer than it takes; then they are live again.
        expect(came.backlog).toBe(0)
        expect(p99(latencies.slice(-1500))).toBeLessThan(2000)
      } else {
        expect(came.backlog).toBe(backlog)
        expect(worst).toBeLessThan(2000)
      }
      console.log(
        `24 h backlog (${replay}): ${backlog} records, ${backlog * TAGS} samples, ${Math.round(bytes / 2 ** 20)} MB, drained in ` +
          `${minutes.toFixed(1)} min of simulated time beside ${latencies.length} live records; live latency p99 ` +
          `${Math.round(worst)} ms, ${Math.round(p99(latencies.slice(-1500)))} ms afterwards; 0 lost, 0 repeated, 0 out of order`,
      )
    },
    120_000,
  )
})
