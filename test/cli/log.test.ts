/** `fieldgate log`, as processes, on a log that no gateway has open, and on one that is being delivered. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Broker } from '../../src/cli/demo/broker.ts'
import { type Batch, type GroupRef, Reason } from '../../src/contracts/batch.ts'
import { openLog } from '../../src/log/log.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { batchOf, groupOf, Said } from '../log/batches.ts'
import { ended, freePort, gateway, half, until } from '../peers/processes.ts'
import { fieldgate } from './fieldgate.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'fieldgate-log-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const file = join(root, 'gateway.yaml')
let port = 0
const NOON = Date.UTC(2026, 5, 1, 12)

const press: GroupRef = { ...groupOf('press'), tags: [{ name: 'sequence', type: 'uint32', kind: 'integer' }] }
const odd: GroupRef = {
  ...groupOf('meter'),
  group: 'odd',
  tags: [
    { name: 'total', type: 'uint64', kind: 'integer', unit: 'Wh' },
    { name: 'raw', type: 'bytes', kind: 'bytes' },
    { name: 'ratio', type: 'float32', kind: 'real' },
    { name: 'silent', type: 'int16', kind: 'integer' },
    { name: 'list', type: 'int16', kind: 'array' },
    { name: '__proto__', type: 'bool', kind: 'boolean' },
    { name: 'text', type: 'string', kind: 'text' },
  ],
}
const oddBatch: Batch = {
  ...batchOf(odd, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN, 1, Number.NaN),
  others: new Map<number, bigint | Uint8Array | number[] | string>([
    [0, 18_446_744_073_709_551_615n],
    [1, Uint8Array.of(0, 255)],
    [4, [1, 2]],
    [6, 'a\nb'],
  ]),
  quality: Uint8Array.of(0, 0, 0, Reason.timeout, 0, 0, 0),
}

/** What can become of records: `emqx` lost some, refused three and waits for others; `gone` is not configured. */
beforeAll(async () => {
  port = await freePort()
  writeFileSync(
    file,
    `gateway: { id: test }
sinks:
  emqx: { type: mqtt, url: "mqtt://127.0.0.1:${port}", version: "3.1.1", from: oldest }
  quiet: { type: mqtt, url: "mqtt://127.0.0.1:${port}", from: oldest, enabled: false }
log: { path: log, quota: 16MiB }
`,
  )
  const clock = new ManualClock({ wall: NOON, boot: 'before' })
  const path = join(root, 'log')
  const log = await openLog({
    path,
    quotaBytes: 1_500_000,
    commitEveryMs: 0,
    evict: 'oldest',
    segmentBytes: 200_000,
    clock,
    log: new Said(),
  })
  log.configure({ groups: [press, odd], readers: ['emqx', 'quiet'] })
  const [emqx, quiet] = [await log.cursor('emqx', { from: 'now' }), await log.cursor('quiet', { from: 'now' })]
  await log.cursor('gone', { from: 'now' })
  const large = groupOf('oven', 100)
  let from = log.reader.head.seq + 1
  for (let minute = 0; minute < 150; minute++) {
    const numbers = () => Float64Array.from({ length: 100 }, () => Math.sqrt(from++ + minute))
    await Promise.all(
      Array.from({ length: 20 }, () => log.writer.append({ ...batchOf(large), at: clock.now(), numbers: numbers() })),
    )
    await quiet.confirm(quiet.pending(log.reader.head))
    await clock.advance(60_000)
  }
  const first = log.reader.head.seq + 1
  for (let sequence = 1; sequence <= 8; sequence++) {
    await log.writer.append({ ...batchOf(press, sequence), at: clock.now() })
    await clock.advance(60_000)
  }
  await log.writer.append({ ...oddBatch, at: { ...clock.now(), clock: 'unsynced' } })
  await log.writer.note({ at: clock.now(), name: 'gateway.tried', text: 'tried', facts: { turns: 3 } })
  const entries = log.reader.read({ epoch: 0, seq: first }, { entries: 100, bytes: 2 ** 20 })
  const refused = entries.slice(0, 3).map((entry) => ({ entry, why: 'the payload is too long' }))
  await emqx.confirm([{ from: entries[0]!.position, to: entries[5]!.position }], { quarantined: refused, filtered: 2 })
  await quiet.confirm([{ from: entries[0]!.position, to: entries[1]!.position }])
  await log.close()
})

