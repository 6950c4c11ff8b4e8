/** What the log promises about keeping: across restarts, a full disk, damage, and until every reader has passed. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Batch } from '../../src/contracts/batch.ts'
import type { Entry, GapEntry, Position } from '../../src/contracts/log.ts'
import { type Log, type LogOptions, openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, counted, countsOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-keeping-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folders = 0
const press = groupOf('press', 100)
const open: Log[] = []
afterEach(async () => {
  for (const log of open.splice(0)) await log.close()
})

function folder(): string {
  return join(root, String(++folders))
}

async function opened(path: string, options: Partial<LogOptions> = {}): Promise<Log> {
  const log = await openLog({
    path,
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    clock: new SystemClock(),
    log: new Said(),
    ...options,
  })
  open.push(log)
  return log
}

async function closed(log: Log): Promise<void> {
  open.splice(open.indexOf(log), 1)
  await log.close()
}

/** Values that fit no shorter form, so that batches have their full size. */
function bulky(count: number): Batch {
  const numbers = Float64Array.from({ length: 100 }, (_, tag) => (tag === 0 ? count : Math.sqrt(count * 100 + tag)))
  return { ...batchOf(press), numbers }
}

/** In commits of `each`, so that segments end where they should. */
async function fill(log: Log, from: number, count: number, each = 20): Promise<void> {
  for (let next = from; next < from + count; next += each) {
    const size = Math.min(each, from + count - next)
    await Promise.allSettled(Array.from({ length: size }, (_, at) => log.writer.append(bulky(next + at))))
  }
}

function readAll(log: Log, from: Position = { epoch: 0, seq: 0 }): readonly Entry[] {
  const all: Entry[] = []
  for (let next = from; ; ) {
    const some = log.reader.read(next, { entries: 500, bytes: 2 ** 16 })
    if (some.length === 0) return all
    all.push(...some)
    next = { epoch: 0, seq: some.at(-1)!.position.seq + 1 }
  }
}

const gapsOf = (entries: readonly Entry[]): readonly GapEntry[] =>
  entries.flatMap((entry) => (entry.kind === 'gap' ? [entry] : []))
const segmentsIn = (path: string): string[] => readdirSync(join(path, 'segments')).sort()
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

describe('a log opened again', () => {
  it('gives everything back, goes on behind it, and never uses a position twice', async () => {
    const path = folder()
    const first = await opened(path)
    await fill(first, 0, 50)
    const { stream } = first.reader
    await closed(first)
    const second = await opened(path)
    expect(second.reader.stream).toBe(stream)
    await fill(second, 50, 50)
    const entries = readAll(second)
    expect(countsOf(entries)).toEqual(upTo(100))
    const positions = new Set(entries.map(({ position }) => `${position.epoch}/${position.seq}`))
    expect(positions.size).toBe(100)
    expect(second.reader.head.epoch).toBe(first.reader.head.epoch + 1)
  })

  it('knows the last value of every tag, and gives back the configured groups', async () => {
    const path = folder()
    const first = await opened(path, { segmentBytes: 200_000 })
    const oven = groupOf('oven')
    await first.writer.append({ ...batchOf(oven, 1, 2, 3), carry: Float64Array.of(0, 5, 6) })
    await first.writer.append({ ...batchOf(oven, 20), tags: Uint32Array.of(1) })
    await fill(first, 0, 1000, 200)
    await first.writer.append({ ...batchOf(oven, 30), tags: Uint32Array.of(2) })
    await closed(first)
    expect(segmentsIn(path).length).toBeGreaterThan(2)

    const second = await opened(path)
    const again = { ...groupOf('oven'), id: 77 }
    second.configure({ groups: [again, press], readers: ['emqx'] })
    const { batches } = second.reader.snapshot()
    const last = batches.find(({ group }) => group === again)!
    expect([...last.numbers]).toEqual([1, 20, 30])
    expect(last.carry).toEqual(Float64Array.of(0, 5, 6))
    expect(batches.find(({ group }) => group === press)!.numbers[0]).toBe(999)
    for (const entry of readAll(second)) if (entry.kind === 'batch') expect([again, press]).toContain(entry.batch.group)
  })

  it('knows where every reader was', async () => {
    const path = folder()
    const first = await opened(path)
    const cursor = await first.cursor('emqx', { from: 'oldest' })
    await fill(first, 0, 30)
    const [one] = cursor.pending(first.reader.head)
    const middle = { epoch: one!.from.epoch, seq: one!.from.seq + 9 }
    const refused = first.reader.read(middle, { entries: 1, bytes: 1 })
    await cursor.confirm([{ from: one!.from, to: middle }], {
      quarantined: [{ entry: refused[0]!, why: 'no' }],
      filtered: 2,
    })
    await closed(first)

    const second = await opened(path)
    await fill(second, 30, 5)
    const again = await second.cursor('emqx', { from: 'now' })
    expect(again.receipt(second.reader.head)).toMatchObject({
      stored: 35,
      delivered: 7,
      filtered: 2,
      quarantined: 1,
      pending: 25,
      evicted: 0,
    })
    expect(countsOf([...second.quarantine('emqx')].map(({ entry }) => entry))).toEqual([9])
  })

  it('is written by one process', async () => {
    const path = folder()
    await opened(path)
    await expect(opened(path)).rejects.toMatchObject({
      name: 'ConfigurationFault',
      message: expect.stringContaining('written by'),
    })
  })

  it('says what is wrong with a folder it cannot use', async () => {
    writeFileSync(join(root, 'file'), '')
    await expect(opened(join(root, 'file', 'log'))).rejects.toMatchObject({ name: 'ConfigurationFault' })
  })
})

