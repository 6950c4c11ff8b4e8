/** The log's page on time: what is stored before the clock of its boot is set is dated when it is set. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Batch } from '../../src/contracts/batch.ts'
import type { Instant } from '../../src/contracts/clock.ts'
import type { Entry, LogReader } from '../../src/contracts/log.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { BootsSeen, instantOf, readBoots, restamped } from '../../src/log/reading/boots.ts'
import { openUplinkEnd } from '../../src/log/uplink-log.ts'
import { BootsLedger } from '../../src/log/writing/boots-ledger.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-time-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folders = 0
const folder = (): string => join(root, String(++folders))
const press = groupOf('press')
const open: Log[] = []
afterEach(async () => {
  for (const log of open.splice(0)) await log.close()
})

async function opened(path: string, said = new Said(), clock = new ManualClock()): Promise<Log> {
  const log = await openLog({
    path,
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    clock,
    log: said,
    freeBytes: () => 2 ** 40,
  })
  open.push(log)
  return log
}

async function closed(log: Log): Promise<void> {
  open.splice(open.indexOf(log), 1)
  await log.close()
}

/** As after SIGKILL: nothing is written down any more. */
async function killed(log: Log, path: string): Promise<void> {
  const kept = readFileSync(join(path, 'boots.json'))
  await closed(log)
  writeFileSync(join(path, 'boots.json'), kept)
}

const stamped = (wall: number, clock: Instant['clock'], monotonic: number, boot = 'b'): Batch => ({
  ...batchOf(press),
  at: { wall, monotonic, boot, clock },
})

const readAll = (log: Log): readonly Entry[] => log.reader.read({ epoch: 0, seq: 1 }, { entries: 500, bytes: 2 ** 20 })
const kindsOf = (log: Log): string[] => readAll(log).map(({ kind }) => kind)
const wallsOf = (log: Log): (readonly [number, string])[] =>
  readAll(log).flatMap((entry) => (entry.kind === 'clock' ? [] : [[instantOf(entry).wall, instantOf(entry).clock]]))

