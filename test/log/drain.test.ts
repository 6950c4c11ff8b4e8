/** Delivery to one sink: repeated, isolated, held, resumed; in order, and never twice at once. */
import { describe, expect, it } from 'vitest'
import { Reason } from '../../src/contracts/batch.ts'
import { ConfigurationFault, Rejected, Retryable } from '../../src/contracts/errors.ts'
import type { Entry, Position, Range } from '../../src/contracts/log.ts'
import type { Rejection, Sink } from '../../src/contracts/sink.ts'
import { Drain, type DrainOptions } from '../../src/log/delivery/drain.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { MemoryLog } from '../contracts/memory-log.ts'
import { at, counted, countsOf, groupOf, Said } from './batches.ts'

type Answer = (entries: readonly Entry[], signal: AbortSignal) => Promise<readonly Rejection[]> | readonly Rejection[]

class FakeSink implements Sink {
  readonly name = 'emqx'
  delivery: 'stored' | 'live' = 'stored'
  answer: Answer = () => []
  /** Counts of each call, in order. */
  readonly calls: { counts: number[]; historical: boolean }[] = []
  atOnce = 0
  mostAtOnce = 0
  ready?: (signal: AbortSignal) => Promise<void>
  resume?: () => Promise<readonly Range[]>

  async deliver(entries: readonly Entry[], { historical }: { historical: boolean }, signal: AbortSignal) {
    this.calls.push({ counts: countsOf(entries), historical })
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    try {
      return { rejected: await this.answer(entries, signal) }
    } finally {
      this.atOnce--
    }
  }
  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  state() {
    return { condition: 'fine' as const, text: 'connected' }
  }
  counters() {
    return {}
  }
}

const group = groupOf('press')
const link = () => new Retryable('the broker does not answer', { reason: Reason.noConnection })

