/** What was appended and is not on disk yet: encoded at once into the blocks that will be stored. */
import type { Entry, Position } from '../../contracts/log.ts'
import { BLOCK_BYTES, BlockWriter } from '../records/block.ts'
import { ByteWriter } from '../records/bytes.ts'
import type { Dictionary } from '../records/dictionary.ts'

/** Buffers that stay at hand for the next blocks. */
const SPARE = 8

export interface Settle {
  readonly resolve: (position: Position) => void
  readonly reject: (why: unknown) => void
}

/** One commit's worth. */
export interface Commit {
  readonly blocks: readonly { readonly seq: number; readonly bytes: Buffer }[]
  readonly entries: readonly Entry[]
  readonly sizes: readonly number[]
  readonly settles: readonly Settle[]
  readonly groups: ReadonlySet<number>
  readonly bytes: number
}

export class Queue {
  readonly #dictionary: Dictionary
  readonly #spare: ByteWriter[] = []
  #blocks: { seq: number; bytes: Buffer }[] = []
  #writers: ByteWriter[] = []
  #open: BlockWriter | undefined
  #openBytes: ByteWriter | undefined
  #entries: Entry[] = []
  #sizes: number[] = []
  #settles: Settle[] = []
  #groups = new Set<number>()
  #lent: ByteWriter[] = []
  bytes = 0

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary
  }

  get count(): number {
    return this.#entries.length
  }

  /** Throws what cannot be encoded; nothing is queued then. */
  push(entry: Entry, settle: Settle): void {
    const open = this.#open
    if (open !== undefined && (open.size > BLOCK_BYTES - this.#likely() || open.first.epoch !== entry.position.epoch)) {
      this.#close()
    }
    if (this.#open === undefined) {
      this.#openBytes = this.#spare.pop() ?? new ByteWriter(BLOCK_BYTES)
      this.#open = new BlockWriter(entry.position, this.#openBytes)
    }
    let size: number
    try {
      size = this.#open.add(entry, this.#dictionary)
    } catch (thrown) {
      if (this.#open.count === 0) this.#open = undefined
      throw thrown
    }
    if (entry.kind === 'batch') this.#groups.add(this.#dictionary.group(entry.batch.group))
    this.#entries.push(entry)
    this.#sizes.push(size)
    this.#settles.push(settle)
    this.bytes += size
  }

  /** Everything queued; `done` must be called once it is stored or given up. */
  take(): Commit {
    this.#close()
    const commit: Commit = {
      blocks: this.#blocks,
      entries: this.#entries,
      sizes: this.#sizes,
      settles: this.#settles,
      groups: this.#groups,
      bytes: this.bytes,
    }
    this.#lent = this.#writers
    this.#blocks = []
    this.#writers = []
    this.#entries = []
    this.#sizes = []
    this.#settles = []
    this.#groups = new Set()
    this.bytes = 0
    return commit
  }

  /** The buffers of the last commit are free again. */
  done(): void {
    for (const bytes of this.#lent) {
      if (this.#spare.length < SPARE && bytes.buffer.length <= 2 * BLOCK_BYTES) this.#spare.push(bytes)
    }
    this.#lent = []
  }

  /** Records of one size fill a block without going over its pages. */
  #likely(): number {
    return this.#sizes.at(-1) ?? 0
  }

  #close(): void {
    const open = this.#open
    if (open === undefined) return
    this.#blocks.push({ seq: open.first.seq, bytes: open.finish() })
    this.#writers.push(this.#openBytes!)
    this.#open = undefined
    this.#openBytes = undefined
  }
}
