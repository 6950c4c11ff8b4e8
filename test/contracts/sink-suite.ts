/** What every sink with a cursor must do, whatever it speaks. A sink's test hands in a fixture and runs this. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock, Stop } from '../../src/contracts/clock.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import type { Entry } from '../../src/contracts/log.ts'
import type { Sink } from '../../src/contracts/sink.ts'
import { SystemClock } from '../../src/time/system-clock.ts'

export interface SinkBench {
  /** Made, not started; on the clock that `make` was given. */
  readonly sink: Sink
  /** An entry that the far side tells from others by its number; with `refused` the far side takes it never. */
  entry(number: number, refused?: boolean): Entry
  /** The numbers that came to the far side, in the order of their coming, repeats included. */
  arrived(): readonly number[]
  /** The far side ends without a goodbye, and comes back with nothing forgotten of what `arrived` tells. */
  down(): Promise<void>
  up(): Promise<void>
  /** It still listens and answers nothing, until it is let go again. */
  hold(): void
  letGo(): void
  /** Ends the far side, after the sink was stopped. */
  dispose(): Promise<void>
}

export interface SinkFixture {
  make(options: { readonly clock: Clock; readonly down: boolean }): Promise<SinkBench>
}

/** The real clock, and how many of its timers are still set. */
class CountingClock extends SystemClock {
  readonly #set = new Set<object>()

  get timers(): number {
    return this.#set.size
  }

  override after(ms: number, run: () => void): Stop {
    const key = {}
    this.#set.add(key)
    const stop = super.after(ms, () => {
      this.#set.delete(key)
      run()
    })
    return () => {
      this.#set.delete(key)
      stop()
    }
  }
}

/** Each number once, as it first came. */
function firstArrivals(numbers: readonly number[]): number[] {
  return [...new Set(numbers)]
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1)
}

/** What keeps a process alive. */
function held(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of process.getActiveResourcesInfo()) {
    if (/TCPSocket|TLS|Timeout|Connect/.test(one)) counts[one] = (counts[one] ?? 0) + 1
  }
  return counts
}

/** The test runner's own timers come and go. */
function added(before: Record<string, number>): string[] {
  return Object.entries(held()).flatMap(([what, count]) => (count > (before[what] ?? 0) ? [what] : []))
}

