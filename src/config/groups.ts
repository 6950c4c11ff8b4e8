/** A group as it is written becomes what is read together: its tags in their order, each pointing at what scales it. */
import type { z } from 'zod'
import type { DevicePlan, GroupPlan, Tag } from '../contracts/driver.ts'
import { type Check, isMap, type Keys } from './check.ts'
import type { Interning } from './interning.ts'
import type { DriverKindSchema, Kinds } from './kinds.ts'
import type { Presets } from './mapping.ts'
import * as shapes from './shapes.ts'
import { unknownName } from './spelling.ts'
import { type TagParts, TagReader } from './tag.ts'
import { tagKeysOf } from './tag-keys.ts'
import { TagTable } from './tag-table.ts'
import type { Texts } from './texts.ts'
import type { Path } from './tree.ts'
import { checkWrites } from './writes.ts'

/** What a group finds around it. */
export interface Surroundings {
  readonly device: DevicePlan
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly kind: DriverKindSchema
  /** As the schemas parsed them; undefined: too much is wrong with them. */
  readonly parsed: { readonly device: unknown; readonly connection: unknown }
  /** Where files stand that its keys name, when those keys came from a profile. */
  readonly folder: string
}

interface Written {
  readonly name: string
  readonly keys: Keys
  readonly path: Path
}

export class GroupReader {
  readonly #check: Check
  readonly #interning: Interning
  readonly #texts: Texts
  readonly #invert: Kinds['invert']
  readonly #tags: TagReader
  readonly #tables = new Map<string, TagTable | undefined>()

  constructor(options: { check: Check; interning: Interning; texts: Texts; invert: Kinds['invert'] }) {
    this.#invert = options.invert
    this.#check = options.check
    this.#interning = options.interning
    this.#texts = options.texts
    this.#tags = new TagReader(options.check, options.interning)
  }

