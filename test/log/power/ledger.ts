/** What the log owes when the power is cut after some step: kept by the workload and told in its marks, never asked of
 *  the log. */
import type { Receipt } from '../../../src/contracts/log.ts'
import type { Change, Mark, Place, Seqs } from './marks.ts'

export interface Stored {
  readonly epoch: number
  readonly what: string
}

/** Where a reader may stand: behind the changes that were durable, and behind any that was under way. */
export interface Standing {
  readonly base: Place
  readonly changes: readonly Change[]
  /** So many changes were said to be durable. */
  readonly durable: number
}

export interface Owed {
  /** Appended, or read by a reader: by seq. */
  readonly stored: ReadonlyMap<number, Stored>
  /** Every count that was ever offered. */
  readonly tried: ReadonlySet<string>
  readonly readers: ReadonlyMap<string, Standing>
  /** Gaps that were told of evicted entries. */
  readonly evicted: readonly Evicted[]
  /** Grows with what is owed. */
  readonly marks: number
}

export interface Evicted {
  readonly range: Seqs
  readonly readers: readonly string[] | undefined
}

const NOTHING: Receipt = {
  reader: '',
  head: { epoch: 0, seq: 0 },
  stored: 0,
  delivered: 0,
  filtered: 0,
  pending: 0,
  quarantined: 0,
  evicted: 0,
}
const FRESH: Standing = { base: { pending: [], receipt: NOTHING, quarantined: [] }, changes: [], durable: 0 }

/** `marks` in the order of their steps; throws when the log contradicted itself before any power was cut. */
export function owed(marks: Iterable<Mark>): Owed {
  const stored = new Map<number, Stored>()
  const tried = new Set<string>()
  const readers = new Map<string, { base: Place; changes: Change[]; durable: number }>()
  const evicted: Evicted[] = []
  let count = 0
  const note = (seq: number, epoch: number, what: string): void => {
    const known = stored.get(seq)
    if (known !== undefined && (known.epoch !== epoch || known.what !== what))
      throw new Error(`position ${epoch}/${seq} held ${known.what} of epoch ${known.epoch} and now ${what}`)
    stored.set(seq, { epoch, what })
  }
  for (const mark of marks) {
    count++
    switch (mark.m) {
      case 'tried':
        tried.add(String(mark.count))
        break
      case 'stored':
        note(mark.seq, mark.epoch, String(mark.count))
        break
      case 'saw':
        for (const [epoch, seq, what] of mark.entries) {
          note(seq, epoch, what)
          const gap = evictedIn(what)
          if (gap !== undefined) evicted.push(gap)
        }
        break
      case 'opened':
        for (const [name, place] of Object.entries(mark.readers)) {
          const before = readers.get(name)
          const wrong = before && standsWrong(place, before)
          if (wrong !== undefined) throw new Error(`${name} came back and ${wrong}`)
          readers.set(name, { base: place, changes: [], durable: 0 })
        }
        break
      case 'changing':
        readers.get(mark.reader)!.changes.push(mark.change)
        break
      case 'changed': {
        const reader = readers.get(mark.reader)!
        reader.durable = Math.max(reader.durable, mark.number)
        break
      }
      default:
        throw new Error(`no such mark: ${JSON.stringify(mark)}`)
    }
  }
  return { stored, tried, readers, evicted, marks: count }
}

/** The range that a gap entry says was evicted. */
export function evictedIn(what: string): Evicted | undefined {
  if (!what.startsWith('{')) return undefined
  const gap = JSON.parse(what)
  if (gap.kind !== 'gap' || gap.why !== 'evicted') return undefined
  return { range: [gap.range.from.seq, gap.range.to.seq], readers: gap.readers }
}

/** What is wrong with where a reader stands; undefined: it stands behind one of the changes that it may stand behind. */
export function standsWrong(place: Place, standing: Standing = FRESH): string | undefined {
  const { head, stored, delivered, filtered, pending, quarantined, evicted } = place.receipt
  const sum = delivered + filtered + pending + quarantined + evicted
  if (stored !== sum) return `its receipt says stored ${stored}, and ${sum} by what became of them`
  if (pending !== lengthOf(place.pending))
    return `its receipt says pending ${pending}, and ${lengthOf(place.pending)} are`
  const { base, changes, durable } = standing
  let wrong: string | undefined
  const open = new Uint8Array(head.seq + 1)
  const fill = ([from, to]: Seqs, value: number): void => void open.fill(value, from, to + 1)
  for (const range of base.pending) fill(range, 1)
  fill([base.receipt.head.seq + 1, head.seq], 1)
  const kept = new Set(base.quarantined)
  const sums = { delivered: base.receipt.delivered, filtered: base.receipt.filtered }
  for (let number = 0; number <= changes.length; number++) {
    const change = changes[number - 1]
    if (change !== undefined) {
      let gone = 0
      for (const [from, to] of change.ranges) {
        for (let seq = from; seq <= to; seq++) gone += open[seq] ?? 0
        fill([from, to], 0)
      }
      for (const seq of change.quarantined) kept.add(seq)
      for (const seq of change.settled) kept.delete(seq)
      sums.filtered += change.filtered
      sums.delivered += gone - change.filtered - change.quarantined.length + change.settled.length
    }
    if (number < durable) continue
    wrong = differs(place, open, kept, sums)
    if (wrong === undefined) return undefined
  }
  return wrong
}

function differs(
  place: Place,
  open: Uint8Array,
  kept: ReadonlySet<number>,
  sums: { readonly delivered: number; readonly filtered: number },
): string | undefined {
  const { receipt } = place
  const pending = new Uint8Array(receipt.head.seq + 1)
  for (const [from, to] of place.pending) pending.fill(1, from, to + 1)
  // What was evicted is none of the oldest any more.
  let gone = 0
  for (let seq = 1; seq <= receipt.head.seq; seq++) {
    if (open[seq] === 1 && pending[seq] === 0) {
      if (gone === receipt.evicted || pending.subarray(0, seq).includes(1))
        return `does not wait for ${seq}, which it never had`
      gone++
    }
    if (open[seq] === 0 && pending[seq] === 1) return `waits for ${seq} again, which it confirmed durably`
  }
  if (place.quarantined.join() !== [...kept].sort((a, b) => a - b).join())
    return `has ${place.quarantined.join(' ')} in quarantine in place of ${[...kept].join(' ')}`
  if (receipt.evicted > 0) return undefined
  if (receipt.delivered !== sums.delivered || receipt.filtered !== sums.filtered)
    return `has delivered ${receipt.delivered} and filtered ${receipt.filtered}, and should ${sums.delivered} and ${sums.filtered}`
  return undefined
}

function lengthOf(ranges: readonly Seqs[]): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0)
}
