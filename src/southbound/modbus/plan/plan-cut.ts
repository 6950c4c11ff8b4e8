/** The heart of the planner: where to cut the addresses of one area into requests. */
import type { Tag } from '../../../contracts/driver.ts'
import type { AddressRange, TagSettings } from '../settings.ts'

/** What must be read in one request: the registers of a value, or of values that belong together. */
export interface Extent {
  readonly from: number
  /** The first address after it. */
  readonly end: number
  readonly tags: readonly Tag[]
}

export interface CutRules {
  /** The longest request. */
  readonly most: number
  readonly maxGap: number
  readonly forbidden: readonly AddressRange[]
  readonly weight: (quantity: number) => number
}

/** One extent for each distinct stretch of addresses, ascending. */
export function extentsOf(tags: readonly Tag[]): readonly Extent[] {
  const settings = (tag: Tag): TagSettings => tag.settings as TagSettings
  const sorted = tags.toSorted(
    (one, other) => settings(one).address - settings(other).address || settings(one).span - settings(other).span,
  )
  const extents: { from: number; end: number; tags: Tag[] }[] = []
  for (const tag of sorted) {
    const { address, span } = settings(tag)
    const last = extents.at(-1)
    if (last !== undefined && last.from === address && last.end === address + span) last.tags.push(tag)
    else extents.push({ from: address, end: address + span, tags: [tag] })
  }
  return extents
}

/** Joins each value with the register that scales it where one request can hold both: their moment must be the same. */
function joinScales(extents: readonly Extent[], rules: CutRules): readonly Extent[] {
  const home = new Map<number, number>()
  for (const [at, extent] of extents.entries()) for (const tag of extent.tags) home.set(tag.index, at)
  const pairs: { readonly value: number; readonly scale: number }[] = []
  for (const [value, extent] of extents.entries()) {
    for (const { mapping } of extent.tags) {
      const scale = mapping.scaleFrom === null ? undefined : home.get(mapping.scaleFrom.index)
      if (scale !== undefined && scale !== value) pairs.push({ value, scale })
    }
  }
  if (pairs.length === 0) return extents
  // The nearest first, as long as the request can hold them; each set of joined extents is known by its root.
  const distance = ({ value, scale }: (typeof pairs)[number]): number =>
    Math.abs(extents[value]!.from - extents[scale]!.from)
  const roots = extents.map((_, at) => at)
  const rootOf = (at: number): number => {
    let root = at
    while (roots[root] !== root) root = roots[root] = roots[roots[root]!]!
    return root
  }
  const joined = extents.map(({ from, end, tags }) => ({ from, end, tags }))
  for (const pair of pairs.sort((one, other) => distance(one) - distance(other))) {
    const [root, leaf] = [rootOf(pair.scale), rootOf(pair.value)]
    const [one, other] = [joined[root]!, joined[leaf]!]
    const [from, end] = [Math.min(one.from, other.from), Math.max(one.end, other.end)]
    if (root === leaf || end - from > rules.most) continue
    if (touches(rules.forbidden, Math.min(one.end, other.end), Math.max(one.from, other.from))) continue
    joined[root] = { from, end, tags: [...one.tags, ...other.tags] }
    roots[leaf] = root
  }
  return joined.filter((_, at) => roots[at] === at).sort((one, other) => one.from - other.from || one.end - other.end)
}

function touches(forbidden: readonly AddressRange[], from: number, end: number): boolean {
  return forbidden.length > 0 && from < end && forbidden.some((range) => range.from < end && range.to >= from)
}

/** Cuts sorted extents into stretches, each a request: the least weight of all cuts that keep the rules. */
export function cutStretches(plain: readonly Extent[], rules: CutRules): readonly (readonly Extent[])[] {
  const extents = joinScales(plain, rules)
  const stretches: (readonly Extent[])[] = []
  let start = 0
  let end = -1
  let hole = false
  for (let index = 0; index <= extents.length; index++) {
    const extent = extents[index]
    if (extent !== undefined && (index === start || bridgeable(end, extent.from, rules))) {
      hole ||= index !== start && extent.from > end
      end = Math.max(end, extent.end)
      continue
    }
    if (index > start) {
      const chain = extents.slice(start, index)
      if (!hole && end - chain[0]!.from <= rules.most) stretches.push(chain)
      else stretches.push(...cheapest(chain, rules))
    }
    start = index
    hole = false
    end = extent?.end ?? 0
  }
  return stretches
}

function bridgeable(end: number, from: number, rules: CutRules): boolean {
  return from <= end || (from - end <= rules.maxGap && !touches(rules.forbidden, end, from))
}

/** Dynamic programming over the places to cut: `cost[n]` is the least weight that reads the first n extents. A request that
 *  ends neither at a hole nor at the limit could only be longer for nothing, so those two ends are all that is tried. */
function cheapest(chain: readonly Extent[], rules: CutRules): readonly (readonly Extent[])[] {
  const count = chain.length
  const froms = Uint32Array.from(chain, (extent) => extent.from)
  const ends = Uint32Array.from(chain, (extent) => extent.end)
  const weights = Float64Array.from({ length: rules.most + 1 }, (_, quantity) => rules.weight(quantity))
  const cost = new Float64Array(count + 1).fill(Number.POSITIVE_INFINITY)
  const cutAt = new Uint32Array(count + 1)
  cost[0] = 0
  for (let first = 0; first < count; first++) {
    const base = cost[first]!
    if (base === Number.POSITIVE_INFINITY) continue
    const from = froms[first]!
    let end = ends[first]!
    for (let next = first + 1; ; next++) {
      const hole = next < count && froms[next]! > end
      const full = next === count || Math.max(end, ends[next]!) - from > rules.most
      if (hole || full) {
        // What is longer by itself than the limit (a limit learnt later) is asked for alone.
        const total = base + (weights[end - from] ?? rules.weight(end - from))
        if (total < cost[next]!) {
          cost[next] = total
          cutAt[next] = first
        }
        if (full || !bridgeable(end, froms[next]!, rules)) break
      }
      if (ends[next]! > end) end = ends[next]!
    }
  }
  const stretches: (readonly Extent[])[] = []
  for (let end = count; end > 0; end = cutAt[end]!) stretches.push(chain.slice(cutAt[end]!, end))
  return stretches.reverse()
}
