/** Sets of positions as few ranges, oldest first, disjoint. Seqs follow each other without holes, so they count entries;
 *  the epochs of an end that was cut are the nearest that are known. */
import type { Position, Range } from '../../contracts/log.ts'

export function count(ranges: readonly Range[]): number {
  let entries = 0
  for (const { from, to } of ranges) entries += to.seq - from.seq + 1
  return entries
}

/** `ranges` without `cut`, and how many positions that took away. */
export function without(ranges: readonly Range[], cut: Range): { readonly ranges: Range[]; readonly removed: number } {
  const rest: Range[] = []
  let removed = 0
  for (const range of ranges) {
    const from = Math.max(range.from.seq, cut.from.seq)
    const to = Math.min(range.to.seq, cut.to.seq)
    if (from > to) {
      rest.push(range)
      continue
    }
    removed += to - from + 1
    if (range.from.seq < from) {
      rest.push({ from: range.from, to: { epoch: Math.min(range.to.epoch, cut.from.epoch), seq: from - 1 } })
    }
    if (range.to.seq > to) {
      rest.push({ from: { epoch: Math.max(range.from.epoch, cut.to.epoch), seq: to + 1 }, to: range.to })
    }
  }
  return { ranges: rest, removed }
}

/** What of `ranges` is in `others`, too. */
export function shared(ranges: readonly Range[], others: readonly Range[]): readonly Range[] {
  return ranges.flatMap(({ from, to }) =>
    others.flatMap((other) => {
      const [first, last] = [Math.max(from.seq, other.from.seq), Math.min(to.seq, other.to.seq)]
      if (first > last) return []
      return [{ from: { epoch: other.from.epoch, seq: first }, to: { epoch: other.to.epoch, seq: last } }]
    }),
  )
}

/** `ranges` without any of `others`. */
export function withoutAll(ranges: readonly Range[], others: readonly Range[]): readonly Range[] {
  return others.reduce((left, other) => without(left, other).ranges, ranges)
}

/** `ranges` and what follows them up to `head`, given that they speak of everything up to `known`. */
export function extended(ranges: readonly Range[], known: Position, head: Position): Range[] {
  const longer = [...ranges]
  if (head.seq <= known.seq) return longer
  const last = longer.at(-1)
  if (last !== undefined && last.to.seq === known.seq) longer[longer.length - 1] = { from: last.from, to: head }
  else longer.push({ from: { epoch: known.epoch, seq: known.seq + 1 }, to: head })
  return longer
}

/** What of `ranges` is not behind `head`. */
export function upTo(ranges: readonly Range[], head: Position): readonly Range[] {
  const last = ranges.at(-1)
  if (last === undefined || last.to.seq <= head.seq) return ranges
  const cut: Range = { from: { epoch: head.epoch, seq: head.seq + 1 }, to: { epoch: last.to.epoch, seq: last.to.seq } }
  return without(ranges, cut).ranges
}

/** At most `most` ranges: neighbours with the least between them are joined, which repeats what is between. Some of
 *  the oldest and newest can be left as they are. */
export function joined(
  ranges: readonly Range[],
  most: number,
  apart = { oldest: 0, newest: 0 },
): { readonly ranges: Range[]; readonly repeated: number } {
  const fewer = [...ranges]
  let repeated = 0
  while (fewer.length > most) {
    let place = Math.max(1, apart.oldest)
    let least = Number.POSITIVE_INFINITY
    for (let next = place; next < fewer.length - apart.newest; next++) {
      const between = fewer[next]!.from.seq - fewer[next - 1]!.to.seq - 1
      if (between < least) {
        least = between
        place = next
      }
    }
    fewer.splice(place - 1, 2, { from: fewer[place - 1]!.from, to: fewer[place]!.to })
    repeated += least
  }
  return { ranges: fewer, repeated }
}
