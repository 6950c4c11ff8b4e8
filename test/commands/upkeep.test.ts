import { describe, expect, it } from 'vitest'
import { type UpkeepOptions, WriteUpkeep } from '../../src/commands/upkeep.ts'
import { Reason, type Value } from '../../src/contracts/batch.ts'
import type { GroupPlan, Tag, Upkeep } from '../../src/contracts/driver.ts'
import { Rejected, Retryable } from '../../src/contracts/errors.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

const never = new AbortController().signal
const NOTHING: Upkeep = { refreshMs: null, expiresMs: null, onStop: null, with: [] }

function tag(name: string, upkeep: Partial<Upkeep>): Tag {
  return { index: 0, info: { name }, access: 'rw', settings: {}, upkeep: { ...NOTHING, ...upkeep } } as never
}

/** A plant that takes 5 ms for each write, or fails as told. */
function plant(tags: Readonly<Record<string, Partial<Upkeep>>>, options: Partial<UpkeepOptions> = {}) {
  const clock = (options.clock as ManualClock | undefined) ?? new ManualClock()
  const written: string[] = []
  const audited: string[] = []
  const failing: { with: unknown } = { with: null }
  const plan = {
    ref: { device: 'press', group: 'main' },
    device: { name: 'press', connection: 'bus' },
  } as unknown as GroupPlan
  const known = new Map(Object.entries(tags).map(([name, upkeep]) => [name, tag(name, upkeep)]))
  const upkeep = new WriteUpkeep({
    clock,
    invert: (_, value) => (typeof value === 'number' ? value * 10 : value),
    answers: () => undefined,
    find: (_, __, name) => (known.has(name) ? { plan, tag: known.get(name)! } : undefined),
    write: async (_, writes, signal) => {
      await clock.sleep(5, signal)
      if (failing.with !== null) throw failing.with
      written.push(writes.map(({ tag: { info }, value }) => `${clock.monotonic()}: ${info.name}=${value}`).join(' '))
      return undefined
    },
    audit: (text) => audited.push(text),
    ...options,
  })
  const write = async (values: Readonly<Record<string, Value>>): Promise<unknown> => {
    const writes = Object.entries(values).map(([name, value]) => ({ tag: known.get(name)!, value }))
    const done = upkeep.write(plan, writes, never).catch((thrown) => thrown)
    await clock.advance(5)
    return done
  }
  return { clock, written, audited, failing, upkeep, write, known, plan }
}

const silence = (ambiguous = false) => new Retryable('no answer', { reason: Reason.timeout, ambiguous })