export function sinkSuite(name: string, fixture: SinkFixture): void {
  describe(`${name}, as every sink`, () => {
    let bench: SinkBench | undefined
    let clock: CountingClock
    const never = new AbortController().signal

    const make = async (down = false): Promise<SinkBench> => {
      clock = new CountingClock()
      bench = await fixture.make({ clock, down })
      await bench.sink.start(never)
      if (!down) await bench.sink.ready?.(never)
      return bench
    }

    const deliver = async (entries: readonly Entry[], signal = never) =>
      (await bench!.sink.deliver(entries, { historical: false }, signal)).rejected

    /** As the drain does: all of it again until it succeeds, as soon as the link is back. */
    const deliverAtLast = async (entries: readonly Entry[]) => {
      for (;;) {
        try {
          return await deliver(entries)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Retryable)
          await bench!.sink.ready?.(never)
          await clock.sleep(5, never)
        }
      }
    }

    afterEach(async () => {
      bench?.letGo()
      await bench?.sink.stop()
      await bench?.dispose()
      bench = undefined
    })

    it('resolves a delivery only when the far side has every entry of it, in order', async () => {
      const { entry, arrived } = await make()
      expect(await deliver(upTo(300).map((number) => entry(number)))).toEqual([])
      expect(arrived()).toEqual(upTo(300))
    })

    it('delivers nothing at all when it is given nothing', async () => {
      const { arrived } = await make()
      expect(await deliver([])).toEqual([])
      expect(arrived()).toEqual([])
    })

    it('starts while the far side is away, says so, and delivers once it is there', async () => {
      const { sink, entry, arrived, up } = await make(true)
      await expect(deliver([entry(1)])).rejects.toBeInstanceOf(Retryable)
      expect(['fault', 'waiting']).toContain(sink.state().condition)
      expect(sink.state().text).not.toBe('')
      await up()
      expect(await deliverAtLast([entry(1)])).toEqual([])
      expect(arrived()).toEqual([1])
      expect(sink.state().condition).toBe('fine')
    })

    it('waits for a far side that is slow, and has not delivered before it answered', async () => {
      const { entry, hold, letGo, arrived } = await make()
      hold()
      let settled = false
      const delivery = deliver([entry(1), entry(2)]).finally(() => {
        settled = true
      })
      await clock.sleep(300, never)
      expect(settled).toBe(false)
      letGo()
      expect(await delivery).toEqual([])
      expect(arrived()).toEqual([1, 2])
    })

    it('names the one entry of a thousand that the far side refuses, and delivers the others', async () => {
      const { entry, arrived } = await make()
      const entries = upTo(1000).map((number) => entry(number, number === 500))
      // Where a protocol has no word for it, the far side says no by closing the connection.
      const rejected = await deliverAtLast(entries)
      expect(rejected.map(({ position }) => position)).toEqual([entries[499]!.position])
      expect(rejected[0]!.why).not.toBe('')
      expect(firstArrivals(arrived())).toEqual(upTo(1000).filter((number) => number !== 500))
    })

    it('counts nothing of a delivery in which the far side goes down, and loses nothing when it is repeated', async () => {
      const { entry, arrived, down, up } = await make()
      const entries = upTo(2000).map((number) => entry(number))
      const delivery = deliver(entries)
      const failed = expect(delivery).rejects.toBeInstanceOf(Retryable)
      while (arrived().length === 0) await clock.sleep(1, never)
      await down()
      await failed
      expect(firstArrivals(arrived()).length).toBeLessThan(2000)
      await up()
      expect(await deliverAtLast(entries)).toEqual([])
      expect(firstArrivals(arrived())).toEqual(upTo(2000))
    })

    it('loses nothing and keeps the order through twenty losses of the far side', async () => {
      const { entry, arrived, down, up } = await make()
      const calls = Array.from({ length: 40 }, (_, call) => upTo(100).map((at) => entry(call * 100 + at)))
      let done = false
      const deliveries = (async () => {
        for (const call of calls) await deliverAtLast(call)
        done = true
      })()
      for (let kill = 0; kill < 20 && !done; kill++) {
        const before = arrived().length
        while (!done && arrived().length < before + 50) await clock.sleep(1, never)
        await down()
        await up()
      }
      await deliveries
      expect(firstArrivals(arrived())).toEqual(upTo(4000))
    }, 120_000)

    it('gives a delivery up when it is told to, and leaves no listener behind', async () => {
      const { entry, hold } = await make()
      hold()
      const ending = new AbortController()
      let listeners = 0
      const signal = new Proxy(ending.signal, {
        get: (target, key) => {
          if (key === 'addEventListener') listeners++
          if (key === 'removeEventListener') listeners--
          const value = Reflect.get(target, key, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      const delivery = deliver([entry(1)], signal)
      const reason = new Retryable('enough', { reason: 11 })
      const failed = expect(delivery).rejects.toBe(reason)
      await clock.sleep(50, never)
      ending.abort(reason)
      await failed
      expect(listeners).toBeLessThanOrEqual(0)
    })

    it('stops in the middle of a delivery: it is rejected, and no timer and no socket is left', async () => {
      const before = held()
      const { sink, entry, hold } = await make()
      hold()
      const failed = expect(deliver([entry(1)])).rejects.toBeInstanceOf(Retryable)
      await clock.sleep(50, never)
      await sink.stop()
      await failed
      await sink.stop()
      expect(clock.timers).toBe(0)
      await clock.sleep(20, never)
      expect(added(before)).toEqual([])
    })

    it('stops while the far side is away, with nothing left that would try again', async () => {
      const before = held()
      const { sink, entry } = await make(true)
      await expect(deliver([entry(1)])).rejects.toBeInstanceOf(Retryable)
      await sink.stop()
      expect(clock.timers).toBe(0)
      await clock.sleep(20, never)
      expect(added(before)).toEqual([])
    })
  })
}
