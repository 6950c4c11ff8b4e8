/** One tag as it is written becomes one tag as it is read: its mapping, its kind, and what the driver must know. */
import type { z } from 'zod'
import type { TagInfo, ValueKind } from '../contracts/batch.ts'
import type { Tag } from '../contracts/driver.ts'
import type { Mapping } from '../contracts/stage.ts'
import { type Check, isMap, type Keys } from './check.ts'
import type { Interning } from './interning.ts'
import type { DriverKindSchema, ResolvedTag } from './kinds.ts'
import { mappingOf, type Presets, sentinels } from './mapping.ts'
import type * as shapes from './shapes.ts'
import { type TagKeys, tagKeysOf } from './tag-keys.ts'
import type { Path } from './tree.ts'

type Common = z.output<typeof shapes.tagShape>

/** A tag before it has its place in the group. */
export interface TagParts extends Omit<Tag, 'index'> {
  readonly scaleFrom: Common['scaleFrom']
}

/** What all tags share that write the same beside what is the driver's. */
interface Shared {
  readonly common: Common
  readonly noValueBits: readonly bigint[]
  readonly limits: Tag['limits']
  readonly labels: TagInfo['labels']
  /** By presets and by whether the value is a number. */
  readonly mappings: Map<Presets, Mapping[]>
}

/** Keys that say something about numbers, and what else they go with. */
const FOR_NUMBERS = {
  scale: [],
  offset: [],
  range: [],
  clamp: [],
  precision: [],
  scaleFrom: [],
  counter: [],
  deadband: [],
  limits: [],
  noValue: ['boolean'],
  enum: ['boolean'],
} as const satisfies Partial<Record<keyof Common, readonly ValueKind[]>>
/** An array is scaled element by element, but has no total and no distance. */
const NOT_FOR_ARRAYS: readonly string[] = ['counter', 'deadband']
const NOUNS: Readonly<Record<ValueKind, string>> = {
  boolean: 'true or false',
  integer: 'a number',
  real: 'a number',
  text: 'a text',
  bytes: 'bytes',
  array: 'an array',
}

export class TagReader {
  readonly #check: Check
  readonly #interning: Interning
  readonly #shared = new Map<TagKeys, Map<string, Shared>>()

  constructor(check: Check, interning: Interning) {
    this.#check = check
    this.#interning = interning
  }

  /** undefined: something is wrong with it, and has been said. */
  read(given: {
    name: string
    keys: Keys
    path: Path
    kind: DriverKindSchema
    connection: unknown
    device: unknown
    presets: Presets
  }): TagParts | undefined {
    const { name, path, kind, presets } = given
    const tagKeys = tagKeysOf(kind)
    const { common, own } = this.#split(tagKeys, given.keys, path)
    const shared = this.#sharedOf(tagKeys, common, path)
    const parsed = this.#parsed(tagKeys, own, path)
    if (parsed === undefined || given.device === undefined || given.connection === undefined) return undefined
    const { places } = this.#check
    if (places.problems.length > 0 && places.has([...path, 'address'])) return undefined
    const noValueBits = shared?.noValueBits ?? []
    const access = shared?.common.access ?? 'r'
    const resolved = kind.resolve(parsed, given.device, given.connection, { noValueBits, access })
    if ('problems' in resolved) {
      for (const { key, text } of resolved.problems) places.say([...path, key], text, 'value', key)
      return undefined
    }
    if (shared === undefined || !this.#fits(shared.common, own, resolved, path)) return undefined
    return this.#parts(name, shared, resolved, presets)
  }

  #split(tagKeys: TagKeys, given: Keys, path: Path): { common: Keys; own: Keys } {
    const common: Keys = {}
    const own: Keys = {}
    let strange = false
    for (const key in given) {
      const value = given[key]
      if (value === null) continue
      if (tagKeys.isOwn(key)) own[key] = value
      else if (key in tagKeys.common.shape) common[key] = value
      else strange = true
    }
    return strange ? this.#split(tagKeys, this.#check.map(given, path, tagKeys.known), path) : { common, own }
  }

  #sharedOf(tagKeys: TagKeys, common: Keys, path: Path): Shared | undefined {
    let known = this.#shared.get(tagKeys)
    if (known === undefined) {
      known = new Map()
      this.#shared.set(tagKeys, known)
    }
    const form = JSON.stringify(common)
    const before = known.get(form)
    if (before !== undefined) return before
    const parsed = this.#check.object(tagKeys.common, common, path) as Common | undefined
    if (parsed === undefined || !this.#agrees(parsed, common, path)) return undefined
    const { bits } = sentinels(parsed.noValue)
    const shared: Shared = {
      common: parsed,
      noValueBits: bits,
      limits: parsed.limits ?? null,
      labels: parsed.labels === undefined ? undefined : this.#interning.same(parsed.labels),
      mappings: new Map(),
    }
    known.set(form, shared)
    return shared
  }

