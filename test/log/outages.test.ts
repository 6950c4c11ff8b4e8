/** A backlog whose replay is disturbed: by further outages, restarts, eviction, damage, refusals, and changes of the sinks. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { Rejected } from '../../src/contracts/errors.ts'
import type { Entry } from '../../src/contracts/log.ts'
import { Drain } from '../../src/log/delivery/drain.ts'
import { Line, type LineOptions, toldBy } from './line.ts'
import { Receiver } from './receiver.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-outages-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folders = 0
const open: Line[] = []
afterEach(async () => {
  for (const line of open.splice(0)) await line.stop()
})

const newPath = (): string => join(root, String(++folders))

async function lineOn(options: Partial<LineOptions> = {}, path = newPath()): Promise<Line> {
  const line = await Line.open(path, { replay: 0.3, takesMs: (entries) => 30 + entries / 5, ...options })
  open.push(line)
  return line
}

/** Entries of one call. */
const CALL = 500

describe.each([0.3, 'in-order' as const])(
  'three outages, each in the middle of the last one’s replay (%s)',
  (replay) => {
    it('lose nothing, repeat at most the call that each cut off, and keep each device’s order in each stream', async () => {
      const line = await lineOn({ replay })
      const { receiver } = line
      await line.flow(2000, 50)
      for (let outage = 0; outage < 3; outage++) {
        receiver.leave()
        await line.flow(60_000, 1000, 100)
        const pending = line.receipt().pending
        receiver.comeBack()
        await line.flow(2000, 100)
        // It is still in the middle of it.
        expect(line.receipt().pending).toBeGreaterThan(pending / 10)
        expect(line.receipt().pending).toBeLessThan(pending)
      }
      await line.drained(600_000)
      const { repeats } = line.judge()
      expect(repeats).toBeLessThanOrEqual(4 * CALL)
      const historical = receiver.arrivals.some((arrival) => arrival.historical)
      expect(historical).toBe(replay !== 'in-order')
      expect(line.receipt()).toMatchObject({ evicted: 0, quarantined: 0, pending: 0 })
      console.log(`three overlapping outages (${replay}): ${line.promised.size} records, 0 lost, ${repeats} repeated`)
    }, 60_000)
  },
)

describe('hundreds of short outages during one replay', () => {
  it('are at most 64 pending ranges: repeats, never loss', async () => {
    const line = await lineOn({ takesMs: (entries) => 200 + entries / 5 })
    const { receiver } = line
    let most = 0
    let live = 0
    for (let outage = 0; outage < 250; outage++) {
      receiver.leave()
      // More than one call carries, so that it becomes a backlog of its own.
      await line.say(200)
      await line.clock.advance(10)
      receiver.comeBack()
      await line.flow(900, 300, 2)
      live += 18
      const cursor = await line.log.cursor('emqx', { from: 'oldest' })
      most = Math.max(most, cursor.pending(line.log.reader.head).length)
      if (outage % 80 === 79) {
        await line.stop()
        await line.start()
      }
    }
    expect(most).toBeGreaterThan(50)
    expect(most).toBeLessThanOrEqual(64)
    await line.drained(3_600_000)
    const { repeats } = line.judge()
    // What was sent live between outages, and what each of them cut off.
    expect(repeats).toBeLessThanOrEqual(live + 250 * CALL)
    expect(line.receipt()).toMatchObject({ evicted: 0, pending: 0 })
    console.log(
      `250 outages: ${line.promised.size} records, ${most} pending ranges at most, 0 lost, ${repeats} repeated`,
    )
  }, 60_000)
})

describe('outages with whole segments of live entries between them', () => {
  it('are joined without a record that is gone', async () => {
    const line = await lineOn({ replay: 0.01, tags: 20, segmentBytes: 30_000, takesMs: () => 5 })
    const { receiver } = line
    for (let outage = 0; outage < 90; outage++) {
      receiver.leave()
      await line.say(180)
      await line.clock.advance(10)
      receiver.comeBack()
      await line.say(120)
      await line.clock.advance(20)
    }
    await line.log.flush()
    const { pending } = line.receipt()
    const there = line.log.report().segments
    receiver.takesMs = () => 0
    await line.drained(600_000)
    line.judge()
    expect(line.receipt()).toMatchObject({ evicted: 0, pending: 0 })
    console.log(`90 outages with segments between them: ${pending} pending in ${there} segments, 0 lost`)
  }, 60_000)
})

