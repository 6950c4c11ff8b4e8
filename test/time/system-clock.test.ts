import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SystemClock } from '../../src/time/system-clock.ts'
import { clockSuite } from '../contracts/clock-suite.ts'

clockSuite('the system clock', () => {
  // Real time is what is tested here: waited for by Node's own timer and the kernel's clock.
  const pass = (ms: number): Promise<void> => {
    const end = process.hrtime.bigint() + BigInt(Math.ceil(ms * 1e6))
    return new Promise((resolve) => {
      const look = (): void => {
        if (process.hrtime.bigint() >= end) resolve()
        else setTimeout(look, 1)
      }
      look()
    })
  }
  return { clock: new SystemClock(), pass }
})

describe('the system clock', () => {
  it('counts monotonic time from the boot of the box, so that it compares across processes', () => {
    const upMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
    const { boot, monotonic } = new SystemClock().now()
    // A box that was suspended has been up for longer than its monotonic clock counted.
    expect(monotonic).toBeLessThan(upMs + 1000)
    expect(boot).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
    expect(new SystemClock().boot).toBe(boot)
  })

  it('gives a turn to others when there is nothing to wait for, and takes no longer', async () => {
    const order: string[] = []
    const clock = new SystemClock()
    const stop = clock.after(0, () => order.push('stopped'))
    const waited = clock.sleep(30, new AbortController().signal)
    clock.after(0, () => order.push('the next turn'))
    stop()
    order.push('now')
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).toEqual(['now', 'the next turn'])
    await waited
    expect(order).toHaveLength(2)
  })

  it('goes on from the latest moment that is known while the system’s clock was never set', (context) => {
    const { now } = Date
    context.onTestFinished(() => {
      Date.now = now
    })
    let system = 86_400_000
    Date.now = () => system
    const clock = new SystemClock()
    expect(clock.quality()).toBe('unsynced')
    const before = clock.now()
    expect(before).toMatchObject({ clock: 'unsynced' })
    expect(before.wall).toBeGreaterThanOrEqual(Date.UTC(2026, 0, 1))
    clock.recall({ wall: Date.UTC(2031, 0, 1), monotonic: 0, boot: 'another', clock: 'synced' })
    expect(clock.wall()).toBeGreaterThanOrEqual(Date.UTC(2031, 0, 1))
    expect(Number.isInteger(clock.wall())).toBe(true)
    system = Date.UTC(2032, 0, 1)
    expect(clock.now()).toMatchObject({ wall: Date.UTC(2032, 0, 1), clock: 'synced' })
  })

  it('asks whoever keeps the system’s clock, and leaves no timer when it is told to stop', async () => {
    const clock = new SystemClock()
    const stop = await clock.follow()
    expect(['synced', 'holdover', 'unsynced']).toContain(clock.quality())
    stop()
  })
})