describe('a write that is refreshed', () => {
  it('is repeated on its beat until another value is, said once at each end', async () => {
    const { clock, write, written, audited, upkeep } = plant({ speed: { refreshMs: 100 } })
    await write({ speed: 1 })
    await clock.advance(250)
    await write({ speed: 2 })
    await clock.advance(150)
    expect(written).toEqual(['5: speed=1', '110: speed=1', '210: speed=1', '260: speed=2', '365: speed=2'])
    expect(audited).toEqual(['write to press/main/speed is written again every 100 ms'])
    expect(upkeep.counters()).toMatchObject({ refreshes: 3, refreshesFailed: 0 })
    await upkeep.stop(2000)
    expect(audited).toHaveLength(2)
    expect(audited[1]).toBe(
      'write to press/main/speed no longer holds: the gateway stops (written again 1 times, 0 failed)',
    )
    expect(clock.timers).toBe(0)
  })

  it('goes on after failures, which are said when they begin and when they end', async () => {
    const { clock, write, written, audited, failing, upkeep } = plant({ speed: { refreshMs: 100 } })
    await write({ speed: 1 })
    failing.with = silence(true)
    await clock.advance(350)
    failing.with = null
    await clock.advance(100)
    expect(written).toEqual(['5: speed=1', '410: speed=1'])
    expect(audited.slice(1)).toEqual([
      'write to press/main/speed could not be written again: no answer; tried on',
      'write to press/main/speed is written again, after it could not be',
    ])
    expect(upkeep.counters()).toMatchObject({ refreshes: 1, refreshesFailed: 2 })
  })

  it('never overtakes a command: the old value is not sent after the new one', async () => {
    const { clock, lane, sent, write } = busyLine({ refreshMs: 100 })
    const first = write({ speed: 1 })
    await clock.advance(90)
    await first
    // The old value is due again while the new one waits behind something else.
    void lane.submit(() => clock.sleep(60, never))
    const second = write({ speed: 2 })
    await clock.advance(1000)
    await second
    expect(sent.indexOf(2)).toBeGreaterThan(0)
    expect(sent.lastIndexOf(1)).toBeLessThan(sent.indexOf(2))
  })

  it('of a device that does not answer costs nothing, and it is told as soon as it is back', async () => {
    let answers = true
    const { clock, write, written, audited, upkeep } = plant({ speed: { refreshMs: 100 } }, { answers: () => answers })
    await write({ speed: 1 })
    answers = false
    await clock.advance(60_000)
    expect(written).toHaveLength(1)
    expect(upkeep.counters().refreshesFailed).toBe(600)
    expect(audited).toHaveLength(2)
    expect(audited[1]).toContain('could not be written again: press does not answer; tried on')
    answers = true
    await clock.advance(110)
    expect(written).toHaveLength(2)
  })

  it('that fails again and again is tried less and less often', async () => {
    const attempts: number[] = []
    const { clock, write, failing } = plant(
      { speed: { refreshMs: 1000 } },
      {
        write: async () => {
          attempts.push(clock.monotonic())
          if (failing.with !== null) throw failing.with
          return undefined
        },
      },
    )
    await write({ speed: 1 })
    failing.with = silence()
    await clock.advance(300_000)
    expect(attempts.slice(0, 6).map((at) => Math.round(at / 1000))).toEqual([0, 1, 2, 4, 8, 16])
    expect(attempts.length).toBeLessThan(14)
    failing.with = null
    await clock.advance(60_000)
    expect(attempts.at(-1)! - attempts.at(-2)!).toBeLessThanOrEqual(1000)
  })

  it('keeps the old value when the new one was refused', async () => {
    const { clock, write, written, failing } = plant({ speed: { refreshMs: 100 } })
    await write({ speed: 1 })
    failing.with = new Rejected('out of range')
    expect(await write({ speed: 2 })).toBeInstanceOf(Rejected)
    failing.with = null
    await clock.advance(100)
    expect(written.at(-1)).toBe('110: speed=1')
  })

  it('is not repeated when nobody knows what became of it', async () => {
    const { clock, write, written, failing } = plant({ speed: { refreshMs: 100 }, other: { refreshMs: 100 } })
    await write({ speed: 1 })
    failing.with = silence(true)
    await write({ speed: 2 })
    await write({ other: 3 })
    failing.with = null
    await clock.advance(1000)
    expect(written).toEqual(['5: speed=1'])
    expect(clock.timers).toBe(0)
  })

  it('waits for a busy line as others do, and is never in line twice', async () => {
    let sent = 0
    let inLine = 0
    const { clock, audited, write, upkeep } = plant(
      { speed: { refreshMs: 100 } },
      {
        write: (_, __, signal) => {
          if (++sent === 1) return Promise.resolve(undefined)
          expect(++inLine).toBe(1)
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              inLine--
              reject(signal.reason)
            })
          })
        },
      },
    )
    await write({ speed: 1 })
    await clock.advance(10_000)
    expect(sent).toBe(2)
    await clock.advance(200)
    expect(upkeep.counters()).toMatchObject({ refreshes: 0, refreshesFailed: 1 })
    expect(audited[1]).toContain('the line was busy for 10 s')
  })
})

