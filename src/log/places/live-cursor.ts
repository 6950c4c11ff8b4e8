/** The place of a live sink: it follows the tail, remembers nothing and holds nothing back. */
import type { Cursor, Entry, Fates, Position, Range, Receipt } from '../../contracts/log.ts'
import { count, extended, upTo, without } from './ranges.ts'

export class LiveCursor implements Cursor {
  readonly reader: string
  readonly #start: Position
  #head: Position
  #ranges: readonly Range[] = []
  #filtered = 0
  #evicted = 0
  #quarantined = 0
  #delivered = 0

  constructor(options: { readonly reader: string; readonly from: Position }) {
    this.reader = options.reader
    this.#start = options.from
    this.#head = options.from
  }

  pending(head: Position): readonly Range[] {
    if (head.seq > this.#head.seq) {
      this.#ranges = extended(this.#ranges, this.#head, head)
      this.#head = head
    }
    return upTo(this.#ranges, head)
  }

  confirm(ranges: readonly Range[], fates: Fates = {}): Promise<void> {
    for (const range of ranges) {
      const rest = without(this.#ranges, range)
      this.#ranges = rest.ranges
      this.#delivered += rest.removed
    }
    const [filtered, evicted, quarantined] = [fates.filtered ?? 0, fates.evicted ?? 0, fates.quarantined?.length ?? 0]
    this.#filtered += filtered
    this.#evicted += evicted
    this.#quarantined += quarantined
    this.#delivered -= filtered + evicted + quarantined
    return Promise.resolve()
  }

  receipt(head: Position): Receipt {
    const pending = count(this.pending(head))
    return {
      reader: this.reader,
      head: this.#head,
      stored: this.#head.seq - this.#start.seq,
      delivered: this.#delivered,
      filtered: this.#filtered,
      pending,
      quarantined: this.#quarantined,
      evicted: this.#evicted,
    }
  }

  readonly liveFrom = 0

  markLive(): Promise<void> {
    return Promise.resolve()
  }

  retrying(): readonly Entry[] {
    return []
  }

  settle(): Promise<void> {
    return Promise.resolve()
  }

  retry(): number {
    return 0
  }
}
