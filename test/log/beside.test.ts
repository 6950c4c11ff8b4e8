/** A backlog beside live entries: how the sink's time is shared, and what is marked. Promises 3 and 6. */
import { describe, expect, it } from 'vitest'
import { Reason } from '../../src/contracts/batch.ts'
import { Rejected, Retryable } from '../../src/contracts/errors.ts'
import { Drain, type DrainOptions } from '../../src/log/delivery/drain.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { type MemoryCursor, MemoryLog } from '../contracts/memory-log.ts'
import { counted, countsOf, groupOf, Said } from './batches.ts'
import { p99, Receiver } from './receiver.ts'

const group = groupOf('press')
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, at) => from + at)
const ascending = (numbers: readonly number[]): boolean => numbers.every((n, at) => at === 0 || n > numbers[at - 1]!)

/** Live entries are counted from here. */
const LIVE = 1_000_000

async function setUp(options: {
  backlog: number
  takesMs: (entries: number) => number
  replay?: DrainOptions['replay']
}) {
  const clock = new ManualClock()
  const log = new MemoryLog()
  const sink = new Receiver({ clock, takesMs: options.takesMs })
  const cursor: MemoryCursor = log.cursor('emqx', { from: 'oldest' })
  const appended = new Map<number, number>()
  const append = async (...counts: number[]): Promise<void> => {
    for (const count of counts) {
      appended.set(count, clock.monotonic())
      await log.writer.append(counted(group, count))
    }
  }
  await append(...upTo(options.backlog))
  const replay = options.replay ?? 0.3
  const make = () => new Drain({ sink, reader: log.reader, cursor, clock, log: new Said(), replay })
  let next = LIVE
  /** One live entry every so often. */
  const flow = async (forMs: number, everyMs: number, each = 1): Promise<void> => {
    for (let passed = 0; passed < forMs; passed += everyMs) {
      await append(...upTo(each, next))
      next += each
      await clock.advance(everyMs)
    }
  }
  const arrived = (historical: boolean): number[] =>
    countsOf(sink.arrivals.filter((arrival) => arrival.historical === historical).map(({ entry }) => entry))
  const latencies = (): number[] =>
    sink.arrivals.flatMap(({ entry, at }) => {
      const [count] = countsOf([entry])
      return count! >= LIVE ? [at - appended.get(count!)!] : []
    })
  const busyMs = (historical: boolean): number =>
    sink.calls.reduce((sum, call) => (call.historical === historical ? sum + call.tookMs : sum), 0)
  const receipt = () => cursor.receipt(log.head)
  return { clock, log, sink, cursor, append, make, flow, arrived, latencies, busyMs, receipt }
}