const at = ['--config', file]
const log = (...words: string[]) => fieldgate(['log', ...words, ...at])
const linesOf = (out: string): Record<string, unknown>[] =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('log status', () => {
  it('says where every record is, for whom, and what was lost, also when the gateway is not running', async () => {
    const { status, out, err } = await log('status')
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/^LOG +.*\/log, stream [0-9a-f]{16}, the gateway is not running$/m)
    expect(out).toMatch(/^ +\S+ \d+ %, \S+ [KM]iB of 16 MiB, \d segments, records 1:\d+ to 1:\d+$/m)
    expect(out).toMatch(
      /^GAPS +[\d,]+ records evicted, 0 damaged, 0 never stored, in \d+ gaps: see "fieldgate log gaps"$/m,
    )
    expect(out).toMatch(/^SINK +STORED +. DELIVERED/m)
    expect(out).toMatch(
      /3 in quarantine, \d+ B of 1\.0 MiB, last: the payload is too long; "fieldgate log retry emqx" tries/,
    )
    expect(out).toMatch(/^gone .*\n +not in the configuration: nothing is held for it$/m)
  })

  it('is one JSON document, whose receipts add up', async () => {
    const { out } = await log('status', '--json')
    const status = JSON.parse(out)
    expect(status).toMatchObject({ running: false, perSecond: null, quotaBytes: 2 ** 24, evict: 'oldest' })
    expect(status.newest).toEqual({ at: '2026-06-01T14:38:00.000Z', clock: 'synced' })
    expect(status.sinks.map(({ name }: { name: string }) => name)).toEqual(['emqx', 'gone', 'quiet'])
    for (const { receipt } of status.sinks) {
      const { stored, delivered, filtered, pending, quarantined, evicted } = receipt
      expect(delivered + filtered + pending + quarantined + evicted).toBe(stored)
    }
    expect(status.sinks[0]).toMatchObject({
      configured: true,
      receipt: { quarantined: 3, filtered: 2, delivered: 1 },
      oldest: expect.stringMatching(/^2026-06-01T1\d:\d\d:00\.000Z$/),
      untold: 0,
      quarantine: { entries: 3, quotaBytes: 2 ** 20 },
    })
    expect(status.sinks[0].receipt.evicted).toBe(status.gaps.evicted)
  })

  it('counts everything again with --audit, and fails when a record is gone', async () => {
    const held = await log('status', '--audit')
    expect(held.out).toMatch(/^AUDIT +holds: [\d,]+ records counted, every receipt adds up and every loss is told$/m)
    expect(held.status).toBe(0)
    const other = join(root, 'other')
    cpSync(join(root, 'log'), join(other, 'log'), { recursive: true })
    cpSync(file, join(other, 'gateway.yaml'))
    const [, second] = readdirSync(join(other, 'log', 'segments')).sort()
    rmSync(join(other, 'log', 'segments', second!), { recursive: true })
    const differing = await fieldgate(['log', 'status', '--audit', '--json', '--config', join(other, 'gateway.yaml')])
    expect(differing.status).toBe(1)
    const { audit } = JSON.parse(differing.out)
    expect(audit.holds).toBe(false)
    expect(audit.differences[0]).toMatch(/^emqx: \d+ of \d+ pending records are not in the segments/)
    // As far as an export can know, everybody had confirmed them; what cannot be read is another matter.
    expect((await fieldgate(['log', 'export', '--config', join(other, 'gateway.yaml')])).status).toBe(0)
    const first = join(other, 'log', 'segments', readdirSync(join(other, 'log', 'segments')).sort()[0]!, 'log.mdb')
    const bytes = readFileSync(first)
    bytes.fill(0x5a, bytes.length >> 1, (bytes.length >> 1) + 64)
    writeFileSync(first, bytes)
    const damaged = await fieldgate(['log', 'export', '--config', join(other, 'gateway.yaml')])
    expect(damaged.status).toBe(1)
    expect(damaged.err).toMatch(/^fieldgate: \d+ records cannot be read and are left out: .* is damaged/)
  })
})