function setUp(options: Partial<DrainOptions> = {}) {
  const clock = new ManualClock()
  const log = new MemoryLog()
  const sink = new FakeSink()
  const cursor = log.cursor('emqx', { from: 'now' })
  const said = new Said()
  const make = (more: Partial<DrainOptions> = {}) =>
    new Drain({ sink, reader: log.reader, cursor, clock, log: said, replay: 'in-order', ...options, ...more })
  const append = async (...counts: number[]): Promise<Position[]> =>
    Promise.all(counts.map((count) => log.writer.append(counted(group, count))))
  const receipt = () => cursor.receipt(log.head)
  return { clock, log, sink, cursor, said, make, append, receipt }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

describe('delivery', () => {
  it('brings what is stored and what comes, in order, and confirms it', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    await append(1, 2, 3)
    const drain = make()
    drain.start()
    await clock.advance(0)
    await append(4)
    await clock.advance(0)
    expect(sink.calls.flatMap(({ counts }) => counts)).toEqual([1, 2, 3, 4])
    expect(receipt()).toMatchObject({ delivered: 4, pending: 0 })
    await drain.stop()
  })

  it('gives as many as a call may have, one call at a time', async () => {
    const { clock, sink, make, append } = setUp({ maxEntries: 4 })
    sink.answer = async (_, signal) => {
      await clock.sleep(10, signal)
      return []
    }
    await append(...upTo(10))
    const drain = make()
    drain.start()
    await clock.advance(100)
    expect(sink.calls.map(({ counts }) => counts.length)).toEqual([4, 4, 2])
    expect(sink.mostAtOnce).toBe(1)
    await drain.stop()
  })

  it('gives others their turn after each call to a sink that answers at once', async () => {
    const { clock, sink, make, append } = setUp({ maxEntries: 4 })
    await append(...upTo(12))
    const callsAtTurns: number[] = []
    const turn = (): void => {
      callsAtTurns.push(sink.calls.length)
      if (callsAtTurns.length < 3) clock.after(0, turn)
    }
    const drain = make()
    drain.start()
    clock.after(0, turn)
    await clock.advance(0)
    expect(callsAtTurns).toEqual([1, 2, 3])
    await drain.stop()
  })

  it('reads a call in small portions, with a turn for others after each', async () => {
    // The log in memory counts 64 bytes an entry: three in one portion, so nine turns for a call of 25.
    const { clock, log, sink, make, append, receipt } = setUp({ maxBytes: 200, maxEntries: 20 })
    await append(...upTo(25))
    let portions = 0
    const reader = {
      stream: log.reader.stream,
      get head() {
        return log.reader.head
      },
      next: log.reader.next,
      snapshot: log.reader.snapshot,
      read: (...words: Parameters<typeof log.reader.read>) => {
        portions++
        return log.reader.read(...words)
      },
    }
    const portionsAtTurns: number[] = []
    const turn = (): void => {
      portionsAtTurns.push(portions)
      if (portionsAtTurns.length < 7) clock.after(0, turn)
    }
    const drain = make({ reader })
    drain.start()
    clock.after(0, turn)
    await clock.advance(0)
    expect(portionsAtTurns).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(sink.calls.map(({ counts }) => counts)).toEqual([upTo(20), upTo(25).slice(20)])
    expect(receipt()).toMatchObject({ delivered: 25, pending: 0 })
    await drain.stop()
  })

  it('repeats a call that failed as it was, with longer waits up to half a minute', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    let fails = 8
    sink.answer = () => {
      if (fails-- > 0) throw link()
      return []
    }
    await append(1, 2)
    const drain = make()
    drain.start()
    await clock.advance(0)
    await append(3)
    const times: number[] = []
    for (let second = 0; second < 200 && receipt().pending > 0; second++) {
      const before = sink.calls.length
      await clock.advance(1000)
      if (sink.calls.length > before) times.push(clock.monotonic())
    }
    expect(sink.calls.slice(0, 9).map(({ counts }) => counts)).toEqual(Array(9).fill([1, 2]))
    expect(sink.calls.at(-1)!.counts).toEqual([3])
    const waits = times.slice(1).map((time, at) => time - times[at]!)
    expect(Math.max(...waits)).toBeLessThanOrEqual(31_000)
    expect(Math.max(...waits)).toBeGreaterThan(20_000)
    expect(receipt()).toMatchObject({ delivered: 3, pending: 0 })
    expect(drain.counters()).toMatchObject({ retried: 8 })
    await drain.stop()
  })

  it('resumes the moment the link is back', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    let connect: (() => void) | undefined
    let connected = false
    sink.ready = () => (connected ? Promise.resolve() : new Promise((resolve) => (connect = resolve)))
    sink.answer = () => {
      if (!connected) throw link()
      return []
    }
    await append(1)
    const drain = make()
    drain.start()
    await clock.advance(40_000)
    expect(receipt().pending).toBe(1)
    connected = true
    connect!()
    await clock.advance(0)
    expect(receipt().pending).toBe(0)
    await drain.stop()
  })

  it('does not knock without end at a link that is up and refuses all the same', async () => {
    const { clock, sink, make, append } = setUp()
    sink.ready = async () => undefined
    sink.answer = () => {
      throw link()
    }
    await append(1)
    const drain = make()
    drain.start()
    await clock.advance(10_000)
    expect(sink.calls.length).toBeLessThan(7)
    await drain.stop()
  })

  it('selects once, however often a call is repeated', async () => {
    let selected = 0
    const { clock, sink, make, append, receipt } = setUp({
      select: (entry) => {
        selected++
        return countsOf([entry])[0] === 2 ? null : entry
      },
    })
    let fails = 3
    sink.answer = () => {
      if (fails-- > 0) throw link()
      return []
    }
    await append(1, 2, 3)
    const drain = make()
    drain.start()
    await clock.advance(20_000)
    expect(selected).toBe(3)
    expect(sink.calls.at(-1)!.counts).toEqual([1, 3])
    expect(receipt()).toMatchObject({ delivered: 2, filtered: 1, pending: 0 })
    await drain.stop()
  })

  it('does not call for entries that are all filtered', async () => {
    const { clock, sink, make, append, receipt } = setUp({ select: () => null })
    await append(1, 2, 3)
    const drain = make()
    drain.start()
    await clock.advance(0)
    expect(sink.calls).toEqual([])
    expect(receipt()).toMatchObject({ filtered: 3, pending: 0 })
    await drain.stop()
  })

  it('passes over a gap that is told to others', async () => {
    const { clock, log, sink, make } = setUp()
    const gap = (readers: string[]) => ({
      kind: 'gap' as const,
      position: { epoch: 1, seq: log.head.seq + 1 },
      at,
      range: null,
      entries: 1,
      why: 'evicted' as const,
      readers,
    })
    await log.writer.adopt(gap(['other']))
    await log.writer.adopt(gap(['emqx', 'other']))
    let given: readonly Entry[] = []
    sink.answer = (entries) => {
      given = entries
      return []
    }
    const drain = make()
    drain.start()
    await clock.advance(0)
    expect(given.map(({ position }) => position.seq)).toEqual([2])
    await drain.stop()
  })

  it('confirms what the far side says it has, before anything else', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    const positions = await append(1, 2, 3)
    sink.resume = async () => [{ from: positions[0]!, to: positions[1]! }]
    const drain = make()
    drain.start()
    await clock.advance(0)
    expect(sink.calls.flatMap(({ counts }) => counts)).toEqual([3])
    expect(receipt()).toMatchObject({ delivered: 3 })
    await drain.stop()
  })

  it('aborts a call when it is stopped, and makes none afterwards', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    sink.answer = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(link())))
    await append(1)
    const drain = make()
    drain.start()
    await clock.advance(0)
    await drain.stop()
    await drain.stop()
    await append(2)
    await clock.advance(60_000)
    expect(sink.calls).toHaveLength(1)
    expect(receipt().pending).toBe(2)
    expect(clock.timers).toBe(0)
  })

  it('finishes what is stored, within its time', async () => {
    const { clock, sink, make, append, receipt } = setUp({ maxEntries: 1 })
    sink.answer = async (_, signal) => {
      await clock.sleep(100, signal)
      return []
    }
    await append(1, 2, 3)
    const drain = make()
    drain.start()
    const finished = drain.finish(5000)
    await clock.advance(400)
    await finished
    expect(receipt()).toMatchObject({ delivered: 3, pending: 0 })
  })

  it('does not wait for a link that is away when it finishes', async () => {
    const { clock, sink, make, append } = setUp()
    sink.answer = () => {
      throw link()
    }
    await append(1)
    const drain = make()
    drain.start()
    await clock.advance(0)
    await drain.finish(5000)
    expect(clock.monotonic()).toBe(0)
  })

  it('gives a live sink every last value, then what comes, and never an old entry', async () => {
    const { clock, sink, make, append } = setUp({ cursor: null })
    sink.delivery = 'live'
    await append(1, 2)
    const drain = make()
    drain.start()
    await clock.advance(0)
    await append(3)
    await clock.advance(0)
    expect(sink.calls.map(({ counts }) => counts)).toEqual([[2], [3]])
    await drain.stop()
  })
})

