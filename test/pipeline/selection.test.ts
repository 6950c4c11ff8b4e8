import { describe, expect, it } from 'vitest'
import { Reason, samples } from '../../src/contracts/batch.ts'
import type { Entry } from '../../src/contracts/log.ts'
import { Selection, type Wishes } from '../../src/pipeline/selection.ts'
import { planOf, rawBatch } from './plans.ts'

const NOTHING: Wishes = { include: [], exclude: [], rename: {}, deadband: null, minIntervalMs: 0 }
const plan = planOf([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
const entry = (values: Parameters<typeof rawBatch>[1], atMs = 0): Entry => ({
  kind: 'batch',
  position: { epoch: 1, seq: 1 },
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

  it('is not more frequent than its interval', () => {
    const selection = new Selection({ ...NOTHING, minIntervalMs: 1000 })
    const passed = [0, 400, 999, 1000, 1500, 2100].filter((at) => selection.select(entry([1, 2, 3], at)) !== null)
    expect(passed).toEqual([0, 1000, 2100])
  })

  it('has left the sink’s own deadband, or changed its quality', () => {
    const selection = new Selection({ ...NOTHING, deadband: { absolute: 2 } })
    expect(shown(selection.select(entry([1, 2, 3])))).toEqual({ a: 1, b: 2, c: 3 })
    expect(shown(selection.select(entry([2, 2, 5])))).toEqual({ c: 5 })
    expect(selection.select(entry([2, 3, 6]))).toBeNull()
    expect(shown(selection.select(entry([{ bad: Reason.timeout }, 3, 6])))).toEqual({ a: null })
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
