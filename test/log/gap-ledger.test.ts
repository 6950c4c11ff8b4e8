/** What was lost stays told: in a ledger beside the segments, when the gap entries themselves are long gone. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Entry, GapEntry } from '../../src/contracts/log.ts'
import { openArchive } from '../../src/log/archive.ts'
import { type Log, type LogOptions, openLog } from '../../src/log/log.ts'
import { GapLedger, readGaps } from '../../src/log/writing/gap-ledger.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { at, batchOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-gaps-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folders = 0
function folder(): string {
  const path = join(root, String(++folders))
  mkdirSync(path)
  return path
}

function gapOf(seq: number, more: Partial<GapEntry> = {}): GapEntry {
  const range = { from: { epoch: 1, seq: 1 }, to: { epoch: 1, seq: 10 } }
  return {
    kind: 'gap',
    position: { epoch: 1, seq },
    at,
    range,
    entries: 10,
    why: 'evicted',
    readers: ['emqx'],
    ...more,
  }
}

function ledgerOf(path: string, mostBytes?: number, log = new Said()): GapLedger {
  return new GapLedger({ folder: path, log, ...(mostBytes === undefined ? {} : { mostBytes }) })
}

describe('the ledger of gaps', () => {
  it('keeps every fact of a gap, with the quality of the clock', async () => {
    const path = folder()
    const everyone = { position: { epoch: 3, seq: 9 }, at: { ...at, clock: 'unsynced' as const } }
    const gaps: GapEntry[] = [gapOf(7), { kind: 'gap', ...everyone, range: null, entries: 4, why: 'refused' }]
    await ledgerOf(path).keep(gaps)
    expect(readGaps(path)).toEqual({ gaps, forgotten: null, unreadable: 0 })
  })

  it('wherever its last line was cut off, loses that line alone and goes on behind the whole ones', async () => {
    const path = folder()
    const file = join(path, 'gaps.jsonl')
    await ledgerOf(path).keep([gapOf(1), gapOf(2), gapOf(3)])
    const whole = readFileSync(file)
    const ends = [...whole].flatMap((byte, index) => (byte === 10 ? [index + 1] : []))
    for (let cut = 0; cut <= whole.length; cut++) {
      writeFileSync(file, whole.subarray(0, cut))
      const left = ends.filter((end) => end <= cut).length
      expect(readGaps(path)).toMatchObject({ gaps: [1, 2, 3].slice(0, left).map((seq) => gapOf(seq)), unreadable: 0 })
      const again = ledgerOf(path)
      await again.takeUp([1, 2, 3].map((seq) => gapOf(seq)))
      await again.keep([gapOf(4)])
      expect(readGaps(path).gaps.map(({ position }) => position.seq)).toEqual([1, 2, 3, 4])
      expect(readGaps(path).unreadable).toBe(0)
    }
  })

  it('names a line that was damaged, and reads the others', async () => {
    const path = folder()
    const file = join(path, 'gaps.jsonl')
    await ledgerOf(path).keep([gapOf(1), gapOf(2), gapOf(3)])
    writeFileSync(file, readFileSync(file, 'utf8').replace('"seq":2}', '"seq":5}'))
    const said = new Said()
    ledgerOf(path, undefined, said)
    expect(said.lines).toEqual([`${file}: 1 gaps cannot be read any more; the others are kept`])
    expect(readGaps(path)).toMatchObject({ gaps: [gapOf(1), gapOf(3)], unreadable: 1 })
  })

  it('never exceeds its size, and says what it had to forget', async () => {
    const path = folder()
    const most = 4096
    let ledger = ledgerOf(path, most)
    let refused = 0
    for (let seq = 1; seq <= 400; seq++) {
      if (seq % 60 === 0) ledger = ledgerOf(path, most)
      const lost = seq % 3 === 0
      if (lost) refused += seq
      await ledger.keep([lost ? gapOf(seq, { range: null, entries: seq, why: 'refused' }) : gapOf(seq)])
      const bytes = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)
      expect(bytes).toBeLessThan(2.5 * most)
    }
    const { gaps, forgotten, unreadable } = readGaps(path)
    expect(unreadable).toBe(0)
    expect(gaps.length).toBeGreaterThan(10)
    const seqs = gaps.map(({ position }) => position.seq)
    expect(seqs).toEqual(Array.from(seqs, (_, index) => 401 - seqs.length + index))
    expect(forgotten).toMatchObject({ gaps: 400 - seqs.length, position: { epoch: 1, seq: 400 - seqs.length } })
    const kept = (why: string) => gaps.filter((gap) => gap.why === why).reduce((sum, { entries }) => sum + entries, 0)
    expect(forgotten!.refused + kept('refused')).toBe(refused)
    expect(forgotten!.lost.emqx! + kept('evicted')).toBe(
      10 * Array.from({ length: 400 }).filter((_, n) => (n + 1) % 3).length,
    )
  })

  it('turned over halfway when the power went, is turned over to the end', async () => {
    const path = folder()
    const ledger = ledgerOf(path, 1000)
    for (let seq = 1; seq <= 20; seq++) await ledger.keep([gapOf(seq)])
    const before = readGaps(path)
    const [inUse, dropped] = ['gaps.jsonl', 'gaps-before.jsonl'].map((name) => readFileSync(join(path, name), 'utf8'))
    const turned = ledgerOf(path, 0)
    await turned.keep([gapOf(21)])
    const after = readGaps(path)
    const next = `${readFileSync(join(path, 'gaps.jsonl'), 'utf8').split('\n')[0]}\n`
    expect(after.forgotten!.gaps).toBeGreaterThan(before.forgotten!.gaps)
    const states = [
      { 'gaps.jsonl': inUse!, 'gaps-before.jsonl': dropped!, 'gaps-next.jsonl': next },
      { 'gaps-before.jsonl': inUse!, 'gaps-next.jsonl': next },
    ]
    for (const state of states) {
      rmSync(path, { recursive: true })
      mkdirSync(path)
      for (const [name, text] of Object.entries(state)) writeFileSync(join(path, name), text)
      const seen = readGaps(path)
      expect(seen.gaps.length + seen.forgotten!.gaps).toBe(20)
      await ledgerOf(path).keep([gapOf(21)])
      expect(readGaps(path)).toEqual(after)
    }
  })

  it('holds what a disk refuses until it takes it, and says so once', async () => {
    const path = folder()
    const said = new Said()
    const ledger = ledgerOf(path, undefined, said)
    // A folder in its place: no user may write that, root neither.
    mkdirSync(join(path, 'gaps.jsonl'))
    await ledger.keep([gapOf(1)])
    await ledger.keep([gapOf(2)])
    expect(ledger.owes).toBe(true)
    expect(said.lines).toEqual([expect.stringMatching(/^the ledger of gaps cannot be stored: EISDIR/)])
    rmSync(join(path, 'gaps.jsonl'), { recursive: true })
    await ledger.keep([])
    expect(ledger.owes).toBe(false)
    expect(readGaps(path).gaps).toEqual([gapOf(1), gapOf(2)])
  })
})

describe('a log with gaps', () => {
  const press = groupOf('press', 100)
  const open: Log[] = []
  afterEach(async () => {
    for (const log of open.splice(0)) await log.close()
  })
  const opened = async (path: string, options: Partial<LogOptions> = {}): Promise<Log> => {
    const log = await openLog({
      path,
      quotaBytes: 1_500_000,
      commitEveryMs: 0,
      evict: 'oldest',
      segmentBytes: 200_000,
      clock: new ManualClock(),
      log: new Said(),
      ...options,
    })
    open.push(log)
    log.configure({ groups: [press], readers: ['emqx'] })
    return log
  }
  const closed = async (log: Log): Promise<void> => {
    open.splice(open.indexOf(log), 1)
    await log.close()
  }
  const fill = async (log: Log, count: number): Promise<number> => {
    let refused = 0
    for (let left = count; left > 0; left -= 20) {
      const all = Array.from({ length: 20 }, (_, n) => {
        const numbers = Float64Array.from({ length: 100 }, (_, tag) => Math.sqrt(left * 100 + n * 7 + tag))
        return log.writer.append({ ...batchOf(press), numbers })
      })
      refused += (await Promise.allSettled(all)).filter(({ status }) => status === 'rejected').length
    }
    return refused
  }
  const gapsIn = (log: Log): readonly GapEntry[] => {
    const gaps: GapEntry[] = []
    for (let seq = 0; ; ) {
      const some: readonly Entry[] = log.reader.read({ epoch: 0, seq }, { entries: 500, bytes: 2 ** 16 })
      if (some.length === 0) return gaps
      gaps.push(...some.filter((entry) => entry.kind === 'gap'))
      seq = some.at(-1)!.position.seq + 1
    }
  }

  it('still knows them when everything was delivered and its segments are gone', async () => {
    const path = folder()
    const log = await opened(path)
    const cursor = await log.cursor('emqx', { from: 'now' })
    await fill(log, 4000)
    const told = gapsIn(log)
    expect(told.length).toBeGreaterThan(3)
    const kept = readGaps(path).gaps
    // What is only told again because the entry that told it goes, the ledger has already.
    const first = told.filter(({ position }) => kept.some((gap) => gap.position.seq === position.seq))
    expect(first.length).toBeGreaterThan(1)
    expect(kept.slice(-first.length)).toEqual(first)
    const { evicted } = cursor.receipt(log.reader.head)
    expect(readGaps(path).gaps.reduce((sum, { entries }) => sum + entries, 0)).toBe(evicted)
    const lines = readGaps(path).gaps
    await cursor.confirm(cursor.pending(log.reader.head))
    await fill(log, 400)
    await cursor.confirm(cursor.pending(log.reader.head))
    await log.flush()
    expect(gapsIn(log)).toEqual([])
    expect(readGaps(path).gaps).toEqual(lines)
  })

  it('has each of them once in the ledger, wherever the process ended before the ledger was written', async () => {
    const path = folder()
    const log = await opened(path)
    await log.cursor('emqx', { from: 'now' })
    await fill(log, 4000)
    const told = readGaps(path).gaps
    await closed(log)
    const file = join(path, 'gaps.jsonl')
    const whole = readFileSync(file)
    // What stands in the last segments is what a crash can cost the ledger.
    const from = Number(readdirSync(join(path, 'segments')).sort().at(-2)!.split('-')[2])
    const lately = told.filter(({ position }) => position.seq >= from).length
    expect(lately).toBeGreaterThan(0)
    const lines = whole.toString().split('\n')
    const least = Buffer.byteLength(lines.slice(0, told.length - lately).join('\n'))
    for (let cut = least + 1; cut < whole.length; cut += 37) {
      writeFileSync(file, whole.subarray(0, cut))
      await closed(await opened(path))
      expect(readGaps(path).gaps).toEqual(told)
    }
  })

  it('counts what it refused, when nothing of it has a place', async () => {
    const path = folder()
    const log = await opened(path, { evict: 'newest' })
    const cursor = await log.cursor('emqx', { from: 'now' })
    const refused = await fill(log, 3000)
    expect(refused).toBeGreaterThan(500)
    await cursor.confirm(cursor.pending(log.reader.head))
    await closed(log)
    const gaps = readGaps(path).gaps.filter(({ why }) => why === 'refused')
    expect(gaps.every(({ range, readers }) => range === null && readers === undefined)).toBe(true)
    expect(gaps.reduce((sum, { entries }) => sum + entries, 0)).toBe(refused)
  })

  it('dates a gap of before the clock was set, once it is set', async () => {
    const path = folder()
    const clock = new ManualClock({ wall: Date.UTC(2020, 0, 1), known: 'unsynced' })
    const log = await opened(path, { clock, evict: 'newest' })
    await log.cursor('emqx', { from: 'now' })
    expect(await fill(log, 3000)).toBeGreaterThan(500)
    await log.flush()
    const taken = clock.now()
    await closed(log)
    const look = () => {
      const archive = openArchive({ path, clock, log: new Said() })
      return archive.close().then(() => archive.gaps().gaps[0]!.at)
    }
    const uncertain = await look()
    expect(uncertain).toMatchObject({ clock: 'unsynced' })
    clock.step(Date.UTC(2026, 5, 1) - clock.wall(), 'synced')
    const again = await opened(path, { clock, quotaBytes: 3_000_000 })
    await again.writer.note({ at: clock.now(), name: 'gateway.started', text: 'started', facts: {} })
    await closed(again)
    const dated = await look()
    expect(dated.clock).toBe('corrected')
    expect(dated.wall - uncertain.wall).toBe(Date.UTC(2026, 5, 1) - taken.wall)
  })

  it('opens and stores although its ledger cannot be used', async () => {
    const path = folder()
    await closed(await opened(path))
    mkdirSync(join(path, 'gaps.jsonl'))
    const said = new Said()
    const log = await opened(path, { log: said })
    await log.cursor('emqx', { from: 'now' })
    await fill(log, 4000)
    expect(said.lines.filter((line) => line.startsWith('the ledger of gaps cannot be stored'))).toHaveLength(1)
    expect(gapsIn(log).length).toBeGreaterThan(3)
    rmSync(join(path, 'gaps.jsonl'), { recursive: true })
    await closed(log)
    expect(existsSync(join(path, 'gaps.jsonl'))).toBe(true)
    expect(readGaps(path).gaps.length).toBeGreaterThan(3)
  })
})
