/** Several sinks at one log: each at its own pace, each in order, none in the other's way. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Reason } from '../../src/contracts/batch.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import type { Entry } from '../../src/contracts/log.ts'
import type { Sink } from '../../src/contracts/sink.ts'
import { Drain } from '../../src/log/delivery/drain.ts'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, countsOf, groupOf, Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-readers-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

class CollectingSink implements Sink {
  readonly name: string
  readonly delivery = 'stored'
  readonly got: number[] = []
  away = false
  #back: (() => void) | undefined

  constructor(name: string) {
    this.name = name
  }
  async deliver(entries: readonly Entry[]) {
    if (this.away) throw new Retryable('away', { reason: Reason.noConnection })
    this.got.push(...countsOf(entries))
    return { rejected: [] }
  }
  ready(): Promise<void> {
    return this.away ? new Promise((resolve) => (this.#back = resolve)) : Promise.resolve()
  }
  comeBack(): void {
    this.away = false
    this.#back?.()
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  state() {
    return { condition: 'fine' as const, text: '' }
  }
  counters() {
    return {}
  }
}

describe('a sink that is away', () => {
  it('delays no other, and has everything in order once it is back, from segments long sealed', async () => {
    const clock = new SystemClock()
    const said = new Said()
    const log = await openLog({
      path: join(root, '1'),
      quotaBytes: 2 ** 30,
      commitEveryMs: 0,
      evict: 'oldest',
      segmentBytes: 200_000,
      clock,
      log: said,
    })
    const group = groupOf('press', 200)
    log.configure({ groups: [group], readers: ['near', 'far'] })
    const [near, far] = [new CollectingSink('near'), new CollectingSink('far')]
    far.away = true
    const drains = await Promise.all(
      [near, far].map(async (sink) => {
        const cursor = await log.cursor(sink.name, { from: 'now' })
        return new Drain({ sink, reader: log.reader, cursor, clock, log: said, replay: 'in-order' })
      }),
    )
    for (const drain of drains) drain.start()
    const counts = Array.from({ length: 2000 }, (_, count) => count)
    for (let from = 0; from < counts.length; from += 50) {
      await Promise.all(
        counts.slice(from, from + 50).map((count) => {
          const numbers = Float64Array.from({ length: 200 }, (_, tag) => (tag === 0 ? count : Math.sqrt(count + tag)))
          return log.writer.append({ ...batchOf(group), numbers })
        }),
      )
    }
    await expect.poll(() => near.got.length).toBe(2000)
    expect(near.got).toEqual(counts)
    expect(far.got).toEqual([])
    expect(log.report().segments).toBeGreaterThan(10)
    expect(drains[1]!.report().receipt).toMatchObject({ pending: 2000, delivered: 0 })

    far.comeBack()
    await expect.poll(() => far.got.length, { timeout: 10_000 }).toBe(2000)
    expect(far.got).toEqual(counts)
    await Promise.all(drains.map((drain) => drain.finish(1000)))
    await log.flush()
    expect(log.report().segments).toBe(1)
    expect(drains[1]!.report().receipt).toMatchObject({ stored: 2000, delivered: 2000, pending: 0, evicted: 0 })
    await log.close()
    expect(said.lines).toEqual([])
  })
})
