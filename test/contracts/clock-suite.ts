/** What every clock keeps to. `pass` lets at least `ms` of the clock's own time go by: waited for, or advanced. */
import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/contracts/clock.ts'

export interface ClockUnderTest {
  readonly clock: Clock
  pass(ms: number): Promise<void>
}

const never = (): AbortSignal => new AbortController().signal

export function clockSuite(name: string, make: () => ClockUnderTest): void {
  describe(`${name}, as a clock,`, () => {
    it('stamps a moment with what its parts say', () => {
      const { clock } = make()
      const now = clock.now()
      expect(now.boot).toBe(clock.boot)
      expect(now.clock).toBe(clock.quality())
      expect(Math.abs(now.wall - clock.wall())).toBeLessThan(1000)
      expect(clock.monotonic()).toBeGreaterThanOrEqual(now.monotonic)
      expect(clock.monotonic() - now.monotonic).toBeLessThan(1000)
    })

    it('shows whole milliseconds, and the system’s time although an earlier run has stored a later one', () => {
      const { clock } = make()
      const before = clock.now()
      expect(Number.isInteger(before.wall)).toBe(true)
      // As when a wrong time was taken for right: in this boot the clock was set since.
      clock.recall({ ...before, wall: before.wall + 86_400_000, clock: 'synced' })
      expect(clock.wall() - before.wall).toBeLessThan(1000)
      expect(clock.quality()).toBe('synced')
    })

    it('moves wall and monotonic time on together', async () => {
      const { clock, pass } = make()
      const before = clock.now()
      await pass(30)
      const after = clock.now()
      expect(after.monotonic - before.monotonic).toBeGreaterThanOrEqual(30)
      expect(Math.abs(after.wall - before.wall - (after.monotonic - before.monotonic))).toBeLessThan(20)
    })

    it('sleeps no shorter than it was told, fractions included', async () => {
      const { clock, pass } = make()
      for (const ms of [0, 0.4, 1.9, 7.3, 20]) {
        const before = clock.monotonic()
        const woken = clock.sleep(ms, never()).then(() => clock.monotonic())
        await pass(ms + 5)
        expect((await woken) - before).toBeGreaterThanOrEqual(ms)
      }
    })

    it('counts a wait from the call, not from the turn in which the call was made', async () => {
      const { clock, pass } = make()
      const called = clock.monotonic()
      let ran: number | undefined
      // A busy turn: Node's own timers would start counting at its beginning.
      for (const end = process.hrtime.bigint() + 15_000_000n; process.hrtime.bigint() < end; );
      const before = clock.monotonic()
      clock.after(10, () => {
        ran = clock.monotonic()
      })
      await pass(40)
      expect(before).toBeGreaterThanOrEqual(called)
      expect(ran! - before).toBeGreaterThanOrEqual(10)
    })

    it('ends a sleep with the reason of its signal, and leaves no listener behind either way', async () => {
      const { clock, pass } = make()
      const ending = new AbortController()
      const why = new Error('enough')
      const slept = clock.sleep(5, ending.signal)
      await pass(10)
      await slept
      expect(getEventListeners(ending.signal, 'abort')).toEqual([])
      const sleeping = clock.sleep(60_000, ending.signal)
      expect(getEventListeners(ending.signal, 'abort')).toHaveLength(1)
      ending.abort(why)
      await expect(sleeping).rejects.toBe(why)
      expect(getEventListeners(ending.signal, 'abort')).toEqual([])
      await expect(clock.sleep(1, ending.signal)).rejects.toBe(why)
      expect(getEventListeners(ending.signal, 'abort')).toEqual([])
    })

    it('runs what is to come after a while once, and not at all when stopped', async () => {
      const { clock, pass } = make()
      const ran: string[] = []
      clock.after(5, () => ran.push('first'))
      clock.after(-3, () => ran.push('at once'))
      const stop = clock.after(5, () => ran.push('stopped'))
      stop()
      stop()
      expect(ran).toEqual([])
      await pass(30)
      expect(ran).toEqual(['at once', 'first'])
      stop()
    })

    it('runs in the order of due times, and of calls where they are equal', async () => {
      const { clock, pass } = make()
      const ran: number[] = []
      clock.after(20, () => ran.push(3))
      clock.after(8, () => ran.push(1))
      clock.after(20, () => ran.push(4))
      clock.after(14, () => ran.push(2))
      await pass(60)
      expect(ran).toEqual([1, 2, 3, 4])
    })

    it('waits longer than 2^31 milliseconds without running at once', async () => {
      const { clock, pass } = make()
      const ran: string[] = []
      const stops = [
        clock.after(40 * 86_400_000, () => ran.push('40 days')),
        clock.every(40 * 86_400_000, () => ran.push('each 40 days')),
        clock.after(Number.POSITIVE_INFINITY, () => ran.push('never')),
      ]
      await pass(20)
      expect(ran).toEqual([])
      for (const stop of stops) stop()
    })

    it('repeats on a grid: no run is early, and none is later because the one before was', async () => {
      const { clock, pass } = make()
      const start = clock.monotonic()
      const ran: number[] = []
      const stop = clock.every(10, () => ran.push(clock.monotonic() - start))
      await pass(105)
      // On a busy box whole periods may be missed.
      while (ran.length < 5) await pass(10)
      stop()
      const seen = ran.length
      expect(seen).toBeLessThanOrEqual(Math.floor((clock.monotonic() - start) / 10))
      for (const [at, elapsed] of ran.entries()) {
        expect(elapsed).toBeGreaterThanOrEqual((at + 1) * 10)
      }
      // Each run in a period of its own: what was missed is skipped, not caught up.
      expect(new Set(ran.map((elapsed) => Math.floor(elapsed / 10))).size).toBe(seen)
      await pass(30)
      expect(ran).toHaveLength(seen)
    })

    it('stops a repetition from within itself', async () => {
      const { clock, pass } = make()
      let runs = 0
      const stop = clock.every(5, () => {
        runs++
        if (runs === 2) stop()
      })
      await pass(60)
      expect(runs).toBe(2)
    })
  })
}
