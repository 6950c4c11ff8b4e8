/** Promises 8, 10 and 11: what the log may take, by what a queue is known, and what a damaged file costs. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { countsOf } from '../batches.ts'
import { type House, promised } from './house.ts'

const never = () => new Promise<never[]>(() => undefined)
/** Batches of about 850 bytes, segments of some hundred of them. */
const small = { tags: 100, segmentBytes: 200_000 }
const quotaBytes = 2_000_000

function filesOf({ path }: House): string[] {
  const segments = join(path, 'segments')
  return readdirSync(segments)
    .sort()
    .map((name) => join(segments, name, 'log.mdb'))
}

function bytesOf(house: House): number {
  return filesOf(house).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0)
}

const all = ({ source }: House): number[] => [...source.stored.keys()]
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

describe('promise 8: the quota is our own, and a full disk never reaches LMDB', () => {
  promised(
    'the thresholds at 70, 85 and 95 % are said before it is full',
    { tags: 100, quotaBytes: 12_000_000, evict: 'newest' },
    async (house) => {
      const sink = await house.plug('emqx')
      sink.answer = never
      await house.configure('emqx')
      const said = new Map<string, number>()
      while (house.source.refused.size === 0) {
        await house.append(100)
        expect(bytesOf(house)).toBeLessThanOrEqual(12_000_000)
        const { state } = (await house.report()).log
        const text = `${state.condition}: ${state.text.replace(/\d+ %/, '%')}`
        if (!said.has(text)) said.set(text, bytesOf(house) / 12_000_000)
      }
      expect([...said]).toEqual([
        ['fine: % full', expect.closeTo(0, 1)],
        ['degraded: the log is % full', expect.closeTo(0.7, 1)],
        ['degraded: the log is % full; a sink is far behind', expect.closeTo(0.85, 1)],
        ['degraded: the log is % full; soon records are lost', expect.closeTo(0.95, 1)],
        ['fault: the log is full; new batches are refused and counted', expect.closeTo(0.98, 1)],
      ])
    },
  )

  promised('the oldest go so that it is never passed', { ...small, quotaBytes }, async (house) => {
    const sink = await house.plug('emqx')
    sink.answer = never
    await house.configure('emqx')
    for (let round = 0; round < 60; round++) {
      await house.append(60)
      expect(bytesOf(house)).toBeLessThanOrEqual(quotaBytes)
    }
    expect(house.source.refused.size).toBe(0)
    expect((await house.report()).log.state).toMatchObject({
      condition: 'fault',
      text: expect.stringContaining('the oldest records are deleted undelivered'),
    })
  })

  promised(
    'a ballast is freed first when the disk is short, then batches are refused',
    { ...small, evict: 'newest' },
    async (house) => {
      const sink = await house.plug('emqx')
      await house.configure('emqx')
      await house.fill(100)
      const ballast = join(house.path, 'ballast')
      await house.until(
        'the ballast is laid',
        async () => {
          await house.append(1)
          return existsSync(ballast) && statSync(ballast).size === 8 * 2 ** 20
        },
        10_000,
      )
      // A little room is left when the ballast goes: nothing is refused.
      await house.free(7 * 2 ** 20)
      await house.until('the ballast is gone', async () => {
        await house.append(1)
        return !existsSync(ballast)
      })
      await house.advance(2000)
      const before = house.source.stored.size
      for (let tries = 0; tries < 5; tries++) {
        await house.append(10)
        await house.advance(2000)
      }
      expect(house.source.refused.size).toBeGreaterThan(0)
      const { log } = await house.report()
      expect(log.state).toEqual({ condition: 'fault', text: 'the disk is full; new batches are refused and counted' })
      expect(log.counters).toMatchObject({ ballastFreed: 1, ioErrors: 0, refused: house.source.refused.size })
      // It goes on by itself when there is space again, and tells.
      await house.free(2 ** 50)
      await house.until(
        'there is room',
        async () => {
          await house.append(1)
          return house.source.stored.size > before + 20
        },
        500,
      )
      await house.drained('emqx')
      expect(sink.numbers).toEqual(all(house))
      expect(sum(sink.gaps.map(({ entries }) => entries))).toBe(house.source.refused.size)
    },
  )
})

describe('promise 10: a queue is identified by its configured name', () => {
  promised('never by its settings, nor by where it stands', small, async (house) => {
    const first = await house.plug('emqx', { from: 'now', wants: ['press'] })
    await house.plug('other')
    await house.fill(50)
    await house.fill(50, { device: 'oven' })
    await house.drained('emqx', 'other')
    await house.unplug('emqx')
    await house.unplug('other')
    await house.fill(50)
    await house.restart('both', 'stop')
    await house.plug('other', { replay: 0.3 })
    await house.plug('emqx', { from: 'now', replay: 0.5, maxEntries: 9, ready: true })
    await house.drained('emqx', 'other')
    // It went on where it was, with what came while it was away, and without what it had had or not wanted.
    const oven = all(house).filter((number) => house.source.devices.get(number) === 'oven')
    expect(first.repeats).toBe(0)
    expect([...first.numbers].sort((a, b) => a - b)).toEqual(all(house).filter((number) => !oven.includes(number)))
    expect((await house.account('emqx')).receipt).toMatchObject({ filtered: 50, pending: 0, stored: 150 })
    // Under another name it is another queue: from now on.
    const renamed = await house.plug('emqx-2', { from: 'now' })
    const [next] = await house.append(1)
    await house.drained('emqx-2')
    expect(renamed.numbers).toEqual([next])
    await house.unplug('emqx')
  })
})

describe('promise 11: a segment that cannot be read is moved aside, and the rest is served', () => {
  const damages: Readonly<Record<string, (file: string) => void>> = {
    'overwritten from end to end': (file) => writeFileSync(file, Buffer.alloc(readFileSync(file).length, 0x5a)),
    'cut short': (file) => writeFileSync(file, readFileSync(file).subarray(0, 20_000)),
    empty: (file) => writeFileSync(file, ''),
    'with one bit turned in a block': (file) => {
      const bytes = readFileSync(file)
      bytes[bytes.indexOf('FGB1', 100_000) + 700]! ^= 4
      writeFileSync(file, bytes)
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    promised(`${what}`, small, async (house) => {
      const sink = await house.plug('emqx')
      await house.configure('emqx')
      sink.answer = never
      await house.fill(1000)
      await house.end('uplink', 'stop')
      if (house.processes === 2) await house.end('field', 'stop')
      damage(filesOf(house)[2]!)
      sink.answer = () => []
      await house.open()
      await house.drained('emqx')
      await house.until('the gap is told', () => sink.gaps.length > 0)
      await house.drained('emqx')
      const got = new Set(sink.numbers)
      const lost = all(house).filter((number) => !got.has(number))
      expect(lost.length).toBeGreaterThan(0)
      expect(lost.length).toBeLessThan(300)
      // Told to the number, in one row, and the alarm names the file.
      expect(sum(sink.gaps.map(({ entries }) => entries))).toBe(lost.length)
      for (const gap of sink.gaps) expect(gap).toMatchObject({ why: 'damaged', readers: ['emqx'] })
      expect(lost.at(-1)! - lost[0]! + 1).toBe(lost.length)
      const { state } = (await house.report()).log
      expect(state.condition).toBe('degraded')
      expect(state.text).toMatch(/segments|damaged/)
      // The next ones are stored and come.
      await house.fill(50)
      await house.drained('emqx')
      expect(sink.numbers.at(-1)).toBe(1050)
      expect(countsOf(await house.entries()).at(-1)).toBe(1050)
    })
  }
})
