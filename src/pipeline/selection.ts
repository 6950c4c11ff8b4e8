/** What one sink wants of the log: which tags, under which names, how often. Between the log and the sink, in columns. */
import { type Batch, type GroupRef, Reason, tagAt, type Value, valueAt } from '../contracts/batch.ts'
import type { Entry } from '../contracts/log.ts'

export interface Wishes {
  /** Patterns `device/group/tag` with `*`; a shorter pattern covers all below it. Empty: everything. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** `device`, `device/group` or `device/group/tag` to the last name's new form. */
  readonly rename: Readonly<Record<string, string>>
  readonly deadband: { readonly absolute: number } | { readonly percent: number } | null
  /** Of one group, entries that follow each other more closely are left out. */
  readonly minIntervalMs: number
}

/** What a group becomes for this sink; `tags: null` takes them all. */
interface Projection {
  readonly ref: GroupRef
  /** By source tag: its index in `ref.tags`, or -1. */
  readonly target: Int32Array | null
}

interface Sent {
  monotonic: number
  boot: string
  readonly values: (Value | undefined)[]
  readonly quality: Uint8Array
}

export class Selection {
  /** Whether it does anything at all. */
  readonly selects: boolean
  readonly #wishes: Wishes
  readonly #include: readonly RegExp[]
  readonly #exclude: readonly RegExp[]
  readonly #projections = new WeakMap<GroupRef, Projection | { readonly ref: null }>()
  readonly #sent = new Map<string, Sent>()

  constructor(wishes: Wishes) {
    this.#wishes = wishes
    this.#include = wishes.include.map(pathPattern)
    this.#exclude = wishes.exclude.map(pathPattern)
    this.selects =
      wishes.include.length > 0 ||
      wishes.exclude.length > 0 ||
      Object.keys(wishes.rename).length > 0 ||
      wishes.deadband !== null ||
      wishes.minIntervalMs > 0
  }

  /** The entry as the sink shall have it; null: nothing of it. Everything that is no batch passes. */
  select(entry: Entry): Entry | null {
    if (entry.kind !== 'batch') return entry
    const { batch } = entry
    const projection = this.#projection(batch.group)
    if (projection.ref === null) return null
    const seen = this.#recent(batch)
    if (seen === undefined) return null
    const projected = project(batch, projection)
    if (projected === null) return null
    const worth = this.#wishes.deadband === null ? projected : this.#outside(projected, seen)
    if (worth === null) return null
    seen.monotonic = batch.at.monotonic
    seen.boot = batch.at.boot
    return worth === batch ? entry : { ...entry, batch: worth }
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
    const { rename } = this.#wishes
    const path = `${group.device}/${group.group}`
    const target = new Int32Array(group.tags.length).fill(-1)
    const tags = group.tags.flatMap((tag, index) => {
      const name = `${path}/${tag.name}`
      const wanted = this.#include.length === 0 || this.#include.some((pattern) => pattern.test(name))
      if (!wanted || this.#exclude.some((pattern) => pattern.test(name))) return []
      const renamed = rename[name]
      return [{ index, tag: renamed === undefined ? tag : { ...tag, name: renamed } }]
    })
    if (tags.length === 0) return { ref: null }
    for (const [at, { index }] of tags.entries()) target[index] = at
    const device = rename[group.device] ?? group.device
    const name = rename[path] ?? group.group
    const whole = tags.length === group.tags.length
    const same =
      whole &&
      device === group.device &&
      name === group.group &&
      tags.every(({ tag, index }) => tag === group.tags[index])
    if (same) return { ref: group, target: null }
    return { ref: { ...group, device, group: name, tags: tags.map(({ tag }) => tag) }, target: whole ? null : target }
  }

  /** What was sent of the group last; undefined: too recently. */
  #recent(batch: Batch): Sent | undefined {
    const key = `${batch.group.device}/${batch.group.group}`
    let sent = this.#sent.get(key)
    if (sent === undefined || sent.quality.length !== batch.group.tags.length) {
      sent = {
        monotonic: Number.NEGATIVE_INFINITY,
        boot: batch.at.boot,
        values: [],
        quality: new Uint8Array(batch.group.tags.length),
      }
      this.#sent.set(key, sent)
    }
    const elapsedMs = batch.at.monotonic - sent.monotonic
    const tooSoon = sent.boot === batch.at.boot && elapsedMs >= 0 && elapsedMs < this.#wishes.minIntervalMs
    return tooSoon ? undefined : sent
  }

  /** The entries whose value left the band around what this sink was sent last; a change of quality always passes. */
  #outside(batch: Batch, sent: Sent): Batch | null {
    const band = this.#wishes.deadband!
    const chosen: number[] = []
    for (let entry = 0; entry < batch.numbers.length; entry++) {
      const tag = tagAt(batch, entry)
      const value = valueAt(batch, entry)
      const quality = batch.quality?.[entry] ?? Reason.good
      const last = sent.values[tag]
      if (last !== undefined && quality === sent.quality[tag] && !leaves(band, last, value)) continue
      sent.values[tag] = value
      sent.quality[tag] = quality
      chosen.push(entry)
    }
    if (chosen.length === 0) return null
    return chosen.length === batch.numbers.length ? batch : pick(batch, chosen, (entry) => tagAt(batch, entry))
  }
}

function project(batch: Batch, { ref, target }: Projection): Batch | null {
  if (ref === batch.group) return batch
  if (target === null) return { ...batch, group: ref }
  const chosen: number[] = []
  for (let entry = 0; entry < batch.numbers.length; entry++) if (target[tagAt(batch, entry)]! >= 0) chosen.push(entry)
  if (chosen.length === 0) return null
  const picked = pick({ ...batch, group: ref }, chosen, (entry) => target[tagAt(batch, entry)]!)
  return picked.numbers.length === ref.tags.length ? { ...picked, tags: null } : picked
}

function pick(batch: Batch, chosen: readonly number[], tagOf: (entry: number) => number): Batch {
  const others = new Map<number, Value>()
  const quality = Uint8Array.from(chosen, (entry) => batch.quality?.[entry] ?? Reason.good)
  for (const [entry, from] of chosen.entries()) {
    const other = batch.others?.get(from)
    if (other !== undefined) others.set(entry, other)
  }
  return {
    ...batch,
    tags: Uint32Array.from(chosen, tagOf),
    numbers: Float64Array.from(chosen, (entry) => batch.numbers[entry]!),
    others: others.size > 0 ? others : null,
    quality: quality.some((reason) => reason !== Reason.good) ? quality : null,
    carry: null,
  }
}

function leaves(band: NonNullable<Wishes['deadband']>, last: Value, value: Value): boolean {
  if (typeof last !== 'number' || typeof value !== 'number') return last !== value
  const width = 'absolute' in band ? band.absolute : (Math.abs(last) * band.percent) / 100
  const distance = Math.abs(value - last)
  return width === 0 ? distance > 0 : distance >= width
}

function pathPattern(pattern: string): RegExp {
  const names = pattern.split('/').map((name) => name.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*'))
  return new RegExp(`^${names.join('/')}${names.length < 3 ? '/' : '$'}`)
}