describe('a backlog beside live entries (promise 6)', () => {
  it('moves on at its share beside a flow that never ends, and delays it by one call', async () => {
    // Whenever a call is over, something live has come: without turns the backlog would stand still for ever.
    const { clock, make, flow, arrived, latencies, busyMs } = await setUp({ backlog: 20_000, takesMs: () => 100 })
    const drain = make()
    drain.start()
    await flow(10_000, 50)
    expect(busyMs(true) / clock.monotonic()).toBeGreaterThanOrEqual(0.24)
    expect(busyMs(true) / clock.monotonic()).toBeLessThan(0.35)
    expect(Math.max(...latencies())).toBeLessThanOrEqual(300)
    expect(arrived(false)).toEqual(upTo(arrived(false).length, LIVE))
    expect(arrived(true)).toEqual(upTo(arrived(true).length))
    expect(arrived(true).length).toBeGreaterThan(10_000)
    await drain.stop()
  })

  it('has no more than its share of an idle sink either', async () => {
    const { clock, make, busyMs } = await setUp({ backlog: 20_000, takesMs: () => 100 })
    const drain = make()
    drain.start()
    await clock.advance(10_000)
    expect(busyMs(true) / clock.monotonic()).toBeCloseTo(0.3, 1)
    await drain.stop()
  })

  it('need not wait once delivery is to finish', async () => {
    const { clock, make, receipt } = await setUp({ backlog: 20_000, takesMs: () => 50 })
    const drain = make()
    drain.start()
    await clock.advance(200)
    const finished = drain.finish(5000)
    await clock.advance(2500)
    await finished
    expect(receipt().pending).toBe(0)
  })

  it('is still one after a kill that took the confirmation of what went live', async () => {
    const { clock, log, sink, cursor, append, make, arrived } = await setUp({ backlog: 1000, takesMs: () => 10 })
    const first = make()
    first.start()
    await append(LIVE)
    const marked: number[] = []
    sink.answer = (entries) => {
      if (countsOf(entries)[0]! >= LIVE) marked.push(cursor.liveFrom)
      return []
    }
    await clock.advance(10)
    await append(LIVE + 1)
    await clock.advance(100)
    await first.stop()
    expect(arrived(false)).toEqual([LIVE, LIVE + 1])
    expect(marked.length).toBeGreaterThan(0)
    expect(marked.every((seq) => seq === marked[0] && seq > 0)).toBe(true)

    // What is durable: most of the backlog, where live begins, and nothing of what went live.
    const left = log.cursor('emqx', { from: 'oldest' })
    await left.confirm([{ from: { epoch: 1, seq: 1 }, to: { epoch: 1, seq: 900 } }])
    await left.markLive(cursor.liveFrom)
    sink.arrivals.length = 0
    const second = new Drain({ sink, reader: log.reader, cursor: left, clock, log: new Said(), replay: 0.3 })
    second.start()
    await clock.advance(2000)
    await second.stop()
    expect(arrived(true)).toEqual(upTo(100, 900))
    expect(arrived(false)).toEqual([LIVE, LIVE + 1])
  })

  it('gives way to a flow that the sink can hardly take, and still does not stand still', async () => {
    // 9 live entries a second at 100 ms each: the backlog's share would be too much for them.
    const { make, flow, arrived, latencies, busyMs, clock } = await setUp({
      backlog: 5000,
      takesMs: (entries) => 100 * entries,
    })
    const drain = make()
    drain.start()
    await flow(60_000, 111)
    const late = latencies().slice(Math.floor(latencies().length / 2))
    expect(p99(late)).toBeLessThan(20_000)
    expect(busyMs(false) / clock.monotonic()).toBeGreaterThan(0.8)
    expect(arrived(true).length).toBeGreaterThan(20)
    expect(ascending(arrived(false)) && ascending(arrived(true))).toBe(true)
    await drain.stop()
  })

  it('comes in small portions to a sink that is slow for each entry', async () => {
    // A call of 500 would keep what is live waiting for 10 s.
    const { make, flow, latencies, arrived } = await setUp({ backlog: 3000, takesMs: (entries) => 30 + 20 * entries })
    const drain = make()
    drain.start()
    await flow(60_000, 500)
    const settled = latencies().slice(30)
    expect(Math.max(...settled)).toBeLessThan(1200)
    expect(arrived(true).length).toBeGreaterThan(800)
    await drain.stop()
  })

  it('comes in whole portions over a long way, which smaller ones would not shorten', async () => {
    const { sink, make, flow } = await setUp({ backlog: 5000, takesMs: (entries) => 700 + entries / 10 })
    const drain = make()
    drain.start()
    await flow(60_000, 500)
    const portions = sink.calls.filter(({ historical }) => historical).map(({ entries }) => entries)
    expect(portions.length).toBeLessThanOrEqual(15)
    expect(portions.reduce((sum, entries) => sum + entries)).toBe(5000)
    await drain.stop()
  })

  it('waits for nothing at a sink that takes at once, and live entries still come first', async () => {
    const { clock, make, append, arrived, receipt, latencies } = await setUp({ backlog: 5000, takesMs: () => 0 })
    const drain = make()
    drain.start()
    await append(...upTo(10, LIVE))
    await clock.advance(0)
    await clock.advance(1)
    expect(receipt()).toMatchObject({ pending: 0, delivered: 5010 })
    expect(arrived(true)).toEqual(upTo(5000))
    expect(arrived(false)).toEqual(upTo(10, LIVE))
    expect(Math.max(...latencies())).toBe(0)
    await drain.stop()
  })

  it('goes on between bursts, which stay live and in order however large they are', async () => {
    const { make, flow, arrived, latencies } = await setUp({ backlog: 5000, takesMs: (entries) => 20 + entries / 10 })
    const drain = make()
    drain.start()
    await flow(20_000, 2000, 2000)
    expect(arrived(false)).toEqual(upTo(20_000, LIVE))
    expect(Math.max(...latencies())).toBeLessThan(800)
    expect(arrived(true)).toEqual(upTo(5000))
    await drain.stop()
  })

  it('is not joined by live entries that one lost call delays', async () => {
    const { clock, sink, make, flow, arrived } = await setUp({ backlog: 5000, takesMs: () => 100 })
    const drain = make()
    drain.start()
    await flow(1000, 20)
    sink.leave()
    await flow(300, 20)
    sink.comeBack()
    await flow(1000, 20)
    await clock.advance(500)
    // What the break had cut off may have come twice.
    expect([...new Set(arrived(false))]).toEqual(upTo(115, LIVE))
    expect(arrived(true).every((count) => count < LIVE)).toBe(true)
    await drain.stop()
  })

  it('does not keep live entries waiting while a refused one of it is looked for and tried again', async () => {
    const { clock, sink, make, flow, arrived, latencies, cursor, receipt } = await setUp({
      backlog: 2000,
      takesMs: () => 20,
    })
    sink.answer = (entries) => {
      if (countsOf(entries).some((count) => count < LIVE && count % 1000 === 7)) throw new Rejected('no')
      return []
    }
    const drain = make()
    drain.start()
    await flow(60_000, 100)
    await clock.advance(1000)
    expect(countsOf(cursor.kept.map(({ item }) => item.entry))).toEqual([7, 1007])
    expect(Math.max(...latencies())).toBeLessThan(500)
    expect(arrived(false)).toEqual(upTo(600, LIVE))
    expect(arrived(true)).toEqual(upTo(2000).filter((count) => count % 1000 !== 7))
    expect(receipt()).toMatchObject({ pending: 0, quarantined: 2, delivered: 2598 })
    await drain.stop()
  })

  it.each([0.3, 'in-order' as const])(
    'what is tried again from quarantine does not hold the rest up (%s)',
    async (replay) => {
      const { clock, sink, make, flow, cursor, latencies, receipt } = await setUp({
        backlog: 3000,
        takesMs: () => 100,
        replay,
      })
      let refuses = true
      sink.answer = (entries) =>
        refuses ? entries.flatMap(({ position }) => (position.seq % 2 === 0 ? [{ position, why: 'no' }] : [])) : []
      const drain = make()
      drain.start()
      await clock.advance(20_000)
      expect(receipt()).toMatchObject({ pending: 0, quarantined: 1500 })
      refuses = false
      drain.retry(null)
      await flow(5000, 50)
      expect(cursor.kept).toEqual([])
      expect(Math.max(...latencies())).toBeLessThanOrEqual(300)
      await drain.stop()
    },
  )
})

