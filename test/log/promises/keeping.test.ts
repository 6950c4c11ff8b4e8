/** Promises 5, 7, 8, 10 and 11: what is deleted, when, and what becomes known of it. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { countsOf } from '../batches.ts'
import { type House, promised } from './house.ts'

const never = () => new Promise<never[]>(() => undefined)
/** Batches of about 850 bytes, segments of some hundred of them. */
const small = { tags: 100, segmentBytes: 200_000 }

function bytesOf({ path }: House): number {
  const segments = join(path, 'segments')
  const sizes = readdirSync(segments).map((name) =>
    statSync(join(segments, name, 'log.mdb'), { throwIfNoEntry: false }),
  )
  return sizes.reduce((bytes, file) => bytes + (file?.size ?? 0), 0)
}

const all = ({ source }: House): number[] => [...source.stored.keys()]
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

describe('promise 5: a batch is deleted only after every configured sink confirmed it', () => {
  promised('one that is behind, or not plugged in at all, keeps everything', small, async (house) => {
    const [near, far] = [await house.plug('near'), await house.plug('far')]
    const off = await house.plug('off')
    await house.unplug('off')
    await house.configure('near', 'far', 'off')
    far.answer = never
    await house.fill(1000)
    await house.until('near has all', () => near.numbers.length === 1000)
    await house.advance(5000)
    expect(countsOf(await house.entries())).toEqual(all(house))

    far.answer = () => []
    await house.restart('uplink', 'stop')
    await house.drained('far')
    await house.advance(5000)
    // A sink that is switched off keeps its place, and what it has not had.
    expect(countsOf(await house.entries())).toEqual(all(house))
    await house.plug('off')
    await house.drained('off')
    await house.until('the segments are gone from the disk', () => bytesOf(house) < 600_000)
    expect(off.numbers).toEqual(all(house))
  })

  promised('one that is configured no more keeps nothing', small, async (house) => {
    const [near, gone] = [await house.plug('near'), await house.plug('gone')]
    gone.answer = never
    await house.configure('near', 'gone')
    await house.fill(1000)
    await house.until('near has all', () => near.numbers.length === 1000)
    await house.unplug('gone')
    await house.configure('near')
    await house.until('the segments are gone', async () => (await house.report()).log.segments === 1)
    expect(near.numbers).toEqual(all(house))
  })

  promised('nothing goes before it is known who is configured', small, async (house) => {
    await house.plug('near')
    await house.fill(1000)
    await house.drained('near')
    await house.restart('both', 'kill')
    await house.drained('near')
    await house.advance(5000)
    expect(countsOf(await house.entries())).toEqual(all(house))
  })
})

describe('promise 7: eviction leaves a gap entry that is delivered', () => {
  promised(
    'oldest: which range, how many and why, to those who lost it',
    { ...small, quotaBytes: 1_500_000 },
    async (house) => {
      const [ahead, behind] = [await house.plug('ahead'), await house.plug('behind')]
      await house.configure('ahead', 'behind')
      behind.answer = never
      for (let round = 0; round < 40; round++) {
        await house.fill(100)
        await house.until('ahead has it', () => ahead.numbers.length === 100 * (round + 1))
      }
      behind.answer = () => []
      await house.restart('uplink', 'stop')
      await house.drained('ahead', 'behind')
      expect(ahead.numbers).toEqual(all(house))
      expect(ahead.gaps).toEqual([])
      const got = new Set(behind.numbers)
      const lost = [...house.source.stored].filter(([number]) => !got.has(number))
      expect(lost.length).toBeGreaterThan(1000)
      expect(behind.gaps.length).toBeGreaterThan(0)
      for (const gap of behind.gaps) expect(gap).toMatchObject({ why: 'evicted', readers: ['behind'] })
      // Which: every lost position is in a range; how many: the sum, with the gap entries that went themselves.
      const told = sum(behind.gaps.map(({ entries }) => entries))
      const { receipt } = await house.account('behind')
      expect(told).toBe(receipt.evicted)
      expect(told).toBeGreaterThanOrEqual(lost.length)
      for (const [number, { seq }] of lost) {
        const gap = behind.gaps.find(({ range }) => seq >= range!.from.seq && seq <= range!.to.seq)
        expect(gap, `number ${number}`).toBeDefined()
      }
    },
  )

  promised(
    'newest: refuses what comes, and says how many',
    { ...small, quotaBytes: 1_500_000, evict: 'newest' },
    async (house) => {
      const sink = await house.plug('emqx')
      await house.configure('emqx')
      sink.answer = never
      await house.fill(3000, { each: 20 })
      const { refused } = house.source
      expect(refused.size).toBeGreaterThan(1000)
      expect([...refused.values()].at(-1)).toContain('the log is full')
      sink.answer = () => []
      await house.restart('uplink', 'stop')
      await house.drained('emqx')
      await house.until(
        'there is room',
        async () => {
          await house.append(1)
          return !refused.has([...house.source.devices.keys()].at(-1)!)
        },
        500,
      )
      await house.drained('emqx')
      // What was stored came whole; what was refused is told to the number.
      expect(sink.numbers).toEqual(all(house))
      await house.until('all is told', () => sum(sink.gaps.map(({ entries }) => entries)) === refused.size)
      for (const gap of sink.gaps) expect(gap).toMatchObject({ why: 'refused', range: null })
      expect((await house.account('emqx')).receipt).toMatchObject({ evicted: 0, quarantined: 0 })
    },
  )
})
