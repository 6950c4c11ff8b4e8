import { describe, expect, it } from 'vitest'
import type { State } from '../../src/contracts/component.ts'
import { Ledger } from '../../src/health/ledger.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

const wall = Date.UTC(2026, 4, 1, 14, 3, 20)

describe('the ledger', () => {
  it('keeps what components say of themselves, and since when', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    const line = ledger.enrol({ name: 'emqx', allowanceMs: 60_000 })
    expect(ledger.standings()).toMatchObject([{ name: 'emqx', state: { condition: 'waiting' }, stalled: false }])
    await clock.advance(1000)
    line.report({ condition: 'fine', text: 'connected' })
    await clock.advance(5000)
    line.report({ condition: 'fine', text: 'still connected' })
    const [standing] = ledger.standings()
    expect(standing).toMatchObject({ state: { condition: 'fine', text: 'still connected' }, ageMs: 6000 })
    expect(standing!.since).toMatchObject({ monotonic: 1000, wall: wall + 1000 })
  })

  it('shows who makes no progress within its allowance as a fault, and lets it return', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    const line = ledger.enrol({ name: 'bus1', allowanceMs: 30_000 })
    line.report({ condition: 'fine', text: 'answers' })
    line.progress()
    await clock.advance(30_000)
    expect(ledger.stalled()).toEqual([])
    await clock.advance(2000)
    expect(ledger.stalled()).toEqual(['bus1: no progress since 14:03:20 UTC (32 s, 30 s are in order)'])
    expect(ledger.standings()[0]).toMatchObject({
      state: { condition: 'fault' },
      stalled: true,
      since: { monotonic: 32_000 },
    })
    line.progress()
    expect(ledger.stalled()).toEqual([])
    expect(ledger.standings()[0]).toMatchObject({ state: { condition: 'fine', text: 'answers' } })
  })

  it('does not call a component late that has nothing to do', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    const line = ledger.enrol({ name: 'emqx', allowanceMs: 1000 })
    line.idle()
    await clock.advance(60_000)
    expect(ledger.stalled()).toEqual([])
    line.begin()
    await clock.advance(900)
    line.begin()
    expect(ledger.stalled()).toEqual([])
    await clock.advance(200)
    expect(ledger.stalled()).toHaveLength(1)
  })

  it('asks those who keep count themselves', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    let state: State = { condition: 'fine', text: 'polling' }
    let progress = { at: 0, due: true }
    await clock.advance(50_000)
    ledger.enrol({ name: 'poller', allowanceMs: 5000, state: () => state, progress: () => progress })
    expect(ledger.stalled()).toEqual([])
    await clock.advance(4000)
    progress = { at: clock.monotonic(), due: true }
    await clock.advance(4000)
    expect(ledger.stalled()).toEqual([])
    state = { condition: 'degraded', text: 'slow' }
    expect(ledger.standings()[0]!.state).toEqual(state)
    await clock.advance(2000)
    expect(ledger.stalled()).toHaveLength(1)
    progress = { at: progress.at, due: false }
    expect(ledger.stalled()).toEqual([])
  })

  it('forgets who leaves, but not who has taken the name since', () => {
    const ledger = new Ledger({ clock: new ManualClock() })
    const first = ledger.enrol({ name: 'bus1', allowanceMs: 1000 })
    const second = ledger.enrol({ name: 'bus1', allowanceMs: 1000 })
    first.leave()
    expect(ledger.standings()).toHaveLength(1)
    second.leave()
    expect(ledger.standings()).toEqual([])
  })

  it('does not hold against anybody the time in which the whole process stood still', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    const line = ledger.enrol({ name: 'bus1', allowanceMs: 30_000 })
    await clock.advance(40_000)
    ledger.excuse(35_000)
    expect(ledger.stalled()).toEqual([])
    await clock.advance(25_000)
    expect(ledger.stalled()).toEqual([])
    await clock.advance(1000)
    expect(ledger.stalled()).toEqual(['bus1: no progress since 14:03:55 UTC (31 s, 30 s are in order)'])
    line.progress()
    await clock.advance(30_001)
    expect(ledger.stalled()).toHaveLength(1)
  })

  it('names who is at work, and who was a moment ago', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    const lines = ['log', 'emqx', 'door'].map((name) => ledger.enrol({ name, allowanceMs: 1000 }))
    await clock.advance(1000)
    lines[1]!.idle()
    await clock.advance(500)
    lines[2]!.idle()
    expect(ledger.active(1200)).toEqual(['log', 'door'])
  })

  it('is not misled by a step of the wall clock', async () => {
    const clock = new ManualClock({ wall })
    const ledger = new Ledger({ clock })
    ledger.enrol({ name: 'bus1', allowanceMs: 30_000 })
    clock.step(86_400_000)
    expect(ledger.stalled()).toEqual([])
  })
})