describe('a refusal', () => {
  it('with names puts those aside at once and lets the rest go on', async () => {
    const { clock, sink, make, append, receipt, cursor } = setUp()
    sink.answer = (entries) =>
      entries.filter((entry) => countsOf([entry])[0]! % 3 === 0).map(({ position }) => ({ position, why: 'divisible' }))
    await append(1, 2, 3, 4, 5, 6)
    const drain = make()
    drain.start()
    await clock.advance(0)
    expect(receipt()).toMatchObject({ delivered: 4, quarantined: 2, pending: 0 })
    expect(cursor.kept.map(({ item }) => item.why)).toEqual(['divisible', 'divisible'])
    expect(drain.counters()).toMatchObject({ quarantined: 2, rejected: 2 })
    await drain.stop()
  })

  it('without a name is narrowed down to the entry, which is tried five times', async () => {
    const { clock, sink, make, append, receipt, cursor } = setUp()
    sink.answer = (entries) => {
      if (countsOf(entries).includes(5)) throw new Rejected('cannot be encoded')
      return []
    }
    await append(...upTo(8))
    const drain = make()
    drain.start()
    await clock.advance(60_000)
    expect(sink.calls.filter(({ counts }) => counts.length === 1 && counts[0] === 5)).toHaveLength(5)
    expect(receipt()).toMatchObject({ delivered: 7, quarantined: 1, pending: 0 })
    expect(countsOf(cursor.kept.map(({ item }) => item.entry))).toEqual([5])
    const accepted = sink.calls.map(({ counts }) => counts).filter((counts) => !counts.includes(5))
    expect(accepted.flat()).toEqual([0, 1, 2, 3, 4, 6, 7])
    await drain.stop()
  })

  it('that turns out to be a passing one quarantines nothing', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    let refusals = 3
    sink.answer = () => {
      if (refusals-- > 0) throw new Rejected('not now')
      return []
    }
    await append(1)
    const drain = make()
    drain.start()
    await clock.advance(60_000)
    expect(receipt()).toMatchObject({ delivered: 1, quarantined: 0 })
    await drain.stop()
  })

  it('survives a link that goes away while it is narrowed down', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    let call = 0
    sink.answer = (entries) => {
      if (++call % 3 === 0) throw link()
      if (countsOf(entries).includes(2)) throw new Rejected('no')
      return []
    }
    await append(...upTo(6))
    const drain = make()
    drain.start()
    await clock.advance(300_000)
    expect(receipt()).toMatchObject({ delivered: 5, quarantined: 1, pending: 0 })
    await drain.stop()
  })

  it('of every entry in three calls holds the log, and loses nothing once it is corrected', async () => {
    const { clock, sink, make, append, receipt, said } = setUp({ maxEntries: 2 })
    let granted = false
    sink.answer = (entries) => (granted ? [] : entries.map(({ position }) => ({ position, why: 'permission denied' })))
    await append(...upTo(10))
    const drain = make()
    drain.start()
    await clock.advance(30_000)
    expect(sink.calls).toHaveLength(3)
    expect(drain.report().state).toMatchObject({
      condition: 'refused',
      text: expect.stringContaining('permission denied'),
    })
    expect(receipt()).toMatchObject({ quarantined: 4, pending: 6 })
    expect(said.lines.filter((line) => line.includes('refuses every record'))).toHaveLength(1)
    await clock.advance(120_000)
    expect(sink.calls).toHaveLength(5)
    granted = true
    await clock.advance(60_000)
    expect(receipt()).toMatchObject({ delivered: 10, quarantined: 0, pending: 0 })
    expect(drain.report().state.condition).toBe('fine')
    await drain.stop()
  })

  it('by a missing right is said in the state and tried again by itself', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    let allowed = false
    sink.answer = () => {
      if (!allowed) throw new ConfigurationFault('the broker refuses the user "line1"; give it the right to publish')
      return []
    }
    await append(1)
    const drain = make()
    drain.start()
    await clock.advance(5000)
    expect(drain.report().state).toEqual({
      condition: 'refused',
      text: 'the broker refuses the user "line1"; give it the right to publish',
    })
    allowed = true
    await clock.advance(31_000)
    expect(receipt().delivered).toBe(1)
    expect(drain.report().state.condition).toBe('fine')
    await drain.stop()
  })
})

