/** A log that fills: it says so in steps, to the LED as well, and what its policy costs is known to the entry: what the receiver
 *  lacks is what the log tells of. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/contracts/log.ts'
import type { Light } from '../../src/contracts/report.ts'
import { lights } from '../../src/health/leds.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { expectAudited } from './audited.ts'
import { batchOf, countsOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-quota-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const press = groupOf('press', 100)
const open: Log[] = []
afterEach(async () => {
  for (const log of open.splice(0)) await log.close()
})
let folders = 0

async function opened(evict: 'oldest' | 'newest', quotaBytes = 2_000_000, isAwaited = false): Promise<Log> {
  const log = await openLog({
    path: join(root, String(++folders)),
    quotaBytes,
    segmentBytes: 200_000,
    commitEveryMs: 0,
    evict,
    clock: new SystemClock(),
    log: new Said(),
  })
  open.push(log)
  log.configure({ groups: [press], readers: ['emqx'] })
  if (!isAwaited) await log.cursor('emqx', { from: 'oldest' })
  return log
}

/** Twenty batches of values that fit no shorter form; returns the counts that were promised. */
async function twenty(log: Log, from: number): Promise<number[]> {
  const counts = Array.from({ length: 20 }, (_, at) => from + at)
  const settled = await Promise.allSettled(
    counts.map((count) =>
      log.writer.append(
        batchOf(press, ...press.tags.map((_, tag) => (tag === 0 ? count : Math.sqrt(count * 100 + tag)))),
      ),
    ),
  )
  return counts.filter((_, at) => settled[at]!.status === 'fulfilled')
}

function lit(log: Log): { readonly SYS: Light; readonly NET: Light } {
  const all = lights({ connections: [], devices: [], sinks: [], log: log.report() })
  return { SYS: all.find(({ role }) => role === 'SYS')!, NET: all.find(({ role }) => role === 'NET')! }
}

/** What a receiver gets that takes everything now. */
async function received(log: Log): Promise<readonly Entry[]> {
  const cursor = await log.cursor('emqx', { from: 'oldest' })
  const got: Entry[] = []
  for (let pending = cursor.pending(log.reader.head); pending.length > 0; pending = cursor.pending(log.reader.head)) {
    const [first] = pending
    const entries = log.reader.read(first!.from, { entries: 500, bytes: 2 ** 16 })
    got.push(...entries)
    const to = entries.at(-1)?.position ?? first!.to
    await cursor.confirm([{ from: first!.from, to }], { evicted: to.seq - first!.from.seq + 1 - entries.length })
  }
  return got
}

const toldOf = (entries: readonly Entry[], why: string): number =>
  entries.reduce((sum, entry) => sum + (entry.kind === 'gap' && entry.why === why ? entry.entries : 0), 0)

describe('a log that fills', () => {
  it('tells a sink that has still to come for its place of what it has lost meanwhile', async () => {
    const log = await opened('oldest', 2_000_000, true)
    const promised: number[] = []
    for (let from = 0; from < 4000; from += 20) promised.push(...(await twenty(log, from)))
    expect(promised.length).toBe(4000)
    const cursor = await log.cursor('emqx', { from: 'now' })
    const got = await received(log)
    const { counters } = log.report()
    const receipt = cursor.receipt(log.reader.head)
    expect(receipt.stored).toBe(4000 + counters.gaps!)
    expect(counters.evicted).toBeGreaterThan(1000)
    expect([receipt.delivered, receipt.evicted]).toEqual([got.length, counters.evicted])
    expect(toldOf(got, 'evicted')).toBeGreaterThan(0)
    await log.flush()
    await expectAudited(join(root, String(folders)), ['emqx'])
  })

  it('says so at 70, 85 and 95 %, in words and by its LED', async () => {
    // What is kept free for the log's own pages has to be less than 5 % of it.
    const log = await opened('newest', 12_000_000)
    expect(lit(log).SYS).toMatchObject({ colour: 'green' })
    const said = new Map<number, string>()
    for (let from = 0; !/new batches are refused/.test(log.report().state.text); from += 20) {
      await twenty(log, from)
      const { state } = log.report()
      const percent = Number(/(\d+) % full/.exec(state.text)?.[1] ?? Number.NaN)
      if (Number.isNaN(percent)) continue
      const step = [95, 85, 70, 0].find((least) => percent >= least)!
      if (!said.has(step))
        said.set(step, `${state.condition}: ${state.text} | ${lit(log).SYS.colour}: ${lit(log).SYS.text}`)
    }
    expect([...said.keys()]).toEqual([0, 70, 85, 95])
    expect(said.get(0)).toMatch(/^fine: \d+ % full \| green: healthy/)
    expect(said.get(70)).toMatch(
      /^degraded: the log is 7\d % full \| amber: the log: the log is 7\d % full; bring its sinks back/,
    )
    expect(said.get(85)).toMatch(/^degraded: the log is 8\d % full; a sink is far behind \| amber/)
    expect(said.get(95)).toMatch(/^degraded: the log is 9\d % full; soon records are lost \| amber/)
    expect(lit(log).NET).toMatchObject({ colour: 'red', text: expect.stringContaining('data is being lost') })
    expect(lit(log).SYS.text).toContain('new batches are refused and counted')
  })

  it('and keeps the newest: what the receiver lacks is what was told evicted, and the receipt agrees', async () => {
    const log = await opened('oldest')
    const promised: number[] = []
    for (let from = 0; from < 6000; from += 20) {
      promised.push(...(await twenty(log, from)))
      expect(log.report().bytes).toBeLessThanOrEqual(2_000_000)
    }
    expect(promised.length).toBe(6000)
    expect(lit(log).NET.text).toContain('the oldest records are deleted undelivered')
    const got = await received(log)
    const counts = countsOf(got)
    const missing = 6000 - new Set(counts).size
    expect(missing).toBeGreaterThan(1000)
    // What is left is whole, up to the newest.
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, at) => missing + at))
    const { counters } = log.report()
    // Gap entries are evicted as well, with the segments that they stand in.
    const receipt = (await log.cursor('emqx', { from: 'oldest' })).receipt(log.reader.head)
    expect(receipt.stored).toBe(6000 + counters.gaps!)
    expect(receipt.delivered).toBe(got.length)
    expect(receipt.evicted).toBe(receipt.stored - got.length)
    expect(counters.evicted).toBe(receipt.evicted)
    expect(toldOf(got, 'evicted')).toBeLessThanOrEqual(receipt.evicted)
  })

  it('and keeps the oldest: what the receiver lacks was refused, and is told to the entry', async () => {
    const log = await opened('newest')
    const promised: number[] = []
    for (let from = 0; from < 4000; from += 20) promised.push(...(await twenty(log, from)))
    expect(promised.length).toBeLessThan(3500)
    const first = await received(log)
    await log.flush()
    // There is room again: it is looked for once a second.
    await expect.poll(async () => (await twenty(log, 9000)).length, { timeout: 5000 }).toBe(20)
    await log.flush()
    const later = await received(log)
    const got = countsOf([...first, ...later])
    for (const count of promised) expect(got).toContain(count)
    const { counters } = log.report()
    expect(counters.evicted).toBe(0)
    expect(toldOf([...first, ...later], 'refused')).toBe(counters.refused)
    expect(counters.refused).toBeGreaterThanOrEqual(4000 - promised.length)
  })
})