describe('a segment', () => {
  it('goes when every configured reader has passed it, and not before', async () => {
    const path = folder()
    const log = await opened(path, { segmentBytes: 200_000 })
    const [a, b] = [await log.cursor('a', { from: 'now' }), await log.cursor('b', { from: 'now' })]
    log.configure({ groups: [press], readers: ['a', 'b'] })
    await fill(log, 0, 1000)
    const segments = log.report().segments
    expect(segments).toBeGreaterThan(3)
    await a.confirm(a.pending(log.reader.head))
    expect(log.report().segments).toBe(segments)
    const [all] = b.pending(log.reader.head)
    await b.confirm([{ from: all!.from, to: { epoch: 1, seq: 500 } }])
    await log.flush()
    expect(log.report().segments).toBeLessThan(segments)
    expect(log.report().segments).toBeGreaterThan(1)
    expect(countsOf(readAll(log, { epoch: 1, seq: 501 }))).toEqual(upTo(1000).slice(500))
    await b.confirm(b.pending(log.reader.head))
    await log.flush()
    expect(log.report().segments).toBe(1)
    expect(segmentsIn(path)).toHaveLength(1)
    expect(b.receipt(log.reader.head)).toMatchObject({ stored: 1000, delivered: 1000, evicted: 0 })
  })

  it('stays until a configured reader has come for its place, which may be at the oldest entry', async () => {
    const log = await opened(folder(), { segmentBytes: 200_000 })
    await fill(log, 0, 1000)
    log.configure({ groups: [press], readers: ['emqx'] })
    await log.flush()
    const cursor = await log.cursor('emqx', { from: 'oldest' })
    expect(cursor.receipt(log.reader.head).pending).toBe(1000)
    expect(readAll(log)).toHaveLength(1000)
  })

  it('stays while the configuration is not known', async () => {
    const path = folder()
    const log = await opened(path, { segmentBytes: 200_000 })
    const cursor = await log.cursor('a', { from: 'now' })
    await fill(log, 0, 1000)
    await cursor.confirm(cursor.pending(log.reader.head))
    await log.flush()
    expect(log.report().segments).toBeGreaterThan(3)
  })
})

