/** The log's reading end: committed entries, from memory while a reader keeps up and from the segments when it does not. */
import type { Batch } from '../../contracts/batch.ts'
import type { Entry, LogReader, Position } from '../../contracts/log.ts'
import type { Latest } from '../segments/latest.ts'
import type { Row } from '../segments/row.ts'
import { type Boots, restampedAll, restampedBatch } from './boots.ts'
import type { Tail } from './tail.ts'
import { Waiting } from './waiting.ts'

export interface ReaderOptions {
  readonly stream: string
  readonly row: Row
  readonly tail: Tail
  readonly latest: Latest
  readonly boots: Boots
  readonly head: () => Position
}

export class Reader implements LogReader {
  readonly stream: string
  readonly #options: ReaderOptions
  readonly #waiting = new Waiting()

  constructor(options: ReaderOptions) {
    this.stream = options.stream
    this.#options = options
  }

  get head(): Position {
    return this.#options.head()
  }

  read(from: Position, max: { readonly entries: number; readonly bytes: number }): readonly Entry[] {
    const { head } = this
    const { tail, row, boots } = this.#options
    if (from.seq > head.seq || max.entries <= 0) return []
    return restampedAll(tail.has(from.seq) ? tail.read(from.seq, max) : row.read(from.seq, head, max), boots)
  }

  next(after: Position, signal: AbortSignal): Promise<void> {
    return this.#waiting.next(after, () => this.head, signal)
  }

  snapshot(): { readonly at: Position; readonly batches: readonly Batch[] } {
    const { latest, boots } = this.#options
    return { at: this.head, batches: latest.batches().map((batch) => restampedBatch(batch, boots.offsetOf)) }
  }

  /** There are new entries. */
  wake(): void {
    this.#waiting.wake(this.head)
  }
}
