/** The log's two ends in two processes: the writing one is another process, the reading one is here. */
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { GroupRef } from '../../src/contracts/batch.ts'
import type { Cursor, Entry, LogReader, Position } from '../../src/contracts/log.ts'
import type { UplinkEnd } from '../../src/log/ends.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { openUplinkEnd } from '../../src/log/uplink-log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { logSuite } from '../contracts/log-suite.ts'
import { expectAudited } from './audited.ts'
import { counted, countsOf, groupOf, Said } from './batches.ts'
import { FieldHalf } from './field-half.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-two-ends-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let number = 0
const clock = new SystemClock()
const never = new AbortController().signal

const OPTIONS = { quotaBytes: 2 ** 30, commitEveryMs: 0, evict: 'oldest' as const }

function uplink(path: string, more: { log?: Said; segmentBytes?: number } = {}): Promise<UplinkEnd> {
  const headFile = join(path, 'run', 'head')
  return openUplinkEnd({ path, ...OPTIONS, headFile, clock, log: new Said(), signal: never, ...more })
}

function field(path: string, more: { segmentBytes?: number; quotaBytes?: number } = {}): Promise<FieldHalf> {
  return FieldHalf.start({ path, ...OPTIONS, headFile: join(path, 'run', 'head'), ...more })
}

/** As soon as the reading end has it. */
async function seen(end: UplinkEnd, position: Position): Promise<Position> {
  await end.reader.next({ epoch: position.epoch, seq: position.seq - 1 }, never)
  return position
}

logSuite('LMDB, from two processes', async () => {
  const path = join(root, String(++number))
  const half = await field(path)
  const end = await uplink(path)
  const groups = new Set<GroupRef>()
  let head: Position = { epoch: 0, seq: 0 }
  return {
    writer: {
      append: async (batch) => {
        groups.add(batch.group)
        end.configure({ groups: [...groups], readers: [] })
        head = await half.append(batch)
        return seen(end, head)
      },
      note: async (event) => seen(end, await half.ask<Position>({ do: 'note', event })),
      adopt: async (entry) => {
        await half.ask({ do: 'adopt', entry })
        await seen(end, entry.position)
      },
      get head() {
        return head
      },
    },
    reader: end.reader,
    cursor: (name, options) => end.cursor(name, options),
    close: async () => {
      await end.close()
      await half.close()
    },
  }
})