  /** undefined: something is wrong with the group's own keys, and has been said. */
  read(group: string, given: Keys, around: Surroundings): GroupPlan | undefined {
    const { device, kind, parsed } = around
    const path = ['devices', device.name, 'groups', group]
    const keys = this.#check.map(given, path, Object.keys(shapes.groupShape.shape))
    const own = this.#check.object(shapes.groupShape, { ...keys, tags: 0 }, path) as
      | z.output<typeof shapes.groupShape>
      | undefined
    const presets = this.#interning.same<Presets>({
      report: own?.report ?? 'always',
      heartbeatMs: own?.heartbeat ?? 600_000,
      deadband: own?.deadband === undefined ? null : this.#interning.same(own.deadband),
    })
    const before = this.#check.places.problems.length
    const written = this.#written(keys.tags, path, around)
    if (written.length === 0 && this.#check.places.problems.length === before) {
      const missing = keys.tags === undefined || keys.tags === null
      this.#check.places.say(missing ? path : [...path, 'tags'], 'this group has no tags', 'key', 'tags')
    }
    const parts: [TagParts, Path][] = []
    for (const { name, keys: tagKeys, path: at } of written) {
      const tag = this.#tags.read({ name, keys: tagKeys, path: at, kind, ...parsed, presets })
      if (tag !== undefined) parts.push([tag, at])
    }
    const placed = this.#placed(parts)
    checkWrites(placed, { kind, invert: this.#invert, places: this.#check.places })
    const tags = placed.map(([tag]) => tag)
    if (own === undefined) return undefined
    const readable = tags.filter((tag) => tag.index >= 0)
    // What a wrong tag would have been is not known.
    const whole = written.length === parts.length
    if (whole) this.#agree(readable, own.coherent, path, around)
    const timeFrom = whole ? this.#timeFrom(own.timeFrom, readable, [...path, 'timeFrom']) : undefined
    return {
      ref: {
        id: 0,
        revision: 1,
        device: device.name,
        group,
        path: device.path,
        ...(around.labels === undefined ? {} : { labels: around.labels }),
        tags: readable.map((tag) => tag.info),
      },
      device,
      everyMs: own.every,
      phaseMs: own.phase,
      priority: own.priority,
      ...(own.coherent ? { coherent: true } : {}),
      ...(timeFrom === undefined ? {} : { timeFrom }),
      tags,
    }
  }

  /** Says what the driver finds wrong with tags that stand together. */
  #agree(tags: readonly Tag[], coherent: boolean, path: Path, { kind, device }: Surroundings): void {
    const { places } = this.#check
    if (coherent && kind.groupProblems === undefined) {
      places.say([...path, 'coherent'], 'this driver reads every tag by itself: leave coherent off', 'value')
    }
    if (device.settings === undefined) return
    const named = tags.map(({ info, settings }) => ({ name: info.name, settings }))
    for (const { key, text } of kind.groupProblems?.(named, { coherent }, device.settings) ?? []) {
      places.say([...path, key], text, 'value')
    }
  }

  /** The index of the tag that is the group's clock. */
  #timeFrom(name: string | undefined, tags: readonly Tag[], path: Path): number | undefined {
    if (name === undefined) return undefined
    const tag = tags.find(({ info }) => info.name === name)
    const clocks = tags.filter(({ info }) => info.type === 'datetime' && info.kind === 'text')
    const names = clocks.map(({ info }) => info.name)
    if (tag !== undefined && clocks.includes(tag)) return tag.index
    const there = names.length > 0 ? `there are: ${names.join(', ')}` : 'there is none in this group'
    const wrong = tag === undefined ? `no tag "${name}" is read in this group` : `"${name}" is no datetime`
    this.#check.places.say(path, `${wrong}; timeFrom names a tag of type datetime: ${there}`, 'value')
    return undefined
  }

  /** Readable tags first, each with its index; what scales a tag is found by its name. */
  #placed(parts: readonly [TagParts, Path][]): readonly (readonly [Tag, Path])[] {
    const readable = parts.filter(([{ access }]) => access !== 'w')
    const writeOnly = parts.filter(([{ access }]) => access === 'w')
    const index = new Map(readable.map(([{ info }], at) => [info.name, at]))
    return [...readable, ...writeOnly].map(([{ scaleFrom, ...tag }, path], at) => {
      const own = at < readable.length ? at : -1
      if (scaleFrom === undefined) return [this.#interning.among<Tag>('tags', tag.info, { index: own, ...tag }), path]
      const by = index.get(scaleFrom.tag)
      if (by === undefined || by === own) {
        const { text } = unknownName('tag', scaleFrom.tag, [...index.keys()].slice(0, 1000))
        const why = by === own ? 'a tag cannot scale itself' : text.replace('":', '" that is read in this group:')
        this.#check.places.say([...path, 'scaleFrom'], why, 'value')
        return [{ index: own, ...tag }, path]
      }
      const from = this.#interning.same({ index: by, as: scaleFrom.as })
      const mapping = this.#interning.same({ ...tag.mapping, scaleFrom: from })
      return [this.#interning.among<Tag>('tags', tag.info, { index: own, ...tag, mapping }), path]
    })
  }

  /** The group's tags, from the file and from its table, with fields spread out. */
  #written(given: unknown, path: Path, around: Surroundings): readonly Written[] {
    const tagsPath = [...path, 'tags']
    let own = given
    let rows: readonly (readonly [string, Keys])[] = []
    if (isMap(given) && typeof given.file === 'string') {
      const { file, ...beside } = given
      rows = this.#table(file as string, tagsPath, around)
      own = beside
    }
    const beside = new Map(this.#check.named(own, tagsPath))
    const found: Written[] = []
    const seen = new Map<string, Path>()
    const add = (name: string, keys: Keys, at: Path): void => {
      const before = seen.get(name)
      if (before !== undefined) {
        const text = `there are two tags "${name}" in this group: this one and ${before.slice(5).join('.')}`
        this.#check.places.say(at, text, 'key')
        return
      }
      seen.set(name, at)
      found.push({ name, keys, path: at })
    }
    for (const [name, keys] of rows) {
      const over = beside.get(name)
      beside.delete(name)
      add(name, over === undefined ? keys : { ...keys, ...over }, [...tagsPath, name])
    }
    for (const [name, keys] of beside) {
      const at = [...tagsPath, name]
      if (keys.fields === undefined || keys.fields === null) add(name, keys, at)
      else this.#fields(keys, at, add)
    }
    return found
  }

  #fields(keys: Keys, path: Path, add: (name: string, keys: Keys, path: Path) => void): void {
    const { fields, ...carrier } = keys
    for (const [name, own] of this.#check.named(fields, [...path, 'fields'])) {
      const at = [...path, 'fields', name]
      // What is wrong with an inherited key is wrong where it stands, and once.
      for (const key of Object.keys(carrier)) {
        if (!Object.hasOwn(own, key)) this.#check.places.move([...at, key], [...path, key])
      }
      add(name, { ...carrier, ...own }, at)
    }
  }

  #table(file: string, path: Path, around: Surroundings): readonly (readonly [string, Keys])[] {
    const { places } = this.#check
    const full = `${around.folder}/${file}`
    let table = this.#tables.get(full)
    if (table === undefined && !this.#tables.has(full)) {
      const read = this.#texts.read(file, around.folder)
      if (read.ok) table = new TagTable(read.file, read.text)
      else if (read.line === 0) places.say([...path, 'file'], `the file ${read.file} ${read.why}`, 'value')
      else places.at(read.file, { line: read.line, column: 1 }, [], read.why)
      this.#tables.set(full, table)
    }
    if (table === undefined) return []
    const source = table
    places.add({ at: path, file: source.file, locate: (below) => source.locate(below) })
    return source.tags(tagKeysOf(around.kind), this.#check, path)
  }
}
