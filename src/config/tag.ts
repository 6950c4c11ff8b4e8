/** One tag as it is written becomes one tag as it is read: its mapping, its kind, and what the driver must know. */
import type { z } from 'zod'
import type { TagInfo, ValueKind } from '../contracts/batch.ts'
import type { Tag } from '../contracts/driver.ts'
import type { Mapping } from '../contracts/stage.ts'
import type { Check, Keys } from './check.ts'
import type { Interning } from './interning.ts'
import type { DriverKindSchema } from './kinds.ts'
import * as shapes from './shapes.ts'

import type { Path } from './tree.ts'

export class TagReader {
  readonly #check: Check
  readonly #interning: Interning
  readonly #tagSchemas = new Map<DriverKindSchema, z.ZodObject>()

  constructor(check: Check, interning: Interning) {
    this.#check = check
    this.#interning = interning
  }

  /** undefined: something is wrong with it, and has been said. */
  read(given: {
    name: string
    keys: Keys
    path: Path
    connection: { readonly schema: DriverKindSchema; readonly settings: unknown }
    device: unknown
    presets: { report: 'always' | 'change'; heartbeatMs: number; deadband: Mapping['deadband'] }
  }): { tag: Tag; scaleFrom: { tag: string; as: 'pow10' | 'factor' } | undefined } | undefined {
    const { name, keys, path, connection, presets } = given
    const { schema } = connection
    const own = this.#check.object(this.#tagSchema(schema), keys, path) as
      | (z.output<typeof shapes.tagShape> & Keys)
      | undefined
    if (own === undefined) return undefined
    const before = this.#check.places.problems.length
    if (own.range !== undefined && (own.scale !== undefined || own.offset !== undefined)) {
      this.#check.places.say([...path, 'range'], 'range and scale/offset say the same thing twice: keep one', 'key')
    }
    if (own.clamp === true && own.range === undefined)
      this.#check.places.say([...path, 'clamp'], 'clamp: true needs a range', 'value')
    if (own.limits !== undefined && own.access === 'r') {
      this.#check.places.say([...path, 'limits'], 'limits are for writes: give the tag access: rw', 'key')
    }
    const { decimals, bits, keepNaN } = sentinels(own.noValue)
    let resolved: { settings: unknown; kind: ValueKind; type: string } | undefined
    const misread = this.#check.places.problems.some((one) => one.path === [...path, 'address'].join('.'))
    if (!misread && given.device !== undefined && connection.settings !== undefined) {
      const found = schema.resolve(own, given.device, connection.settings, { noValueBits: bits })
      if ('problems' in found) {
        for (const problem of found.problems) this.#check.places.say([...path, problem.key], problem.text, 'value')
      } else resolved = found
    }
    if (resolved === undefined || this.#check.places.problems.length > before) return undefined
    const [scale, offset] = lineThrough(own)
    const mapping = this.#interning.same<Mapping>({
      scale,
      offset,
      clamp: clampOf(own),
      precision: own.precision ?? null,
      noValue: decimals,
      keepNaN,
      enum:
        own.enum === undefined ? null : new Map(Object.entries(own.enum).map(([raw, label]) => [Number(raw), label])),
      unknown: own.unknown,
      scaleFrom: null,
      counter: own.counter === undefined ? null : this.#interning.same(counterOf(own.counter)),
      deadband: own.deadband === undefined ? presets.deadband : this.#interning.same(own.deadband),
      report: own.report ?? presets.report,
      heartbeatMs: own.heartbeat ?? presets.heartbeatMs,
    })
    const info = this.#interning.same<TagInfo>({
      name,
      type: resolved.type,
      kind: kindAfter(resolved.kind, mapping, own.scaleFrom !== undefined),
      ...(own.unit === undefined ? {} : { unit: own.unit }),
      ...(own.labels === undefined ? {} : { labels: this.#interning.same(own.labels) }),
    })
    const tag: Tag = {
      index: -1,
      info,
      access: own.access,
      limits: own.limits ?? null,
      mapping,
      settings: this.#interning.same(resolved.settings as object),
    }
    return { tag, scaleFrom: own.scaleFrom }
  }

  #tagSchema(kind: DriverKindSchema): z.ZodObject {
    let schema = this.#tagSchemas.get(kind)
    if (schema === undefined) {
      schema = shapes.tagShape.extend(kind.tag.shape)
      this.#tagSchemas.set(kind, schema)
    }
    return schema
  }
}

function sentinels(given: z.output<typeof shapes.tagShape>['noValue']) {
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

function lineThrough({ range, scale, offset }: z.output<typeof shapes.tagShape>): [number, number] {
  if (range === undefined) return [scale ?? 1, offset ?? 0]
  const [raw0, raw1, value0, value1] = range
  const slope = (value1 - value0) / (raw1 - raw0)
  return [slope, value0 - raw0 * slope]
}

function clampOf({ range, clamp }: z.output<typeof shapes.tagShape>): readonly [number, number] | null {
  if (clamp === undefined || clamp === false) return null
  if (clamp !== true) return clamp
  const [, , value0, value1] = range!
  return [Math.min(value0, value1), Math.max(value0, value1)]
}

function counterOf(counter: NonNullable<z.output<typeof shapes.tagShape>['counter']>): NonNullable<Mapping['counter']> {
  return counter === true
    ? { wrap: null, maxStep: null }
    : { wrap: counter.wrap ?? null, maxStep: counter.maxStep ?? null }
}

/** What the value is once it has been mapped. */
function kindAfter(kind: ValueKind, mapping: Mapping, scaledFrom: boolean): ValueKind {
  if (mapping.enum !== null) return 'text'
  if (kind !== 'integer') return kind
  const whole = Number.isInteger(mapping.scale) && Number.isInteger(mapping.offset) && !scaledFrom
  return whole || mapping.precision === 0 ? 'integer' : 'real'
}
