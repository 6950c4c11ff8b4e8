/** Segments damaged on purpose, before a start and while they are in use: the process lives, the damage is named, what is sound
 *  is served in its order, and the receiver's ledger, the gaps and the receipt agree to the entry. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/contracts/log.ts'
import type { Sink } from '../../src/contracts/sink.ts'
import { Drain } from '../../src/log/delivery/drain.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, countsOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-damage-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const PAGE = 4096
const press = groupOf('press', 100)
const STORED = 1000
const clock = new SystemClock()
const open: Log[] = []
let folders = 0
afterEach(async () => {
  for (const log of open.splice(0)) await log.close()
})

async function opened(path: string, said = new Said()): Promise<Log> {
  const log = await openLog({
    path,
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    segmentBytes: 200_000,
    clock,
    log: said,
  })
  open.push(log)
  log.configure({ groups: [press], readers: ['emqx'] })
  return log
}

async function closed(log: Log): Promise<void> {
  open.splice(open.indexOf(log), 1)
  await log.close()
}

/** In commits of 20, of values that fit no shorter form. */
async function fill(log: Log, from: number, count: number): Promise<void> {
  for (let next = from; next < from + count; next += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, at) => {
        const numbers = press.tags.map((_, tag) => (tag === 0 ? next + at : Math.sqrt((next + at) * 100 + tag)))
        return log.writer.append(batchOf(press, ...numbers))
      }),
    )
}

/** Everything that the sink's place still waits for, as it was received. */
async function delivered(log: Log): Promise<readonly Entry[]> {
  const received: Entry[] = []
  const sink: Sink = {
    name: 'emqx',
    delivery: 'stored',
    start: async () => undefined,
    stop: async () => undefined,
    state: () => ({ condition: 'fine', text: '' }),
    counters: () => ({}),
    deliver: async (entries) => {
      received.push(...entries)
      return { rejected: [] }
    },
  }
  const cursor = await log.cursor('emqx', { from: 'oldest' })
  const drain = new Drain({ sink, reader: log.reader, cursor, clock, log: new Said(), replay: 'in-order' })
  drain.start()
  await expect.poll(() => cursor.pending(log.reader.head).length, { timeout: 10_000 }).toBe(0)
  // What was found damaged on the way is told behind it.
  await log.flush()
  await expect.poll(() => cursor.pending(log.reader.head).length, { timeout: 10_000 }).toBe(0)
  await drain.stop()
  return received
}

const fileOf = (path: string, which: number): string =>
  join(path, 'segments', readdirSync(join(path, 'segments')).sort().at(which)!, 'log.mdb')

function changed(file: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(file)
  change(bytes)
  writeFileSync(file, bytes)
}

/** The pages of a kind: 1 branches, 2 leaves. */
function pagesOf(bytes: Buffer, kind: number): number[] {
  return Array.from({ length: Math.floor(bytes.length / PAGE) }, (_, page) => page).filter(
    (page) =>
      page > 1 && bytes.readUInt16LE(page * PAGE + 18) === kind && bytes.readBigUInt64LE(page * PAGE) === BigInt(page),
  )
}

/** Where blocks of records stand. */
function blocksOf(bytes: Buffer): number[] {
  const found: number[] = []
  for (let at = bytes.indexOf('FGB1'); at >= 0; at = bytes.indexOf('FGB1', at + 1))
    if (at % PAGE === 24 && bytes.readUInt32LE(at + 12) !== 0) found.push(at)
  return found
}

function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = 12345
  for (let at = 0; at + 4 <= size; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes.writeInt32LE(state, at)
  }
  return bytes
}