describe('what is stored before the clock is set', () => {
  it('is read with the wall time it was once the clock is set, which an entry tells', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500))
    await log.writer.append(stamped(1400, 'unsynced', 899.6))
    expect(wallsOf(log)).toEqual([
      [1000, 'unsynced'],
      [1400, 'unsynced'],
    ])
    await log.writer.append(stamped(1e12, 'synced', 900))
    expect(kindsOf(log)).toEqual(['batch', 'batch', 'clock', 'batch'])
    expect(readAll(log)[2]).toMatchObject({ boot: 'b', offsetMs: 1e12 - 900, at: { wall: 1e12, clock: 'synced' } })
    expect(wallsOf(log)).toEqual([
      [1e12 - 400, 'corrected'],
      [1e12, 'corrected'],
      [1e12, 'synced'],
    ])
    expect(log.reader.snapshot().batches[0]!.at).toMatchObject({ wall: 1e12, clock: 'synced' })
  })

  it('is dated when it is an event or a last value, too', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500))
    const { at } = stamped(1100, 'unsynced', 600)
    await log.writer.note({ at, name: 'gateway.started', text: 'it started', facts: {} })
    await log.writer.note({ ...stamped(1e12, 'synced', 1000), name: 'x', text: 'y', facts: {} })
    expect(wallsOf(log).map(([wall]) => wall)).toEqual([1e12 - 500, 1e12 - 400, 1e12])
    expect(log.reader.snapshot().batches[0]!.at).toMatchObject({ wall: 1e12 - 500, clock: 'corrected' })
  })

  it('is dated by a clock that was set before the process began, too', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500))
    await log.writer.append(stamped(1e12, 'holdover', 900))
    expect(kindsOf(log)).toEqual(['batch', 'clock', 'batch'])
  })

  it('is dated when it was refused and is tried again, too', async () => {
    const log = await opened(folder())
    const cursor = await log.cursor('emqx', { from: 'oldest' })
    const position = await log.writer.append(stamped(1000, 'unsynced', 500))
    await cursor.confirm([{ from: position, to: position }], { quarantined: [{ entry: readAll(log)[0]!, why: 'no' }] })
    await log.writer.append(stamped(1e12, 'synced', 900))
    cursor.retry(null)
    expect(cursor.retrying(10).map(instantOf)).toMatchObject([{ wall: 1e12 - 400, clock: 'corrected' }])
    expect([...log.quarantine('emqx')].map(({ entry }) => instantOf(entry).wall)).toEqual([1e12 - 400])
  })

  it('stays uncertain when the clock of its boot was never set', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500, 'first'))
    await log.writer.append(stamped(2000, 'unsynced', 500, 'second'))
    await log.writer.append(stamped(1e12, 'synced', 600, 'second'))
    expect(wallsOf(log)).toEqual([
      [1000, 'unsynced'],
      [1e12 - 100, 'corrected'],
      [1e12, 'synced'],
    ])
  })

  it('leaves a device’s own time as the device showed it, in whatever sequence, and learns nothing from it', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500))
    await log.writer.append(stamped(9e11, 'device', 600))
    await log.writer.append(stamped(8e11, 'device', 700))
    expect(kindsOf(log)).toEqual(['batch', 'batch', 'batch'])
    await log.writer.append(stamped(1e12, 'synced', 900))
    expect(kindsOf(log)).toEqual(['batch', 'batch', 'batch', 'clock', 'batch'])
    expect(wallsOf(log)).toEqual([
      [1e12 - 400, 'corrected'],
      [9e11, 'device'],
      [8e11, 'device'],
      [1e12, 'synced'],
    ])
  })

  it('needs no entry when the clock was set all along', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1e12, 'synced', 900))
    await log.writer.append(stamped(1e12 + 1, 'holdover', 901))
    await log.writer.append(stamped(1e12 + 2, 'synced', 902))
    expect(kindsOf(log)).toEqual(['batch', 'batch', 'batch'])
  })

  it('is told of once: slewing and a second loss of the source are no new setting', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500))
    await log.writer.append(stamped(1e12, 'synced', 900))
    await log.writer.append(stamped(1e12 + 990, 'synced', 1900))
    await log.writer.append(stamped(1e12 + 2000, 'unsynced', 2900))
    await log.writer.append(stamped(1e12 + 3001, 'synced', 3900))
    expect(kindsOf(log).filter((kind) => kind === 'clock')).toHaveLength(1)
    expect(wallsOf(log)[3]).toEqual([1e12 + 2000, 'corrected'])
  })

  it('is dated anew when the first setting proves wrong', async () => {
    const log = await opened(folder())
    await log.writer.append(stamped(1000, 'unsynced', 500))
    await log.writer.append(stamped(Date.UTC(2099, 0), 'synced', 900))
    await log.writer.append(stamped(1e12, 'synced', 1000))
    expect(kindsOf(log)).toEqual(['batch', 'clock', 'batch', 'clock', 'batch'])
    expect(wallsOf(log)[0]).toEqual([1e12 - 500, 'corrected'])
  })
})

