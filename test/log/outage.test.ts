/** The outage calculator, against outages that are simulated record by record. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openLog } from '../../src/log/log.ts'
import { depthOf, type Filling, fullInMs, outlookOf } from '../../src/log/outage.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { batchOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-outage-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const filling: Filling = {
  bytes: 600_000,
  limitBytes: 1_000_000,
  evict: 'oldest',
  perSecond: { entries: 10, bytes: 1000 },
}
const HOUR = 3_600_000

describe('a log', () => {
  it('is full when its room is used up at the present rate', () => {
    expect(fullInMs(filling)).toBe(400_000)
    expect(fullInMs({ ...filling, bytes: 1_200_000 })).toBe(0)
  })

  it('that nothing comes into is never full', () => {
    expect(fullInMs({ ...filling, perSecond: { entries: 0, bytes: 0 } })).toBe(null)
  })
})

describe('a sink', () => {
  it('has its backlog behind it when it takes more than comes in, and otherwise never', () => {
    const backlog = { entries: 3600, heldBytes: 0 }
    expect(outlookOf(filling, { ...backlog, perSecond: 11 }).drainedInMs).toBe(HOUR)
    expect(outlookOf(filling, { ...backlog, perSecond: 10 }).drainedInMs).toBe(null)
    expect(outlookOf(filling, { ...backlog, perSecond: 0 }).drainedInMs).toBe(null)
    expect(outlookOf(filling, { ...backlog, entries: 0, perSecond: 0 }).drainedInMs).toBe(0)
  })

  it('loses its first record when what is held for it alone fills the log, if the oldest go', () => {
    expect(outlookOf(filling, { entries: 1, heldBytes: 100_000, perSecond: 0 }).lossInMs).toBe(900_000)
    expect(outlookOf(filling, { entries: 1, heldBytes: 2_000_000, perSecond: 0 }).lossInMs).toBe(0)
  })

  it('loses its first record when the log is full, whoever filled it, if the newest are refused', () => {
    const newest = { ...filling, evict: 'newest' } as const
    expect(outlookOf(newest, { entries: 1, heldBytes: 100_000, perSecond: 0 }).lossInMs).toBe(400_000)
  })

  it('loses nothing while nothing comes', () => {
    const still = { ...filling, perSecond: { entries: 0, bytes: 0 } }
    expect(outlookOf(still, { entries: 5, heldBytes: 900_000, perSecond: 2 })).toEqual({
      drainedInMs: 2500,
      lossInMs: null,
    })
  })

  it('holds the segments it has not confirmed all of, and the newest, which is always there', () => {
    const at = (seq: number) => ({ epoch: 1, seq })
    const segments = [
      { base: at(1), bytes: 1000 },
      { base: at(101), bytes: 2000 },
      { base: at(201), bytes: 500 },
    ]
    const head = at(210)
    expect(depthOf([], segments, head)).toEqual({ bytes: 0, heldBytes: 500 })
    expect(depthOf([{ from: at(151), to: at(210) }], segments, head)).toEqual({ bytes: 1500, heldBytes: 2500 })
    const apart = [
      { from: at(1), to: at(10) },
      { from: at(206), to: at(210) },
    ]
    expect(depthOf(apart, segments, head)).toEqual({ bytes: 350, heldBytes: 1500 })
    expect(depthOf([], [], head)).toEqual({ bytes: 0, heldBytes: 0 })
  })
})

describe('what it says of an outage', () => {
  for (const limit of ['the quota', 'the disk'] as const) {
    it(`comes true, where ${limit} is what limits`, async () => {
      const clock = new ManualClock()
      const quotaBytes = limit === 'the quota' ? 6 * 2 ** 20 : 2 ** 30
      let log: Awaited<ReturnType<typeof openLog>> | undefined
      // The disk has so much for us, what we use included.
      const freeBytes = () => (limit === 'the quota' ? 2 ** 40 : 14 * 2 ** 20 - (log?.report().bytes ?? 0))
      log = await openLog({
        path: join(root, limit),
        quotaBytes,
        commitEveryMs: 200,
        evict: 'oldest',
        segmentBytes: 2 ** 18,
        clock,
        log: new Said(),
        freeBytes: () => freeBytes(),
      })
      const group = groupOf('press', 100)
      log.configure({ groups: [group], readers: ['emqx'] })
      const cursor = await log.cursor('emqx', { from: 'now' })
      let count = 0
      const second = async (): Promise<void> => {
        const numbers = () => Float64Array.from({ length: 100 }, (_, tag) => Math.sqrt(++count + tag))
        for (let n = 0; n < 8; n++) log.writer.append({ ...batchOf(group), numbers: numbers() }).catch(() => undefined)
        await clock.advance(1000)
        await log.flush()
      }
      for (let n = 0; n < 120; n++) await second()
      const { perSecond, fullInMs: fullIn } = log.report()
      expect(perSecond.entries).toBeCloseTo(8, 0)
      const began = clock.monotonic()
      while (cursor.receipt(log.reader.head).evicted === 0) await second()
      const took = clock.monotonic() - began
      // About: a segment, the room that is kept free, what the last minute was not like.
      expect(took).toBeGreaterThan(0.8 * fullIn!)
      expect(took).toBeLessThan(1.2 * fullIn!)
      await log.close()
    })
  }
})
