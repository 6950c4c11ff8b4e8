/** Promises 9, 12, 15 and 16: what becomes of each entry, and what is said of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { Reason } from '../../../src/contracts/batch.ts'
import { Rejected, Retryable } from '../../../src/contracts/errors.ts'
import { type House, promised } from './house.ts'
import type { Call, Receiver } from './ledger.ts'

const away = () => {
  throw new Retryable('the broker does not answer', { reason: Reason.noConnection })
}
const never = () => new Promise<never[]>(() => undefined)
const all = ({ source }: House): number[] => [...source.stored.keys()]

/** Refuses every seventh number by name. */
function refusingSevenths({ entries, numbers }: Call): { position: { epoch: number; seq: number }; why: string }[] {
  return entries.flatMap(({ position }, at) => (numbers[at]! % 7 === 0 ? [{ position, why: 'a seventh' }] : []))
}

async function quarantined(house: House, name: string): Promise<number[]> {
  const { quarantined } = await house.account(name)
  const numbers = new Map([...house.source.stored].map(([number, { seq }]) => [seq, number]))
  return quarantined.map(({ position }) => numbers.get(position.seq)!)
}

/** How many commits a database has seen: the number of its last transaction. */
function commitsOf({ path }: House): number {
  const file = readFileSync(join(path, 'readers', 'log.mdb'))
  return Math.max(...[0, 4096].map((page) => Number(file.readBigUInt64LE(page + 152))))
}

describe('promise 9: a rejected record is copied into quarantine before the cursor moves', () => {
  promised('what is refused by name is there after a kill, what is behind it flows on', {}, async (house) => {
    const sink = await house.plug('emqx', { maxEntries: 10 })
    await house.configure('emqx')
    sink.answer = refusingSevenths
    for (let life = 0; life < 4; life++) {
      await house.append(50)
      await house.until('some of it was answered', () => sink.numbers.length > life * 43)
      await house.restart('uplink', 'kill')
    }
    await house.drained('emqx')
    const sevenths = all(house).filter((number) => number % 7 === 0)
    expect(sink.numbers).toEqual(all(house).filter((number) => number % 7 !== 0))
    expect(await quarantined(house, 'emqx')).toEqual(sevenths)
    expect((await house.account('emqx')).quarantined[0]!.why).toBe('a seventh')

    // They outlive their segments, and come when they are tried again.
    sink.answer = () => []
    await house.restart('both', 'stop')
    expect(await house.retry('emqx')).toBe(sevenths.length)
    await house.until('they were taken', async () => (await house.account('emqx')).receipt.quarantined === 0)
    expect([...sink.numbers].sort((a, b) => a - b)).toEqual(all(house))
    expect((await house.account('emqx')).receipt).toMatchObject({ stored: 200, delivered: 200, evicted: 0 })
  })

  promised('what is refused without a name is found, and only that', {}, async (house) => {
    const sink = await house.plug('emqx', { maxEntries: 32 })
    sink.answer = ({ numbers }) => {
      if (numbers.includes(13)) throw new Rejected('one of these is wrong')
      return []
    }
    await house.append(64)
    await house.drained('emqx')
    expect(await quarantined(house, 'emqx')).toEqual([13])
    expect(sink.numbers).toEqual(all(house).filter((number) => number !== 13))
  })

  promised('it has a quota of its own', { quotaBytes: 2 ** 20 * 16, tags: 1000 }, async (house) => {
    const sink = await house.plug('emqx')
    await house.configure('emqx')
    // A 16th of the log's quota is 1 MiB, a batch with its group takes more than 8 kB. Every second one is refused.
    sink.answer = ({ entries, numbers }) =>
      entries.flatMap(({ position }, at) => (numbers[at]! % 2 === 0 ? [{ position, why: 'even' }] : []))
    for (let round = 0; round < 12; round++) {
      await house.append(50)
      await house.drained('emqx')
    }
    const kept = await quarantined(house, 'emqx')
    expect(kept.length).toBeGreaterThan(20)
    expect(kept.length).toBeLessThan(2 ** 20 / 8000)
    // The newest are kept; the others are counted.
    expect(kept).toEqual(
      all(house)
        .filter((number) => number % 2 === 0)
        .slice(-kept.length),
    )
    expect((await house.account('emqx')).receipt).toMatchObject({ evicted: 300 - kept.length, delivered: 300 })
  })
})