describe('across restarts', () => {
  it('what this boot stored before a restart is dated by the first setting after it', async () => {
    const path = folder()
    const first = await opened(path)
    await first.writer.append(stamped(1000, 'unsynced', 500))
    await killed(first, path)
    const second = await opened(path)
    await second.writer.append(stamped(1e12, 'synced', 900))
    expect(kindsOf(second)).toEqual(['batch', 'clock', 'batch'])
    await killed(second, path)
    expect(wallsOf(await opened(path))).toEqual([
      [1e12 - 400, 'corrected'],
      [1e12, 'synced'],
    ])
  })

  it('a clock entry that the end of the process cost is told after it, with the same offset', async () => {
    const path = folder()
    const first = await opened(path)
    await first.writer.append(stamped(1000, 'unsynced', 500))
    await closed(first)
    const kept = JSON.parse(readFileSync(join(path, 'boots.json'), 'utf8'))
    kept.boots[0].offsetMs = 17e11
    writeFileSync(join(path, 'boots.json'), JSON.stringify(kept))
    const second = await opened(path)
    await second.flush()
    expect(readAll(second).at(-1)).toMatchObject({ kind: 'clock', boot: 'b', offsetMs: 17e11 })
    await closed(second)
    const third = await opened(path)
    await third.flush()
    expect(kindsOf(third)).toEqual(['batch', 'clock'])
    expect(wallsOf(third)).toEqual([[17e11 + 500, 'corrected']])
  })

  it('a boot that is dated anew while its first clock entry is on the way keeps the second date', async () => {
    const path = folder()
    mkdirSync(path)
    const ledger = new BootsLedger({ folder: path, log: new Said() })
    ledger.see(stamped(1000, 'unsynced', 500).at)
    const first = ledger.see(stamped(Date.UTC(2099, 0), 'synced', 900).at)!
    const second = ledger.see(stamped(1e12, 'synced', 1000).at)!
    ledger.told(first)
    await ledger.keep()
    expect(readBoots(join(path, 'boots.json')).boots).toEqual([{ ...second, told: false }])
    ledger.told(second)
    await ledger.keep()
    expect(readBoots(join(path, 'boots.json')).boots).toEqual([{ ...second, told: true }])
  })

  it('a ledger of boots that cannot be read is said; the log opens, and what it dated is uncertain again', async () => {
    const path = folder()
    const first = await opened(path)
    await first.writer.append(stamped(1000, 'unsynced', 500))
    await first.writer.append(stamped(1e12, 'synced', 900))
    await closed(first)
    for (const text of ['{"format":1,"boots":[{"boot":7}]}', '{"format":2,"boots":[]}', 'null', '{"forma', '']) {
      writeFileSync(join(path, 'boots.json'), text)
      const said = new Said()
      const log = await opened(path, said)
      expect(said.lines.join()).toContain('boots.json is damaged or of another version')
      expect(wallsOf(log)[0]).toEqual([1000, 'unsynced'])
      await closed(log)
    }
  })

  it('remembers a bounded number of boots', async () => {
    const path = folder()
    const log = await opened(path)
    for (let boot = 0; boot < 300; boot++) await log.writer.append(stamped(1000, 'unsynced', 500, `boot-${boot}`))
    await log.writer.append(stamped(1e12, 'synced', 900, 'boot-299'))
    await closed(log)
    const { boots } = JSON.parse(readFileSync(join(path, 'boots.json'), 'utf8'))
    expect(boots).toHaveLength(256)
    expect(boots.at(-1)).toEqual({ boot: 'boot-299', offsetMs: 1e12 - 900, told: true })
  })
})

describe('a box that restarts for ever', () => {
  it('fills no segment with the names of its boots, and its records keep theirs', async () => {
    const path = folder()
    const count = 1200
    const boots = Array.from({ length: count }, (_, n) => `boot-${n}`)
    const log = await opened(path)
    await Promise.all(boots.map((boot, n) => log.writer.append(stamped(1e12 + n, 'synced', n, boot))))
    await closed(log)
    for (const again of ['again', 'and again']) {
      const next = await opened(path)
      await next.writer.append(stamped(2e12, 'synced', 1, again))
      expect(next.report().segments).toBe(2)
      boots.push(again)
      const read: string[] = []
      for (let seq = 1; read.length < boots.length; seq = read.length + 1) {
        const entries = next.reader.read({ epoch: 0, seq }, { entries: 500, bytes: 2 ** 20 })
        read.push(...entries.map((entry) => instantOf(entry).boot))
      }
      expect(read).toEqual(boots)
      await closed(next)
    }
  })
})

