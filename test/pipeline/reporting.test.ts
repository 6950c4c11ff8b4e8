import { describe, expect, it } from 'vitest'
import { type Batch, Reason, samples, type Value } from '../../src/contracts/batch.ts'
import type { Instant } from '../../src/contracts/clock.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'
import { planOf, rawBatch, type Wanted } from './plans.ts'

type Raw = Parameters<typeof rawBatch>[1][number]

function pipelineOf(tags: readonly Wanted[]) {
  const plan = planOf(tags)
  const out: Batch[] = []
  const pipeline = new Pipeline({ groups: [plan], emit: (batch) => out.push(batch), note: () => {} })
  const pass = (atMs: number, ...raw: Raw[]) => {
    const before = out.length
    pipeline.onBatch(rawBatch(plan, raw, atMs))
    return out.slice(before).map(named)[0]
  }
  return { plan, pipeline, out, pass }
}

function named(batch: Batch): Record<string, Value> {
  return Object.fromEntries([...samples(batch)].map(({ tag, value }) => [tag.name, value]))
}

function instant(atMs: number, more: Partial<Instant> = {}): Instant {
  return { wall: 1_000_000 + atMs, monotonic: atMs, boot: 'b', clock: 'synced', ...more }
}

describe('a tag that reports changes', () => {
  it('stands beside tags that always report, in batches of the tags concerned', () => {
    const { pass, out } = pipelineOf([{}, { report: 'change' }, { report: 'change' }])
    expect(pass(0, 1, 2, 3)).toEqual({ t0: 1, t1: 2, t2: 3 })
    expect(pass(1, 1, 2, 3)).toEqual({ t0: 1 })
    expect(pass(2, 1, 2, 4)).toEqual({ t0: 1, t2: 4 })
    expect([...out[2]!.tags!]).toEqual([0, 2])
  })

  it('sees changes of texts, bytes, lists and bigints, and between a value and none', () => {
    const changes = (tag: Wanted, ...raw: Raw[]): boolean[] => {
      const { pass } = pipelineOf([{ ...tag, report: 'change' }])
      return raw.map((value, at) => pass(at, value) !== undefined)
    }
    expect(changes({ type: 'string', kind: 'text' }, 'a', 'a', 'b', 'b')).toEqual([true, false, true, false])
    const bytes = [Uint8Array.of(1), Uint8Array.of(1), Uint8Array.of(2)]
    expect(changes({ type: 'bytes', kind: 'bytes' }, ...bytes)).toEqual([true, false, true])
    expect(changes({ kind: 'array' }, [1, 2], [1, 2], [1, 3])).toEqual([true, false, true])
    expect(changes({ type: 'uint64', kind: 'integer' }, 2n ** 60n, 2n ** 60n, 2n ** 60n + 1n, 5)).toEqual([
      true,
      false,
      true,
      true,
    ])
    const enumerated = { enum: new Map([[1, 'on']]), kind: 'text' } as const
    expect(changes(enumerated, 1, 1, 7, 7, 1)).toEqual([true, false, true, false, true])
    expect(changes({ type: 'float32', keepNaN: true }, Number.NaN, Number.NaN, 1, Number.NaN)).toEqual([
      true,
      false,
      true,
      true,
    ])
  })

  it('has a deadband in whole numbers of any size', () => {
    const { pass } = pipelineOf([{ type: 'uint64', kind: 'integer', deadband: { absolute: 1000 } }])
    expect(pass(0, 2n ** 60n)).toBeDefined()
    expect(pass(1, 2n ** 60n + 10n)).toBeUndefined()
    expect(pass(2, 2n ** 60n + 5000n)).toEqual({ t0: 2n ** 60n + 5000n })
  })

  it('has a deadband that decimals keep exactly, up and down', () => {
    const { pass } = pipelineOf([{ scale: 0.1, deadband: { absolute: 0.1 } }])
    for (let raw = 200; raw < 300; raw++) expect(pass(raw, raw)).toEqual({ t0: raw / 10 })
    for (let raw = 298; raw > 200; raw--) expect(pass(raw, raw)).toEqual({ t0: raw / 10 })
    const { pass: coarse } = pipelineOf([{ scale: 0.1, deadband: { absolute: 0.2 } }])
    expect([100, 101, 102, 103, 104].map((raw) => coarse(raw, raw) !== undefined)).toEqual([
      true,
      false,
      true,
      false,
      true,
    ])
  })

  it('reports every change from zero when its deadband is a share', () => {
    const { pass } = pipelineOf([{ deadband: { percent: 10 } }])
    expect([0, 0, 1, 1.05, 1.1, 1.15].map((raw, at) => pass(at, raw) !== undefined)).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ])
  })
})

