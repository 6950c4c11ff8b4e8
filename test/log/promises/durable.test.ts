/** Promises 1, 13 and 14: what `append` resolved is on disk. */
import { describe, expect } from 'vitest'
import { countsOf } from '../batches.ts'
import { promised } from './house.ts'

const OLDEST = { epoch: 0, seq: 1 }
const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1)

describe('promise 1: what append resolved is on disk', () => {
  promised('and is there, once and in order, when the writer is killed right after', {}, async (house) => {
    const sink = await house.plug('emqx')
    for (let life = 0; life < 5; life++) {
      // Resolved; and more that is under way when the process dies.
      await house.append(20)
      const more = house.append(200)
      more.catch(() => undefined)
      await house.restart('field', 'kill')
    }
    const found = (await house.entries()).filter((entry) => entry.kind === 'batch')
    const positions = new Map(found.map((entry) => [countsOf([entry])[0]!, entry.position]))
    for (const [number, position] of house.source.stored) expect(positions.get(number)).toEqual(position)
    expect(positions.size).toBe(found.length)
    expect(countsOf(found)).toEqual([...countsOf(found)].sort((a, b) => a - b))
    await house.drained('emqx')
    expect(sink.numbers).toEqual(countsOf(found))
  })

  promised('no reader sees an entry before; commitEvery groups what comes', { commitEveryMs: 200 }, async (house) => {
    const sink = await house.plug('emqx')
    const first = house.append(1)
    await house.advance(100)
    const second = house.append(1, { device: 'oven' })
    await house.advance(99)
    expect(house.source.stored.size).toBe(0)
    expect(await house.read(OLDEST)).toEqual([])
    expect((await house.report()).log.head.seq).toBe(0)
    expect(sink.calls).toEqual([])
    await house.advance(1)
    await Promise.all([first, second])
    expect((await house.report()).log.counters.commits).toBe(1)
    await house.drained('emqx')
    expect(sink.numbers).toEqual([1, 2])
  })

  promised('with commitEvery 0 a commit begins as soon as the last one ended', { commitEveryMs: 0 }, async (house) => {
    // No time passes at all.
    for (let round = 0; round < 5; round++) await house.append(10)
    expect(house.source.stored.size).toBe(50)
    expect((await house.report()).log.counters.commits).toBeGreaterThanOrEqual(5)
  })

  promised(
    'what waits is bounded by 64 MiB, beyond that batches are refused at once',
    { commitEveryMs: 60_000, tags: 100_000 },
    async (house) => {
      const all = house.append(100)
      // The poller never waits: what is refused is known while nothing was stored yet.
      await house.until('some were refused', () => house.source.refused.size > 0, 0)
      expect(house.source.stored.size).toBe(0)
      await house.flush()
      await all
      const bytes = house.source.stored.size * 100_000 * 8
      expect(bytes).toBeGreaterThan(60 * 2 ** 20)
      expect(bytes).toBeLessThan(68 * 2 ** 20)
      expect(house.source.stored.size + house.source.refused.size).toBe(100)
      expect([...house.source.refused.values()][0]).toContain('Retryable: the disk is too slow')
      expect((await house.report()).log.counters.refused).toBe(house.source.refused.size)
      const stored = countsOf(await house.entries())
      expect(stored).toEqual([...house.source.stored.keys()])
    },
  )
})

describe('promise 13: a group commit closes at 500 batches', () => {
  promised('even before commitEvery', { commitEveryMs: 60_000 }, async (house) => {
    const first = await house.append(500)
    expect(first.every((number) => house.source.stored.has(number))).toBe(true)
    const short = house.append(499)
    await house.advance(59_999)
    expect(house.source.stored.size).toBe(500)
    await house.append(1)
    await short
    expect(countsOf(await house.entries())).toEqual(upTo(1000))
    expect((await house.report()).log.counters.commits).toBe(2)
  })
})
