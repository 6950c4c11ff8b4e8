/** What is lost with a segment: told to those who were still to have it, and with it once more what gap entries in it told. */
import type { GapEntry, Range } from '../../contracts/log.ts'
import { count } from '../places/ranges.ts'

export type Gap = Pick<GapEntry, 'range' | 'entries' | 'why' | 'readers'>

/** What a reader has not confirmed of a stretch. */
export interface Unconfirmed {
  readonly reader: string
  readonly ranges: readonly Range[]
}

export interface Losses {
  /** One for each different loss; readers that confirmed everything lose nothing. */
  readonly gaps: readonly Gap[]
  /** What readers would not hear of any more, because the gap entries that told it go before they came to them. */
  readonly again: readonly Gap[]
}

/** `told`: the gap entries that go with the segment. */
export function lossesOf(unconfirmed: readonly Unconfirmed[], told: readonly GapEntry[]): Losses {
  const gaps = new Together()
  const again = new Together()
  for (const { reader, ranges } of unconfirmed) {
    const [first, last] = [ranges[0], ranges.at(-1)]
    if (first === undefined || last === undefined) continue
    gaps.add(reader, { range: { from: first.from, to: last.to }, entries: count(ranges), why: 'evicted' })
    const unheard = told.filter((gap) => concerns(gap, reader) && ranges.some((range) => holds(range, gap)))
    for (const gap of merged(unheard)) again.add(reader, gap)
  }
  return { gaps: gaps.all, again: again.all }
}

/** Readers that lost the same are told in one. */
class Together {
  readonly #gaps = new Map<string, Gap & { readonly readers: string[] }>()

  add(reader: string, gap: Gap): void {
    const key = `${gap.why} ${gap.range?.from.seq} ${gap.range?.to.seq} ${gap.entries}`
    const same = this.#gaps.get(key)
    if (same === undefined) this.#gaps.set(key, { ...gap, readers: [reader] })
    else same.readers.push(reader)
  }

  get all(): readonly Gap[] {
    return [...this.#gaps.values()]
  }
}

function concerns(gap: GapEntry, reader: string): boolean {
  return gap.readers?.includes(reader) ?? true
}

function holds({ from, to }: Range, { position }: GapEntry): boolean {
  return position.seq >= from.seq && position.seq <= to.seq
}

/** One gap for each reason, from the first that it speaks of to the last. */
function merged(gaps: readonly Gap[]): readonly Gap[] {
  const byWhy = new Map<string, Gap>()
  for (const { range, entries, why } of gaps) {
    const before = byWhy.get(why)
    if (before === undefined) byWhy.set(why, { range, entries, why })
    else byWhy.set(why, { range: around(before.range, range), entries: before.entries + entries, why })
  }
  return [...byWhy.values()]
}

function around(a: Range | null, b: Range | null): Range | null {
  if (a === null || b === null) return a ?? b
  return { from: a.from.seq < b.from.seq ? a.from : b.from, to: a.to.seq > b.to.seq ? a.to : b.to }
}