describe('the heartbeat', () => {
  const tag: Wanted = { report: 'change', heartbeatMs: 10_000 }

  it('repeats what was read last, with the time of that reading, when no poll comes by then', () => {
    const { pipeline, pass, out } = pipelineOf([tag, {}])
    pass(0, 1, 5)
    pass(3000, 1, 6)
    pipeline.onTick(instant(9999))
    expect(out).toHaveLength(2)
    pipeline.onTick(instant(10_000))
    expect(out).toHaveLength(3)
    expect(named(out[2]!)).toEqual({ t0: 1 })
    expect(out[2]!.at.monotonic).toBe(3000)
    pipeline.onTick(instant(19_999))
    expect(out).toHaveLength(3)
    pipeline.onTick(instant(20_000))
    expect(out).toHaveLength(4)
  })

  it('counts from the last report, and is silent before the first', () => {
    const { pipeline, pass, out } = pipelineOf([tag])
    pipeline.onTick(instant(50_000))
    expect(out).toEqual([])
    pass(60_000, 1)
    pass(65_000, 2)
    pipeline.onTick(instant(74_999))
    expect(out).toHaveLength(2)
    pipeline.onTick(instant(75_000))
    expect(out).toHaveLength(3)
  })

  it('repeats a bad quality too', () => {
    const { pass } = pipelineOf([tag])
    pass(0, { bad: Reason.timeout })
    expect(pass(9000, { bad: Reason.timeout })).toBeUndefined()
    expect(pass(10_000, { bad: Reason.timeout })).toEqual({ t0: null })
  })

  it('goes on over a restart where both clocks were right, and begins anew where not', () => {
    const before = pipelineOf([tag])
    before.pass(0, 5)
    const reported = before.out[0]!
    const restarted = (then: Partial<Instant>, now: Partial<Instant>) => {
      const after = pipelineOf([tag])
      after.pipeline.restore([{ ...reported, at: { ...reported.at, ...then } }])
      const raw = rawBatch(after.plan, [5], 0)
      after.pipeline.onBatch({ ...raw, at: { ...raw.at, ...now } })
      return after.out.length
    }
    const wall = reported.at.wall
    expect(restarted({}, { monotonic: 12_000 })).toBe(1)
    expect(restarted({}, { monotonic: 8000 })).toBe(0)
    expect(restarted({}, { boot: 'next', monotonic: 50, wall: wall + 12_000 })).toBe(1)
    expect(restarted({}, { boot: 'next', monotonic: 50, wall: wall + 8000 })).toBe(0)
    expect(restarted({ clock: 'corrected' }, { boot: 'next', monotonic: 50, wall: wall + 12_000 })).toBe(1)
    expect(restarted({}, { boot: 'next', monotonic: 50, wall: wall - 12_000 })).toBe(0)
    expect(restarted({ clock: 'unsynced' }, { boot: 'next', monotonic: 50, wall: wall + 12_000 })).toBe(0)
  })
})

describe('another configuration', () => {
  const counter = { counter: { wrap: 1000, maxStep: null }, type: 'uint16' } as const

  it('keeps totals and last reports of tags of the same name, in a group that has changed', () => {
    const { pipeline, pass, out } = pipelineOf([
      { name: 'a', report: 'change' },
      { name: 'n', ...counter },
    ])
    pass(0, 5, 990)
    pass(1, 5, 10)
    const next = planOf([{ name: 'new' }, { name: 'n', ...counter }, { name: 'a', report: 'change' }], 'g', 2)
    pipeline.configure([next])
    pipeline.onBatch(rawBatch(next, [1, 20, 5], 2))
    expect(named(out.at(-1)!)).toEqual({ new: 1, n: 1020 })
  })

  it('reports a tag again that has become another: its unit, its type', () => {
    const { pipeline, pass, out } = pipelineOf([{ name: 'a', report: 'change' }])
    pass(0, 5)
    const next = planOf([{ name: 'a', report: 'change', type: 'uint16' }], 'g', 2)
    pipeline.configure([next])
    pipeline.onBatch(rawBatch(next, [5], 1))
    expect(named(out.at(-1)!)).toEqual({ a: 5 })
    expect(out).toHaveLength(2)
  })

  it('drops and counts what was still under way for a group that is gone', () => {
    const { plan, pipeline, out } = pipelineOf([{}])
    pipeline.configure([])
    pipeline.onBatch(rawBatch(plan, [1]))
    expect(out).toEqual([])
    expect(pipeline.counters()).toMatchObject({ batches: 1, batchesOfRemovedGroups: 1 })
  })

  it('leaves write-only tags out of the columns', () => {
    const plan = planOf([{ scale: 0.1 }])
    const writeOnly = { ...plan.tags[0]!, index: -1, access: 'w' as const }
    const out: Batch[] = []
    const pipeline = new Pipeline({
      groups: [{ ...plan, tags: [...plan.tags, writeOnly] }],
      emit: (batch) => out.push(batch),
      note: () => {},
    })
    pipeline.onBatch(rawBatch(plan, [301]))
    expect([...out[0]!.numbers]).toEqual([30.1])
  })
})

describe('a write', () => {
  it('to a tag that is scaled by a register takes what that said last', () => {
    const { plan, pipeline, pass } = pipelineOf([{ scaleFrom: { index: 1, as: 'pow10' } }, {}])
    expect(() => pipeline.invert(plan.tags[0]!, 23.1, plan)).toThrow('of which nothing was read yet')
    pass(0, 231, -1)
    expect(pipeline.invert(plan.tags[0]!, 23.1, plan)).toBe(231)
    expect(() => pipeline.invert(plan.tags[0]!, 23.14, plan)).toThrow('23.1 or 23.2')
  })
})

describe('records that are given once', () => {
  it('are reported whenever there are some, equal or not, and never repeated', () => {
    const { pass, pipeline, out } = pipelineOf([{}, { report: 'events', kind: 'array', heartbeatMs: 1000 }])
    expect(pass(0, 1, [])).toEqual({ t0: 1, t1: [] })
    expect(pass(10, 1, [])).toEqual({ t0: 1 })
    expect(pass(20, 1, [5])).toEqual({ t0: 1, t1: [5] })
    expect(pass(30, 1, [5])).toEqual({ t0: 1, t1: [5] })
    expect(pass(5000, 1, [])).toEqual({ t0: 1 })
    expect(pass(5010, 1, { bad: Reason.timeout })).toEqual({ t0: 1, t1: null })
    expect(pass(5020, 1, { bad: Reason.timeout })).toEqual({ t0: 1 })
    expect(pass(5030, 1, [])).toEqual({ t0: 1, t1: [] })
    const before = out.length
    pipeline.onTick(instant(900_000))
    expect(out).toHaveLength(before)
  })
})
