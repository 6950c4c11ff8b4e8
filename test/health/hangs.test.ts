/** Each part of the gateway is stopped for good, and the watchdog is not fed any more; or it is only in trouble, and is. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Reason } from '../../src/contracts/batch.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import { Ledger } from '../../src/health/ledger.ts'
import { openLog } from '../../src/log/log.ts'
import { Environment } from '../../src/log/segments/environment.ts'
import { Segment } from '../../src/log/segments/segment.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { counted, groupOf } from '../log/batches.ts'
import { HaltingClock } from './halting-clock.ts'
import { Said } from './said.ts'
import { stuckGateway } from './stuck.ts'

const MINUTE = 60_000
type Bench = Awaited<ReturnType<typeof stuckGateway>>

const benches: Bench[] = []
async function bench(options: Parameters<typeof stuckGateway>[0] = {}): Promise<Bench> {
  const made = await stuckGateway(options)
  benches.push(made)
  return made
}
afterEach(() => {
  vi.restoreAllMocks()
  for (const one of benches.splice(0)) one.forget()
})

const unfed = (log: Bench['log']): string =>
  log
    .of('error')
    .filter((text) => /is not fed/.test(text))
    .join('\n')

describe('a gateway in which everything goes on', () => {
  it('is fed for a day, and nobody is called late', async () => {
    const { begin, clock, ledger, isFed, log } = await bench()
    await begin()
    // The disk is real and this is not: it is given its turns elsewhere.
    vi.spyOn(Environment.prototype, 'commit').mockImplementation(async () => {})
    for (let minutes = 0; minutes < 24 * 60; minutes += 10) {
      await clock.advance(10 * MINUTE)
      expect(ledger.stalled()).toEqual([])
      expect(isFed()).toBe(true)
    }
    expect(unfed(log)).toBe('')
  }, 60_000)
})

describe('a poll loop', () => {
  it('that hangs in its driver stops the feeding after its bound', async () => {
    const { begin, live, stuck, isFed, ledger, log } = await bench()
    await begin()
    await live(MINUTE)
    stuck.at('read')
    await live(2 * MINUTE)
    expect(isFed()).toBe(true)
    await live(MINUTE)
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^connection plc: no progress since 14:04:3\d UTC/)])
    expect(unfed(log)).toMatch(/connection plc: no progress .*systemd restarts the service within 30 s$/)
  })

  it('that hangs in one of several exchanges at once stops it, too', async () => {
    const { begin, live, stuck, isFed } = await bench({ inFlight: 4 })
    await begin()
    await live(MINUTE)
    stuck.at('read')
    await live(11_000)
    stuck.release('read')
    await live(3 * MINUTE)
    expect(isFed()).toBe(false)
  })

  it('whose devices are silent, time and again, is alive', async () => {
    const { begin, live, isFed, ledger, stuck } = await bench()
    await begin()
    stuck.silent.add('d')
    await live(10 * MINUTE)
    expect(isFed()).toBe(true)
    expect(ledger.stalled()).toEqual([])
  })
})

describe('the log', () => {
  it('that stops committing stops the feeding', async () => {
    const { begin, live, isFed, ledger } = await bench()
    await begin()
    await live(MINUTE)
    vi.spyOn(Environment.prototype, 'commit').mockImplementation(() => new Promise(() => {}))
    const hanging = ['log: writing', 'log: confirmations']
    await live(3 * MINUTE, hanging)
    expect(isFed()).toBe(true)
    await live(MINUTE, hanging)
    expect(isFed()).toBe(false)
    expect(ledger.stalled().map((one) => one.split(': no')[0])).toContain('log: writing')
  })

  it('that refuses because the disk is full is told of, and fed on', async () => {
    const { begin, live, isFed, ledger, gateway } = await bench()
    await begin()
    await live(MINUTE)
    vi.spyOn(Environment.prototype, 'commit').mockImplementation(async () => {
      throw new Retryable('no space left on device (ENOSPC)', { reason: Reason.notYet })
    })
    await live(15 * MINUTE)
    expect(ledger.stalled()).toEqual([])
    expect(isFed()).toBe(true)
    const { log, lights } = gateway.report()
    expect(log!.state).toMatchObject({ condition: 'fault' })
    expect(lights.find(({ role }) => role === 'SYS')).toMatchObject({ colour: 'red' })
  })

  it('whose confirmations are not stored any more stops it', async () => {
    const { begin, live, isFed, ledger } = await bench()
    await begin()
    await live(MINUTE)
    const commit = Environment.prototype.commit
    vi.spyOn(Environment.prototype, 'commit').mockImplementation(function (this: Environment, ...given) {
      return this.path.includes('/readers/') ? new Promise(() => {}) : commit.apply(this, given)
    })
    await live(4 * MINUTE, ['log: confirmations'])
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^log: confirmations: no progress/)])
  })

  it('that cannot get rid of a file stops it', async () => {
    const clock = new ManualClock()
    const ledger = new Ledger({ clock })
    const path = mkdtempSync(join(tmpdir(), 'fieldgate-hangs-'))
    const options = { path, quotaBytes: 2 ** 30, commitEveryMs: 0, evict: 'oldest', segmentBytes: 2 ** 18 } as const
    const log = await openLog({ ...options, clock, log: new Said(), health: ledger })
    const group = groupOf('oven')
    log.configure({ groups: [group], readers: ['s'] })
    const cursor = await log.cursor('s', { from: 'oldest' })
    while (log.report().segments < 3)
      await Promise.all(Array.from({ length: 500 }, () => log.writer.append(counted(group, 1))))
    const remove = vi.spyOn(Segment.prototype, 'remove').mockImplementation(() => new Promise(() => {}))
    await cursor.confirm(cursor.pending(log.reader.head))
    await clock.advance(0)
    expect(remove).toHaveBeenCalled()
    await clock.advance(3 * MINUTE)
    expect(ledger.stalled()).toEqual([])
    await clock.advance(1000)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^log: deleting: no progress/)])
    rmSync(path, { recursive: true, force: true })
  })
})

describe('a sink', () => {
  it('that is merely down is no reason to restart', async () => {
    const { begin, live, isFed, ledger, stuck, log } = await bench()
    stuck.down = true
    await begin()
    await live(20 * MINUTE)
    expect(isFed()).toBe(true)
    expect(ledger.stalled()).toEqual([])
    expect(unfed(log)).toBe('')
  })

  it('that takes a call and never answers, whatever its own timeouts, is one', async () => {
    const { begin, live, isFed, ledger, stuck } = await bench()
    await begin()
    await live(MINUTE)
    stuck.at('deliver')
    await live(2 * MINUTE)
    expect(isFed()).toBe(true)
    await live(MINUTE)
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^sink emqx: no progress/)])
  })

  it('that never says what it has already is one', async () => {
    const { begin, live, isFed, ledger, stuck } = await bench()
    stuck.at('resume')
    await begin()
    await live(4 * MINUTE)
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^sink emqx: no progress/)])
  })

  it('whose delivery came to an end for a reason that nobody expected is one', async () => {
    const { begin, live, isFed, ledger, stuck, gateway } = await bench()
    await begin()
    await live(MINUTE)
    stuck.absurd = true
    stuck.down = true
    await live(4 * MINUTE)
    expect(gateway.report().sinks[0]!.state).toMatchObject({
      condition: 'fault',
      text: 'delivery to emqx ended: the library is in a state it cannot be in',
    })
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^sink emqx: no progress/)])
  })

  it('that is slow, but confirms one thing after the other, is alive', async () => {
    const { begin, live, isFed, stuck, moves } = await bench()
    await begin()
    stuck.at('deliver')
    for (let times = 0; times < 5; times++) {
      await live(2 * MINUTE)
      moves()
    }
    expect(isFed()).toBe(true)
  })
})

describe('the way back', () => {
  const write = ({ gateway }: Bench) =>
    gateway.field.door.submit(
      { id: '1', by: 'console', device: 'd', group: 'g', writes: [{ tag: 't0', value: 1 }] },
      new AbortController().signal,
    )

  it('answers in time also where a driver hangs in a write; it is the connection that hangs', async () => {
    const made = await bench()
    const { begin, live, isFed, ledger, stuck } = made
    await begin()
    await live(MINUTE)
    stuck.at('write')
    const result = write(made)
    await live(MINUTE)
    expect(await result).toMatchObject({ outcome: 'failed' })
    expect(isFed()).toBe(true)
    await live(2 * MINUTE)
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^connection plc: no progress/)])
  })

  it('that owes an answer for a minute stops the feeding', async () => {
    const clock = new HaltingClock()
    const made = await bench({ clock })
    const { begin, live, isFed, ledger, stuck } = made
    await begin()
    await live(MINUTE)
    stuck.at('write')
    clock.forgotten.add(2000)
    void write(made)
    await live(100_000)
    expect(isFed()).toBe(false)
    expect(ledger.stalled()).toEqual([expect.stringMatching(/^door: no progress/)])
  })
})

describe('clockworks', () => {
  it.each([['pipeline', 1000]])('of the %s that stand still stop the feeding', async (name, period) => {
    const clock = new HaltingClock({ wall: Date.UTC(2026, 4, 1, 14, 3, 20) })
    const { begin, live, fed, ledger, feeder } = await bench({ clock })
    await begin()
    await live(MINUTE)
    clock.lost.add(period)
    await live(2 * MINUTE)
    // The feeder's own is one of them.
    const before = fed.length
    feeder.look()
    expect(fed).toHaveLength(before)
    expect(ledger.stalled()).toEqual([expect.stringMatching(new RegExp(`^${name}: no progress`))])
  })
})

describe('a start or a stop', () => {
  it('that hangs gets no more time, and says where it hangs', async () => {
    const { gateway, stuck, live, told, ledger } = await bench()
    stuck.at('start')
    void gateway.start()
    await live(3 * MINUTE)
    const extensions = told.length
    expect(extensions).toBeGreaterThan(30)
    await live(5 * MINUTE)
    expect(told.length).toBeLessThanOrEqual(extensions + 1)
    expect(ledger.stalled()).toEqual([
      expect.stringMatching(/^service \(starting connection plc\): no progress since 14:03:2\d UTC/),
    ])
  })

  it('that waits for a driver which never stops is one of them', async () => {
    const { gateway, begin, stuck, live, ledger, feeder } = await bench()
    await begin()
    await live(MINUTE)
    stuck.at('stop')
    feeder.enter('stopping')
    void gateway.stop()
    await live(5 * MINUTE)
    expect(ledger.stalled()).toContainEqual(
      expect.stringMatching(/^service \(letting go of what writes hold\): no progress/),
    )
  })

  it('that comes to its end leaves nobody behind who could be late', async () => {
    const { gateway, begin, live, ledger, clock, feeder } = await bench()
    await begin()
    await live(MINUTE)
    feeder.enter('stopping')
    const stopped = gateway.stop()
    await live(10_000)
    await stopped
    await clock.advance(60 * MINUTE)
    expect(ledger.stalled()).toEqual([])
    expect(ledger.standings().map(({ name }) => name)).toEqual(['service'])
  })
})