describe('log gaps', () => {
  it('is a table of what was lost, and the same as JSON', async () => {
    const { out } = await log('gaps')
    const [head, first] = out.split('\n')
    expect(head).toMatch(/^WHEN +CLOCK +WHY +ENTRIES +FROM +TO +WHOSE$/)
    expect(first).toMatch(/^2026-06-01 \d\d:\d\d:\d\d +synced +the log was full +\d+ +\d:\d+ +1:\d+ +emqx$/)
    const { gaps, forgotten } = JSON.parse((await log('gaps', '--json')).out)
    expect(forgotten).toBe(null)
    expect(gaps).toHaveLength(out.split('\n').length - 2)
    expect(gaps[0]).toMatchObject({ why: 'evicted', clock: 'synced', readers: ['emqx'], entries: expect.any(Number) })
    expect(gaps[0].at).toMatch(/^2026-06-01T1\d:\d\d:00\.000Z$/)
  })
})

describe('log export', () => {
  it('prints every record that is stored as a JSON line, in order', async () => {
    const { status, out } = await log('export')
    expect(status).toBe(0)
    const lines = linesOf(out)
    const seqs = lines.map(({ position }) => (position as { seq: number }).seq)
    expect(seqs).toEqual(Array.from(seqs, (_, index) => seqs[0]! + index))
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(['batch', 'gap', 'clock', 'event']))
    expect(lines.at(-1)).toMatchObject({ kind: 'event', name: 'gateway.tried', facts: { turns: 3 }, clock: 'synced' })
    expect((await log('export', '--json')).out).toBe(out)
  })

  it('gives every value as it is: large integers, bytes, NaN, lists, and what was not read', async () => {
    const { out } = await log('export', '--device', 'meter', '--group', 'odd')
    const lines = linesOf(out)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ kind: 'batch', device: 'meter', group: 'odd', clock: 'corrected' })
    expect(JSON.stringify(lines[0]!.values)).toBe(
      JSON.stringify({
        total: { value: '18446744073709551615', type: 'uint64', unit: 'Wh', quality: 'good' },
        raw: { value: { base64: 'AP8=' }, type: 'bytes', quality: 'good' },
        ratio: { value: 'NaN', type: 'float32', quality: 'good' },
        silent: { value: null, type: 'int16', quality: 'timeout' },
        list: { value: [1, 2], type: 'int16', quality: 'good' },
        ['__proto__']: { value: true, type: 'bool', quality: 'good' },
        text: { value: 'a\nb', type: 'string', quality: 'good' },
      }),
    )
  })

  it('keeps to a time range, its end left out', async () => {
    const range = ['--from', '2026-06-01T14:32:00Z', '--to', '2026-06-01T14:34:00Z']
    const { out } = await log('export', '--device', 'press', ...range)
    expect(linesOf(out).map(({ at }) => at)).toEqual(['2026-06-01T14:32:00.000Z', '2026-06-01T14:33:00.000Z'])
    // All of this is long ago, or was not yet.
    expect((await log('export', '--from', '0')).out).toBe('')
    const wrong = await log('export', '--to', 'yesterday')
    expect(wrong.status).toBe(2)
    expect(wrong.err).toContain('--to takes a time such as 2026-01-31T08:00:00Z, or 2h for two hours ago')
  })

  it('prints what a sink refused, with its reason', async () => {
    const { out } = await log('export', '--quarantine', 'emqx')
    const lines = linesOf(out)
    expect(lines.map(({ values }) => (values as { sequence: { value: number } }).sequence.value)).toEqual([1, 2, 3])
    expect(new Set(lines.map(({ why }) => why))).toEqual(new Set(['the payload is too long']))
    const unknown = await log('export', '--quarantine', 'emqz')
    expect([unknown.status, unknown.err]).toEqual([
      1,
      'fieldgate: the log knows no sink "emqz"; it knows: emqx, gone, quiet\n',
    ])
  })

  it('ends without a word when whoever reads it has seen enough', async () => {
    const child = spawn(process.execPath, [MAIN, 'log', 'export', ...at], { stdio: ['ignore', 'pipe', 'pipe'] })
    let err = ''
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [status] = await once(child, 'close')
    expect([status, err]).toEqual([0, ''])
  })
})