describe.each([0.3, 'in-order' as const])('a gateway that is started anew in the middle of a replay (%s)', (replay) => {
  it('goes on where it was, with what is old still marked', async () => {
    const line = await lineOn({ replay })
    line.receiver.leave()
    await line.flow(20, 10)
    await line.say(4000)
    line.receiver.comeBack()
    for (let start = 0; start < 5; start++) {
      await line.flow(1000, 100)
      await line.stop()
      await line.start()
    }
    await line.flow(2000, 100)
    await line.drained(600_000)
    const { repeats } = line.judge()
    expect(repeats).toBeLessThanOrEqual(5 * CALL)
    expect(line.receipt()).toMatchObject({ evicted: 0, pending: 0 })
  })
})

describe('eviction under a reader that is being brought up to date', () => {
  it.each([0.3, 'in-order' as const])(
    'takes what it is about to read, and tells exactly that (%s)',
    async (replay) => {
      const line = await lineOn({
        replay,
        tags: 100,
        segmentBytes: 200_000,
        quotaBytes: 1_500_000,
        takesMs: (entries) => 500 + entries * 2,
      })
      line.receiver.leave()
      await line.say(400)
      line.receiver.comeBack()
      // More than the quota comes while the sink is busy with what is oldest.
      for (let turn = 0; turn < 30; turn++) await line.flow(400, 200, 20)
      expect(line.receipt().evicted).toBeGreaterThan(200)
      await line.drained(600_000)
      const gaps = line.gaps()
      const told = toldBy(gaps)
      line.judge(told)
      const came = new Set(line.receiver.arrivals.map(({ entry }) => entry.position.seq))
      const lost = [...line.promised.keys()].filter((seq) => !came.has(seq))
      // A call that was under way when its segment went did arrive; nothing else is told that did.
      expect(told.size - lost.length).toBeLessThanOrEqual(CALL)
      expect(lost.every((seq) => told.has(seq))).toBe(true)
      for (const { range, position, why } of gaps) {
        expect(why).toBe('evicted')
        expect(position.seq).toBeGreaterThan(range!.to.seq)
      }
      // Each gap comes where it stands among its neighbours.
      const live = line.receiver.arrivals.filter(({ historical }) => !historical).map(({ entry }) => entry.position.seq)
      expect([...new Set(live)]).toEqual([...new Set(live)].sort((a, b) => a - b))
    },
    60_000,
  )
})

describe('a damaged block in a backlog', () => {
  it.each([0.3, 'in-order' as const])('costs that block, which is told, and nothing else (%s)', async (replay) => {
    const path = newPath()
    const line = await lineOn({ replay, tags: 100, segmentBytes: 200_000, quotaBytes: 2 ** 30 }, path)
    line.receiver.leave()
    for (let turn = 0; turn < 50; turn++) await line.say(10)
    await line.stop()
    const segments = readdirSync(join(path, 'segments')).sort()
    expect(segments.length).toBeGreaterThan(4)
    const file = join(path, 'segments', segments[2]!, 'log.mdb')
    const bytes = readFileSync(file)
    bytes[bytes.indexOf('FGB1', 100_000) + 500]! ^= 1
    writeFileSync(file, bytes)
    await line.start()
    line.receiver.comeBack()
    await line.flow(20_000, 200)
    await line.drained(600_000)
    const gaps = line.gaps()
    const told = toldBy(gaps)
    line.judge(told)
    expect(gaps.map(({ why }) => why)).toEqual(['damaged'])
    const came = new Set(line.receiver.arrivals.map(({ entry }) => entry.position.seq))
    expect([...told].some((seq) => came.has(seq))).toBe(false)
    expect(told.size).toBeGreaterThan(0)
    expect(told.size).toBeLessThan(100)
    expect(line.receipt()).toMatchObject({ evicted: told.size, pending: 0 })
    expect(line.said.lines.join()).toContain('checksum')
  })
})

