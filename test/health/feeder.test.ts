import { describe, expect, it } from 'vitest'
import type { Watchdog } from '../../hal/contract.ts'
import { ConfigurationFault, Fatal } from '../../src/contracts/errors.ts'
import { Feeder } from '../../src/health/feeder.ts'
import { Ledger } from '../../src/health/ledger.ts'
import { HaltingClock } from './halting-clock.ts'
import { Said } from './said.ts'

function fed(options: { watchdogMs?: number } = {}) {
  const clock = new HaltingClock({ wall: Date.UTC(2026, 4, 1, 14, 3, 20) })
  const log = new Said()
  const ledger = new Ledger({ clock })
  const told: string[] = []
  const at: number[] = []
  const supervisor = {
    watchdogMs: options.watchdogMs,
    watchdog: () => void at.push(clock.monotonic()),
    status: (text: string) => void told.push(`STATUS=${text}`),
    extendTimeout: (ms: number) => void told.push(`EXTEND ${ms} at ${clock.monotonic()}`),
  }
  const worst = { text: 'healthy' }
  const feeder = new Feeder({ clock, log, ledger, supervisor, status: () => worst.text })
  return { clock, log, ledger, feeder, told, at, worst }
}

/** A watchdog in hardware, as the contract has it. */
class Device implements Watchdog {
  readonly timeoutMs = 15_000
  fed = 0
  disarmed = false
  broken: string | undefined
  feed(): void {
    if (this.broken !== undefined) throw new Fatal(this.broken)
    this.fed++
  }
  disarm(): void {
    this.disarmed = true
  }
}

describe('systemd', () => {
  it('is fed at least every third of what it allows, and not with every look', async () => {
    const { clock, feeder, at } = fed({ watchdogMs: 30_000 })
    feeder.enter('running')
    await clock.advance(300_000)
    const gaps = at.slice(1).map((moment, index) => moment - at[index]!)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000)
    expect(at.length).toBeLessThan(40)
    expect(feeder.counters.watchdogFed).toBe(at.length)
  })

  it('is fed often enough where it allows little', async () => {
    const { clock, feeder, at } = fed({ watchdogMs: 600 })
    feeder.enter('running')
    await clock.advance(3000)
    const gaps = at.slice(1).map((moment, index) => moment - at[index]!)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(200)
  })

  it('is not fed while anybody makes no progress, is told who in one line, and fed again afterwards', async () => {
    const { clock, feeder, at, ledger, log, told } = fed({ watchdogMs: 30_000 })
    feeder.enter('running')
    const line = ledger.enrol({ name: 'connection bus1', allowanceMs: 60_000 })
    ledger.enrol({ name: 'door', allowanceMs: 60_000 }).idle()
    await clock.advance(60_000)
    expect(log.lines).toEqual([])
    await clock.advance(1000)
    const before = at.length
    await clock.advance(60_000)
    expect(at).toHaveLength(before)
    expect(log.of('error')).toEqual([
      'the watchdog is not fed: connection bus1: no progress since 14:03:20 UTC (61 s, 60 s are in order); systemd restarts the service within 30 s',
    ])
    expect(log.lines[0]!.facts).toMatchObject({ event: 'watchdog.withheld' })
    expect(feeder.counters.watchdogWithheld).toBeGreaterThan(50)
    expect(feeder.state()).toMatchObject({ condition: 'fault' })
    expect(told.at(-1)).toMatch(/^STATUS=the watchdog is not fed: connection bus1: no progress/)
    line.progress()
    await clock.advance(20_000)
    expect(at.length).toBeGreaterThan(before)
    expect(log.of('warn')).toEqual(['everything makes progress again: the watchdog is fed'])
    expect(told.at(-1)).toBe('STATUS=healthy')
    expect(feeder.state()).toEqual({ condition: 'fine', text: 'fed: systemd' })
  })

  it('is told the worst there is, when it changes', async () => {
    const { clock, feeder, told, worst } = fed({ watchdogMs: 30_000 })
    feeder.enter('running')
    await clock.advance(60_000)
    expect(told).toEqual(['STATUS=healthy'])
    worst.text = 'NET: emqx is away'
    await clock.advance(10_000)
    expect(told).toEqual(['STATUS=healthy', 'STATUS=NET: emqx is away'])
  })

  it('gives more time to who starts or stops, as long as progress is made', async () => {
    const { clock, feeder, ledger, told } = fed()
    ledger.step('opening the log')
    await clock.advance(100_000)
    const extensions = (): number => told.filter((line) => line.startsWith('EXTEND')).length
    const first = extensions()
    expect(first).toBeGreaterThan(15)
    // A step is over within three minutes; what takes longer gets no more of them.
    await clock.advance(200_000)
    const stuck = extensions()
    await clock.advance(200_000)
    expect(extensions()).toBe(stuck)
    ledger.step('starting connection bus1')
    expect(extensions()).toBe(stuck + 1)
    ledger.settled()
    feeder.enter('running')
    await clock.advance(100_000)
    expect(extensions()).toBe(stuck + 1)
    feeder.enter('stopping')
    expect(extensions()).toBe(stuck + 2)
  })

  it('is not fed before it is ready: the first feeding arms it', async () => {
    const { clock, feeder, ledger, at } = fed({ watchdogMs: 30_000 })
    feeder.enter('starting')
    ledger.step('looking through a file')
    await clock.advance(60_000)
    expect(at).toEqual([])
    ledger.settled()
    feeder.enter('running')
    expect(at).toEqual([60_000])
  })

  it('hears of steps that follow each other without a turn of the loop', () => {
    const { feeder, ledger, at, clock, told } = fed({ watchdogMs: 30_000 })
    feeder.enter('stopping')
    const [before, extended] = [at.length, told.length]
    for (let files = 0; files < 4; files++) {
      clock.halt(10_000)
      ledger.step(`looking through file ${files}`)
    }
    expect(at).toHaveLength(before + 4)
    expect(told).toHaveLength(extended + 4)
  })
})

