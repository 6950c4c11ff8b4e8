/** What every stage of the pipeline keeps to. */
import { describe, expect, it } from 'vitest'
import { type Batch, type GroupRef, Reason } from '../../src/contracts/batch.ts'
import type { Instant } from '../../src/contracts/clock.ts'
import type { Stage } from '../../src/contracts/stage.ts'

export interface StageUnderTest {
  readonly stage: Stage
  readonly inputs: readonly GroupRef[]
  /** In the order of their times: whole ones and some of a few tags, good and bad values. */
  readonly batches: readonly Batch[]
}

/** Columns that fit together, as every reader of a batch relies on. */
export function expectWellFormed(batch: Batch): void {
  const { tags, numbers, others, quality, group } = batch
  const size = tags === null ? group.tags.length : tags.length
  expect(numbers).toHaveLength(size)
  if (quality !== null) expect(quality).toHaveLength(size)
  if (tags !== null) {
    expect([...tags]).toEqual([...new Set(tags)].sort((a, b) => a - b))
    for (const tag of tags) expect(tag).toBeLessThan(group.tags.length)
  }
  expect(others?.size).not.toBe(0)
  for (const [entry, value] of others ?? []) {
    expect(entry).toBeLessThan(size)
    expect(numbers[entry]).toBeNaN()
    expect(value).not.toBeNull()
    expect(typeof value).not.toBe('number')
  }
  for (let entry = 0; entry < size; entry++) {
    if (quality === null || quality[entry] === Reason.good) continue
    expect(numbers[entry]).toBeNaN()
    expect(others?.has(entry) ?? false).toBe(false)
  }
}

export function stageSuite(name: string, make: () => StageUnderTest): void {
  describe(`${name}, as a stage,`, () => {
    const run = ({ stage, inputs, batches }: StageUnderTest): Batch[] => {
      const out: Batch[] = []
      stage.bind(inputs)
      for (const batch of batches) stage.onBatch(batch, (one) => out.push(one))
      return out
    }

    it('says at configuration time which groups it will emit, and emits no other', () => {
      const tested = make()
      const outputs = tested.stage.bind(tested.inputs)
      expect(outputs.length).toBeGreaterThan(0)
      expect(tested.stage.bind(tested.inputs)).toEqual(outputs)
      const emitted = run(tested)
      expect(emitted.length).toBeGreaterThan(0)
      for (const { group } of emitted) expect(outputs).toContain(group)
    })

    it('emits batches whose columns fit together', () => {
      for (const batch of run(make())) expectWellFormed(batch)
    })

    it('leaves what it is given as it is', () => {
      const tested = make()
      const before = structuredClone(tested.batches)
      run(tested)
      expect(tested.batches).toEqual(before)
    })

    it('depends on nothing but what it is given', () => {
      expect(run(make())).toEqual(run(make()))
    })

    it('keeps the moment of acquisition', () => {
      const tested = make()
      const moments = new Set(tested.batches.map(({ at }) => at))
      for (const { at } of run(tested)) expect(moments).toContain(at)
    })

    it('emits nothing for a group it was not bound to', () => {
      const tested = make()
      tested.stage.bind(tested.inputs)
      const [first] = tested.batches
      const stranger: Batch = { ...first!, group: { ...first!.group, device: 'stranger' } }
      const out: Batch[] = []
      tested.stage.onBatch(stranger, (batch) => out.push(batch))
      expect(out).toEqual([])
    })

    it('emits well-formed batches of its groups on a tick, if any', () => {
      const tested = make()
      const outputs = tested.stage.bind(tested.inputs)
      run(tested)
      const last = tested.batches.at(-1)!.at
      const later: Instant = { ...last, wall: last.wall + 86_400_000, monotonic: last.monotonic + 86_400_000 }
      tested.stage.onTick?.(later, (batch) => {
        expectWellFormed(batch)
        expect(outputs).toContain(batch.group)
      })
    })
  })
}
