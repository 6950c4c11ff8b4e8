/** What every driver must do, whatever it speaks. A driver's test hands in a fixture and runs this. */
import { afterEach, describe, expect, it } from 'vitest'
import { type Batch, BatchBuilder, Reason, type Value, valueAt } from '../../src/contracts/batch.ts'
import type { Clock, Stop } from '../../src/contracts/clock.ts'
import type { Driver, GroupPlan } from '../../src/contracts/driver.ts'
import { Rejected, Retryable } from '../../src/contracts/errors.ts'
import { SystemClock } from '../../src/time/system-clock.ts'

/** `absent`: nobody listens where the driver connects. `silent`: someone is there and never answers. */
type Peer = 'answers' | 'absent' | 'silent'

interface DriverBench {
  /** Made, not started; on the clock that `make` was given. */
  readonly driver: Driver
  /** Every tag of it has a good value. */
  readonly good: GroupPlan
  /** What the tags of `good` read, in their sequence. */
  readonly values: readonly Value[]
  /** A group on the same connection of which at least one tag, but not every tag, has no good value: the device refuses it. */
  readonly mixed: GroupPlan
  /** Indices of the tags of `mixed` that stay good. */
  readonly mixedGood: readonly number[]
  /** The timeout the driver is configured with. */
  readonly timeoutMs: number
  /** A write that the peer takes, to the tag of `good` with this index, and one that it refuses; absent: it cannot write. */
  readonly write?: {
    readonly index: number
    readonly value: Value
    readonly refused: { readonly index: number; readonly value: Value }
  }
  /** Brings up the absent peer where the driver looks for it. */
  appear(): Promise<void>
  /** Ends the peer and all that the fixture opened, after the driver was stopped. */
  dispose(): Promise<void>
}

export interface DriverFixture {
  make(options: { readonly clock: Clock; readonly peer: Peer }): Promise<DriverBench>
}

/** The real clock, and how many of its timers are still set. */
class CountingClock extends SystemClock {
  timers = 0

  override after(ms: number, run: () => void): Stop {
    let set = true
    this.timers++
    const clear = (): void => {
      if (set) this.timers--
      set = false
    }
    const stop = super.after(ms, () => {
      clear()
      run()
    })
    return () => {
      clear()
      stop()
    }
  }

  override every(ms: number, run: () => void): Stop {
    let set = true
    this.timers++
    const stop = super.every(ms, run)
    return () => {
      if (set) this.timers--
      set = false
      stop()
    }
  }

  override async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.timers++
    try {
      await super.sleep(ms, signal)
    } finally {
      this.timers--
    }
  }
}

const never = (): AbortSignal => new AbortController().signal

