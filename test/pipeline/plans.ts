/** Groups for the pipeline's tests: what the configuration would make of a few tags. */
import { type Batch, BatchBuilder, type GroupRef, type Value, type ValueKind } from '../../src/contracts/batch.ts'
import type { GroupPlan, Tag } from '../../src/contracts/driver.ts'
import type { Mapping } from '../../src/contracts/stage.ts'

/** A mapping that leaves every value as it is. */
export const PLAIN: Mapping = {
  scale: 1,
  offset: 0,
  clamp: null,
  precision: null,
  noValue: [],
  keepNaN: false,
  enum: null,
  unknown: 'keep',
  scaleFrom: null,
  counter: null,
  deadband: null,
  report: 'always',
  heartbeatMs: 600_000,
}

export interface Wanted extends Partial<Mapping> {
  readonly name?: string
  readonly type?: string
  readonly kind?: ValueKind
  readonly access?: Tag['access']
  readonly limits?: Tag['limits']
}

export function tagOf(wanted: Wanted, index = 0): Tag {
  const { name = `t${index}`, type = 'int16', kind = 'real', access = 'rw', limits = null, ...mapping } = wanted
  return { index, info: { name, type, kind }, access, limits, mapping: { ...PLAIN, ...mapping }, settings: {} }
}

export function planOf(tags: readonly Wanted[], group = 'g', revision = 1): GroupPlan {
  const path = { gateway: 'gw' }
  const all = tags.map(tagOf)
  const ref: GroupRef = { id: 1, revision, device: 'd', group, path, tags: all.map((tag) => tag.info) }
  const device = { name: 'd', connection: 'c', path, enabled: true, settings: {} }
  return { ref, device, everyMs: 1000, phaseMs: 0, priority: 0, tags: all }
}

/** What a driver would have read: a number, another value, or `{ bad: reason }`. */
export function rawBatch(plan: GroupPlan, values: readonly (Value | { readonly bad: number })[], atMs = 0): Batch {
  const builder = new BatchBuilder(plan.ref)
  for (const [tag, value] of values.entries()) {
    if (typeof value === 'number') builder.number(tag, value)
    else if (typeof value === 'boolean') builder.number(tag, Number(value))
    else if (value !== null && typeof value === 'object' && 'bad' in value) builder.bad(tag, value.bad as never)
    else builder.other(tag, value)
  }
  return builder.finish({ wall: 1_000_000 + atMs, monotonic: atMs, boot: 'b', clock: 'synced' })
}