describe('a full log', () => {
  it('evicts the oldest, tells who lost what, and stays within its quota', async () => {
    const path = folder()
    const log = await opened(path, { segmentBytes: 200_000, quotaBytes: 1_500_000 })
    const [behind, ahead] = [await log.cursor('behind', { from: 'now' }), await log.cursor('ahead', { from: 'now' })]
    log.configure({ groups: [press], readers: ['behind', 'ahead'] })
    for (let round = 0; round < 40; round++) {
      await fill(log, round * 100, 100)
      expect(log.report().bytes).toBeLessThanOrEqual(1_500_000)
      await ahead.confirm(ahead.pending(log.reader.head))
    }
    expect(log.report().state).toMatchObject({
      condition: 'fault',
      text: expect.stringContaining('deleted undelivered'),
    })
    const receipt = behind.receipt(log.reader.head)
    expect(receipt.evicted).toBeGreaterThan(1000)
    expect(receipt.evicted + receipt.pending).toBe(receipt.stored)
    expect(ahead.receipt(log.reader.head)).toMatchObject({ evicted: 0, pending: 0 })
    const left = readAll(log)
    const gaps = gapsOf(left)
    expect(gaps.length).toBeGreaterThan(0)
    for (const gap of gaps) expect(gap).toMatchObject({ why: 'evicted', readers: ['behind'] })
    for (const { range, entries } of gaps) expect(range!.to.seq - range!.from.seq + 1).toBeGreaterThanOrEqual(entries)
    expect(gaps.reduce((sum, { entries }) => sum + entries, 0)).toBe(receipt.evicted)
    // What is left is whole, up to the newest.
    const counts = countsOf(left)
    expect(counts).toEqual(upTo(4000).slice(-counts.length))
    expect(left.length).toBe(receipt.pending)
  })

  it('set to keep the oldest refuses new batches, counts them in a gap, and takes them again when there is room', async () => {
    const path = folder()
    const log = await opened(path, { segmentBytes: 200_000, quotaBytes: 1_500_000, evict: 'newest' })
    const cursor = await log.cursor('emqx', { from: 'now' })
    log.configure({ groups: [press], readers: ['emqx'] })
    await fill(log, 0, 3000)
    const { refused } = log.report().counters
    expect(refused).toBeGreaterThan(1000)
    expect(log.report().state.condition).toBe('fault')
    await expect(log.writer.append(bulky(1))).rejects.toMatchObject({
      name: 'Retryable',
      message: expect.stringContaining('full'),
    })
    const stored = countsOf(readAll(log))
    expect(stored).toEqual(upTo(stored.length))
    await cursor.confirm(cursor.pending(log.reader.head))
    await log.flush()
    await new Promise((resolve) => setTimeout(resolve, 1100)) // Free space is looked at once a second, on the real clock.
    const { head } = log.reader
    await fill(log, 9000, 10)
    const since = readAll(log, { epoch: head.epoch, seq: head.seq + 1 })
    expect(countsOf(since)).toEqual(upTo(10).map((at) => 9000 + at))
    const told = gapsOf(readAll(log)).reduce((sum, { why, entries }) => sum + (why === 'refused' ? entries : 0), 0)
    expect(told).toBe(refused! + 1)
  })

  it('frees its ballast first when the file system is full, then the oldest segments', async () => {
    const path = folder()
    let free = 2 ** 30
    const log = await opened(path, { segmentBytes: 200_000, freeBytes: () => free })
    const cursor = await log.cursor('emqx', { from: 'now' })
    log.configure({ groups: [press], readers: ['emqx'] })
    await fill(log, 0, 1000)
    const ballast = async (): Promise<number> => {
      await fill(log, 0, 1)
      return existsSync(join(path, 'ballast')) ? readFileSync(join(path, 'ballast')).length : 0
    }
    await expect.poll(ballast, { timeout: 10_000 }).toBe(8 * 2 ** 20)
    free = 2 ** 20
    await fill(log, 1000, 20)
    expect(existsSync(join(path, 'ballast'))).toBe(false)
    expect(log.report().counters.ballastFreed).toBe(1)
    expect(log.report().state.text).toContain('the disk is full')
    expect(cursor.receipt(log.reader.head).evicted).toBeGreaterThan(0)
    expect(countsOf(readAll(log)).at(-1)).toBe(1019)
  })

  it('says how full it is and when it will be', async () => {
    const path = folder()
    const log = await opened(path, { segmentBytes: 200_000, quotaBytes: 2_000_000 })
    await log.cursor('emqx', { from: 'now' })
    log.configure({ groups: [press], readers: ['emqx'] })
    expect(log.report()).toMatchObject({ state: { condition: 'fine' }, fullInMs: null })
    await fill(log, 0, 1300)
    const report = log.report()
    expect(report.state).toMatchObject({ condition: 'degraded', text: expect.stringMatching(/the log is 7\d % full/) })
    expect(report.fullInMs).toBeGreaterThan(0)
  })
})