const DAMAGES: readonly (readonly [string, (file: string) => void])[] = [
  [
    'a byte of a block flipped',
    (file) =>
      changed(file, (bytes) => {
        const [, , third] = blocksOf(bytes)
        bytes[third! + 500]! ^= 4
      }),
  ],
  [
    'the nodes of every leaf overwritten',
    (file) =>
      changed(file, (bytes) => {
        for (const page of pagesOf(bytes, 2)) bytes.fill(0xff, page * PAGE + 24, page * PAGE + 60)
      }),
  ],
  [
    'a leaf that leads out of the file',
    (file) =>
      changed(file, (bytes) => {
        for (const page of pagesOf(bytes, 2)) {
          for (let at = page * PAGE + 24; at < page * PAGE + 24 + bytes.readUInt16LE(page * PAGE + 20); at += 2) {
            const node = page * PAGE + 24 + bytes.readUInt16LE(at)
            // The page number of a value with pages of its own.
            if (bytes[node + 4] === 1) bytes.writeUInt32LE(0x7fffffff, node + 8 + bytes.readUInt16LE(node + 6))
          }
        }
      }),
  ],
  [
    'the root of the tree in a circle',
    (file) =>
      changed(file, (bytes) => {
        for (const page of pagesOf(bytes, 1))
          bytes.writeUInt32LE(page, page * PAGE + 24 + bytes.readUInt16LE(page * PAGE + 24))
        if (pagesOf(bytes, 1).length === 0)
          for (const page of pagesOf(bytes, 2)) bytes.writeUInt16LE(1, page * PAGE + 18)
      }),
  ],
  ['its meta pages zeroed', (file) => changed(file, (bytes) => void bytes.fill(0, 0, 2 * PAGE))],
  ['noise in its meta pages', (file) => changed(file, (bytes) => void noise(2 * PAGE).copy(bytes))],
  [
    'roots that lead nowhere',
    (file) =>
      changed(file, (bytes) => {
        for (const meta of [0, PAGE]) bytes.writeUInt32LE(0x00ffffff, meta + 136)
      }),
  ],
  ['half of the file', (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2 / PAGE) * PAGE)],
  ['an empty file', (file) => truncateSync(file, 0)],
  ['zeroes', (file) => changed(file, (bytes) => void bytes.fill(0))],
  ['noise', (file) => changed(file, (bytes) => void noise(bytes.length).copy(bytes))],
  [
    'noise behind its meta pages',
    (file) => changed(file, (bytes) => void noise(bytes.length - 2 * PAGE).copy(bytes, 2 * PAGE)),
  ],
  [
    'another file in its place',
    (file) => {
      rmSync(file)
      writeFileSync(file, noise(50_000))
    },
  ],
  ['no file', (file) => rmSync(file)],
  ['no folder', (file) => rmSync(dirname(file), { recursive: true })],
]

/** The receiver's ledger and what it was told make up everything that was stored, and so does the receipt. */
async function audit(log: Log, received: readonly Entry[], stored: number): Promise<number> {
  const counts = countsOf(received)
  expect(counts).toEqual([...counts].sort((a, b) => a - b))
  const missing = stored - new Set(counts).size
  const told = received.reduce(
    (sum, entry) => sum + (entry.kind === 'gap' && entry.why === 'damaged' ? entry.entries : 0),
    0,
  )
  expect(told).toBe(missing)
  const cursor = await log.cursor('emqx', { from: 'oldest' })
  const receipt = cursor.receipt(log.reader.head)
  expect(receipt.delivered).toBe(received.length)
  expect(receipt.evicted).toBe(missing)
  expect(receipt.stored).toBe(receipt.delivered + receipt.evicted)
  return missing
}

describe('a segment with', () => {
  for (const [what, damage] of DAMAGES) {
    for (const which of [1, -1]) {
      const place = which === 1 ? 'one of the middle' : 'the newest'
      // Where not even the end of the newest can be told any more, what was lost behind what can is not known.
      const endless = which === -1 && /^(half|an empty|zeroes|noise$|noise behind|another|no f)/.test(what)

      it(`${what}, ${place}, before a start`, async () => {
        const path = join(root, String(++folders))
        const first = await opened(path)
        await first.cursor('emqx', { from: 'oldest' })
        await fill(first, 0, STORED)
        await closed(first)
        damage(fileOf(path, which))
        const said = new Said()
        const log = await opened(path, said)
        await fill(log, 5000, 40)
        const received = await delivered(log)
        expect(countsOf(received).slice(-40)).toEqual(Array.from({ length: 40 }, (_, at) => 5000 + at))
        // As if it had never been.
        if (which === -1 && what === 'no folder') return
        expect(said.lines.join('\n')).toMatch(/damaged|moved to|missing/)
        expect(log.report().counters.damaged).toBeGreaterThan(0)
        expect(log.report().state.condition).toBe('degraded')
        if (!endless) expect(await audit(log, received, STORED + 40)).toBeGreaterThan(0)
      })

      it(`${what}, ${place}, while it is in use`, async () => {
        const path = join(root, String(++folders))
        const said = new Said()
        const log = await opened(path, said)
        await log.cursor('emqx', { from: 'oldest' })
        await fill(log, 0, STORED)
        // It is mapped: a reader has begun it, or it is written.
        const base = Number(dirname(fileOf(path, which)).split('-').at(-1))
        log.reader.read({ epoch: 1, seq: base }, { entries: 1, bytes: 1 })
        damage(fileOf(path, which))
        await fill(log, 5000, 40)
        const received = await delivered(log)
        expect(countsOf(received).slice(-40)).toEqual(Array.from({ length: 40 }, (_, at) => 5000 + at))
        await audit(log, received, STORED + 40)
        await closed(log)
        // What was acknowledged after the damage is there after a restart.
        const again = await opened(path)
        expect(again.reader.head.seq).toBeGreaterThanOrEqual(STORED + 40)
      })
    }
  }
})