describe('what something newer was delivered before', () => {
  it.each([0.3, 'in-order' as const])('is marked as a backlog, however little it is (%s)', async (replay) => {
    const { clock, log, make, append, arrived, cursor } = await setUp({ backlog: 20, takesMs: () => 10, replay })
    await append(...upTo(5, LIVE))
    // As a gateway finds it that was stopped in the middle of a replay.
    const [pending] = cursor.pending(log.head)
    await cursor.confirm([{ from: { epoch: 1, seq: 11 }, to: { epoch: 1, seq: 22 } }])
    expect(pending!.from.seq).toBe(1)
    const drain = make()
    drain.start()
    await clock.advance(1000)
    await append(LIVE + 5)
    await clock.advance(1000)
    expect(arrived(true)).toEqual(upTo(10))
    expect(arrived(false)).toEqual([LIVE + 2, LIVE + 3, LIVE + 4, LIVE + 5])
    await drain.stop()
  })

  it('is so as well when the far side itself says that it has it', async () => {
    const { clock, sink, make, append, arrived } = await setUp({ backlog: 20, takesMs: () => 10, replay: 'in-order' })
    Object.assign(sink, { resume: async () => [{ from: { epoch: 1, seq: 11 }, to: { epoch: 1, seq: 20 } }] })
    const drain = make()
    drain.start()
    await clock.advance(1000)
    await append(LIVE)
    await clock.advance(1000)
    expect(arrived(true)).toEqual(upTo(10))
    expect(arrived(false)).toEqual([LIVE])
    await drain.stop()
  })
})

describe('a sink that refused everything for a while', () => {
  it('has what is live first once it takes again', async () => {
    const { clock, sink, make, append, flow, arrived } = await setUp({ backlog: 0, takesMs: () => 10 })
    const drain = make()
    drain.start()
    let granted = false
    sink.answer = (entries) => (granted ? [] : entries.map(({ position }) => ({ position, why: 'permission denied' })))
    await append(1)
    await clock.advance(100)
    await append(2)
    await clock.advance(100)
    await append(3)
    await clock.advance(100)
    await append(...upTo(2000, 10))
    await clock.advance(120_000)
    granted = true
    await clock.advance(60_000)
    await flow(20_000, 100)
    expect(arrived(true).filter((count) => count >= 10)).toEqual(upTo(2000, 10))
    expect(arrived(false).filter((count) => count >= 10)).toEqual(upTo(200, LIVE))
    await drain.stop()
  })
})

describe('a link that was away at the start', () => {
  it('lets what is live by then go first', async () => {
    const { clock, sink, make, append, arrived } = await setUp({ backlog: 0, takesMs: () => 10 })
    sink.answer = () => {
      if (clock.monotonic() < 5000) throw new Retryable('away', { reason: Reason.noConnection })
      return []
    }
    const drain = make()
    drain.start()
    await append(1)
    await clock.advance(10)
    await append(...upTo(2000, 10))
    await clock.advance(10_000)
    await append(LIVE)
    await clock.advance(10_000)
    expect(arrived(false)).toEqual([LIVE])
    expect(arrived(true)).toEqual([1, ...upTo(2000, 10)])
    await drain.stop()
  })
})
