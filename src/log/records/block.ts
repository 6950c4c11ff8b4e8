/** Records are stored in blocks of a few pages under one checksum: LMDB has none, and one value for many records costs
 *  one insertion. An index at the end tells what is inside without touching the pages between. */
import { crc32 } from 'node:zlib'
import type { Entry, Position } from '../../contracts/log.ts'
import { ByteReader, ByteWriter, damaged } from './bytes.ts'
import { type Meaning, type Numbering, readEntry, writeEntry } from './record.ts'

/** Eight pages less the header that LMDB puts before a value with pages of its own. */
export const BLOCK_BYTES = 8 * 4096 - 24
export const MAGIC = 0x3142_4746
export const VERSION = 1
export const HEAD_BYTES = 32
const INDEX_BYTES = 8
/** In the index, with the group's number: the batch does not hold all tags. */
const PARTIAL = 0x8000_0000

export class BlockWriter {
  readonly first: Position
  count = 0
  readonly #bytes: ByteWriter
  readonly #index: number[] = []

  constructor(first: Position, bytes: ByteWriter = new ByteWriter(BLOCK_BYTES)) {
    this.first = first
    this.#bytes = bytes
    this.#bytes.length = HEAD_BYTES
  }

  /** Bytes so far, index included. */
  get size(): number {
    return this.#bytes.length + this.count * INDEX_BYTES
  }

  /** What the entry adds. Entries must follow each other in position. */
  add(entry: Entry, numbering: Numbering): number {
    const bytes = this.#bytes
    const from = bytes.length
    try {
      writeEntry(bytes, entry, numbering)
    } catch (thrown) {
      bytes.length = from
      throw thrown
    }
    let group = 0
    if (entry.kind === 'batch')
      group = (numbering.group(entry.batch.group) | (entry.batch.tags === null ? 0 : PARTIAL)) >>> 0
    this.#index.push(from, group)
    this.count++
    return bytes.length - from + INDEX_BYTES
  }

  /** The block; it lives in the writer's buffer, which is free again once the block is stored. */
  finish(): Buffer {
    const bytes = this.#bytes
    const indexAt = bytes.length
    bytes.reserve(this.#index.length * 4)
    for (const word of this.#index) bytes.u32(word)
    const { view } = bytes
    view.setUint32(0, MAGIC, true)
    view.setUint8(8, VERSION)
    view.setUint8(9, 0)
    view.setUint16(10, this.count, true)
    view.setUint32(12, this.first.epoch, true)
    view.setFloat64(16, this.first.seq, true)
    view.setUint32(24, indexAt, true)
    view.setUint32(28, bytes.length, true)
    view.setUint32(4, crc32(bytes.buffer.subarray(8, bytes.length)), true)
    return bytes.buffer.subarray(0, bytes.length)
  }
}

/** The version of the block that these bytes begin; 0: they begin none. */
export function versionOf(bytes: Buffer): number {
  return bytes.length >= HEAD_BYTES && bytes.readUInt32LE(0) === MAGIC ? bytes[8]! : 0
}

/** A stored block. Throws Rejected when it is not what was written. */
export class Block {
  readonly first: Position
  readonly count: number
  readonly #from: ByteReader
  readonly #view: DataView
  readonly #indexAt: number

  constructor(bytes: Uint8Array, options: { readonly check: boolean }) {
    if (bytes.length < HEAD_BYTES) throw damaged('a block is shorter than its head')
    const from = new ByteReader(bytes)
    const { view } = from
    const size = view.getUint32(28, true)
    if (view.getUint32(0, true) !== MAGIC || size > bytes.length || size < HEAD_BYTES) throw damaged('this is no block')
    if (options.check && crc32(bytes.subarray(8, size)) !== view.getUint32(4, true)) {
      throw damaged('the checksum of a block does not hold')
    }
    if (view.getUint8(8) !== VERSION) throw damaged(`a block is of version ${view.getUint8(8)}, this is ${VERSION}`)
    this.#from = from
    this.#view = view
    this.count = view.getUint16(10, true)
    this.first = { epoch: view.getUint32(12, true), seq: view.getFloat64(16, true) }
    this.#indexAt = view.getUint32(24, true)
    if (this.#indexAt + this.count * INDEX_BYTES !== size)
      throw damaged('the index of a block is not where it should be')
  }

  position(index: number): Position {
    return { epoch: this.first.epoch, seq: this.first.seq + index }
  }

  /** The dictionary's number of the batch's group; 0: no batch. */
  group(index: number): number {
    return (this.#word(index, 4) & ~PARTIAL) >>> 0
  }

  isWhole(index: number): boolean {
    return (this.#word(index, 4) & PARTIAL) === 0
  }

  size(index: number): number {
    return this.#end(index) - this.#word(index, 0) + INDEX_BYTES
  }

  entry(index: number, meaning: Meaning): Entry {
    return readEntry(this.#from.seek(this.#word(index, 0), this.#end(index)), this.position(index), meaning)
  }

  #end(index: number): number {
    return index + 1 < this.count ? this.#word(index + 1, 0) : this.#indexAt
  }

  #word(index: number, offset: number): number {
    return this.#view.getUint32(this.#indexAt + index * INDEX_BYTES + offset, true)
  }
}
