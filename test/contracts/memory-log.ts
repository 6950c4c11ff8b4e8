/** The log in memory: the plainest thing that keeps the contract, for tests of what stands on either side of it. */
import type { Batch, GroupRef } from '../../src/contracts/batch.ts'
import { Rejected } from '../../src/contracts/errors.ts'
import type {
  Cursor,
  Entry,
  EventNote,
  Fates,
  LogReader,
  LogWriter,
  Position,
  Quarantined,
  Range,
  Receipt,
} from '../../src/contracts/log.ts'

export class MemoryLog {
  readonly stream = '00000000000000ff'
  readonly #entries: Entry[] = []
  readonly #waiting = new Set<() => void>()
  readonly #last = new Map<GroupRef, Batch>()

  get head(): Position {
    return this.#entries.at(-1)?.position ?? { epoch: 1, seq: 0 }
  }

  readonly writer: LogWriter = ((log: MemoryLog): LogWriter => ({
    append: async (batch) => log.#push((position) => ({ kind: 'batch', position, batch })),
    note: async (event: EventNote) => log.#push((position) => ({ kind: 'event', position, ...event })),
    adopt: async (entry) => {
      if (entry.position.seq !== log.head.seq + 1) throw new Rejected('the entry does not follow the newest one')
      log.#push(() => entry)
    },
    get head() {
      return log.head
    },
  }))(this)

  readonly reader: LogReader = ((log: MemoryLog): LogReader => ({
    stream: log.stream,
    get head() {
      return log.head
    },
    read: (from, max) => {
      const rest = log.#entries.filter(({ position }) => position.seq >= from.seq)
      return rest.slice(0, Math.min(max.entries, Math.max(1, Math.floor(max.bytes / 64))))
    },
    next: (after, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        if (log.head.seq > after.seq) return resolve()
        const end = (): void => {
          log.#waiting.delete(wake)
          signal.removeEventListener('abort', abort)
        }
        const wake = (): void => {
          end()
          resolve()
        }
        const abort = (): void => {
          end()
          reject(signal.reason)
        }
        log.#waiting.add(wake)
        signal.addEventListener('abort', abort)
      }),
    snapshot: () => ({ at: log.head, batches: [...log.#last.values()] }),
  }))(this)

  cursor(reader: string, options: { readonly from: 'now' | 'oldest' }): MemoryCursor {
    return new MemoryCursor(
      reader,
      options.from === 'now' ? this.head.seq : 0,
      (seq) => this.#entries[seq - 1]!.position,
    )
  }

  #push(make: (position: Position) => Entry): Position {
    const entry = make({ epoch: 1, seq: this.head.seq + 1 })
    this.#entries.push(entry)
    if (entry.kind === 'batch')
      this.#last.set(entry.batch.group, merged(this.#last.get(entry.batch.group), entry.batch))
    for (const wake of [...this.#waiting]) wake()
    return entry.position
  }
}

function merged(last: Batch | undefined, batch: Batch): Batch {
  if (batch.tags === null || last === undefined) return batch
  const numbers = last.numbers.slice()
  const quality = last.quality?.slice() ?? new Uint8Array(numbers.length)
  const others = new Map(last.others ?? [])
  for (const [entry, tag] of batch.tags.entries()) {
    numbers[tag] = batch.numbers[entry]!
    quality[tag] = batch.quality?.[entry] ?? 0
    others.delete(tag)
    const other = batch.others?.get(entry)
    if (other !== undefined) others.set(tag, other)
  }
  return { ...batch, tags: null, numbers, quality, others, carry: batch.carry ?? last.carry }
}

/** Counts seq by seq: slow, and obviously right. */
export class MemoryCursor implements Cursor {
  readonly reader: string
  readonly kept: { item: Quarantined; retry: boolean }[] = []
  readonly #start: number
  readonly #positionOf: (seq: number) => Position
  readonly #done = new Set<number>()
  #filtered = 0
  #evicted = 0

  constructor(reader: string, start: number, positionOf: (seq: number) => Position) {
    this.reader = reader
    this.#start = start
    this.#positionOf = positionOf
  }

  pending(head: Position): readonly Range[] {
    const ranges: { from: Position; to: Position }[] = []
    for (let seq = this.#start + 1; seq <= head.seq; seq++) {
      if (this.#done.has(seq)) continue
      const position = this.#positionOf(seq)
      const last = ranges.at(-1)
      if (last?.to.seq === seq - 1) last.to = position
      else ranges.push({ from: position, to: position })
    }
    return ranges
  }

  async confirm(ranges: readonly Range[], fates: Fates = {}): Promise<void> {
    for (const { from, to } of ranges) for (let seq = from.seq; seq <= to.seq; seq++) this.#done.add(seq)
    this.#filtered += fates.filtered ?? 0
    this.#evicted += fates.evicted ?? 0
    for (const item of fates.quarantined ?? []) this.kept.push({ item, retry: false })
  }

  receipt(head: Position): Receipt {
    const stored = head.seq - this.#start
    const pending = this.pending(head).reduce((sum, { from, to }) => sum + to.seq - from.seq + 1, 0)
    const quarantined = this.kept.length
    const delivered = stored - pending - quarantined - this.#filtered - this.#evicted
    return {
      reader: this.reader,
      head,
      stored,
      delivered,
      filtered: this.#filtered,
      pending,
      quarantined,
      evicted: this.#evicted,
    }
  }

  liveFrom = 0

  markLive(seq: number): Promise<void> {
    this.liveFrom = seq
    return Promise.resolve()
  }

  retrying(max: number): readonly Entry[] {
    return this.kept.flatMap(({ item, retry }) => (retry ? [item.entry] : [])).slice(0, max)
  }

  async settle(position: Position, why: string | null): Promise<void> {
    const at = this.kept.findIndex(({ item }) => item.entry.position.seq === position.seq)
    if (at < 0) return
    const { item } = this.kept[at]!
    this.kept.splice(at, 1)
    if (why !== null) this.kept.push({ item: { entry: item.entry, why }, retry: false })
  }

  retry(positions: readonly Position[] | null): number {
    let marked = 0
    for (const kept of this.kept) {
      if (positions !== null && !positions.some(({ seq }) => seq === kept.item.entry.position.seq)) continue
      kept.retry = true
      marked++
    }
    return marked
  }
}