describe('promise 12: confirmations group for at most commitEvery', () => {
  promised('a restart repeats at most that and one call', { commitEveryMs: 200 }, async (house) => {
    const sink = await house.plug('emqx', { maxEntries: 2 })
    const takenAt = new Map<number, number>()
    sink.answer = ({ numbers }) => {
      for (const number of numbers) takenAt.set(number, house.elapsedMs)
      return []
    }
    let calls = 0
    let commits = 0
    for (const ms of [1700, 950, 2200, 450]) {
      const before = { repeats: sink.repeats, calls: sink.calls.length, commits: commitsOf(house) }
      const stop = house.elapsedMs + ms
      while (house.elapsedMs < stop) {
        house.append(2).catch(() => undefined)
        await house.advance(50)
        await house.until('it has what is stored', () => sink.numbers.length === all(house).length, 1)
      }
      // The disk ends what it has begun; no time of the log's passes.
      let quiet = 0
      for (let last = -1; quiet < 20; last = commitsOf(house)) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        await house.advance(0)
        quiet = commitsOf(house) === last ? quiet + 1 : 0
      }
      commits += commitsOf(house) - before.commits
      calls += sink.calls.length - before.calls
      await house.end('uplink', 'kill')
      const lately = [...takenAt.values()].filter((at) => house.elapsedMs - at <= 200).length
      await house.open()
      await house.drained('emqx')
      expect(sink.repeats - before.repeats).toBeLessThanOrEqual(lately + 2)
    }
    expect(sink.repeats).toBeGreaterThan(0)
    expect(sink.numbers).toEqual(all(house))
    // Once in 200 ms, however many calls there are.
    expect(commits).toBeLessThanOrEqual(house.elapsedMs / 200 + 8)
    expect(calls).toBeGreaterThan(2 * commits)
  })
})

describe('promise 15: stored = delivered + filtered + pending + quarantined + evicted, at every moment', () => {
  const operation = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 120 }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), how: fc.integer({ min: 0, max: 3 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('retry' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('restart' as const),
        side: fc.constantFrom('field' as const, 'uplink' as const),
        how: fc.constantFrom('stop' as const, 'kill' as const),
      }),
    },
  )
  const answers: readonly Receiver['answer'][] = [() => [], away, refusingSevenths, never]

  promised(
    'whatever is appended, refused, evicted, tried again, stopped and killed',
    { commitEveryMs: 50, tags: 60, segmentBytes: 60_000, quotaBytes: 600_000 },
    async (house) => {
      const sinks = [
        await house.plug('near'),
        await house.plug('picky', { wants: ['press'], replay: 0.3, maxEntries: 20 }),
        await house.plug('far', { replay: 0.5 }),
      ]
      await house.configure('near', 'picky', 'far')
      const histories = fc.sample(fc.array(operation, { minLength: 12, maxLength: 12 }), 5)
      for (const history of histories) {
        for (const [at, step] of history.entries()) {
          if (step.do === 'append')
            house.append(step.count, { device: at % 3 === 0 ? 'oven' : 'press' }).catch(() => undefined)
          else if (step.do === 'answer') sinks[at % 3]!.answer = answers[step.how]!
          else if (step.do === 'advance') await house.advance(step.ms)
          else if (step.do === 'retry') await house.retry(sinks[at % 3]!.name)
          else await house.restart(step.side, step.how)
          await house.judge()
        }
      }
      for (const sink of sinks) sink.answer = () => []
      await house.restart('uplink', 'stop')
      await house.drained('near', 'picky', 'far')
      for (const { name } of sinks) {
        await house.retry(name)
        await house.until('nothing is quarantined', async () => (await house.account(name)).receipt.quarantined === 0)
      }
      expect(house.source.stored.size).toBeGreaterThan(100)
    },
  )
})

describe('promise 16: the outage calculator', () => {
  promised(
    'says when the log will be full at this rate, and of when the oldest unsent record is',
    { tags: 100, quotaBytes: 12_000_000, evict: 'newest' },
    async (house) => {
      const sink = await house.plug('emqx', { maxEntries: 100 })
      await house.configure('emqx')
      expect((await house.report()).log.fullInMs).toBeNull()
      expect((await house.sinkReport('emqx')).oldest).toBeNull()
      // 300 batches are taken, then the link is gone.
      const takenAt = new Map<number, number>()
      const minute = async (): Promise<void> => {
        for (let second = 0; second < 60; second += 10) {
          for (const number of await house.append(100)) takenAt.set(number, house.wall)
          await house.advance(10_000)
        }
      }
      sink.answer = ({ numbers }) => (numbers.at(-1)! <= 300 ? [] : never())
      await minute()
      await minute()
      await house.until('the link is gone', () => sink.numbers.length === 300)
      expect((await house.sinkReport('emqx')).oldest).toBe(takenAt.get(301))

      const { fullInMs } = (await house.report()).log
      const since = house.elapsedMs
      while (house.source.refused.size === 0) await minute()
      // Truth is when the first batch was refused.
      const lasted = takenAt.get(Math.min(...house.source.refused.keys()))! - (house.wall - house.elapsedMs) - since
      expect(lasted / fullInMs!).toBeGreaterThan(0.8)
      expect(lasted / fullInMs!).toBeLessThan(1.2)
      // It remembers of when its oldest is over a restart.
      await house.restart('both', 'stop')
      await house.until('it is called', () => sink.calls.at(-1)!.numbers[0] === 301)
      expect((await house.sinkReport('emqx')).oldest).toBe(takenAt.get(301))
      sink.answer = () => []
      await house.restart('uplink', 'stop')
      await house.drained('emqx')
      expect((await house.sinkReport('emqx')).oldest).toBeNull()
    },
  )
})
