import { describe, expect, it } from 'vitest'
import { budgetLines } from '../../src/console/terminal/budget.ts'
import { budgetOf, type Item } from '../../src/schedule/budget.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { groupPlan, SlowDriver } from './slow-driver.ts'

const ONE_WIRE = { inFlight: 1 }

function item(options: Parameters<typeof groupPlan>[0], ...exchangesMs: number[]): Item {
  return { plan: groupPlan(options), cost: { exchangesMs, fallMs: 2000, tryMs: 1000, basis: 'assumed' } }
}

describe('a budget', () => {
  it('is the share of the time that the requests take, and names nobody while it suffices', () => {
    const budget = budgetOf(
      [item({ device: 'a', everyMs: 100 }, 10, 20), item({ device: 'b', everyMs: 1000 }, 100)],
      ONE_WIRE,
    )
    expect(budget.load).toBeCloseTo(0.4)
    expect(budget.groups.map(({ load, kept }) => [load, kept])).toEqual([
      [0.3, 1],
      [0.1, 1],
    ])
    expect(budget).toMatchObject({ cannotKeep: [], slower: null, alone: null })
  })

  it('says who cannot keep its interval and which would fit', () => {
    const items = [item({ device: 'press-3', group: 'fast', everyMs: 100 }, 70, 73)]
    const budget = budgetOf(items, ONE_WIRE)
    expect(budget.load).toBeCloseTo(1.43)
    expect(budget.cannotKeep).toMatchObject([{ device: 'press-3', group: 'fast', everyMs: 100, fitsMs: 150 }])
    expect(budgetLines('bus1', budget)[0]).toBe(
      'bus1: 143 % of the wire: group fast (100ms) of press-3 cannot keep its interval; 150ms would fit. The wire does not have this time: slots will be skipped.',
    )
  })

  it('offers the heaviest group alone where that is enough', () => {
    const items = [
      item({ device: 'a', group: 'fast', everyMs: 100 }, 120),
      item({ device: 'b', group: 'slow', everyMs: 1000 }, 30),
    ]
    const budget = budgetOf(items, ONE_WIRE)
    expect(budget.cannotKeep.map(({ fitsMs }) => fitsMs)).toEqual([150, 1500])
    expect(budget.alone).toEqual({ device: 'a', group: 'fast', everyMs: 150 })
  })

  it('finds the short interval that a long exchange stands in the way of, though there is time enough', () => {
    const items = [
      item({ device: 'a', group: 'quick', everyMs: 50 }, 5),
      item({ device: 'b', group: 'long', everyMs: 1000 }, 260),
    ]
    const budget = budgetOf(items, ONE_WIRE)
    expect(budget.load).toBeLessThan(0.4)
    expect(budget.cannotKeep).toMatchObject([{ device: 'a', group: 'quick' }])
  })

  it('counts what each device would cost dead, and how much of the load goes with it', () => {
    const items = ['a', 'b'].map((device) => item({ device, everyMs: 1000 }, 300))
    expect(budgetOf(items, ONE_WIRE).dead).toEqual([
      { device: 'a', load: expect.closeTo(0.35), fallMs: 2000 },
      { device: 'b', load: expect.closeTo(0.35), fallMs: 2000 },
    ])
  })

  it('knows that a connection with more requests under way has more time', () => {
    const items = Array.from({ length: 8 }, (_, at) => item({ device: `d${at}`, everyMs: 100 }, 40))
    expect(budgetOf(items, ONE_WIRE).cannotKeep).toHaveLength(8)
    const wide = budgetOf(items, { inFlight: 4 })
    expect(wide.load).toBeCloseTo(0.8)
    expect(wide.cannotKeep).toEqual([])
  })

  it('foretells what the clockwork does, and what it proposes is kept', async () => {
    for (const [exchangeMs, requests] of [
      [10, 2],
      [30, 3],
      [45, 1],
    ] as const) {
      const plans = [
        groupPlan({ device: 'a', everyMs: 100, tags: 3 }),
        groupPlan({ device: 'b', everyMs: 250, tags: 3 }),
        groupPlan({ device: 'c', everyMs: 1000, tags: 3 }),
      ]
      const items = (slower: number): Item[] =>
        plans.map((plan) => ({
          plan: { ...plan, everyMs: plan.everyMs * slower },
          cost: { exchangesMs: Array(requests).fill(exchangeMs), fallMs: 0, tryMs: 0, basis: '' },
        }))
      const budget = budgetOf(items(1), ONE_WIRE)
      for (const slower of [1, budget.slower ?? 1]) {
        const clock = new ManualClock()
        const driver = new SlowDriver({ clock, exchangeMs })
        driver.requestsPerGroup = requests
        const made = new Map<string, number>()
        const lane = new Lane({ clock, inFlight: 1 })
        const emit = ({ group }: { group: { device: string } }): unknown =>
          made.set(group.device, (made.get(group.device) ?? 0) + 1)
        const poller = new Poller({ clock, driver, lane, emit })
        poller.configure(plans.map((plan) => ({ ...plan, everyMs: plan.everyMs * slower })))
        poller.start()
        await clock.advance(100_000)
        const foretold = budgetOf(items(slower), ONE_WIRE)
        for (const { device, everyMs, kept } of foretold.groups) {
          expect(Math.abs(made.get(device)! / (100_000 / everyMs) - kept)).toBeLessThan(0.04)
          if (slower !== 1) expect(kept).toBeGreaterThanOrEqual(0.99)
        }
      }
    }
  })
})