describe('the floor of the next boot', () => {
  /** What an unset clock shows that opens the log 1000 ms after its boot. */
  const shown = async (path: string): Promise<number> => {
    const clock = new ManualClock({ wall: 0, monotonic: 1000, boot: 'next', known: 'unsynced', earliest: 0 })
    await closed(await opened(path, new Said(), clock))
    return clock.wall() - 1000
  }

  it('is the last time that was stored under a set clock, not the latest', async () => {
    const path = folder()
    const log = await opened(path)
    await log.writer.append(stamped(Date.UTC(2099, 0), 'synced', 900))
    await log.writer.append(stamped(1e12, 'synced', 1000))
    await log.writer.append(stamped(2e12, 'device', 1100))
    await log.writer.append(stamped(3e12, 'holdover', 1100))
    await killed(log, path)
    expect(await shown(path)).toBe(1e12)
  })

  it('is known however long the source was away, and when the clock of the boot since was never set', async () => {
    const path = folder()
    const log = await opened(path)
    await log.writer.append(stamped(1e12, 'synced', 1000))
    for (let n = 0; n < 40; n++) await log.writer.append(stamped(1e12 + n, 'holdover', 1000 + n))
    await killed(log, path)
    expect(await shown(path)).toBe(1e12)
    const again = await opened(path)
    for (let n = 0; n < 40; n++) await again.writer.append(stamped(1e12 + n, 'unsynced', n, 'second'))
    await killed(again, path)
    expect(await shown(path)).toBe(1e12)
  })

  it('is known when the segment that is written is new', async () => {
    const path = folder()
    const clock = new ManualClock()
    const log = await openLog({
      path,
      quotaBytes: 2 ** 30,
      commitEveryMs: 0,
      evict: 'oldest',
      segmentBytes: 2 ** 16,
      clock,
      log: new Said(),
      freeBytes: () => 2 ** 40,
    })
    open.push(log)
    for (let n = 0; log.report().segments < 3; n++) {
      await log.writer.append(stamped(1e12 + n, 'synced', n))
      for (let more = 0; more < 100; more++) await log.writer.append(stamped(1e12, 'device', n))
    }
    for (let more = 0; more < 20; more++) await log.writer.append(stamped(1e12, 'device', 7))
    await killed(log, path)
    expect(await shown(path)).toBeGreaterThan(1e12)
  }, 60_000)
})

describe('another process that reads the log', () => {
  const unset = { kind: 'batch', position: { epoch: 1, seq: 1 }, batch: stamped(1000, 'unsynced', 500) } as const

  it('sees what the writing one has learnt as soon as it looks', async () => {
    const path = folder()
    const log = await opened(path)
    const seen = new BootsSeen(path)
    seen.look()
    await log.writer.append(unset.batch)
    seen.look()
    expect(restamped(unset, seen.offsetOf)).toBe(unset)
    await log.writer.append(stamped(1e12, 'synced', 900))
    expect(restamped(unset, seen.offsetOf)).toBe(unset)
    seen.look()
    expect(instantOf(restamped(unset, seen.offsetOf))).toMatchObject({ wall: 1e12 - 400, clock: 'corrected' })
    // What cannot be read leaves what was known.
    writeFileSync(join(path, 'boots.json'), 'torn')
    seen.look()
    expect(seen.offsetOf('b')).toBe(1e12 - 900)
  })

  it('reads the same times as the one that writes it, of boots that came while it reads', async () => {
    const path = folder()
    const log = await opened(path)
    await log.writer.append(stamped(1000, 'unsynced', 500))
    const end = await openUplinkEnd({
      path,
      quotaBytes: 2 ** 30,
      commitEveryMs: 0,
      clock: new SystemClock(),
      log: new Said(),
      signal: new AbortController().signal,
    })
    try {
      const both = async (): Promise<readonly [readonly Entry[], readonly Entry[]]> => {
        const { head } = log.reader
        await end.reader.next({ epoch: head.epoch, seq: head.seq - 1 }, new AbortController().signal)
        const read = (reader: LogReader) => reader.read({ epoch: 0, seq: 1 }, { entries: 100, bytes: 2 ** 20 })
        return [read(end.reader).map(stampOf), read(log.reader).map(stampOf)] as never
      }
      const stampOf = (entry: Entry): unknown => [entry.kind, entry.position.seq, instantOf(entry)]
      expect((await both())[0]).toEqual([['batch', 1, unset.batch.at]])
      await log.writer.append(stamped(1e12, 'synced', 900))
      await log.writer.append(stamped(1500, 'unsynced', 500, 'next'))
      await log.writer.append(stamped(1600, 'unsynced', 500, 'one more'))
      await log.writer.append(stamped(3e12, 'synced', 800, 'one more'))
      const [theirs, ours] = await both()
      expect(theirs).toEqual(ours)
      expect(theirs).toHaveLength(7)
      expect(theirs[0]).toMatchObject(['batch', 1, { wall: 1e12 - 400, clock: 'corrected' }])
      expect(theirs[4]).toMatchObject(['batch', 5, { wall: 3e12 - 300, clock: 'corrected' }])
    } finally {
      await end.close()
    }
  })
})
