/** What only the process as a whole has: its time keeper, its sockets, the other half's files, and the loop itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Notifier } from '../../hal/linux/kernel/notify.ts'
import { Watch, worst } from '../../src/cli/run/watch.ts'
import type { Light, UplinkReport } from '../../src/contracts/report.ts'
import { openFieldEnd } from '../../src/log/log.ts'
import { openUplinkEnd } from '../../src/log/uplink-log.ts'
import type { ManualClock } from '../../src/time/manual-clock.ts'
import { HaltingClock } from './halting-clock.ts'
import { Said } from './said.ts'

const MINUTE = 60_000

class Told implements Notifier {
  readonly watchdogMs = 30_000
  readonly lost = 0
  readonly lines: string[] = []
  fedAt = 0
  readonly #clock: ManualClock
  constructor(clock: ManualClock) {
    this.#clock = clock
  }
  ready = (): void => void this.lines.push('READY')
  reloading = (): void => void this.lines.push('RELOADING')
  stopping = (): void => void this.lines.push('STOPPING')
  status = (text: string): void => void this.lines.push(text)
  extendTimeout = (): void => {}
  watchdog = (): void => {
    this.fedAt = this.#clock.monotonic()
  }
}

const nothing: UplinkReport = {
  gateway: 'gw',
  version: '1',
  revision: '',
  startedAt: 0,
  at: 0,
  notices: [],
  sinks: [],
}

function watched(clock = new HaltingClock({ wall: Date.UTC(2026, 4, 1, 14, 3, 20) })) {
  const log = new Said()
  const told = new Told(clock)
  const watch = new Watch({ clock, log, notifier: told })
  const sockets = { open: true }
  const run = (): void =>
    watch.running({ status: () => worst({ report: () => nothing }), areOpen: () => sockets.open, hardware: undefined })
  const isFed = (): boolean => clock.monotonic() - told.fedAt < 30_000
  return { clock, log, told, watch, sockets, run, isFed }
}

describe('a process', () => {
  const folders: string[] = []
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })

  it('leaves the watchdog of the box to systemd, except one that systemd cannot hold', () => {
    let armed = 0
    const hardware = () => {
      armed++
      return { timeoutMs: 60_000, feed: () => {}, disarm: () => {} }
    }
    const running = { status: () => worst({ report: () => nothing }), areOpen: () => true, hardware }
    watched().watch.running(running)
    expect(armed).toBe(0)
    watched().watch.running({ ...running, systemdCannot: true })
    expect(armed).toBe(1)
  })

  it('is ready when it runs, reloads in one piece however deep, and says that it stops', async () => {
    const { told, watch, run } = watched()
    run()
    await watch.reloading(() => watch.reloading(async () => {}))
    await expect(watch.reloading(() => Promise.reject(new RangeError('no')))).rejects.toThrow('no')
    watch.stopping()
    expect(told.lines.filter((line) => /^[A-Z]+$/.test(line))).toEqual([
      'READY',
      'RELOADING',
      'READY',
      'RELOADING',
      'READY',
      'STOPPING',
    ])
    watch.end()
  })

  it('says the worst in one sentence: of its lights, or where it has none, of its sinks', () => {
    const light = (role: Light['role'], colour: Light['colour'], pattern: Light['pattern']): Light => ({
      id: `${role}.x`,
      role,
      colour,
      pattern,
      text: `${role} is ${colour}`,
    })
    const fine = [light('SYS', 'green', 'gap'), light('HA', 'off', 'off')]
    const of = (...lights: Light[]): string => worst({ report: () => nothing, lights: () => lights })
    expect(of(...fine)).toBe('healthy')
    expect(of(...fine, light('BUS', 'green', 'blink'))).toBe('BUS: BUS is green')
    const both = [light('BUS', 'amber', 'long-on'), light('NET', 'red', 'blink')]
    expect(of(...fine, ...both)).toBe('NET: NET is red')
    const sink = { name: 'emqx', type: 'mqtt', receipt: null, oldest: null, rate: 0, counters: {} }
    const sinks = (...conditions: ('fine' | 'fault')[]): string =>
      worst({
        report: () => ({
          ...nothing,
          sinks: conditions.map((condition) => ({ ...sink, state: { condition, text: condition } })),
        }),
      })
    expect(sinks('fine', 'fault')).toBe('emqx: fault')
    expect(sinks('fine')).toBe('1 sink, none in trouble')
  })

  it('whose socket is shut by something else is not fed', async () => {
    const { clock, watch, sockets, run, isFed } = watched()
    run()
    await clock.advance(10 * MINUTE)
    expect(isFed()).toBe(true)
    sockets.open = false
    await clock.advance(MINUTE + 30_000)
    expect(isFed()).toBe(false)
    expect(watch.ledger.stalled()).toEqual([expect.stringMatching(/^sockets: no progress/)])
    watch.end()
  })

  it('that has no answer from who keeps the time any more is not fed', async () => {
    const clock = Object.assign(new HaltingClock(), { askedAt: 0 })
    const { watch, run, isFed } = watched(clock)
    run()
    for (let asked = 0; asked < 30; asked++) {
      await clock.advance(10_000)
      clock.askedAt = clock.monotonic()
    }
    expect(isFed()).toBe(true)
    await clock.advance(2 * MINUTE + 30_000)
    expect(isFed()).toBe(false)
    expect(watch.ledger.stalled()).toEqual([expect.stringMatching(/^time keeper: no progress/)])
    watch.end()
  })

  it('whose loop is not measured any more is not fed', async () => {
    const { clock, watch, run, isFed } = watched()
    run()
    await clock.advance(MINUTE)
    expect(isFed()).toBe(true)
    clock.forgotten.add(100)
    await clock.advance(MINUTE + 1000)
    expect(isFed()).toBe(false)
    expect(watch.ledger.stalled()).toEqual([expect.stringMatching(/^event loop: no progress/)])
    watch.end()
  })

  it('that was not run for an hour is fed at once afterwards, and says what happened', async () => {
    const { clock, watch, run, isFed, log } = watched()
    run()
    watch.ledger.enrol({ name: 'bus1', allowanceMs: 30_000 })
    await clock.advance(20_000)
    clock.halt(60 * MINUTE)
    await clock.advance(100)
    await clock.advance(900)
    expect(isFed()).toBe(true)
    expect(log.of('error')).toEqual([])
    expect(watch.report().longestStallMs).toBe(60 * MINUTE)
    await clock.advance(30_000)
    expect(log.of('error')[0]).toMatch(/bus1: no progress/)
    watch.end()
  })

  it('that does not follow the log any more, or does not look at the places of the sinks, is not fed', async () => {
    const path = mkdtempSync(join(tmpdir(), 'fieldgate-watch-'))
    folders.push(path)
    const { clock, watch, run, isFed, log } = watched()
    const options = { path, quotaBytes: 2 ** 26, commitEveryMs: 0, clock, log, health: watch.ledger }
    const field = await openFieldEnd({ ...options, evict: 'oldest' })
    const uplink = await openUplinkEnd({ ...options, signal: new AbortController().signal })
    run()
    await clock.advance(5 * MINUTE)
    expect(isFed()).toBe(true)
    expect(watch.ledger.standings().map(({ name }) => name)).toEqual(
      expect.arrayContaining(['log: following', 'log: places of the sinks']),
    )
    clock.lost.add(100)
    await clock.advance(MINUTE + 30_000)
    expect(isFed()).toBe(false)
    expect(watch.ledger.stalled()).toEqual([expect.stringMatching(/^log: following: no progress/)])
    clock.lost.delete(100)
    await clock.advance(1000)
    expect(isFed()).toBe(true)
    // The feeder's own period is the same: that nobody is fed any more needs no ledger.
    clock.lost.add(1000)
    await clock.advance(MINUTE + 1000)
    expect(watch.ledger.stalled()).toEqual([expect.stringMatching(/^log: places of the sinks: no progress/)])
    await uplink.close()
    await field.close()
    watch.end()
  })
})
