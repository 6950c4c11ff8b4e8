import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { type ClockNote, watchSteps } from '../../src/time/steps.ts'

const HOUR_MS = 3_600_000

function watched(options: ConstructorParameters<typeof ManualClock>[0] = {}) {
  const clock = new ManualClock(options)
  const notes: ClockNote[] = []
  const stop = watchSteps({ clock, note: (note) => notes.push(note) })
  return { clock, notes, stop }
}

describe('a clock that is watched', () => {
  it('tells of steps by hours, forwards and back, with how far', async () => {
    const { clock, notes, stop } = watched()
    await clock.advance(10_000)
    expect(notes).toEqual([])
    clock.step(5 * HOUR_MS)
    await clock.advance(1000)
    clock.step(-3 * HOUR_MS)
    await clock.advance(60_000)
    expect(notes.map(({ name, text, facts }) => [name, text, facts.byMs])).toEqual([
      ['clock.stepped', 'the clock was set forwards by 5.0 hours', 5 * HOUR_MS],
      ['clock.stepped', 'the clock was set back by 3.0 hours', -3 * HOUR_MS],
    ])
    expect(notes[1]!.at.wall - notes[0]!.at.wall).toBe(-3 * HOUR_MS + 1000)
    expect(notes[1]!.at.monotonic - notes[0]!.at.monotonic).toBe(1000)
    stop()
    expect(clock.timers).toBe(0)
  })

  it('takes no slewing for a step: a leap second smeared over a day, chrony at its fastest', async () => {
    const { clock, notes } = watched()
    for (let second = 0; second < 2000; second++) {
      clock.step(-0.5)
      await clock.advance(1000)
    }
    for (let second = 0; second < 60; second++) {
      clock.step(83)
      await clock.advance(1000)
    }
    expect(notes).toEqual([])
    // A leap second that is not smeared steps by no more than one.
    clock.step(-1000)
    await clock.advance(1000)
    expect(notes).toEqual([])
  })

  it('counts a turn that came late as time, not as a step', async () => {
    const { clock, notes } = watched()
    await clock.advance(500)
    clock.step(900)
    await clock.advance(30_000)
    expect(notes).toEqual([])
  })

  it('tells of a step between an earlier run of this boot and this one', async () => {
    const clock = new ManualClock({ wall: 1e12, monotonic: 50_000, boot: 'b' })
    const stored = [
      { wall: 9e11 + 40_000, monotonic: 40_000, boot: 'b', clock: 'synced' as const },
      { wall: 5, monotonic: 45_000, boot: 'b', clock: 'device' as const },
      { wall: 7, monotonic: 46_000, boot: 'b', clock: 'corrected' as const },
      { wall: 8, monotonic: 900_000, boot: 'before', clock: 'synced' as const },
      { wall: 9e11, monotonic: 30_000, boot: 'b', clock: 'synced' as const },
    ]
    const notes: ClockNote[] = []
    watchSteps({ clock, stored, note: (note) => notes.push(note) })
    await clock.advance(5000)
    expect(notes.map(({ name, facts }) => [name, facts])).toEqual([['clock.stepped', { byMs: 1e12 - 9e11 - 50_000 }]])
  })

  it('tells of the first setting: how far the floor was off, and that times are certain now', async () => {
    const { clock, notes } = watched({ wall: 0, earliest: Date.UTC(2026, 0, 1), known: 'unsynced' })
    await clock.advance(5000)
    expect(notes).toEqual([])
    clock.step(Date.UTC(2026, 0, 3) - 0, 'synced')
    await clock.advance(1000)
    expect(notes.map(({ name, text, facts }) => [name, text, facts])).toEqual([
      ['clock.stepped', 'the clock was set forwards by 2.0 days', { byMs: 2 * 24 * HOUR_MS }],
      ['clock.quality', 'the clock is set: times are certain from here on', { from: 'unsynced', to: 'synced' }],
    ])
    clock.step(0, 'unsynced')
    await clock.advance(1000)
    expect(notes.at(-1)).toMatchObject({
      text: 'the clock has lost its source and runs on by itself',
      facts: { from: 'synced', to: 'holdover' },
    })
  })
})
