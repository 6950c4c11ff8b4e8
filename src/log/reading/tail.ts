/** The newest entries, as they were appended: readers that keep up are served from here and nothing is decoded again. */
import type { Entry } from '../../contracts/log.ts'

export class Tail {
  readonly #longestBytes: number
  #entries: Entry[] = []
  #sizes: number[] = []
  #from = 0
  #bytes = 0

  constructor(options: { readonly bytes: number }) {
    this.#longestBytes = options.bytes
  }

  /** Entries follow each other without a hole. `size`: bytes on disk, which the limits of `read` speak of. */
  push(entry: Entry, size: number): void {
    this.#entries.push(entry)
    this.#sizes.push(size)
    this.#bytes += weight(entry)
    while (this.#bytes > this.#longestBytes && this.#from < this.#entries.length - 1) {
      this.#bytes -= weight(this.#entries[this.#from++]!)
    }
    // What has left is still held by the array: it goes as soon as it is as much as what is left.
    if (this.#from > 32 && this.#from * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#from)
      this.#sizes = this.#sizes.slice(this.#from)
      this.#from = 0
    }
  }

  has(seq: number): boolean {
    const first = this.#entries[this.#from]
    return first !== undefined && seq >= first.position.seq && seq <= this.#entries.at(-1)!.position.seq
  }

  /** From `seq` on, which must be there: at least one entry, then as many as both limits allow. */
  read(seq: number, max: { readonly entries: number; readonly bytes: number }): readonly Entry[] {
    const start = this.#from + seq - this.#entries[this.#from]!.position.seq
    const last = Math.min(this.#entries.length, start + max.entries)
    let end = start
    let bytes = 0
    while (end < last) {
      bytes += this.#sizes[end]!
      if (bytes > max.bytes && end > start) break
      end++
    }
    return this.#entries.slice(start, end)
  }
}

/** About what an entry takes in memory. */
function weight(entry: Entry): number {
  return entry.kind === 'batch' ? 300 + entry.batch.numbers.byteLength : 600
}