describe('what is damaged', () => {
  const damagedLog = async (
    damage: (file: string) => void,
    which = 1,
  ): Promise<{ path: string; log: Log; said: Said }> => {
    const path = folder()
    const first = await opened(path, { segmentBytes: 200_000 })
    await first.cursor('emqx', { from: 'now' })
    await fill(first, 0, 1000)
    await closed(first)
    const segments = segmentsIn(path)
    damage(join(path, 'segments', segments.at(which)!, 'log.mdb'))
    const said = new Said()
    return { path, log: await opened(path, { segmentBytes: 200_000, log: said }), said }
  }

  it('in one block costs that block, is told in a gap, and the rest is served', async () => {
    const { log, said } = await damagedLog((file) => {
      const bytes = readFileSync(file)
      const at = bytes.indexOf('FGB1', 100_000)
      bytes[at + 500]! ^= 1
      writeFileSync(file, bytes)
    })
    const cursor = await log.cursor('emqx', { from: 'now' })
    const counts = countsOf(readAll(log))
    expect(counts.length).toBeLessThan(1000)
    expect(counts.length).toBeGreaterThanOrEqual(980)
    expect(counts.at(0)).toBe(0)
    expect(counts.at(-1)).toBe(999)
    await log.flush()
    const [gap] = gapsOf(readAll(log))
    expect(gap).toMatchObject({ why: 'damaged', entries: 1000 - counts.length })
    expect(said.lines.join()).toContain('checksum')
    expect(log.report().state.condition).toBe('degraded')
    expect(cursor.receipt(log.reader.head).stored).toBe(1001)
  })

  it('beyond reading is moved aside whole', async () => {
    const { path, log, said } = await damagedLog((file) =>
      writeFileSync(file, Buffer.alloc(readFileSync(file).length, 0x5a)),
    )
    const counts = countsOf(readAll(log))
    expect(counts.at(0)).toBe(0)
    expect(counts.at(-1)).toBe(999)
    await log.flush()
    const [gap] = gapsOf(readAll(log))
    expect(gap!.entries).toBe(1000 - counts.length)
    expect(readdirSync(join(path, 'damaged'))).toHaveLength(1)
    expect(said.lines.join()).toContain('was moved to')
  })

  it('because the file is shorter than it says does not bring the process down', async () => {
    const { log } = await damagedLog((file) => truncateSync(file, 100_000))
    expect(countsOf(readAll(log)).at(-1)).toBe(999)
  })

  it('at the newest segment still uses no position twice', async () => {
    const { path, log } = await damagedLog((file) => {
      const bytes = readFileSync(file)
      bytes.fill(0, 0, 8192)
      writeFileSync(file, bytes)
    }, -1)
    expect(readdirSync(join(path, 'damaged'))).toHaveLength(1)
    const before = log.reader.head
    expect(before.seq).toBeGreaterThanOrEqual(1000)
    const position = await log.writer.append(bulky(5000))
    expect(position.seq).toBeGreaterThan(1000)
    expect(countsOf(readAll(log)).at(-1)).toBe(5000)
    const [gap] = gapsOf(readAll(log))
    expect(gap).toMatchObject({ why: 'damaged' })
    expect(gap!.range!.to.seq).toBe(1000)
  })

  it('of what readers confirmed costs repeats, and no entry', async () => {
    const path = folder()
    const first = await opened(path)
    const cursor = await first.cursor('emqx', { from: 'now' })
    await fill(first, 0, 100)
    await cursor.confirm(cursor.pending(first.reader.head))
    await fill(first, 100, 100)
    await closed(first)
    writeFileSync(join(path, 'readers', 'log.mdb'), Buffer.alloc(65_536, 1))
    const second = await opened(path)
    const again = await second.cursor('emqx', { from: 'now' })
    const pending = again.pending(second.reader.head)
    expect(countsOf(readAll(second, pending[0]!.from))).toEqual(upTo(200))
  })
})

describe('what waits to be stored', () => {
  it('is bounded: beyond 64 MiB it is refused and counted', async () => {
    const log = await opened(folder(), { commitEveryMs: 60_000, quotaBytes: 2 ** 40 })
    const huge = groupOf('huge', 100_000)
    const numbers = Float64Array.from({ length: 100_000 }, (_, tag) => Math.sqrt(tag + 2))
    const appends = Array.from({ length: 100 }, () => log.writer.append({ ...batchOf(huge), numbers }))
    const results = await Promise.all(
      appends
        .map((append) =>
          append.then(
            () => 1,
            () => 0,
          ),
        )
        .concat(log.flush().then(() => 0)),
    )
    const stored = results.reduce<number>((sum, one) => sum + one, 0)
    expect(stored).toBeGreaterThan(80)
    expect(stored).toBeLessThan(90)
    expect(log.report().counters.refused).toBe(100 - stored)
  })

  it('is stored early when it is 500 batches', async () => {
    const log = await opened(folder(), { commitEveryMs: 60_000 })
    const appends = upTo(500).map((count) => log.writer.append(counted(press, count)))
    await Promise.all(appends)
    expect(log.reader.head.seq).toBe(500)
  })

  it('is not seen by any reader before it is durable', async () => {
    const log = await opened(folder(), { commitEveryMs: 60_000 })
    const appended = log.writer.append(bulky(1))
    expect(readAll(log)).toEqual([])
    expect(log.reader.head.seq).toBe(0)
    await log.flush()
    await appended
    expect(countsOf(readAll(log))).toEqual([1])
  })
})