  /** Keys that contradict each other, or say nothing without another. */
  #agrees(common: Common, given: Keys, path: Path): boolean {
    const { places } = this.#check
    const before = places.problems.length
    const { range, scale, offset, clamp, limits, access } = common
    if (range !== undefined && (scale !== undefined || offset !== undefined)) {
      places.say([...path, 'range'], 'range and scale/offset say the same thing twice: keep one', 'key')
    }
    if (clamp === true && range === undefined) places.say([...path, 'clamp'], 'clamp: true needs a range', 'value')
    if (limits !== undefined && access === 'r') {
      places.say([...path, 'limits'], 'limits are for writes: give the tag access: rw', 'key')
    }
    if (given.unknown !== undefined && common.enum === undefined) {
      places.say([...path, 'unknown'], 'unknown is about numbers that enum does not list: there is no enum', 'key')
    }
    if (common.enum !== undefined && new Set(Object.keys(common.enum).map(Number)).size < sizeOf(common.enum)) {
      places.say([...path, 'enum'], 'two keys of enum are the same number', 'key')
    }
    return places.problems.length === before
  }

  #parsed(tagKeys: TagKeys, own: Keys, path: Path): Keys | undefined {
    // Objects inside are looked at key by key; without them the schema alone says all there is to say.
    if (!Object.values(own).some(isMap)) {
      const parsed = tagKeys.own.safeParse(own)
      if (parsed.success) return parsed.data
    }
    return this.#check.object(tagKeys.own, own, path)
  }

  /** What is said of the value must be something that such a value has. */
  #fits(common: Common, own: Keys, { kind, events }: ResolvedTag, path: Path): boolean {
    const { places } = this.#check
    const before = places.problems.length
    for (const key of events === true ? (['report', 'heartbeat'] as const) : []) {
      const why = `${key} does not go with records that are given once: they are reported whenever there are some`
      if (common[key] !== undefined) places.say([...path, key], why, 'key')
    }
    if (own.write !== undefined && common.access === 'r') {
      places.say([...path, 'write'], 'write says how writes are sent: give the tag access: rw', 'key')
    }
    if (kind === 'integer' || kind === 'real') return places.problems.length === before
    for (const [key, others] of Object.entries(FOR_NUMBERS) as [keyof typeof FOR_NUMBERS, readonly ValueKind[]][]) {
      if (common[key] === undefined || others.includes(kind)) continue
      if (kind === 'array' && !NOT_FOR_ARRAYS.includes(key)) continue
      // Bits are the driver's matter.
      if (key === 'noValue' && sentinels(common.noValue).decimals.length === 0) continue
      places.say([...path, key], `${key} belongs to a number; this tag is ${NOUNS[kind]}`, 'key')
    }
    return places.problems.length === before
  }

  #parts(name: string, shared: Shared, resolved: ResolvedTag, presets: Presets): TagParts {
    const { common, limits, labels } = shared
    const own = this.#mappingOf(shared, resolved.kind, presets)
    const mapping = resolved.events === true ? this.#interning.same<Mapping>({ ...own, report: 'events' }) : own
    const info = this.#interning.among<TagInfo>(shared, name, {
      name,
      type: resolved.type,
      kind: kindAfter(resolved.kind, mapping, common.scaleFrom !== undefined),
      ...(common.unit === undefined ? {} : { unit: common.unit }),
      ...(labels === undefined ? {} : { labels }),
      ...(resolved.events === true ? { events: true } : {}),
    })
    const settings = this.#interning.same(resolved.settings as object)
    const { access, scaleFrom } = common
    const upkeep = resolved.upkeep === undefined ? {} : { upkeep: this.#interning.same(resolved.upkeep) }
    return { info, access, limits, mapping, settings, scaleFrom, ...upkeep }
  }

  #mappingOf({ common, mappings }: Shared, kind: ValueKind, presets: Presets): Mapping {
    let known = mappings.get(presets)
    if (known === undefined) {
      known = []
      mappings.set(presets, known)
    }
    // A state has no distance: the group's deadband would hide its changes.
    const measured = (kind === 'integer' || kind === 'real') && common.enum === undefined
    known[Number(measured)] ??= this.#interning.same(
      mappingOf(common, measured ? presets : { ...presets, deadband: null }, this.#interning),
    )
    return known[Number(measured)]!
  }
}

function sizeOf(map: object): number {
  return Object.keys(map).length
}

/** What the value is once it has been mapped. */
function kindAfter(kind: ValueKind, mapping: Mapping, scaledFrom: boolean): ValueKind {
  if (mapping.enum !== null && kind !== 'array') return 'text'
  if (kind !== 'integer') return kind
  const whole = Number.isInteger(mapping.scale) && Number.isInteger(mapping.offset) && !scaledFrom
  return whole || mapping.precision === 0 ? 'integer' : 'real'
}