describe('a watchdog in hardware', () => {
  it('is fed with every look, not while somebody hangs, and let go of at the end', async () => {
    const { clock, feeder, ledger, log } = fed()
    const device = new Device()
    feeder.enter('running')
    feeder.arm(() => device)
    expect(log.of('info')).toEqual(['the watchdog of the box is armed: it resets the box when it is not fed for 15 s'])
    await clock.advance(30_000)
    expect(device.fed).toBe(30)
    expect(feeder.by).toEqual(['device'])
    const line = ledger.enrol({ name: 'log: writing', allowanceMs: 1000 })
    await clock.advance(30_000)
    expect(device.fed).toBe(31)
    expect(log.of('error')[0]).toMatch(/log: writing: no progress .*; the box is reset within 15 s$/)
    line.idle()
    await clock.advance(1000)
    expect(device.fed).toBe(32)
    feeder.end()
    expect(device.disarmed).toBe(true)
    await clock.advance(30_000)
    expect(device.fed).toBe(32)
    expect(clock.timers).toBe(0)
  })

  it('that cannot be armed is told of, and everything else goes on', async () => {
    const { clock, feeder, at, log } = fed({ watchdogMs: 3000 })
    feeder.arm(() => {
      throw new ConfigurationFault('/dev/watchdog belongs to root: add the service to the group watchdog')
    })
    feeder.enter('running')
    await clock.advance(10_000)
    expect(log.of('error')).toEqual([
      'the watchdog of the box cannot be armed: /dev/watchdog belongs to root: add the service to the group watchdog; everything else works',
    ])
    expect(feeder.state()).toMatchObject({ condition: 'refused' })
    expect(at.length).toBeGreaterThan(8)
  })

  it('that a board does not have is told of', () => {
    const { feeder, log } = fed()
    feeder.arm(() => undefined)
    expect(log.of('error')[0]).toMatch(/the board has none; run "fieldgate board"/)
  })

  it('that cannot be fed is told of once, and counted', async () => {
    const { clock, feeder, log } = fed()
    const device = new Device()
    feeder.arm(() => device)
    device.broken = 'EIO'
    await clock.advance(5000)
    expect(log.of('error')).toEqual(['the watchdog of the box cannot be fed and will reset it: EIO'])
    expect(feeder.counters.watchdogFailed).toBe(5)
    device.broken = undefined
    await clock.advance(1000)
    expect(log.of('info').at(-1)).toBe('the watchdog of the box is fed again')
  })
})

describe('where nobody is fed', () => {
  it('says all the same who hangs', async () => {
    const { clock, feeder, ledger, log } = fed()
    feeder.enter('running')
    ledger.enrol({ name: 'sink emqx', allowanceMs: 1000 })
    await clock.advance(3000)
    expect(log.of('error')[0]).toMatch(/nobody restarts the service: do it by hand$/)
    expect(feeder.counters).toEqual({ watchdogFed: 0, watchdogWithheld: 0, watchdogFailed: 0 })
  })
})
