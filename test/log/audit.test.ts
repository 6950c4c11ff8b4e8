/** What the audit finds, and that it finds nothing where nothing is wrong. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Log, openLog } from '../../src/log/log.ts'
import { Environment } from '../../src/log/segments/environment.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { audited, expectAudited } from './audited.ts'
import { batchOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-audit-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const APPENDER = join(import.meta.dirname, 'appender.ts')
const press = groupOf('press', 100)
const OPTIONS = { quotaBytes: 1_500_000, commitEveryMs: 0, evict: 'oldest' as const, segmentBytes: 200_000 }

function opened(path: string): Promise<Log> {
  return openLog({ path, ...OPTIONS, clock: new SystemClock(), log: new Said() })
}

async function fill(log: Log, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 20) {
    const all = Array.from({ length: 20 }, (_, n) => {
      const numbers = Float64Array.from({ length: 100 }, (_, tag) => Math.sqrt(left * 100 + n * 7 + tag))
      return log.writer.append({ ...batchOf(press), numbers })
    })
    await Promise.all(all)
  }
}

/** A log in which every fate has befallen something: `behind` lost some and waits for the rest, `picky` has everything. */
const path = join(root, 'log')
beforeAll(async () => {
  const log = await opened(path)
  log.configure({ groups: [press], readers: ['behind', 'picky'] })
  const behind = await log.cursor('behind', { from: 'now' })
  const picky = await log.cursor('picky', { from: 'now' })
  await fill(log, 200)
  const entries = log.reader.read({ epoch: 1, seq: 1 }, { entries: 30, bytes: 2 ** 20 })
  const range = { from: entries[0]!.position, to: entries.at(-1)!.position }
  const quarantined = entries.slice(3, 6).map((entry) => ({ entry, why: 'too long' }))
  await picky.confirm([range], { filtered: 10, quarantined })
  await behind.confirm([{ from: entries[9]!.position, to: entries[19]!.position }])
  for (let round = 0; round < 20; round++) {
    await fill(log, 200)
    await picky.confirm(picky.pending(log.reader.head), { filtered: 50 })
  }
  await log.close()
})