describe('a backlog beside live entries', () => {
  it('comes marked historical, after what is live, in its share of the time', async () => {
    const { clock, sink, make, append, receipt } = setUp({ replay: 0.25, maxEntries: 10 })
    sink.answer = async (_, signal) => {
      await clock.sleep(10, signal)
      return []
    }
    await append(...upTo(100))
    const drain = make()
    drain.start()
    await clock.advance(5)
    for (let live = 1000; live < 1010; live++) {
      await append(live)
      await clock.advance(20)
    }
    const live = sink.calls.filter(({ historical }) => !historical).flatMap(({ counts }) => counts)
    const old = sink.calls.filter(({ historical }) => historical).flatMap(({ counts }) => counts)
    expect(live).toEqual(upTo(10).map((at) => 1000 + at))
    // 205 ms at a quarter, 10 ms a call of ten: five calls and the one that runs. The first ones are smaller.
    expect(old.length).toBeGreaterThanOrEqual(30)
    expect(old.length).toBeLessThanOrEqual(60)
    await clock.advance(2000)
    const all = sink.calls.filter(({ historical }) => historical).flatMap(({ counts }) => counts)
    expect(all).toEqual(upTo(100))
    expect(receipt()).toMatchObject({ delivered: 110, pending: 0 })
    await drain.stop()
  })

  it('forms when the link was away, and is none when one call carries it', async () => {
    const { clock, sink, make, append } = setUp({ replay: 0.5, maxEntries: 10 })
    const drain = make()
    drain.start()
    let away = true
    sink.answer = () => {
      if (away) throw link()
      return []
    }
    await append(...upTo(5))
    await clock.advance(0)
    away = false
    await clock.advance(2000)
    expect(sink.calls.at(-1)).toEqual({ counts: [0, 1, 2, 3, 4], historical: false })
    away = true
    await append(100)
    await clock.advance(0)
    await append(...upTo(50))
    await clock.advance(10_000)
    away = false
    await clock.advance(30_000)
    // What was under way when the link went is the backlog's beginning.
    const old = sink.calls.filter(({ historical }) => historical).flatMap(({ counts }) => counts)
    expect([...new Set(old)]).toEqual([100, ...upTo(50)])
    await drain.stop()
  })
})