describe('a sink that comes and goes while another is brought up to date', () => {
  it('disturbs it in nothing; what was not its own while it was away is counted, what comes then is delivered', async () => {
    const line = await lineOn({ tags: 50, segmentBytes: 60_000 })
    const { clock, log, receiver, said } = line
    const second = new Receiver({ name: 'second', clock, takesMs: () => 2000 })
    const delivery = async (from: 'now' | 'oldest'): Promise<Drain> => {
      const cursor = await log.cursor(second.name, { from })
      const drain = new Drain({ sink: second, reader: log.reader, cursor, clock, log: said, replay: 0.3 })
      drain.start()
      return drain
    }
    const configure = (...readers: string[]): void => log.configure({ groups: line.groups, readers })
    const seqs = (): Set<number> => new Set(second.arrivals.map(({ entry }) => entry.position.seq))

    receiver.leave()
    await line.flow(20, 10)
    await line.say(2000)
    receiver.comeBack()
    await line.flow(400, 100)
    // Added in the middle of it: it begins with what comes from now on.
    configure('emqx', 'second')
    const added = log.reader.head.seq
    let drain = await delivery('now')
    await line.flow(1000, 100)
    await drain.stop()
    // Removed: what it still waited for is nobody's, and what is kept is what the other waits for.
    configure('emqx')
    await line.flow(400, 100)
    expect(line.receipt().pending).toBeGreaterThan(1000)
    await line.drained(600_000)
    expect(log.report().segments).toBe(1)
    const { repeats } = line.judge()
    expect(repeats).toBe(0)
    // Added again under its name: it goes on where it was, with what is still there.
    configure('emqx', 'second')
    second.takesMs = () => 10
    drain = await delivery('oldest')
    const again = log.reader.head.seq
    await line.flow(2000, 100)
    await clock.advance(5000)
    const { receipt } = drain.report()
    expect(receipt).toMatchObject({ pending: 0, quarantined: 0, stored: log.reader.head.seq - added })
    expect(receipt.delivered + receipt.evicted).toBe(receipt.stored)
    // Of the call that its removal cut off something may have come that was never confirmed.
    expect(seqs().size - receipt.delivered).toBeGreaterThanOrEqual(0)
    expect(seqs().size - receipt.delivered).toBeLessThanOrEqual(CALL)
    for (const seq of seqs()) expect(seq).toBeGreaterThan(added)
    for (const seq of line.promised.keys()) if (seq > again) expect(seqs().has(seq)).toBe(true)
    await drain.stop()
    await line.drained(10_000)
    line.judge()
  })
})

describe('a far side that refuses one record in a thousand', () => {
  const bad = ({ position }: Entry): boolean => position.seq % 1000 === 500
  const ways: readonly [string, LineOptions['replay'], boolean, (line: Line) => void][] = [
    0.3,
    'in-order' as const,
  ].flatMap((replay): [string, LineOptions['replay'], boolean, (line: Line) => void][] => [
    [
      `and names it (${replay})`,
      replay,
      true,
      ({ receiver }) => {
        receiver.answer = (entries) => entries.filter(bad).map(({ position }) => ({ position, why: 'too strange' }))
      },
    ],
    [
      `without a name (${replay})`,
      replay,
      false,
      ({ receiver }) => {
        receiver.answer = (entries) => {
          if (entries.some(bad)) throw new Rejected('too strange')
          return []
        }
      },
    ],
  ])

  it.each(ways)(
    '%s: it is kept aside, the rest flows on, and it can be tried again',
    async (_, replay, named, refuse) => {
      const line = await lineOn({ replay })
      line.receiver.leave()
      await line.flow(20, 10)
      await line.say(4000)
      refuse(line)
      line.receiver.comeBack()
      await line.flow(60_000, 200)
      await line.drained(600_000)
      const refused = new Set([...line.promised.keys()].filter((seq) => seq % 1000 === 500))
      expect(refused.size).toBeGreaterThanOrEqual(12)
      const { repeats } = line.judge(refused)
      expect(repeats).toBe(0)
      expect(line.receipt()).toMatchObject({ quarantined: refused.size, pending: 0, evicted: 0 })
      const kept = [...line.log.quarantine('emqx')]
      expect(new Set(kept.map(({ entry }) => entry.position.seq))).toEqual(refused)
      expect(new Set(kept.map(({ why }) => why))).toEqual(new Set(['too strange']))
      if (replay !== 'in-order' && named) expect(Math.max(...line.latencies())).toBeLessThan(2000)
      // Still there after a restart, and delivered once the far side has been put right.
      await line.stop()
      await line.start()
      line.receiver.answer = () => []
      expect(line.drain.retry(null)).toBe(refused.size)
      await line.clock.advance(5000)
      await line.log.flush()
      const again = line.receiver.arrivals.slice(-refused.size)
      expect(new Set(again.map(({ entry }) => entry.position.seq))).toEqual(refused)
      expect(again.every(({ historical }) => historical)).toBe(true)
      expect(line.receipt()).toMatchObject({ quarantined: 0, pending: 0, stored: line.promised.size })
    },
  )
})