export function driverSuite(name: string, fixture: DriverFixture): void {
  describe(`${name}, as every driver`, () => {
    let bench: DriverBench | undefined
    let clock: CountingClock

    const make = async (peer: Peer): Promise<DriverBench> => {
      clock = new CountingClock()
      bench = await fixture.make({ clock, peer })
      return bench
    }
    const started = async (peer: Peer): Promise<DriverBench> => {
      const made = await make(peer)
      await made.driver.start(never())
      if (peer === 'answers') await connected(made)
      return made
    }

    afterEach(async () => {
      await bench?.driver.stop()
      await bench?.dispose()
      bench = undefined
    })

    it('starts without its peer, and says that nobody is there', async () => {
      const { driver } = await started('absent')
      await expect.poll(() => driver.state().condition, { timeout: 5000 }).not.toBe('fine')
      expect(driver.state().text).not.toBe('')
    })

    it('throws Retryable in time when nobody is there', async () => {
      const { driver, good, timeoutMs } = await started('absent')
      const since = clock.monotonic()
      const fault = await failure(readGroup(driver, good, clock))
      expect(fault).toBeInstanceOf(Retryable)
      expect([Reason.noConnection, Reason.timeout]).toContain((fault as Retryable).reason)
      expect(clock.monotonic() - since).toBeLessThan(2 * timeoutMs + 500)
    })

    it('throws Retryable with reason timeout, in time, when nobody answers', async () => {
      const { driver, good } = await started('silent')
      const { timeoutMs } = bench!
      await expect
        .poll(async () => ((await failure(readGroup(driver, good, clock))) as Retryable).reason, {
          timeout: 20 * timeoutMs,
        })
        .toBe(Reason.timeout)
    })

    it('finds its peer when it appears', async () => {
      const made = await started('absent')
      await failure(readGroup(made.driver, made.good, clock))
      await made.appear()
      await connected(made)
      expect(made.driver.state().condition).toBe('fine')
    })

    it('plans every readable tag once, the same each time', async () => {
      const { driver, good, mixed } = await make('answers')
      for (const group of [good, mixed]) {
        const requests = driver.plan(group)
        const covered = requests.flatMap((request) => [...request.tags])
        expect(covered.toSorted((one, other) => one - other)).toEqual(group.ref.tags.map((_, index) => index))
        for (const request of requests) {
          expect(request.group).toBe(group.ref)
          expect(request.device).toBe(group.device.name)
          expect([...request.tags]).toEqual([...request.tags].sort((one, other) => one - other))
          expect(request.text).not.toBe('')
          expect(request.wireMs).toBeGreaterThanOrEqual(0)
        }
        expect(driver.plan(group).map((request) => request.text)).toEqual(requests.map((request) => request.text))
      }
    })

    it('never reads a tag that is only written', async () => {
      const { driver, good } = await make('answers')
      const [first, ...rest] = good.tags
      const group: GroupPlan = { ...good, tags: [...rest, { ...first!, index: -1, access: 'w' }] }
      expect(driver.plan(group).flatMap((request) => [...request.tags])).not.toContain(0)
    })

    it('reads good values', async () => {
      const { driver, good, values } = await started('answers')
      const batch = await readGroup(driver, good, clock)
      expect(batch.quality).toBeNull()
      expect(good.ref.tags.map((_, index) => valueAt(batch, index))).toEqual(values)
    })

    it('gives the tags a device refuses bad quality, the others their values', async () => {
      const { driver, mixed, mixedGood, good, values } = await started('answers')
      const batch = await readGroup(driver, mixed, clock)
      const qualities = [...batch.quality!]
      const reallyGood = qualities.flatMap((quality, index) => (quality === Reason.good ? [index] : []))
      expect(reallyGood).toEqual(mixedGood)
      expect(qualities).not.toContain(Reason.notYet)
      for (const [index, quality] of qualities.entries())
        if (quality !== Reason.good) expect(valueAt(batch, index)).toBeNull()
      // And the connection goes on.
      const after = await readGroup(driver, good, clock)
      expect(good.ref.tags.map((_, index) => valueAt(after, index))).toEqual(values)
    })

    it('refuses to read for a signal that is aborted already', async () => {
      const { driver, good } = await started('answers')
      const request = driver.plan(good)[0]!
      await expect(driver.read(request, new BatchBuilder(good.ref), AbortSignal.abort())).rejects.toBeDefined()
    })

    it('ends a read when its signal is aborted, and can read again', async () => {
      const { driver, good, timeoutMs } = await started('silent')
      const since = clock.monotonic()
      const abort = new AbortController()
      const reading = failure(driver.read(driver.plan(good)[0]!, new BatchBuilder(good.ref), abort.signal))
      abort.abort()
      await reading
      expect(clock.monotonic() - since).toBeLessThan(timeoutMs)
    })

    it('stops twice, before and after it started, and leaves no timer and no socket', async () => {
      const before = sockets()
      for (const peer of ['answers', 'absent', 'silent'] as const) {
        const { driver, good, dispose } = await started(peer)
        const reading = failure(driver.read(driver.plan(good)[0]!, new BatchBuilder(good.ref), never()))
        await driver.stop()
        await reading
        await driver.stop()
        expect(clock.timers, peer).toBe(0)
        await dispose()
        bench = undefined
        await expect.poll(sockets, { timeout: 2000 }).toBeLessThanOrEqual(before)
      }
      const idle = await make('absent')
      await idle.driver.stop()
      expect(clock.timers).toBe(0)
    })

    it('counts upwards, by name', async () => {
      const { driver, good, mixed } = await started('answers')
      const first = driver.counters()
      await readGroup(driver, good, clock)
      await readGroup(driver, mixed, clock)
      const second = driver.counters()
      for (const [fault, count] of Object.entries(first)) expect(second[fault], fault).toBeGreaterThanOrEqual(count)
      expect(Object.values(second).some((count) => count > 0)).toBe(true)
    })

    it('writes once, and what was written reads back', async ({ skip }) => {
      const { driver, good, write } = await started('answers')
      if (write === undefined || driver.write === undefined) return skip()
      await driver.write(good.device, good.tags[write.index]!, write.value, never())
      expect(valueAt(await readGroup(driver, good, clock), write.index)).toEqual(write.value)
    })

    it('throws Rejected for a write that is refused', async ({ skip }) => {
      const { driver, good, write } = await started('answers')
      if (write === undefined || driver.write === undefined) return skip()
      const { index, value } = write.refused
      expect(await failure(driver.write(good.device, good.tags[index]!, value, never()))).toBeInstanceOf(Rejected)
    })

    it('calls a write that nobody confirmed unknown', async ({ skip }) => {
      const { driver, good, write, timeoutMs } = await started('silent')
      if (write === undefined || driver.write === undefined) return skip()
      const attempt = async (): Promise<unknown> =>
        failure(driver.write!(good.device, good.tags[write.index]!, write.value, never()))
      // Until the connection stands there is nothing to be unknown about.
      await expect.poll(async () => ((await attempt()) as Retryable).ambiguous, { timeout: 20 * timeoutMs }).toBe(true)
    })

    /** Resolves once the driver reads: being connected is a state that comes by itself. */
    async function connected({ driver, good }: DriverBench): Promise<void> {
      await expect
        .poll(
          () =>
            readGroup(driver, good, clock).then(
              () => 'read',
              (thrown: unknown) => thrown,
            ),
          { timeout: 15_000 },
        )
        .toBe('read')
    }
  })
}

async function readGroup(driver: Driver, group: GroupPlan, clock: Clock): Promise<Batch> {
  const into = new BatchBuilder(group.ref)
  for (const request of driver.plan(group)) await driver.read(request, into, never())
  return into.finish(clock.now())
}

/** What a promise rejects with; fails the test when it resolves. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => null,
    (thrown: unknown) => ({ thrown }),
  )
  expect(outcome, 'it resolved').not.toBeNull()
  return outcome!.thrown
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^TCP(Socket|Connect)Wrap$/.test(name)).length
}
