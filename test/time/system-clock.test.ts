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

  it('says that a clock which was never set cannot be trusted', (context) => {
    const { now } = Date
    context.onTestFinished(() => {
      Date.now = now
    })
    Date.now = () => 86_400_000
    expect(new SystemClock().quality()).toBe('unsynced')
    expect(new SystemClock().now()).toMatchObject({ wall: 86_400_000, clock: 'unsynced' })
  })
})
