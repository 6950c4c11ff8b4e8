import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../src/time/manual-clock.ts'

const BUILT = Date.UTC(2026, 0, 1)
const STORED = Date.UTC(2026, 5, 1)
const TODAY = Date.UTC(2026, 5, 2)
const DAY_MS = 86_400_000
const earlier = (wall: number, boot = 'earlier') => ({ wall, monotonic: 5000, boot, clock: 'synced' as const })

/** Freshly booted in 1970. */
const reset = { wall: 0, earliest: BUILT, known: 'unsynced' } as const

describe('a clock that was not set yet', () => {
  it('never shows 1970: it goes on from the image’s build, the saved time or the last stored time, whichever is latest', async () => {
    const clock = new ManualClock(reset)
    expect(clock.now()).toMatchObject({ wall: BUILT, clock: 'unsynced' })
    const saved = new ManualClock({ ...reset, saved: BUILT + DAY_MS })
    expect(saved.wall()).toBe(BUILT + DAY_MS)
    saved.recall(earlier(STORED))
    expect(saved.now()).toMatchObject({ wall: STORED, clock: 'unsynced' })
    saved.recall(earlier(BUILT))
    expect(saved.wall()).toBe(STORED)
    await saved.advance(1500)
    expect(saved.wall()).toBe(STORED + 1500)
  })

  it('shows one time to every process of a boot: the floor rises from the boot on', () => {
    const clock = new ManualClock({ ...reset, wall: 90_000, monotonic: 90_000.4, saved: STORED })
    expect(clock.wall()).toBe(STORED + 90_000)
    clock.recall(earlier(STORED + 5))
    expect(clock.wall()).toBe(STORED + 90_005)
  })

  it('does not count the time since boot twice when it was saved in this boot', () => {
    // fake-hwclock saves hourly whatever the clock shows.
    const clock = new ManualClock({ ...reset, wall: STORED + DAY_MS, monotonic: DAY_MS, saved: STORED + DAY_MS - 1000 })
    expect(clock.wall()).toBe(STORED + DAY_MS)
  })

  it('takes the system’s time where that is later than all it knows, still uncertain', () => {
    const clock = new ManualClock({ ...reset, wall: TODAY })
    clock.recall(earlier(STORED))
    expect(clock.now()).toMatchObject({ wall: TODAY, clock: 'unsynced' })
  })

  it('takes the system’s time once it is set, and keeps to it when the source is lost', () => {
    const clock = new ManualClock(reset)
    clock.recall(earlier(STORED))
    clock.step(TODAY, 'synced')
    expect(clock.now()).toMatchObject({ wall: TODAY, clock: 'synced' })
    clock.step(-7_200_000, 'unsynced')
    expect(clock.now()).toMatchObject({ wall: TODAY - 7_200_000, clock: 'holdover' })
    clock.step(-TODAY)
    expect(clock.now()).toMatchObject({ wall: STORED, clock: 'unsynced' })
  })

  it('believes no source that says 1970', () => {
    const clock = new ManualClock({ ...reset, known: 'synced' })
    expect(clock.now()).toMatchObject({ wall: BUILT, clock: 'unsynced' })
  })
})

describe('one wrong 2099', () => {
  const WRONG = Date.UTC(2099, 0, 1)

  it('does not outlast the next setting, although the log’s last set time is of 2099', () => {
    const clock = new ManualClock(reset)
    clock.recall(earlier(WRONG))
    expect(clock.now()).toMatchObject({ wall: WRONG, clock: 'unsynced' })
    clock.step(TODAY, 'synced')
    expect(clock.now()).toMatchObject({ wall: TODAY, clock: 'synced' })
  })

  it('is over where the clock was set since, in this very boot', () => {
    const clock = new ManualClock({ wall: TODAY, earliest: BUILT, known: 'unknown', boot: 'this' })
    clock.recall(earlier(WRONG, 'this'))
    expect(clock.now()).toMatchObject({ wall: TODAY, clock: 'synced' })
    const asked = new ManualClock({ wall: TODAY, earliest: BUILT, known: 'unsynced', boot: 'this' })
    asked.recall(earlier(WRONG, 'this'))
    expect(asked.now()).toMatchObject({ wall: TODAY, clock: 'holdover' })
  })

  it('is over when a person puts the clock right, where there is nobody to ask', async () => {
    const clock = new ManualClock({ wall: 0, earliest: BUILT, known: 'unknown' })
    clock.recall(earlier(WRONG))
    await clock.advance(1000)
    expect(clock.now()).toMatchObject({ wall: WRONG + 1000, clock: 'unsynced' })
    clock.step(TODAY)
    expect(clock.now()).toMatchObject({ wall: TODAY + 1000, clock: 'synced' })
    await clock.advance(1000)
    expect(clock.now()).toMatchObject({ wall: TODAY + 2000, clock: 'synced' })
  })
})

describe('where there is nobody to ask', () => {
  it('a clock that shows no time from before the floor counts as set', () => {
    const clock = new ManualClock({ wall: TODAY, earliest: BUILT, known: 'unknown' })
    clock.recall(earlier(STORED))
    expect(clock.now()).toMatchObject({ wall: TODAY, clock: 'synced' })
  })

  it('a saved time that is restored late does not', async () => {
    const clock = new ManualClock({ wall: 0, earliest: BUILT, known: 'unknown', saved: STORED })
    clock.recall(earlier(STORED + 3_600_000))
    expect(clock.quality()).toBe('unsynced')
    await clock.advance(5000)
    clock.step(STORED)
    expect(clock.now()).toMatchObject({ wall: STORED + 3_605_000, clock: 'unsynced' })
  })
})

it('2038 is a year like any other', async () => {
  const before = 2 ** 31 * 1000 - 500
  const clock = new ManualClock({ wall: before, earliest: BUILT })
  await clock.advance(1000)
  expect(clock.now()).toMatchObject({ wall: before + 1000, clock: 'synced' })
})
