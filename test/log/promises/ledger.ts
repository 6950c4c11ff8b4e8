/** The two ledgers that loss is judged by: the source's and each receiver's. None of the log's own figures is in them. */
import type { Entry, GapEntry, Position, Range } from '../../../src/contracts/log.ts'
import type { Rejection } from '../../../src/contracts/sink.ts'
import { countsOf } from '../batches.ts'
import type { Account, Delivery, Told } from './messages.ts'

type Outcomes = NonNullable<Told['outcomes']>

/** Numbers what it appends, and notes what became of each. */
export class Source {
  readonly stored = new Map<number, Position>()
  readonly refused = new Map<number, string>()
  /** Devices by number. */
  readonly devices = new Map<number, string>()
  #waiting: (() => void)[] = []
  #next = 1

  take(count: number, device: string): number[] {
    const numbers = Array.from({ length: count }, () => this.#next++)
    for (const number of numbers) this.devices.set(number, device)
    return numbers
  }

  learn(outcomes: Outcomes): void {
    for (const { number, position, why } of outcomes) {
      if (position === null) this.refused.set(number, why)
      else this.stored.set(number, position)
    }
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves when it is known of all of them. */
  async known(numbers: readonly number[]): Promise<void> {
    while (!numbers.every((number) => this.stored.has(number) || this.refused.has(number))) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
}

export interface Call {
  readonly entries: readonly Entry[]
  readonly numbers: readonly number[]
  readonly historical: boolean
  readonly stream: string
  taken: boolean
}

/** A far side: answers as the test tells it, and notes what it was given and what of it it took. */
export class Receiver {
  readonly name: string
  readonly calls: Call[] = []
  /** By key: `stream/epoch/seq`. */
  readonly taken = new Map<string, Entry>()
  /** Seqs that it refused by name. */
  readonly refused = new Set<number>()
  repeats = 0
  /** Keys under which it was given different entries: it would have dropped the later ones as repeats. */
  readonly clashes: string[] = []
  /** Refuses by name, refuses without a name, or fails: whatever it throws or returns. */
  answer: (call: Call) => readonly Rejection[] | Promise<readonly Rejection[]> = () => []
  /** Resolves when the link is there. */
  link: Promise<void> = Promise.resolve()
  /** Devices; null: all. */
  wants: readonly string[] | null = null

  constructor(name: string) {
    this.name = name
  }

  async deliver({ entries, historical, stream }: Delivery): Promise<readonly Rejection[]> {
    const call: Call = { entries, historical, stream, numbers: countsOf(entries), taken: false }
    this.calls.push(call)
    const rejected = await this.answer(call)
    call.taken = true
    const refused = new Set(rejected.map(({ position }) => position.seq))
    for (const seq of refused) this.refused.add(seq)
    for (const entry of entries) {
      if (refused.has(entry.position.seq)) continue
      const key = keyOf(stream, entry.position)
      const before = this.taken.get(key)
      if (before !== undefined) this.repeats++
      if (before !== undefined && countsOf([before])[0] !== countsOf([entry])[0]) this.clashes.push(key)
      this.taken.set(key, entry)
    }
    return rejected
  }

  /** It has these from elsewhere. */
  has(stream: string, entries: readonly Entry[]): void {
    for (const entry of entries) this.taken.set(keyOf(stream, entry.position), entry)
  }

  /** Numbers that it took, each once, in the order in which they came first. */
  get numbers(): number[] {
    return countsOf([...this.taken.values()])
  }

  get gaps(): readonly GapEntry[] {
    return [...this.taken.values()].flatMap((entry) => (entry.kind === 'gap' ? [entry] : []))
  }
}

function keyOf(stream: string, { epoch, seq }: Position): string {
  return `${stream}/${epoch}/${seq}`
}

function holds(ranges: readonly Range[], { seq }: Position): boolean {
  return ranges.some(({ from, to }) => seq >= from.seq && seq <= to.seq)
}

/** Promise 15, and that the receipt says of each stored number what the ledgers say. `told`: gap entries that are in the
 *  log, taken or not. Returns complaints. */
export function audit(options: {
  readonly source: Source
  readonly receiver: Receiver
  readonly account: Account
  readonly gaps: readonly GapEntry[]
}): string[] {
  const { source, receiver, account, gaps } = options
  const { receipt, pending, quarantined } = account
  const complaints: string[] = []
  const { name } = receiver
  const sum = receipt.delivered + receipt.filtered + receipt.pending + receipt.quarantined + receipt.evicted
  if (receipt.stored !== sum) complaints.push(`${name}: ${receipt.stored} stored, but its parts make ${sum}`)
  const waiting = pending.reduce((entries, { from, to }) => entries + to.seq - from.seq + 1, 0)
  if (waiting !== receipt.pending) complaints.push(`${name}: ${receipt.pending} pending, but ranges of ${waiting}`)
  if (receiver.clashes.length > 0) complaints.push(`${name}: ${receiver.clashes} were used again`)
  if (pending.length > 64) complaints.push(`${name}: ${pending.length} ranges`)
  if (quarantined.length !== receipt.quarantined)
    complaints.push(`${name}: ${receipt.quarantined} quarantined, but ${quarantined.length} are there`)
  const got = new Set([...receiver.taken.values()].map(({ position }) => position.seq))
  const kept = new Set(quarantined.map(({ position }) => position.seq))
  const mine = gaps.filter(({ readers }) => readers?.includes(name) ?? true)
  const start = receipt.head.seq - receipt.stored
  const lost: number[] = []
  const untold: number[] = []
  for (const [number, position] of source.stored) {
    const { seq } = position
    const wanted = receiver.wants?.includes(source.devices.get(number)!) ?? true
    if (!wanted || seq <= start || seq > receipt.head.seq || got.has(seq) || kept.has(seq) || holds(pending, position))
      continue
    lost.push(number)
    // What a full quarantine drops is counted; its receiver has had it, and refused it.
    if (receiver.refused.has(seq) || mine.some(({ range }) => range !== null && holds([range], position))) continue
    untold.push(number)
  }
  if (lost.length > receipt.evicted)
    complaints.push(`${name}: ${lost.length} are gone (${lost.slice(0, 5)} …), but only ${receipt.evicted} evicted`)
  if (untold.length > 0)
    complaints.push(`${name}: ${untold.length} are gone and no gap tells of it (${untold.slice(0, 5)} …)`)
  if (receipt.delivered > receiver.taken.size)
    complaints.push(`${name}: ${receipt.delivered} delivered, but it took only ${receiver.taken.size}`)
  return complaints
}