describe('a report of delivery', () => {
  it('says the receipt, the age of the oldest entry, and how fast it goes', async () => {
    const { clock, sink, make, append } = setUp()
    const drain = make()
    drain.start()
    for (let second = 0; second < 10; second++) {
      await append(1, 2, 3)
      await clock.advance(1000)
    }
    expect(drain.report()).toMatchObject({ oldest: null, receipt: { delivered: 30 } })
    expect(drain.report().rate).toBeCloseTo(3, 0)
    sink.answer = () => {
      throw link()
    }
    await append(4)
    await clock.advance(100)
    expect(drain.report().oldest).toBe(at.wall)
    await drain.stop()
  })
})

describe('a log that cannot be read for a while', () => {
  it('is tried again, as a link would be', async () => {
    const { clock, log, sink, cursor, make, append, receipt } = setUp()
    let fails = 2
    const reader = Object.create(log.reader, {
      read: {
        value: (...asked: Parameters<typeof log.reader.read>) => {
          if (fails-- > 0) throw new Retryable('too many open files', { reason: Reason.notYet })
          return log.reader.read(...asked)
        },
      },
      next: { value: log.reader.next.bind(log.reader) },
    })
    await append(1, 2)
    const drain = make({ reader, cursor })
    drain.start()
    await clock.advance(10_000)
    expect(sink.calls.map(({ counts }) => counts)).toEqual([[1, 2]])
    expect(receipt()).toMatchObject({ delivered: 2 })
    await drain.stop()
  })
})

describe('quarantine', () => {
  it('is tried once more when somebody asks, without waiting for the next entry', async () => {
    const { clock, sink, make, append, receipt } = setUp()
    let refuses = true
    sink.answer = (entries) =>
      refuses ? entries.slice(0, 1).map(({ position }) => ({ position, why: 'no such table' })) : []
    await append(1, 2)
    const drain = make()
    drain.start()
    await clock.advance(0)
    expect(receipt()).toMatchObject({ delivered: 1, quarantined: 1 })
    refuses = false
    expect(drain.retry(null)).toBe(1)
    await clock.advance(0)
    expect(sink.calls.at(-1)).toEqual({ counts: [1], historical: true })
    expect(receipt()).toMatchObject({ delivered: 2, quarantined: 0 })
    await drain.stop()
  })
})
