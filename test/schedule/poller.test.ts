import { describe, expect, it } from 'vitest'
import { type Batch, Reason } from '../../src/contracts/batch.ts'
import type { GroupPlan } from '../../src/contracts/driver.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { groupPlan, SlowDriver } from './slow-driver.ts'

function bench(options: { groups: readonly GroupPlan[]; exchangeMs: number; inFlight?: number; requests?: number }) {
  const clock = new ManualClock()
  const driver = new SlowDriver({ clock, exchangeMs: options.exchangeMs, inFlight: options.inFlight ?? 1 })
  driver.requestsPerGroup = options.requests ?? 1
  const lane = new Lane({ clock, inFlight: driver.inFlight })
  const batches: Batch[] = []
  const poller = new Poller({ clock, driver, lane, emit: (batch) => batches.push(batch) })
  poller.configure(options.groups)
  poller.start()
  const of = (device: string, group = 'g') =>
    batches.filter((batch) => batch.group.device === device && batch.group.group === group)
  return { clock, driver, lane, poller, batches, of }
}

describe('the poller', () => {
  it('reads a group once a slot, on the same grid after an hour as at the start', async () => {
    const { clock, driver } = bench({
      groups: [groupPlan({ device: 'a', everyMs: 1000, phaseMs: 250 })],
      exchangeMs: 7,
    })
    await clock.advance(3_600_000)
    expect(driver.log).toHaveLength(3600)
    expect(driver.log.every(({ at }) => at % 1000 === 250)).toBe(true)
  })

  it('keeps the phase of every group over a day, on a lane that is never idle for long', async () => {
    const groups = [
      groupPlan({ device: 'a', group: 'second', everyMs: 1000, phaseMs: 125 }),
      groupPlan({ device: 'a', group: 'seven', everyMs: 7000, phaseMs: 300.5 }),
      groupPlan({ device: 'b', group: 'minute', everyMs: 60_000, phaseMs: 1000 / 3 }),
      groupPlan({ device: 'b', group: 'hour', everyMs: 3_600_000, phaseMs: 0 }),
      groupPlan({ device: 'c', group: 'odd', everyMs: 1234.5, phaseMs: 7 }),
    ]
    const { clock, driver, poller } = bench({ groups, exchangeMs: 90 })
    const dayMs = 86_400_000
    await clock.advance(dayMs - 1)
    for (const { ref, everyMs, phaseMs } of groups) {
      const asked = driver.log.filter(({ text }) => text === `${ref.device}/${ref.group}#0`)
      expect(asked.length).toBe(Math.ceil((dayMs - phaseMs) / everyMs))
      // Asked in its slot, late by no more than what the others had on the wire, the last as the first.
      for (const [slot, { at }] of asked.entries()) {
        expect(at - (phaseMs + slot * everyMs)).toBeGreaterThanOrEqual(-1e-3)
        expect(at - (phaseMs + slot * everyMs)).toBeLessThanOrEqual(4 * 90 + 1e-3)
      }
    }
    expect(poller.counters().slotsSkipped).toBe(0)
  }, 20_000)

  it('puts groups of a higher priority first, whatever their deadline', async () => {
    const groups = [
      groupPlan({ device: 'a', everyMs: 1000 }),
      groupPlan({ device: 'b', everyMs: 500 }),
      groupPlan({ device: 'c', everyMs: 10_000, priority: 1 }),
    ]
    const { clock, driver } = bench({ groups, exchangeMs: 10 })
    await clock.advance(25)
    expect(driver.log.map(({ text }) => text.slice(0, 1))).toEqual(['c', 'b', 'a'])
  })

  it('asks a silent device at once when somebody wants to know', async () => {
    const groups = [groupPlan({ device: 'good', everyMs: 1000 }), groupPlan({ device: 'dead', everyMs: 3_600_000 })]
    const { clock, driver, poller } = bench({ groups, exchangeMs: 10 })
    driver.silent.add('dead')
    await clock.advance(5_100)
    const tries = () => driver.log.filter(({ text }) => text.startsWith('dead')).length
    expect(tries()).toBe(1)
    poller.askAgain('dead')
    await clock.advance(20)
    expect(tries()).toBe(2)
  })

  it('tries a silent device that is read once an hour within the minute, and keeps its slot', async () => {
    const groups = [groupPlan({ device: 'good', everyMs: 1000 }), groupPlan({ device: 'rare', everyMs: 3_600_000 })]
    const { clock, driver, of } = bench({ groups, exchangeMs: 10 })
    driver.silent.add('rare')
    await clock.advance(100_000)
    driver.silent.clear()
    await clock.advance(60_000)
    expect(of('rare').at(-1)!.quality).toBeNull()
    const before = of('rare').length
    await clock.advance(3_600_000 - 160_000 + 1000)
    expect(of('rare').length).toBe(before + 1)
    expect(of('rare').at(-1)!.at.monotonic).toBeLessThanOrEqual(3_600_020)
  })

  it('stamps a batch with the moment its last reply came', async () => {
    const { clock, of } = bench({
      groups: [groupPlan({ device: 'a', everyMs: 1000, tags: 3 })],
      exchangeMs: 10,
      requests: 3,
    })
    await clock.advance(100)
    expect(of('a')[0]!.at.monotonic).toBe(30)
    expect([...of('a')[0]!.numbers]).toEqual([10, 20, 30])
  })

  it('skips and counts the slots it cannot make, and never queues them', async () => {
    const { clock, driver, poller } = bench({ groups: [groupPlan({ device: 'a', everyMs: 100 })], exchangeMs: 250 })
    await clock.advance(9_999)
    expect(driver.log).toHaveLength(40)
    const { polls, slotsSkipped } = poller.counters()
    // Every slot of the grid is either polled or skipped.
    expect(polls! + slotsSkipped!).toBeGreaterThanOrEqual(97)
    expect(polls! + slotsSkipped!).toBeLessThanOrEqual(100)
    expect(driver.mostBusy).toBe(1)
  })

  it('puts one request at a time on a shared wire, and never more than allowed on a TCP lane', async () => {
    const groups = Array.from({ length: 20 }, (_, n) => groupPlan({ device: `d${n}`, everyMs: 100 }))
    const shared = bench({ groups, exchangeMs: 9 })
    await shared.clock.advance(5000)
    expect(shared.driver.mostBusy).toBe(1)
    const tcp = bench({ groups, exchangeMs: 9, inFlight: 8 })
    await tcp.clock.advance(5000)
    expect(tcp.driver.mostBusy).toBe(8)
  })

  it('lets an urgent group pass between two requests of a long one', async () => {
    const { clock, of } = bench({
      groups: [
        { ...groupPlan({ device: 'slow', everyMs: 10_000, tags: 100 }) },
        { ...groupPlan({ device: 'fast', everyMs: 100, tags: 100 }) },
      ],
      exchangeMs: 1,
      requests: 50,
    })
    await clock.advance(1000)
    const late = of('fast').map((batch) => (batch.at.monotonic - 50) % 100)
    expect(of('fast')).toHaveLength(10)
    expect(Math.max(...late)).toBeLessThanOrEqual(2)
  })

  it('marks a silent device bad in every slot and keeps its neighbours on time', async () => {
    const groups = [
      groupPlan({ device: 'good', everyMs: 1000 }),
      groupPlan({ device: 'dead', everyMs: 1000, group: 'g' }),
    ]
    const { clock, driver, poller, of } = bench({ groups, exchangeMs: 10 })
    driver.silent.add('dead')
    await clock.advance(600_000)
    expect(of('good').length).toBeGreaterThan(590)
    expect(of('dead').length).toBeGreaterThan(570)
    expect(
      of('dead').every((batch) => batch.quality![0] === Reason.timeout || batch.quality![0] === Reason.deviceSilent),
    ).toBe(true)
    const tries = driver.log.filter(({ text }) => text.startsWith('dead')).length
    expect(tries * 1000).toBeLessThanOrEqual(600_000 * 0.05 + 1000)
    expect(poller.attendance('dead')!.answers).toBe(false)
    expect(poller.attendance('good')!.answers).toBe(true)
  })

  it('counts it as silence when a gateway says that the device behind it does not answer', async () => {
    const groups = [groupPlan({ device: 'good', everyMs: 1000 }), groupPlan({ device: 'behind', everyMs: 1000 })]
    const { clock, driver, poller, of } = bench({ groups, exchangeMs: 200 })
    driver.unreachable.add('behind')
    await clock.advance(600_000)
    expect(poller.attendance('behind')!.answers).toBe(false)
    const tries = driver.log.filter(({ text }) => text.startsWith('behind')).length
    expect(tries * 200).toBeLessThanOrEqual(600_000 * 0.05 + 200)
    expect(of('good').length).toBeGreaterThan(598)
    driver.unreachable.clear()
    await clock.advance(10_000)
    expect(poller.attendance('behind')!.answers).toBe(true)
  })

  it('takes a device back with its first answer', async () => {
    const { clock, driver, poller, of } = bench({
      groups: [groupPlan({ device: 'good', everyMs: 1000 }), groupPlan({ device: 'dead', everyMs: 1000 })],
      exchangeMs: 10,
    })
    driver.silent.add('dead')
    await clock.advance(120_000)
    driver.silent.clear()
    await clock.advance(61_000)
    expect(poller.attendance('dead')!.answers).toBe(true)
    await clock.advance(10_000)
    expect(
      of('dead')
        .slice(-9)
        .every((batch) => batch.quality === null),
    ).toBe(true)
  })

  it('asks a device that is alone on its lane at its own pace, dead or not', async () => {
    const { clock, driver } = bench({ groups: [groupPlan({ device: 'dead', everyMs: 2000 })], exchangeMs: 10 })
    driver.silent.add('dead')
    await clock.advance(59_999)
    expect(driver.log.length).toBe(30)
  })

  it('keeps the slot and the phase of a group that a new configuration leaves alone', async () => {
    const kept = groupPlan({ device: 'kept', everyMs: 1000 })
    const { clock, driver, poller } = bench({
      groups: [kept, groupPlan({ device: 'old', everyMs: 300 })],
      exchangeMs: 5,
    })
    await clock.advance(10_500)
    poller.configure([kept, groupPlan({ device: 'new', everyMs: 700 })])
    await clock.advance(10_000)
    const times = driver.log.filter(({ text }) => text.startsWith('kept')).map(({ at }) => Math.floor(at / 1000))
    expect(times).toEqual(Array.from({ length: 21 }, (_, n) => n))
    expect(driver.log.at(-1)!.text).not.toMatch(/^old/)
    expect(driver.log.filter(({ text }) => text.startsWith('new')).length).toBeGreaterThanOrEqual(14)
  })

  it('leaves no timer and nothing in flight when it is stopped', async () => {
    const { clock, driver, lane, poller } = bench({ groups: [groupPlan({ device: 'a', everyMs: 10 })], exchangeMs: 50 })
    await clock.advance(120)
    poller.stop()
    await lane.stop()
    await clock.advance(1000)
    expect(driver.busy).toBe(0)
    expect(clock.timers).toBe(0)
  })
})