/** A line on which each write takes 90 ms, and what it was sent. */
function busyLine(upkeep: Partial<Upkeep>) {
  const clock = new ManualClock()
  const lane = new Lane({ clock, inFlight: 1 })
  const sent: Value[] = []
  const { write } = plant(
    { speed: upkeep },
    {
      clock,
      write: async (_, [one], signal) =>
        lane.submit(async () => {
          if (signal.aborted) throw signal.reason
          sent.push(one!.value)
          await clock.sleep(90, never)
          return undefined
        }),
    },
  )
  return { clock, lane, sent, write }
}

describe('a write that expires', () => {
  it('while the next one waits for the line is followed by that, not by what it would leave behind', async () => {
    const { clock, lane, sent, write } = busyLine({ expiresMs: 200, onStop: 0 })
    const first = write({ speed: 1 })
    await clock.advance(90)
    await first
    void lane.submit(() => clock.sleep(300, never))
    const second = write({ speed: 2 })
    await clock.advance(450)
    await second
    expect(sent).toEqual([1, 2])
    await clock.advance(1000)
    expect(sent).toEqual([1, 2, 0])
  })

  it('is repeated no more, and the value to leave behind is written once', async () => {
    const { clock, write, written, audited, upkeep } = plant({ speed: { refreshMs: 100, expiresMs: 250, onStop: 0 } })
    await write({ speed: 1 })
    await clock.advance(2000)
    expect(written).toEqual(['5: speed=1', '110: speed=1', '210: speed=1', '260: speed=0'])
    expect(audited).toEqual([
      'write to press/main/speed is written again every 100 ms, until 250 ms have passed without another write',
      'write to press/main/speed no longer holds: no other write came in 250 ms (written again 2 times, 0 failed); speed = 0 was written',
    ])
    expect(upkeep.counters()).toMatchObject({ writesExpired: 1, lettingsGo: 1 })
    await upkeep.stop(2000)
    expect(written).toHaveLength(4)
    expect(clock.timers).toBe(0)
  })

  it('holds on with each new write', async () => {
    const { clock, write, written } = plant({ speed: { expiresMs: 250, onStop: 0 } })
    for (let nth = 1; nth <= 5; nth++) {
      await write({ speed: nth })
      await clock.advance(200)
    }
    expect(written).toHaveLength(5)
    await clock.advance(100)
    expect(written.at(-1)).toBe('1080: speed=0')
  })

  it('is let go of as soon as that can be done, tried less and less often', async () => {
    const { clock, write, written, audited, failing } = plant({ speed: { expiresMs: 100, onStop: 0 } })
    await write({ speed: 1 })
    failing.with = silence()
    await clock.advance(8000)
    failing.with = null
    await clock.advance(10_000)
    expect(written).toHaveLength(2)
    expect(audited.map((text) => text.replace(/^.*?: no other write came in 100 ms/, ''))).toEqual([
      'write to press/main/speed is in force, until 100 ms have passed without another write',
      '; the value to leave behind could not be written: no answer; tried on',
      '; speed = 0 was written',
    ])
  })

  it('of a device that does not answer is let go of within a second of its return', async () => {
    let answers: boolean | undefined = true
    const { clock, write, written, audited } = plant(
      { speed: { expiresMs: 100, onStop: 0 } },
      { answers: () => answers },
    )
    await write({ speed: 1 })
    answers = false
    await clock.advance(600_000)
    expect(written).toHaveLength(1)
    expect(audited).toHaveLength(2)
    answers = true
    await clock.advance(1010)
    expect(written).toHaveLength(2)
  })

  it('whose value to leave behind the device refuses is at its end', async () => {
    const { clock, write, audited, failing, upkeep } = plant({ speed: { expiresMs: 100, onStop: 0 } })
    await write({ speed: 1 })
    failing.with = new Rejected('press refuses this value (exception 3)')
    await clock.advance(100_000)
    expect(upkeep.counters()).toMatchObject({ lettingsGo: 0, lettingsGoFailed: 1 })
    expect(audited.at(-1)).toContain('could not be written: press refuses this value (exception 3)')
    expect(clock.timers).toBe(0)
  })

  it('gives way to a new write, also while it is being let go of', async () => {
    const { clock, write, written, failing } = plant({ speed: { expiresMs: 100, onStop: 0 } })
    await write({ speed: 1 })
    failing.with = silence()
    await clock.advance(500)
    failing.with = null
    await write({ speed: 2 })
    await clock.advance(50)
    expect(written.map((one) => one.split(' ')[1])).toEqual(['speed=1', 'speed=2'])
  })

  it('is let go of also when nobody knows whether it was carried out', async () => {
    const { clock, write, written, failing } = plant({ speed: { refreshMs: 20, expiresMs: 100, onStop: 0 } })
    failing.with = silence(true)
    await write({ speed: 1 })
    failing.with = null
    await clock.advance(200)
    expect(written.map((one) => one.split(' ')[1])).toEqual(['speed=0'])
  })
})