describe('log', () => {
  it('says what is wrong with the line, and that there is no log', async () => {
    expect((await log('stats')).err).toBe('fieldgate: there is no "log stats": there are status, gaps, export, retry\n')
    const foreign = await log('gaps', '--audit', '--json')
    expect(foreign.status).toBe(2)
    expect(JSON.parse(foreign.out).error).toBe('--audit does not go with "log gaps"')
    expect((await log('retry')).status).toBe(2)
    expect((await log('retry', 'emqx', '17')).err).toContain('"17" is not a position: write EPOCH:SEQ, such as 1:4711')
    const none = join(root, 'none.yaml')
    writeFileSync(none, 'log: { path: none }\n')
    const { status, err } = await fieldgate(['log', 'status', '--config', none])
    expect(status).toBe(3)
    expect(err).toContain('there is no log in')
  })
})

describe('log retry', () => {
  const children: ChildProcess[] = []
  const keep = async (child: Promise<ChildProcess>): Promise<ChildProcess> => {
    const one = await child
    children.push(one)
    return one
  }
  afterEach(async () => {
    for (const child of children.splice(0).reverse()) await ended(child)
  })

  it('says that the gateway is not running', async () => {
    const { status, err } = await log('retry', 'emqx')
    expect(status).toBe(4)
    expect(err).toMatch(
      /^fieldgate: no gateway is running here: nobody answers in .*; start one with "fieldgate run"$/m,
    )
  })

  it('has one refused record tried once more, then all, by the running gateway or its uplink half alone', {
    timeout: 60_000,
  }, async () => {
    const broker = await Broker.open(port)
    await broker.plug()
    const seen = broker.tally('press', 'g')
    const running = await keep(gateway(file))
    await until('what was pending', () => seen.arrivals === 2)
    expect(seen.missing(8)).toBe(6)
    const [, second] = linesOf((await log('export', '--quarantine', 'emqx')).out) as {
      position: { epoch: number; seq: number }
    }[]
    const place = `${second!.position.epoch}:${second!.position.seq}`
    expect(await log('retry', 'emqx', place)).toEqual({
      status: 0,
      out: '1 record is of emqx tried once more\n',
      err: '',
    })
    await until('the record that was tried again', () => seen.arrivals === 3)
    expect([seen.missing(2), seen.missing(3)]).toEqual([1, 2])
    await until('its place', async () => (await log('status')).out.includes('2 in quarantine'))
    const again = await log('retry', 'emqx', place, '--json')
    expect([again.status, JSON.parse(again.out)]).toEqual([1, { ok: false, sink: 'emqx', retried: 0 }])
    expect((await log('retry', 'emqz')).err).toContain('there is no sink "emqz"')
    expect((await log('retry', 'quiet')).err).toContain('sink "quiet" is switched off')
    const audited = await log('status', '--audit')
    expect(audited.status).toBe(0)
    expect(audited.out).toMatch(/records\/s, \S+ [KM]?i?B\/s come in: full in|never full at this rate/)
    await ended(running)

    await keep(half('field', file))
    expect((await log('retry', 'emqx')).err).toContain('the uplink half is not running')
    await keep(half('uplink', file))
    expect((await log('retry', 'emqx')).out).toBe('2 records are of emqx tried once more\n')
    await until('all of them', () => seen.missing(3) === 0)
    await until('its place', async () => !(await log('status')).out.includes('in quarantine'))
    const { status, out } = await log('status', '--audit')
    expect(out).toContain('holds')
    expect(status).toBe(0)
    await broker.close()
  })
})
