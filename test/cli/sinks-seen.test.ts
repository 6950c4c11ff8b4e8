import { describe, expect, it } from 'vitest'
import { sinksSeen, uplinkSilent } from '../../src/cli/run/sinks-seen.ts'
import type { SinkConfiguration } from '../../src/config/configuration.ts'
import type { Place } from '../../src/log/ends.ts'

const NOW = { boot: 'b', monotonic: 5_000_000 }
const sink = { name: 's', type: 'mqtt', enabled: true } as SinkConfiguration
const place = (agoMs: number, boot = 'b'): Place => ({
  reader: 's',
  receipt: {
    reader: 's',
    head: { epoch: 1, seq: 9 },
    stored: 9,
    delivered: 4,
    filtered: 0,
    pending: 5,
    quarantined: 0,
    evicted: 0,
  },
  said: {
    at: { boot, monotonic: NOW.monotonic - agoMs },
    type: 'mqtt',
    state: { condition: 'fine', text: 'connected' },
    oldest: 7,
    rate: 3,
    counters: { calls: 2 },
  },
})

describe('sinks, as the half sees them that does not run them', () => {
  it('say what they last told, and what is left for them', () => {
    expect(sinksSeen({ sinks: [sink], places: [place(20_000)], now: NOW })).toEqual([
      {
        name: 's',
        type: 'mqtt',
        state: { condition: 'fine', text: 'connected' },
        receipt: place(0).receipt,
        oldest: 7,
        rate: 3,
        counters: { calls: 2 },
      },
    ])
  })

  it('are in trouble when nothing was told for long, or only before the box was started', () => {
    for (const told of [place(3_600_000), place(-3_600_000, 'before')]) {
      const [seen] = sinksSeen({ sinks: [sink], places: [told], now: NOW })
      expect(seen).toMatchObject({ rate: 0, state: { condition: 'fault' }, receipt: { pending: 5 } })
      expect(seen!.state.text).toContain('fieldgate run --side uplink')
    }
  })

  it('wait for the other half when it was never there; those that are switched off are not shown', () => {
    const off = { ...sink, name: 'off', enabled: false } as SinkConfiguration
    const seen = sinksSeen({ sinks: [sink, off], places: [], now: NOW })
    expect(seen).toMatchObject([{ name: 's', state: { condition: 'waiting' }, receipt: null }])
  })
})

describe('the uplink half, as the field half sees it', () => {
  const silent = (given: Partial<Parameters<typeof uplinkSilent>[0]>): string | undefined =>
    uplinkSilent({ sinks: [sink], places: [], now: NOW, startedAt: 0, ...given })

  it('is away when no sink has told anything for a while', () => {
    expect(silent({})).toContain('has said nothing for 100 s')
    expect(silent({ places: [place(101_000)] })).toContain('nothing is delivered')
    expect(silent({ places: [place(1000, 'the boot before')] })).toBeDefined()
    expect(silent({ places: [place(99_000)] })).toBeUndefined()
  })

  it('is given as long to come, and is not missed where there is nothing to deliver', () => {
    expect(silent({ startedAt: NOW.monotonic - 99_000 })).toBeUndefined()
    expect(silent({ sinks: [] })).toBeUndefined()
    expect(silent({ sinks: [{ ...sink, enabled: false }] })).toBeUndefined()
  })
})
