/** What one sink wants of the log: which tags, under which names, how often. Between the log and the sink, in columns. */
import { type Batch, type GroupRef, tagAt } from '../contracts/batch.ts'
import type { Entry } from '../contracts/log.ts'
import { pick } from './columns.ts'
import { Thinning } from './thinning.ts'

export interface Wishes {
  /** Patterns `device/group/tag` with `*`; a shorter pattern covers all below it. Empty: everything. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** `device`, `device/group` or `device/group/tag`, with `*`, to the last name's new form: `oven/fast/t1: temperature`. Where
   *  several fit, the one with the fewest `*` counts. */
  readonly rename: Readonly<Record<string, string>>
  readonly deadband: { readonly absolute: number } | { readonly percent: number } | null
  /** Of one group, entries that follow each other more closely are held back; what they say is part of the next. */
  readonly minIntervalMs: number
}

/** What a group becomes for this sink; `target: null`: all tags, in their order. */
interface Projection {
  readonly ref: GroupRef
  /** By source tag: its index in `ref.tags`, or -1. */
  readonly target: Int32Array | null
}

interface Renaming {
  readonly pattern: RegExp
  readonly stars: number
  readonly to: string
}

export class Selection {
  /** Whether it does anything at all. */
  readonly selects: boolean
  readonly #include: readonly RegExp[]
  readonly #exclude: readonly RegExp[]
  readonly #renamings: readonly Renaming[]
  readonly #thinning: Thinning | undefined
  readonly #projections = new WeakMap<GroupRef, Projection | { readonly ref: null }>()

  constructor(wishes: Wishes) {
    const { include, exclude, rename, deadband, minIntervalMs } = wishes
    this.#include = include.map(covering)
    this.#exclude = exclude.map(covering)
    this.#renamings = Object.entries(rename)
      .map(([path, to]) => ({ pattern: new RegExp(`^${expression(path)}$`), stars: path.split('*').length - 1, to }))
      .sort((a, b) => a.stars - b.stars)
    const thins = deadband !== null || minIntervalMs > 0
    this.#thinning = thins ? new Thinning({ deadband, minIntervalMs }) : undefined
    this.selects = include.length > 0 || exclude.length > 0 || this.#renamings.length > 0 || thins
  }

  /** The entry as the sink shall have it; null: nothing of it. Everything that is no batch passes. The same entry always has the
   *  same answer. */
  select(entry: Entry): Entry | null {
    if (entry.kind !== 'batch') return entry
    const projected = project(entry.batch, this.#projection(entry.batch.group))
    if (projected === null) return null
    const batch = this.#thinning === undefined ? projected : this.#thinning.thin(entry.position, projected)
    if (batch === null) return null
    return batch === entry.batch ? entry : { ...entry, batch }
  }

  /** Groups and tags that would share one name at this sink: a sentence each, naming both. */
  collisions(groups: readonly GroupRef[]): readonly string[] {
    const taken = new Map<string, string>()
    const found: string[] = []
    for (const group of groups) {
      const path = `${group.device}/${group.group}`
      for (const tag of group.tags) {
        const from = `${path}/${tag.name}`
        if (!this.#wants(from)) continue
        const to = [
          this.#renamed(group.device, group.device),
          this.#renamed(path, group.group),
          this.#renamed(from, tag.name),
        ].join('/')
        const other = taken.get(to)
        if (other === undefined) taken.set(to, from)
        else found.push(`${other} and ${from} would both be called ${to}`)
      }
    }
    return found
  }

  #projection(group: GroupRef): Projection | { readonly ref: null } {
    let projection = this.#projections.get(group)
    if (projection === undefined) {
      projection = this.#made(group)
      this.#projections.set(group, projection)
    }
    return projection
  }

  #made(group: GroupRef): Projection | { readonly ref: null } {
    const path = `${group.device}/${group.group}`
    const target = new Int32Array(group.tags.length).fill(-1)
    const taken = new Set<string>()
    const tags: { readonly index: number; readonly tag: GroupRef['tags'][number] }[] = []
    for (const [index, tag] of group.tags.entries()) {
      if (!this.#wants(`${path}/${tag.name}`)) continue
      const name = this.#renamed(`${path}/${tag.name}`, tag.name)
      // Two values never share a name: the second keeps its own.
      const free = name !== tag.name && !taken.has(name)
      taken.add(free ? name : tag.name)
      target[index] = tags.length
      tags.push({ index, tag: free ? { ...tag, name } : tag })
    }
    if (tags.length === 0) return { ref: null }
    const device = this.#renamed(group.device, group.device)
    const name = this.#renamed(path, group.group)
    const whole = tags.length === group.tags.length
    const same = whole && tags.every(({ tag, index }) => tag === group.tags[index])
    if (same && device === group.device && name === group.group) return { ref: group, target: null }
    return { ref: { ...group, device, group: name, tags: tags.map(({ tag }) => tag) }, target: whole ? null : target }
  }

  #wants(path: string): boolean {
    if (this.#exclude.some((pattern) => pattern.test(path))) return false
    return this.#include.length === 0 || this.#include.some((pattern) => pattern.test(path))
  }

  #renamed(path: string, name: string): string {
    return this.#renamings.find(({ pattern }) => pattern.test(path))?.to ?? name
  }
}

function project(
  batch: Batch,
  { ref, target }: Projection | { readonly ref: null; readonly target?: null },
): Batch | null {
  if (ref === null) return null
  if (ref === batch.group) return batch
  if (target === null || target === undefined) return { ...batch, group: ref, carry: null }
  const chosen = new Uint32Array(batch.numbers.length)
  let count = 0
  for (let entry = 0; entry < chosen.length; entry++) if (target[tagAt(batch, entry)]! >= 0) chosen[count++] = entry
  if (count === 0) return null
  const picked = pick(batch, chosen.subarray(0, count))
  const tags = count === ref.tags.length ? null : picked.tags!.map((tag) => target[tag]!)
  return { ...picked, group: ref, tags, carry: null }
}

function expression(path: string): string {
  return path
    .split('/')
    .map((name) => name.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*'))
    .join('/')
}

/** A path of three names under the pattern. */
function covering(pattern: string): RegExp {
  return new RegExp(`^${expression(pattern)}${pattern.split('/').length < 3 ? '/' : '$'}`)
}
