import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { clockSuite } from '../contracts/clock-suite.ts'

clockSuite('the manual clock', () => {
  const clock = new ManualClock()
  return { clock, pass: (ms) => clock.advance(ms) }
})

describe('the manual clock', () => {
  it('stands still until it is advanced', async () => {
    const clock = new ManualClock({ wall: 5000, boot: 'b' })
    expect(clock.now()).toEqual({ wall: 5000, monotonic: 0, boot: 'b', clock: 'synced' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(clock.monotonic()).toBe(0)
    await clock.advance(250)
    expect(clock.now()).toEqual({ wall: 5250, monotonic: 250, boot: 'b', clock: 'synced' })
  })

  it('runs each timer at its own moment, and what it woke before the next one', async () => {
    const clock = new ManualClock()
    const { signal } = new AbortController()
    const seen: string[] = []
    const chain = async (): Promise<void> => {
      for (const step of [1, 2, 3]) {
        await clock.sleep(10, signal)
        seen.push(`${step} at ${clock.monotonic()}`)
      }
    }
    void chain()
    clock.after(25, () => seen.push(`timer at ${clock.monotonic()}`))
    await clock.advance(100)
    expect(seen).toEqual(['1 at 10', '2 at 20', 'timer at 25', '3 at 30'])
  })

  it('steps the wall clock alone', async () => {
    const clock = new ManualClock({ wall: 10_000 })
    const ran: number[] = []
    clock.after(10, () => ran.push(clock.monotonic()))
    clock.step(-8000, 'unsynced')
    expect(clock.now()).toMatchObject({ wall: 2000, monotonic: 0, clock: 'unsynced' })
    await clock.advance(10)
    expect(ran).toEqual([10])
  })

  it('repeats fractions of a millisecond without drift', async () => {
    const clock = new ManualClock()
    let runs = 0
    const stop = clock.every(0.1, () => runs++)
    await clock.advance(100.05)
    expect(runs).toBe(1000)
    stop()
  })

  it('knows how many timers are set, so that a stopped component can be seen to leave none', async () => {
    const clock = new ManualClock()
    const ending = new AbortController()
    const stop = clock.every(5, () => {})
    const sleeping = clock.sleep(100, ending.signal)
    expect(clock.timers).toBe(2)
    await clock.advance(12)
    expect(clock.timers).toBe(2)
    stop()
    ending.abort()
    await expect(sleeping).rejects.toThrow()
    expect(clock.timers).toBe(0)
  })
})