describe('two halves of a log', () => {
  const open: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })
  const keep = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const one = await opening
    open.push(one)
    return one
  }

  it('find each other whichever starts first', async () => {
    const path = join(root, String(++number))
    const said = new Said()
    const waiting = keep(uplink(path, { log: said }))
    const half = await keep(field(path))
    const position = await half.append(counted(groupOf('press'), 7))
    const end = await waiting
    await seen(end, position)
    expect(countsOf(end.reader.read(position, { entries: 10, bytes: 1000 }))).toEqual([7])
    expect(said.lines).toEqual([`waiting for the field half to make the log in ${path}`])
  })

  it('lose nothing of what is stored before the reading half is up: a sink begins where it was configured', async () => {
    const path = join(root, String(++number))
    const half = await keep(field(path))
    const group = groupOf('press')
    const configured = (...readers: string[]) => half.ask({ do: 'configure', groups: [group], readers })
    await configured('gone')
    await half.append(counted(group, 1))
    await configured('emqx')
    await half.append(counted(group, 2))
    await configured('emqx', 'late')
    const last = await half.append(counted(group, 3))
    await configured('emqx', 'late', 'gone')
    const end = await keep(uplink(path))
    end.configure({ groups: [group], readers: ['emqx', 'late', 'gone'] })
    await seen(end, last)
    const waiting = async (name: string, from: 'now' | 'oldest') => {
      const [range] = (await end.cursor(name, { from })).pending(end.reader.head)
      return range === undefined ? [] : countsOf(end.reader.read(range.from, { entries: 10, bytes: 1000 }))
    }
    expect(await waiting('emqx', 'now')).toEqual([2, 3])
    expect(await waiting('late', 'now')).toEqual([3])
    expect(await waiting('gone', 'now')).toEqual([])
    expect(await waiting('archive', 'oldest')).toEqual([1, 2, 3])
    // What has a place goes on from there, and one that nobody configured begins with what comes.
    await configured('emqx', 'late', 'gone', 'newest')
    expect(await waiting('emqx', 'now')).toEqual([2, 3])
    expect(await waiting('nobody', 'now')).toEqual([])
  })

  it('go on where the other stands when either was killed, and segments go when the sink has confirmed them', async () => {
    const path = join(root, String(++number))
    const segmentBytes = 200_000
    let half = await field(path, { segmentBytes })
    let end = await uplink(path, { segmentBytes })
    const group = groupOf('press', 100)
    const got: number[] = []
    const drained = async (cursor: Cursor, reader: LogReader): Promise<void> => {
      for (;;) {
        const range = cursor.pending(reader.head)[0]
        if (range === undefined) return
        const entries: readonly Entry[] = reader.read(range.from, { entries: 100, bytes: 65536 })
        got.push(...countsOf(entries))
        await cursor.confirm([{ from: range.from, to: entries.at(-1)!.position }])
      }
    }
    await half.ask({ do: 'configure', groups: [group], readers: ['emqx'] })
    let cursor = await end.cursor('emqx', { from: 'oldest' })
    let next = 0
    const append = async (count: number): Promise<Position> => {
      const all = await Promise.all(Array.from({ length: count }, () => half.append(counted(group, next++))))
      return all.at(-1)!
    }
    for (let round = 0; round < 4; round++) {
      await seen(end, await append(700))
      await drained(cursor, end.reader)
      // The reading half looks on while the writing one dies and comes back.
      await half.kill()
      half = await field(path, { segmentBytes })
      await half.ask({ do: 'configure', groups: [group], readers: ['emqx'] })
      await seen(end, await append(300))
      // And the writing half writes on while the reading one is away.
      await end.close()
      await append(500)
      end = await uplink(path, { segmentBytes })
      cursor = await end.cursor('emqx', { from: 'oldest' })
    }
    open.push(half, end)
    await seen(end, await append(1))
    await drained(cursor, end.reader)
    expect(got).toEqual(Array.from({ length: next }, (_, at) => at))
    const receipt = cursor.receipt(end.reader.head)
    expect(receipt).toMatchObject({ stored: next, delivered: next, pending: 0, evicted: 0 })
    await end.flush()
    await expect.poll(() => readdirSync(join(path, 'segments')).length, { timeout: 5000 }).toBe(1)
    await expect.poll(async () => (await half.places())[0]?.receipt, { timeout: 5000 }).toEqual(receipt)
    await expectAudited(path)
  })

  it('hold what a configured sink is still to come for', async () => {
    const path = join(root, String(++number))
    const half = await keep(field(path, { segmentBytes: 200_000 }))
    const group = groupOf('press', 100)
    await half.ask({ do: 'configure', groups: [group], readers: ['later'] })
    for (let round = 0; round < 5; round++)
      await Promise.all(Array.from({ length: 400 }, (_, at) => half.append(counted(group, at))))
    await clock.sleep(1200, never)
    expect(readdirSync(join(path, 'segments')).length).toBeGreaterThan(1)
    const end = await keep(uplink(path, { segmentBytes: 200_000 }))
    const cursor = await end.cursor('later', { from: 'oldest' })
    expect(cursor.receipt(end.reader.head)).toMatchObject({ stored: 2000, pending: 2000 })
  })

  it('never give a place that a sink knows to another entry, though the newest segments are lost', async () => {
    const path = join(root, String(++number))
    const first = await field(path)
    const end = await keep(uplink(path))
    const cursor = await end.cursor('emqx', { from: 'now' })
    const group = groupOf('press')
    let last = { epoch: 0, seq: 0 }
    for (let at = 0; at < 20; at++) last = await first.append(counted(group, at))
    await seen(end, last)
    await cursor.confirm(cursor.pending(end.reader.head))
    await end.flush()
    await first.close()
    for (const segment of readdirSync(join(path, 'segments')))
      rmSync(join(path, 'segments', segment), { recursive: true })
    const half = await keep(field(path))
    const position = await half.append(counted(group, 20))
    expect(position.seq).toBeGreaterThan(last.seq)
    await seen(end, position)
    const [range] = cursor.pending(end.reader.head)
    expect(countsOf(end.reader.read(range!.from, { entries: 10, bytes: 1000 }))).toEqual([20])
  })

  it('move aside what the reading one finds damaged, and tell of the gap', async () => {
    const path = join(root, String(++number))
    const segmentBytes = 200_000
    const half = await keep(field(path, { segmentBytes }))
    const group = groupOf('press', 100)
    await half.ask({ do: 'configure', groups: [group], readers: ['emqx'] })
    let count = 0
    while (readdirSync(join(path, 'segments')).length < 3)
      await Promise.all(Array.from({ length: 300 }, () => half.append(counted(group, count++))))
    const [oldest] = readdirSync(join(path, 'segments')).sort()
    const said = new Said()
    const end = await keep(uplink(path, { segmentBytes, log: said }))
    const cursor = await end.cursor('emqx', { from: 'oldest' })
    const file = join(path, 'segments', oldest!, 'log.mdb')
    writeFileSync(file, Buffer.alloc(statSync(file).size, 0x5a), { flag: 'r+' })
    const got: number[] = []
    const gaps: Entry[] = []
    let lost = 0
    while (gaps.length === 0) {
      const range = cursor.pending(end.reader.head)[0]
      if (range === undefined) {
        await end.reader.next(end.reader.head, never)
        continue
      }
      const entries = end.reader.read(range.from, { entries: 100, bytes: 65536 })
      got.push(...countsOf(entries))
      gaps.push(...entries.filter(({ kind }) => kind === 'gap'))
      const to = entries.at(-1)?.position ?? range.to
      const evicted = to.seq - range.from.seq + 1 - entries.length
      lost += evicted
      await cursor.confirm([{ from: range.from, to }], { evicted })
    }
    expect(got).toEqual(Array.from({ length: count - lost }, (_, at) => at + lost))
    expect(gaps[0]).toMatchObject({ why: 'damaged', readers: ['emqx'], entries: lost })
    expect(readdirSync(join(path, 'damaged'))).toEqual([oldest])
    expect(said.lines.join()).toContain('is damaged')
    expect(cursor.receipt(end.reader.head)).toMatchObject({ delivered: count - lost + 1, evicted: lost, pending: 0 })
    await end.flush()
    await expectAudited(path)
  })

  it('say when the log cannot be followed, and when it can again', async () => {
    const path = join(root, String(++number))
    const half = await keep(field(path))
    const said = new Said()
    const end = await keep(uplink(path, { log: said }))
    renameSync(join(path, 'segments'), join(path, 'elsewhere'))
    await expect
      .poll(() => said.lines.join(), { timeout: 10_000 })
      .toMatch(/the log in .* cannot be followed: .*ENOENT/)
    renameSync(join(path, 'elsewhere'), join(path, 'segments'))
    await expect.poll(() => said.lines.join(), { timeout: 10_000 }).toContain('can be followed again')
    const position = await half.append(counted(groupOf('press'), 3))
    await seen(end, position)
    expect(countsOf(end.reader.read(position, { entries: 1, bytes: 1 }))).toEqual([3])
  })

  it('refuse a second of either kind', async () => {
    const path = join(root, String(++number))
    await keep(field(path))
    await keep(uplink(path))
    await expect(field(path)).rejects.toThrow(/is written by process \d+; a log belongs to one gateway/)
    await expect(uplink(path)).rejects.toThrow(/is delivered from by process \d+; a log belongs to one gateway/)
  })

  it('and one process that is both refuse each other', async () => {
    const path = join(root, String(++number))
    const both = (): Promise<Log> => openLog({ path, ...OPTIONS, clock, log: new Said() })
    const whole = await both()
    await expect(uplink(path)).rejects.toThrow(/is delivered from by process \d+; a log belongs to one gateway/)
    await whole.close()
    await keep(uplink(path))
    await expect(both()).rejects.toThrow(/is delivered from by process \d+; a log belongs to one gateway/)
    // Whoever was refused holds nothing.
    await keep(field(path))
  })
})
