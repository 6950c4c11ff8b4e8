import { describe, expect, it } from 'vitest'
import { Reason, samples } from '../../src/contracts/batch.ts'
import type { Instant } from '../../src/contracts/clock.ts'
import type { Entry } from '../../src/contracts/log.ts'
import { Selection, type Wishes } from '../../src/pipeline/selection.ts'
import { planOf, rawBatch } from './plans.ts'

const NOTHING: Wishes = { include: [], exclude: [], rename: {}, deadband: null, minIntervalMs: 0 }
const plan = planOf([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
let seq = 0
const entry = (values: Parameters<typeof rawBatch>[1], atMs = 0): Entry => ({
  kind: 'batch',
  position: { epoch: 1, seq: ++seq },
  batch: rawBatch(plan, values, atMs),
})
const shown = (chosen: Entry | null) =>
  chosen?.kind === 'batch'
    ? Object.fromEntries([...samples(chosen.batch)].map((sample) => [sample.tag.name, sample.value]))
    : chosen

describe('what a sink is sent', () => {
  it('is the very entry when it wishes nothing', () => {
    const given = entry([1, 2, 3])
    expect(new Selection(NOTHING).select(given)).toBe(given)
  })

  it('is what is included and not excluded', () => {
    const select = (wishes: Partial<Wishes>) => shown(new Selection({ ...NOTHING, ...wishes }).select(entry([1, 2, 3])))
    expect(select({ include: ['d/g/a', '*/*/c'] })).toEqual({ a: 1, c: 3 })
    expect(select({ include: ['d'], exclude: ['d/g/b'] })).toEqual({ a: 1, c: 3 })
    expect(select({ exclude: ['d/*'] })).toBeNull()
    expect(select({ include: ['other/g'] })).toBeNull()
  })

  it('goes by the names the sink gives', () => {
    const selection = new Selection({ ...NOTHING, rename: { d: 'oven', 'd/g': 'fast', 'd/g/a': 'temperature' } })
    const first = selection.select(entry([1, 2, 3]))
    const second = selection.select(entry([1, 2, 3]))
    expect(first?.kind === 'batch' && first.batch.group).toMatchObject({ device: 'oven', group: 'fast' })
    expect(shown(first)).toEqual({ temperature: 1, b: 2, c: 3 })
    // Interned: sinks keep what they know of a group by the object.
    expect(first?.kind === 'batch' && second?.kind === 'batch' && first.batch.group === second.batch.group).toBe(true)
  })

  it('finds names by patterns too, the most exact one first', () => {
    const rename = { '*': 'any', '*/*/a': 'x', 'd/g/a': 'temperature', 'd/*/b': 'y' }
    const selection = new Selection({ ...NOTHING, rename })
    const chosen = selection.select(entry([1, 2, 3]))
    expect(chosen?.kind === 'batch' && chosen.batch.group.device).toBe('any')
    expect(shown(chosen)).toEqual({ temperature: 1, y: 2, c: 3 })
  })

  it('never has two values under one name, and names that would collide are known beforehand', () => {
    const selection = new Selection({ ...NOTHING, rename: { 'd/g/a': 'x', 'd/g/b': 'x' } })
    expect(shown(selection.select(entry([1, 2, 3])))).toEqual({ x: 1, b: 2, c: 3 })
    expect(selection.collisions([plan.ref])).toEqual(['d/g/a and d/g/b would both be called d/g/x'])
    expect(new Selection(NOTHING).collisions([plan.ref])).toEqual([])
  })

  it('is cut out of a batch of some tags as well', () => {
    const some: Entry = {
      ...entry([]),
      batch: { ...rawBatch(plan, [1, 2, 3]), tags: Uint32Array.of(1, 2), numbers: Float64Array.of(2, 3) },
    } as Entry
    expect(shown(new Selection({ ...NOTHING, include: ['*/*/c'] }).select(some))).toEqual({ c: 3 })
    expect(new Selection({ ...NOTHING, include: ['*/*/a'] }).select(some)).toBeNull()
  })

  it('is not more frequent than its interval, jitter of polls aside', () => {
    const selection = new Selection({ ...NOTHING, minIntervalMs: 1000 })
    const passed = [0, 400, 970, 995, 1500, 2100].filter((at) => selection.select(entry([1, 2, 3], at)) !== null)
    expect(passed).toEqual([0, 995, 2100])
  })

  it('says with the next batch what it held back, and holds back no change of quality', () => {
    const some = (tag: number, value: number, atMs: number): Entry => {
      const whole = entry([], atMs)
      if (whole.kind !== 'batch') throw whole
      const batch = { ...whole.batch, tags: Uint32Array.of(tag), numbers: Float64Array.of(value), quality: null }
      return { ...whole, batch }
    }
    const selection = new Selection({ ...NOTHING, minIntervalMs: 1000 })
    expect(shown(selection.select(entry([1, 2, 3], 0)))).toEqual({ a: 1, b: 2, c: 3 })
    expect(selection.select(some(0, 10, 200))).toBeNull()
    expect(selection.select(some(0, 11, 300))).toBeNull()
    expect(shown(selection.select(some(2, 30, 1200)))).toEqual({ a: 11, c: 30 })
    expect(shown(selection.select(entry([{ bad: Reason.timeout }, 2, 3], 1300)))).toEqual({ a: null, b: 2, c: 3 })
  })

  it('is the same when it is asked for again, since a delivery that failed is repeated', () => {
    const selection = new Selection({ ...NOTHING, deadband: { absolute: 2 }, minIntervalMs: 1000 })
    const given = [entry([1, 2, 3], 0), entry([9, 2, 3], 100), entry([9, 2, 3], 1100), entry([9, 3, 3], 2200)]
    const first = given.map((one) => shown(selection.select(one)))
    expect(first).toEqual([{ a: 1, b: 2, c: 3 }, null, { a: 9 }, null])
    expect(given.map((one) => shown(selection.select(one)))).toEqual(first)
  })

  it('is measured apart for what is live and for a backlog beside it', () => {
    const selection = new Selection({ ...NOTHING, deadband: { absolute: 2 } })
    const backlog = [entry([1, 1, 1]), entry([1, 1, 9]), entry([1, 1, 9])]
    const live = [entry([1, 1, 9]), entry([1, 1, 9])]
    expect(shown(selection.select(live[0]!))).toEqual({ a: 1, b: 1, c: 9 })
    expect(shown(selection.select(backlog[0]!))).toEqual({ a: 1, b: 1, c: 1 })
    expect(selection.select(live[1]!)).toBeNull()
    expect(shown(selection.select(backlog[1]!))).toEqual({ c: 9 })
    expect(selection.select(backlog[2]!)).toBeNull()
  })

  it('has left the sink’s own deadband, or changed its quality', () => {
    const selection = new Selection({ ...NOTHING, deadband: { absolute: 2 } })
    expect(shown(selection.select(entry([1, 2, 3])))).toEqual({ a: 1, b: 2, c: 3 })
    expect(shown(selection.select(entry([2, 2, 5])))).toEqual({ c: 5 })
    expect(selection.select(entry([2, 3, 6]))).toBeNull()
    expect(shown(selection.select(entry([{ bad: Reason.timeout }, 3, 6])))).toEqual({ a: null })
  })

  it('has every record that is given once, whatever interval and deadband the sink wishes', () => {
    const ref = { ...plan.ref, tags: [plan.ref.tags[0]!, { name: 'log', type: 'int16', kind: 'array', events: true }] }
    const given = { ...plan, ref } as typeof plan
    const at = (value: number, records: number[], atMs: number): Entry => ({
      kind: 'batch',
      position: { epoch: 1, seq: ++seq },
      batch: rawBatch(given, [value, records], atMs),
    })
    const selection = new Selection({ ...NOTHING, deadband: { absolute: 2 }, minIntervalMs: 1000 })
    expect(shown(selection.select(at(1, [], 0)))).toEqual({ a: 1, log: [] })
    expect(selection.select(at(9, [], 100))).toBeNull()
    expect(shown(selection.select(at(9, [7], 200)))).toEqual({ a: 9, log: [7] })
    expect(shown(selection.select(at(9, [7], 300)))).toEqual({ log: [7] })
    expect(selection.select(at(9, [], 2000))).toBeNull()
    expect(selection.select(at(9, [], 900_000))).toMatchObject({ batch: { numbers: Float64Array.of(9) } })
  })

  it('always is what is no batch', () => {
    const gap = {
      kind: 'event',
      position: { epoch: 1, seq: 2 },
      at: entry([1, 2, 3]).kind === 'batch' ? rawBatch(plan, [1, 2, 3]).at : null,
      name: 'x',
      text: '',
      facts: {},
    } as Entry
    expect(new Selection({ ...NOTHING, exclude: ['*'] }).select(gap)).toBe(gap)
  })
})

describe('a backlog of several boots', () => {
  it('repeats what stays within the deadband in its time: monotonic time that begins anew is no negative age', () => {
    const selection = new Selection({ ...NOTHING, deadband: { absolute: 5 } })
    const sent = (boot: string, monotonic: number, wall: number, clock: Instant['clock'] = 'synced') => {
      const given = entry([1, 2, 3])
      if (given.kind !== 'batch') return false
      const batch = { ...given.batch, at: { wall, monotonic, boot, clock } }
      return selection.select({ ...given, batch }) !== null
    }
    const MINUTE = 60_000
    expect(sent('long', 864_000_000, 1e12)).toBe(true)
    expect(sent('long', 864_000_000 + MINUTE, 1e12 + MINUTE)).toBe(false)
    expect(sent('next', 10_000, 1e12 + 2 * MINUTE)).toBe(false)
    expect(sent('next', 10_000 + 7 * MINUTE, 1e12 + 9 * MINUTE)).toBe(false)
    expect(sent('next', 10_000 + 8 * MINUTE, 1e12 + 10 * MINUTE)).toBe(true)
    // Of an uncertain boot only its own time counts.
    expect(sent('unset', 5000, 7, 'unsynced')).toBe(false)
    expect(sent('unset', 5000 + 10 * MINUTE, 7 + 10 * MINUTE, 'unsynced')).toBe(true)
  })
})
