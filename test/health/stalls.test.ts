import { describe, expect, it } from 'vitest'
import { Ledger } from '../../src/health/ledger.ts'
import { Stalls } from '../../src/health/stalls.ts'
import { HaltingClock } from './halting-clock.ts'
import { Said } from './said.ts'

function watched() {
  const clock = new HaltingClock({ wall: Date.UTC(2026, 4, 1, 14, 3, 20) })
  const log = new Said()
  const ledger = new Ledger({ clock })
  const processor = { ms: 0 }
  const stalls = new Stalls({ clock, ledger, log, used: () => processor.ms })
  stalls.running()
  return { clock, log, ledger, processor, stalls }
}

describe('a loop that is kept from its timers', () => {
  it('is counted, with the longest time and all of it together', async () => {
    const { clock, stalls, log } = watched()
    await clock.advance(10_000)
    expect(stalls.counters).toEqual({ loopStalls: 0, loopStalledMs: 0 })
    for (const ms of [99, 150, 320]) {
      clock.halt(ms)
      await clock.advance(500)
    }
    expect(stalls.counters).toEqual({ loopStalls: 2, loopStalledMs: 470 })
    expect(stalls.longestMs).toBe(320)
    expect(log.lines).toEqual([])
  })

  it('is told of from half a second on, with what was under way, as work of its own or as time it was not given', async () => {
    const { clock, ledger, log, processor } = watched()
    ledger.enrol({ name: 'log: writing', allowanceMs: 1000 })
    const idle = ledger.enrol({ name: 'door', allowanceMs: 1000 })
    idle.idle()
    await clock.advance(1000)
    processor.ms += 780
    clock.halt(800)
    await clock.advance(100)
    expect(log.of('warn')).toEqual([
      'everything was late by 800 ms: it computed (780 ms of processor time); under way: log: writing',
    ])
    await clock.advance(20_000)
    processor.ms += 4
    clock.halt(5000)
    await clock.advance(100)
    expect(log.of('warn')[1]).toBe(
      'everything was late by 5000 ms: it was not given the processor (4 ms of it): other programs, swapping, or it was stopped',
    )
    expect(log.lines[1]!.facts).toMatchObject({ event: 'loop.stalled', lateMs: 5000, usedMs: 4 })
  })

  it('is told of while everything is being started only when it lasts', async () => {
    const clock = new HaltingClock()
    const log = new Said()
    const ledger = new Ledger({ clock })
    const stalls = new Stalls({ clock, ledger, log, used: () => 0 })
    clock.halt(1400)
    await clock.advance(100)
    expect(log.lines).toEqual([])
    expect(stalls.counters.loopStalls).toBe(1)
    clock.halt(6000)
    await clock.advance(100)
    expect(log.of('warn')).toHaveLength(1)
  })

  it('does not fill the journal', async () => {
    const { clock, log, stalls } = watched()
    for (let times = 0; times < 5; times++) {
      clock.halt(600)
      await clock.advance(1000)
    }
    expect(log.of('warn')).toHaveLength(1)
    await clock.advance(5000)
    clock.halt(600)
    await clock.advance(100)
    expect(log.of('warn')[1]).toMatch(/; 4 more since the last such line$/)
    expect(stalls.counters.loopStalls).toBe(6)
  })

  it('makes nobody late', async () => {
    const { clock, ledger, stalls } = watched()
    ledger.enrol({ name: 'bus1', allowanceMs: 30_000 })
    await clock.advance(25_000)
    clock.halt(3_600_000)
    stalls.look()
    expect(ledger.stalled()).toEqual([])
    await clock.advance(5500)
    expect(ledger.stalled()).toHaveLength(1)
  })
})
