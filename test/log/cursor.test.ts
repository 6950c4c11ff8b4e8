/** Ranges and cursors: nothing is lost from what is pending, and every entry is accounted for. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Position, Range } from '../../src/contracts/log.ts'
import { StoredCursor } from '../../src/log/places/cursor.ts'
import { type CursorState, freshState } from '../../src/log/places/cursor-state.ts'
import { count, extended, joined, upTo, without } from '../../src/log/places/ranges.ts'
import type { Kept } from '../../src/log/records/quarantine.ts'
import { batchOf, groupOf } from './batches.ts'

const position = (seq: number): Position => ({ epoch: 1, seq })
const range = (from: number, to: number): Range => ({ from: position(from), to: position(to) })
const seqsOf = (ranges: readonly Range[]): number[] =>
  ranges.flatMap(({ from, to }) => Array.from({ length: to.seq - from.seq + 1 }, (_, at) => from.seq + at))

describe('ranges', () => {
  const cuts = fc.array(
    fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 20 }))
      .map(([from, more]) => range(from, from + more)),
  )

  it('without others are what a set would be, and count what was taken', () => {
    fc.assert(
      fc.property(cuts, (all) => {
        const set = new Set(Array.from({ length: 60 }, (_, at) => at + 1))
        let ranges: readonly Range[] = [range(1, 60)]
        for (const cut of all) {
          const before = set.size
          for (const seq of seqsOf([cut])) set.delete(seq)
          const rest = without(ranges, cut)
          expect(rest.removed).toBe(before - set.size)
          ranges = rest.ranges
        }
        expect(seqsOf(ranges)).toEqual([...set])
        expect(count(ranges)).toBe(set.size)
      }),
    )
  })

  it('joined to a few still hold all they held', () => {
    fc.assert(
      fc.property(cuts, fc.integer({ min: 1, max: 5 }), (all, most) => {
        let ranges: readonly Range[] = [range(1, 100)]
        for (const cut of all) ranges = without(ranges, cut).ranges
        const fewer = joined(ranges, most)
        expect(fewer.ranges.length).toBeLessThanOrEqual(most)
        expect(count(fewer.ranges)).toBe(count(ranges) + fewer.repeated)
        const held = new Set(seqsOf(fewer.ranges))
        expect(seqsOf(ranges).every((seq) => held.has(seq))).toBe(true)
      }),
    )
  })

  it('are joined where they may be, those with the least between them first', () => {
    const ranges = [range(1, 2), range(4, 5), range(10, 12), range(14, 20), range(22, 30)]
    const fewer = joined(ranges, 4, { oldest: 2, newest: 1 })
    expect(fewer).toEqual({ ranges: [range(1, 2), range(4, 5), range(10, 20), range(22, 30)], repeated: 1 })
  })

  it('grow with the log and can be looked at up to an earlier head', () => {
    const grown = extended([range(1, 3)], position(3), position(9))
    expect(seqsOf(grown)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(extended([range(1, 3)], position(5), position(9))).toHaveLength(2)
    expect(seqsOf(upTo(grown, position(4)))).toEqual([1, 2, 3, 4])
  })
})

describe('a cursor', () => {
  const make = (options: { state?: CursorState; quarantineBytes?: number; head?: number } = {}) => {
    const kept = new Map<number, Kept>()
    const log = { head: position(options.head ?? 0), oldest: position(1), changes: 0 }
    const cursor = new StoredCursor({
      reader: 'emqx',
      state: options.state ?? freshState(position(0)),
      quarantineBytes: options.quarantineBytes ?? 1000,
      head: () => log.head,
      oldest: () => log.oldest,
      changed: async () => {
        log.changes++
      },
      quarantine: {
        put: (item) => {
          kept.set(item.entry.position.seq, item)
          return 100
        },
        get: (seq) => kept.get(seq),
        remove: (seq) => void kept.delete(seq),
        list: () => [...kept.values()].map((item) => ({ kept: item, bytes: 100 })),
      },
    })
    return { cursor, log, kept }
  }
  const balanced = (cursor: StoredCursor, head: Position): void => {
    const { stored, delivered, filtered, pending, quarantined, evicted } = cursor.receipt(head)
    expect(delivered + filtered + pending + quarantined + evicted).toBe(stored)
  }
  const entry = (seq: number) => ({ kind: 'batch' as const, position: position(seq), batch: batchOf(groupOf('press')) })

  it('never keeps more than 64 ranges, and its receipt stays true', () => {
    const { cursor, log } = make()
    log.head = position(1000)
    for (let seq = 2; seq <= 1000; seq += 3) void cursor.confirm([range(seq, seq)])
    const pending = cursor.pending(log.head)
    expect(pending.length).toBe(64)
    balanced(cursor, log.head)
  })

  it('never counts less than nothing as delivered, when what is sent again was filtered', () => {
    const { cursor, log } = make()
    log.head = position(1000)
    for (let seq = 2; seq <= 1000; seq += 3) {
      void cursor.confirm([range(seq, seq)], { filtered: 1 })
      expect(cursor.receipt(log.head).delivered).toBe(0)
      expect(cursor.receipt(log.head).filtered).toBeGreaterThanOrEqual(0)
    }
    balanced(cursor, log.head)
    void cursor.confirm(cursor.pending(log.head), { filtered: cursor.receipt(log.head).pending })
    expect(cursor.receipt(log.head)).toMatchObject({ stored: 1000, filtered: 1000, delivered: 0 })
  })

  it('gives up what is gone from the old end of the log', () => {
    const { cursor, log } = make()
    log.head = position(100)
    void cursor.confirm([range(1, 10)])
    log.oldest = position(41)
    expect(cursor.pending(log.head)).toEqual([range(41, 100)])
    expect(cursor.receipt(log.head)).toMatchObject({ stored: 100, delivered: 10, evicted: 30, pending: 60 })
  })

  it('drops the oldest of its quarantine when that is full, and says so', () => {
    const { cursor, log, kept } = make({ quarantineBytes: 250 })
    log.head = position(4)
    for (let seq = 1; seq <= 4; seq++) {
      void cursor.confirm([range(seq, seq)], { quarantined: [{ entry: entry(seq), why: 'no' }] })
    }
    expect([...kept.keys()]).toEqual([3, 4])
    expect(cursor.state().dropped).toBe(2)
    expect(cursor.receipt(log.head)).toMatchObject({ stored: 4, quarantined: 2, evicted: 2, delivered: 0 })
  })

  it('counts an entry once that was evicted while it was under way, and then refused', () => {
    const { cursor, log, kept } = make()
    log.head = position(10)
    log.oldest = position(4)
    expect(cursor.pending(log.head)).toEqual([range(4, 10)])
    void cursor.confirm([range(1, 6)], { quarantined: [2, 5].map((seq) => ({ entry: entry(seq), why: 'no' })) })
    expect([...kept.keys()]).toEqual([5])
    expect(cursor.receipt(log.head)).toMatchObject({ evicted: 3, quarantined: 1, delivered: 2, pending: 4 })
  })

  it('counts what was gone once, though the log began behind it before that was confirmed', () => {
    const { cursor, log } = make()
    log.head = position(20)
    log.oldest = position(11)
    expect(cursor.pending(log.head)).toEqual([range(11, 20)])
    // Ten were found gone, and then five delivered.
    void cursor.confirm([range(1, 15)], { evicted: 10 })
    expect(cursor.receipt(log.head)).toMatchObject({ evicted: 10, delivered: 5, pending: 5 })
  })

  it('knows which of a full quarantine are to be tried again', () => {
    const { cursor, log } = make({ quarantineBytes: 10_000 })
    log.head = position(20)
    const quarantined = Array.from({ length: 20 }, (_, at) => ({ entry: entry(at + 1), why: 'no' }))
    void cursor.confirm([range(1, 20)], { quarantined })
    expect(cursor.retrying(10)).toEqual([])
    expect(cursor.retry([position(3), position(9)])).toBe(2)
    expect(cursor.retrying(10).map(({ position: { seq } }) => seq)).toEqual([3, 9])
    void cursor.settle(position(3), null)
    void cursor.settle(position(9), 'still no')
    expect(cursor.retrying(10)).toEqual([])
    expect(cursor.receipt(log.head)).toMatchObject({ delivered: 1, quarantined: 19 })
  })

  it('goes on from its stored state', () => {
    const { cursor, log } = make()
    log.head = position(20)
    void cursor.confirm([range(5, 9)], { filtered: 2 })
    const other = make({ state: JSON.parse(JSON.stringify(cursor.state())), head: 25 })
    expect(other.cursor.pending(other.log.head)).toEqual([range(1, 4), range(10, 25)])
    expect(other.cursor.receipt(other.log.head)).toMatchObject({ stored: 25, delivered: 3, filtered: 2, pending: 20 })
  })

  it('of a log that lost its newest entries goes on behind what is left', () => {
    const state: CursorState = {
      ...freshState(position(0)),
      head: position(50),
      ranges: [range(20, 50)],
      delivered: 19,
    }
    const { cursor, log } = make({ state, head: 30 })
    expect(cursor.pending(log.head)).toEqual([range(20, 30)])
    balanced(cursor, log.head)
    log.head = position(35)
    expect(cursor.pending(log.head)).toEqual([range(20, 35)])
    balanced(cursor, log.head)
  })
})
