/** A reader of the workload: delivers, filters, quarantines and confirms by chance, and marks each change of its place. */
import type { Cursor, Entry, LogReader } from '../../../src/contracts/log.ts'
import type { UplinkEnd } from '../../../src/log/ends.ts'
import { type Change, contentOf, type Mark, type Place, seqsOf } from './marks.ts'

export interface Around {
  readonly mark: (what: Mark) => void
  readonly random: () => number
}

export class Reading {
  readonly name: string
  readonly #log: UplinkEnd
  readonly #around: Around
  readonly #cursor: Cursor
  #changes = 0
  #quarantined: number[] = []

  constructor(name: string, log: UplinkEnd, cursor: Cursor, around: Around) {
    this.name = name
    this.#log = log
    this.#around = around
    this.#cursor = cursor
    this.#quarantined = this.place().quarantined.slice()
  }

  place(): Place {
    const { head } = this.#log.reader
    const quarantined = [...this.#log.quarantine(this.name)].map(({ entry }) => entry.position.seq)
    return { pending: seqsOf(this.#cursor.pending(head)), receipt: this.#cursor.receipt(head), quarantined }
  }

  /** Delivers a few entries, the oldest pending or the newest, and confirms them. */
  turn(): void {
    const { reader } = this.#log
    const { random } = this.#around
    if (this.#quarantined.length > 3) this.#settle(this.#quarantined[0]!)
    const pending = this.#cursor.pending(reader.head)
    const range = random() < 0.3 && pending.length < 20 ? pending.at(-1) : pending[0]
    if (range === undefined) return
    const back = Math.floor(random() * Math.min(10, range.to.seq - range.from.seq + 1))
    const from = range === pending[0] ? range.from : { ...range.to, seq: range.to.seq - back }
    const read = reader.read(from, { entries: 1 + Math.floor(random() * 25), bytes: 2 ** 16 })
    const entries = read.filter(({ position }) => position.seq <= range.to.seq)
    const [first, last] = [entries[0], entries.at(-1)]
    if (first === undefined || last === undefined) return
    const refused: Entry[] = random() < 0.15 ? [entries[Math.floor(random() * entries.length)]!] : []
    const filtered = random() < 0.3 ? Math.floor(random() * (entries.length - refused.length)) : 0
    const change: Change = {
      ranges: [[first.position.seq, last.position.seq]],
      filtered,
      quarantined: refused.map(({ position }) => position.seq),
      settled: [],
    }
    this.#quarantined.push(...change.quarantined)
    this.#change(change, () =>
      this.#cursor.confirm([{ from: first.position, to: last.position }], {
        filtered,
        quarantined: refused.map((entry) => ({ entry, why: `why ${entry.position.seq}` })),
      }),
    )
  }

  #settle(seq: number): void {
    this.#quarantined.shift()
    this.#cursor.retry([{ epoch: 0, seq }])
    const change: Change = { ranges: [], filtered: 0, quarantined: [], settled: [seq] }
    this.#change(change, () => this.#cursor.settle({ epoch: 0, seq }, null))
  }

  #change(change: Change, make: () => Promise<void>): void {
    const told = { reader: this.name, number: ++this.#changes }
    const { mark } = this.#around
    mark({ m: 'changing', ...told, change })
    void make().then(() => mark({ m: 'changed', ...told }))
  }
}

/** Marks whatever is to be read, once. */
export class Looking {
  readonly #reader: LogReader
  readonly #around: Around
  #seen = 0

  constructor(reader: LogReader, around: Around) {
    this.#reader = reader
    this.#around = around
  }

  look(): void {
    for (;;) {
      const entries = this.#reader.read({ epoch: 0, seq: this.#seen + 1 }, { entries: 500, bytes: 2 ** 20 })
      if (entries.length === 0) return
      this.#seen = entries.at(-1)!.position.seq
      const told = entries.map((entry) => [entry.position.epoch, entry.position.seq, contentOf(entry)] as const)
      this.#around.mark({ m: 'saw', entries: told })
    }
  }
}