describe('when the gateway stops', () => {
  it('what was written is let go of, what was not is left alone', async () => {
    const { clock, write, written, upkeep } = plant({ speed: { onStop: 0 }, ramp: { onStop: 5 }, mode: {} })
    await write({ speed: 1 })
    await write({ mode: 2 })
    const stopped = upkeep.stop(2000)
    await clock.advance(5)
    await stopped
    expect(written.map((one) => one.split(' ')[1])).toEqual(['speed=1', 'mode=2', 'speed=0'])
    expect(clock.timers).toBe(0)
  })

  it('the commands under way are waited for, and let go of, too', async () => {
    const { clock, write, written, upkeep } = plant({ speed: { onStop: 0 } })
    const last = write({ speed: 1 })
    const stopped = upkeep.stop(2000)
    await clock.advance(10)
    await last
    await stopped
    expect(written.map((one) => one.split(' ')[1])).toEqual(['speed=1', 'speed=0'])
    await write({ speed: 2 })
    expect(clock.timers).toBe(0)
  })

  it('a line that does not come free does not hold it up', async () => {
    const { clock, write, audited, upkeep } = plant(
      { speed: { onStop: 0 } },
      {
        write: (_, [one]) => (one!.value === 1 ? Promise.resolve(undefined) : new Promise(() => {})),
      },
    )
    await write({ speed: 1 })
    let over = false
    void upkeep.stop(2000).then(() => (over = true))
    await clock.advance(1999)
    expect(over).toBe(false)
    await clock.advance(1)
    expect(over).toBe(true)
    expect(audited.at(-1)).toContain('there was no time to write the value to leave behind')
  })
})

describe('when the configuration changes', () => {
  it('what is still the same goes on, what has changed or gone is let go of in the old way', async () => {
    const tags = { same: { refreshMs: 100, onStop: 0 }, changed: { onStop: 1 }, gone: { onStop: 2 } }
    const { clock, write, written, upkeep, known } = plant(tags)
    for (const name of Object.keys(tags)) await write({ [name]: 9 })
    known.set('same', { ...known.get('same')! })
    known.set('changed', { ...known.get('changed')!, settings: { address: 5 } })
    known.delete('gone')
    const done = upkeep.configure(2000)
    await clock.advance(5)
    await done
    expect(written.slice(3).map((one) => one.split(' ')[1])).toEqual(['changed=10', 'gone=20'])
    await clock.advance(100)
    expect(written.at(-1)).toContain('same=9')
  })
})

describe('tags that were written together', () => {
  it('stay together: each change is repeated with the others', async () => {
    const together = { refreshMs: 100, expiresMs: 1000, onStop: 0 }
    const { clock, write, written } = plant({ low: { ...together, with: ['high'] }, high: { onStop: 7 } })
    await write({ low: 1, high: 2 })
    await clock.advance(100)
    await write({ high: 3 })
    await clock.advance(1200)
    expect(written.map((one) => one.replace(/\d+: /g, '')).filter((one, at, all) => one !== all[at - 1])).toEqual([
      'low=1 high=2',
      'high=3',
      'low=1 high=3',
      'low=0 high=70',
    ])
  })
})
