/** The keys of a tag that say what its raw number means, as the pipeline's mapping. */
import type { z } from 'zod'
import type { Mapping } from '../contracts/stage.ts'
import type { Interning } from './interning.ts'
import type * as shapes from './shapes.ts'

type Common = z.output<typeof shapes.tagShape>

/** What a group says for all its tags. */
export type Presets = Pick<Mapping, 'report' | 'heartbeatMs' | 'deadband'>

export function mappingOf(common: Common, presets: Presets, interning: Interning): Mapping {
  const [scale, offset] = lineThrough(common)
  const { decimals, keepNaN } = sentinels(common.noValue)
  return {
    scale,
    offset,
    clamp: clampOf(common),
    precision: common.precision ?? null,
    noValue: decimals,
    keepNaN,
    enum:
      common.enum === undefined
        ? null
        : new Map(Object.entries(common.enum).map(([raw, label]) => [Number(raw), label])),
    unknown: common.unknown,
    scaleFrom: null,
    counter: common.counter === undefined ? null : interning.same(counterOf(common.counter)),
    deadband: common.deadband === undefined ? presets.deadband : interning.same(common.deadband),
    report: common.report ?? presets.report,
    heartbeatMs: common.heartbeat ?? presets.heartbeatMs,
  }
}

export function sentinels(given: Common['noValue']) {
  const decimals: number[] = []
  const bits: bigint[] = []
  let keepNaN = false
  for (const one of given === undefined ? [] : Array.isArray(given) ? given : [given]) {
    if (typeof one === 'number') decimals.push(one)
    else if (/^0x/i.test(one)) bits.push(BigInt(one))
    else if (/^none$/i.test(one)) keepNaN = true
    else if (!/^nan$/i.test(one)) decimals.push(Number(one))
  }
  return { decimals, bits, keepNaN }
}

function lineThrough({ range, scale, offset }: Common): [number, number] {
  if (range === undefined) return [scale ?? 1, offset ?? 0]
  const [raw0, raw1, value0, value1] = range
  const slope = (value1 - value0) / (raw1 - raw0)
  return [slope, value0 - raw0 * slope]
}

function clampOf({ range, clamp }: Common): readonly [number, number] | null {
  if (clamp === undefined || clamp === false) return null
  if (clamp !== true) return clamp
  const [, , value0, value1] = range!
  return [Math.min(value0, value1), Math.max(value0, value1)]
}

function counterOf(counter: NonNullable<Common['counter']>): NonNullable<Mapping['counter']> {
  return counter === true
    ? { wrap: null, maxStep: null }
    : { wrap: counter.wrap ?? null, maxStep: counter.maxStep ?? null }
}