describe('a segment that the disk cannot read', () => {
  it('is asked for again for a while, and then given up', async () => {
    const path = join(root, String(++folders))
    const first = await opened(path)
    await first.cursor('emqx', { from: 'oldest' })
    await fill(first, 0, STORED)
    await closed(first)
    const base = Number(dirname(fileOf(path, 1)).split('-').at(-1))
    // As good as a bad sector: it is there, and reading it is an error of the file system.
    rmSync(fileOf(path, 1))
    mkdirSync(fileOf(path, 1))
    const log = await opened(path)
    const read = () => log.reader.read({ epoch: 1, seq: base }, { entries: 1, bytes: 1 })
    for (let turn = 0; turn < 19; turn++) expect(read).toThrow(/cannot be opened: EISDIR/)
    expect(read()[0]!.position.seq).toBeGreaterThan(base)
    await audit(log, await delivered(log), STORED)
  })
})

describe('a record', () => {
  /** Changes records within their block, whose checksum holds again. */
  const within = (file: string, change: (block: Buffer, index: number, at: number) => void): void =>
    changed(file, (bytes) => {
      for (let at = bytes.indexOf('FGB1'); at >= 0; at = bytes.indexOf('FGB1', at + 1)) {
        const size = bytes.readUInt32LE(at + 28)
        const block = bytes.subarray(at, at + size)
        if (size > bytes.length - at || block.readUInt32LE(12) === 0) continue
        const indexAt = block.readUInt32LE(24)
        for (let index = 0; index < block.readUInt16LE(10); index++)
          change(block, index, block.readUInt32LE(indexAt + 8 * index))
        bytes.writeUInt32LE(crc32(block.subarray(8)), at + 4)
      }
    })
  const damagedRecords = async (change: (block: Buffer, index: number, at: number) => void) => {
    const path = join(root, String(++folders))
    const first = await opened(path)
    await first.cursor('emqx', { from: 'oldest' })
    await fill(first, 0, STORED)
    await closed(first)
    for (const which of [0, 1]) within(fileOf(path, which), change)
    const said = new Said()
    const log = await opened(path, said)
    return { log, said, received: await delivered(log) }
  }

  it('of an unknown kind costs itself alone', async () => {
    const { log, said, received } = await damagedRecords((block, index, at) => {
      if (index === 7) block[at] = 77
    })
    const missing = await audit(log, received, STORED)
    // One in each block.
    expect(missing).toBeGreaterThan(10)
    expect(missing).toBeLessThan(60)
    expect(said.lines.join('\n')).toContain('a record has unknown kind 77')
  })

  it('whose group is in no dictionary costs itself alone, also where several follow each other', async () => {
    const { log, said, received } = await damagedRecords((block, index, at) => {
      if (index >= 3 && index < 6) block.writeUInt32LE(4711, at + 2)
    })
    const missing = await audit(log, received, STORED)
    expect(missing % 3).toBe(0)
    expect(missing).toBeGreaterThan(30)
    const gaps = received.filter((entry) => entry.kind === 'gap')
    expect(gaps.length).toBe(missing / 3)
    expect(said.lines.join('\n')).toContain('has no group 4711 in its dictionary')
  })

  it('that says it is longer than it is, or of a moment that nobody knows, costs itself alone', async () => {
    const { log, received } = await damagedRecords((block, index, at) => {
      if (index === 2) block.writeUInt16LE(999, at + 6)
      if (index === 9) block.writeUInt32LE(0x7fffffff, at + 25)
    })
    const missing = await audit(log, received, STORED)
    expect(missing).toBeGreaterThan(20)
    expect(missing).toBeLessThan(120)
  })
})