describe('the audit', () => {
  it('holds where every entry is where its receipt says', async () => {
    const { head, records, readers, gaps } = await expectAudited(path)
    expect(readers.map(({ reader }) => reader)).toEqual(['behind', 'picky'])
    const [behind, picky] = readers
    expect(behind!.receipt.head).toEqual(head)
    expect(behind!.receipt).toMatchObject({ delivered: 11, quarantined: 0 })
    expect(behind!.receipt.evicted).toBeGreaterThan(1000)
    expect(behind!.counted).toEqual({ pending: behind!.receipt.pending, quarantined: 0 })
    expect(behind!.counted.pending).toBe(records)
    expect(behind!.told).toBe(behind!.receipt.evicted)
    expect(gaps).toMatchObject({ evicted: behind!.receipt.evicted, damaged: 0, refused: 0 })
    expect(picky!.receipt).toMatchObject({ quarantined: 3, evicted: 0, pending: 0, filtered: 10 + 20 * 50 })
    expect(picky!.counted).toEqual({ pending: 0, quarantined: 3 })
  })

  let copies = 0
  const copy = (): string => {
    const other = join(root, String(++copies))
    cpSync(path, other, { recursive: true })
    return other
  }
  const readers = (other: string, change: (environment: Environment) => Promise<void>): Promise<void> => {
    const file = join(other, 'readers', 'log.mdb')
    const environment = new Environment({ path: file, mapBytes: 2 ** 32, readOnly: false })
    return change(environment).finally(() => environment.close())
  }

  it('finds a segment that is gone, and says how many records went with it', async () => {
    const other = copy()
    const [, second, third] = readdirSync(join(other, 'segments')).sort()
    rmSync(join(other, 'segments', second!), { recursive: true })
    const lost = Number(third!.split('-')[2]) - Number(second!.split('-')[2])
    const { differences, holds } = await audited(other)
    expect(holds).toBe(false)
    expect(differences).toEqual([
      expect.stringMatching(
        new RegExp(`^behind: ${lost} of \\d+ pending records are not in the segments, and no gap tells of them$`),
      ),
    ])
  })

  it('finds records that cannot be read, until a gap tells of them', async () => {
    const other = copy()
    const [oldest] = readdirSync(join(other, 'segments')).sort()
    const file = join(other, 'segments', oldest!, 'log.mdb')
    const bytes = readFileSync(file)
    bytes.fill(0x5a, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 64)
    writeFileSync(file, bytes)
    expect((await audited(other)).differences).toEqual([
      expect.stringMatching(/^behind: \d+ of \d+ pending records are not in the segments, and no gap tells of them$/),
    ])
    const log = await opened(other)
    log.configure({ groups: [press], readers: ['behind', 'picky'] })
    for (let seq = 1; ; ) {
      const entries = log.reader.read({ epoch: 0, seq }, { entries: 500, bytes: 2 ** 20 })
      if (entries.length === 0) break
      seq = entries.at(-1)!.position.seq + 1
    }
    await log.flush()
    await log.close()
    const { readers: told, gaps } = await expectAudited(other)
    expect(gaps.damaged).toBeGreaterThan(0)
    expect(told[0]!.receipt.pending - told[0]!.counted.pending).toBe(gaps.damaged)
  })

  it('finds a quarantined record that is gone, or that cannot be read', async () => {
    const other = copy()
    const key = Buffer.concat([Buffer.from([2]), Buffer.from('picky\0'), Buffer.from([0, 0, 0, 0, 0, 4])])
    await readers(other, (environment) => environment.commit([{ key, value: Buffer.from('nothing') }]))
    expect((await audited(other)).differences).toEqual(['picky: 1 quarantined records cannot be read'])
    await readers(other, (environment) => environment.commit([], [key]))
    expect((await audited(other)).differences).toEqual(['picky: 3 quarantined by its receipt, 2 counted'])
  })

  it('finds a receipt that does not add up', async () => {
    const other = copy()
    const key = Buffer.concat([Buffer.from([1]), Buffer.from('picky')])
    await readers(other, async (environment) => {
      const state = JSON.parse(Buffer.from(environment.get(key)!).toString()) as { delivered: number }
      const value = Buffer.from(JSON.stringify({ ...state, delivered: state.delivered - 7 }))
      await environment.commit([{ key, value }])
    })
    const { differences } = await audited(other)
    expect(differences).toEqual([
      expect.stringMatching(
        /^picky: (\d+) stored, but delivered, filtered, pending, quarantined and evicted come to \d+$/,
      ),
    ])
    const [stored, sum] = differences[0]!.match(/\d+/g)!.map(Number)
    expect(stored! - sum!).toBe(7)
  })

  it('finds losses that the ledger of gaps does not tell of', async () => {
    const other = copy()
    const file = join(other, 'gaps.jsonl')
    const lines = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, lines.slice(1).join('\n'))
    const { entries } = JSON.parse(lines[0]!) as { entries: number }
    const [difference, ...others] = (await audited(other)).differences
    expect(others).toEqual([])
    const [lost, told] = difference!.match(/\d+/g)!.map(Number)
    expect(difference).toBe(`behind: ${lost} records are gone undelivered, the ledger of gaps tells of ${told}`)
    expect(lost! - told!).toBe(entries)
    expect((await audited(other, ['picky'])).differences).toEqual([])
    writeFileSync(file, lines.slice(0, -2).join('\n').concat('\n'))
    expect((await audited(other)).differences[0]).toMatch(/^the ledger of gaps lacks 1 of the \d+ gaps in the log$/)
    writeFileSync(file, lines.join('\n').replace('"entries":', '"entries": '))
    expect((await audited(other)).differences[0]).toBe('the ledger of gaps: 1 lines cannot be read')
  })

  it('holds for a sink that was taken out of the configuration and came back, over restarts, too', async () => {
    const other = join(root, 'away')
    let log = await opened(other)
    const settle = async (readers: readonly string[]): Promise<void> => {
      log.configure({ groups: [press], readers })
      const cursor = await log.cursor('stays', { from: 'now' })
      await fill(log, 400)
      await cursor.confirm(cursor.pending(log.reader.head))
      await log.flush()
    }
    await log.cursor('goes', { from: 'now' })
    for (const readers of [['stays', 'goes'], ['stays'], ['stays', 'goes'], ['stays']]) await settle(readers)
    await log.close()
    log = await opened(other)
    await settle(['stays'])
    await log.close()
    log = await opened(other)
    await settle(['stays', 'goes'])
    await log.close()
    const { readers, gaps } = await expectAudited(other)
    const goes = readers.find(({ reader }) => reader === 'goes')!
    expect(gaps.evicted).toBe(0)
    expect(goes.receipt.evicted).toBeGreaterThan(1000)
    expect(goes.dropped).toBe(goes.receipt.evicted)
    expect(goes.counted.pending).toBeGreaterThanOrEqual(400)
  })

  it('holds at any moment of a log that is written and delivered from meanwhile, and when that is killed', {
    timeout: 60_000,
  }, async () => {
    const running = join(root, 'running')
    let next = 1
    for (let kill = 0; kill < 3; kill++) {
      const child = spawn(process.execPath, [APPENDER, running, String(next), '5'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      let confirmed = 0
      for await (const line of createInterface({ input: child.stdout })) {
        const [kind, count] = line.split(' ')
        if (kind === 'a') next = Math.max(next, Number(count) + 1000)
        if (kind !== 'k' || ++confirmed % 40 !== 0) continue
        const { readers: seen } = await expectAudited(running)
        const { receipt } = seen.find(({ reader }) => reader === 'emqx')!
        expect(receipt.delivered).toBeGreaterThan(0)
        if (confirmed === 200) child.kill('SIGKILL')
      }
      await expectAudited(running)
    }
  })
})