describe('the lane', () => {
  it('puts a write before every waiting poll: it waits one exchange at most', async () => {
    const groups = Array.from({ length: 30 }, (_, n) => groupPlan({ device: `d${n}`, everyMs: 100 }))
    const { clock, driver, lane } = bench({ groups, exchangeMs: 20 })
    await clock.advance(1005)
    const asked = clock.monotonic()
    const done = lane.submit((signal) => driver.write(groups[0]!.device, { info: { name: 'x' } } as never, 1, signal))
    await clock.advance(60)
    await done
    const write = driver.log.find(({ text }) => text.startsWith('write'))!
    expect(write.at - asked).toBeLessThanOrEqual(20)
  })

  it('refuses commands once it is stopped', async () => {
    const { lane } = bench({ groups: [], exchangeMs: 1 })
    await lane.stop()
    await expect(lane.submit(async () => 1)).rejects.toThrow('being stopped')
  })

  it('measures its load as the share of time in which the wire was in use', async () => {
    const { clock, lane } = bench({ groups: [groupPlan({ device: 'a', everyMs: 100 })], exchangeMs: 25 })
    await clock.advance(20_050)
    const usage = lane.usage.report(clock.monotonic())
    expect(usage.load).toBeCloseTo(0.25, 2)
    expect(usage.requestsPerSecond).toBeCloseTo(10, 0)
    expect(usage.responseMs.p50).toBe(25)
  })
})
