/** How a segment is laid out: the keys of its parts, its head's facts, and its folder's name. */
import type { Position } from '../../contracts/log.ts'
import { Block } from '../records/block.ts'
import { damaged } from '../records/bytes.ts'

/** Of the heads of segments. */
export const FORMAT = 1
/** Whatever its last values take, and so that every process maps the same. */
export const LARGEST_SEGMENT_BYTES = 256 * 2 ** 20

/** First byte of a key. Records are last, so that they are always appended at the end of the tree. */
export const KEY = { meta: 1, boots: 2, group: 3, snapshot: 4, gap: 5, record: 0x10 } as const

/** What a segment's head says of itself. */
export interface Meta {
  readonly stream: string
  /** Dictionary numbers below are taken. */
  readonly nextGroup: number
  /** Bytes of dictionary and last values. */
  readonly headBytes: number
  /** Positions of the snapshot's batches, in their order: `[epoch, seq]`. */
  readonly snapshot: readonly (readonly [number, number])[]
}

export interface SegmentName {
  readonly number: number
  /** Where its first record stands. */
  readonly base: Position
}

export function folderOf({ number, base }: SegmentName): string {
  return `${String(number).padStart(8, '0')}-${base.epoch}-${base.seq}`
}

/** Behind the name of a segment that is not whole yet, or that goes. */
export const MAKING = '.new'
export const LEAVING = '.gone'

export function nameOf(folder: string): SegmentName | undefined {
  const match = /^(\d{8,})-(\d+)-(\d+)$/.exec(folder)
  if (match === null) return undefined
  return { number: Number(match[1]), base: { epoch: Number(match[2]), seq: Number(match[3]) } }
}

/** The key of a part: of records by seq, of the head's parts by their number. */
export function keyOf(kind: number, number: number): Buffer {
  const bytes = Buffer.allocUnsafe(kind >= KEY.record ? 8 : 5)
  bytes[0] = kind
  if (kind >= KEY.record) {
    bytes[1] = 0
    bytes.writeUIntBE(number, 2, 6)
  } else bytes.writeUInt32BE(number, 1)
  return bytes
}

/** Says that the entry at `seq` is a gap, so that it is found without reading all. */
export function gapKeyOf(seq: number): Buffer {
  const bytes = Buffer.allocUnsafe(7)
  bytes[0] = KEY.gap
  bytes.writeUIntBE(seq, 1, 6)
  return bytes
}

export function gapSeqOf(key: Uint8Array): number {
  return Buffer.from(key).readUIntBE(1, 6)
}

export function seqOf(key: Uint8Array): number {
  return Buffer.from(key).readUIntBE(2, 6)
}

export function numberOf(key: Uint8Array): number {
  return Buffer.from(key).readUInt32BE(1)
}

export function writeMeta(meta: Meta): Buffer {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...meta }))
}

export function readMeta(bytes: Uint8Array, folder: string): Meta {
  let meta: Meta & { readonly format?: number }
  try {
    meta = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    throw damaged(`the head of ${folder} cannot be read`)
  }
  if (meta.format !== FORMAT) throw damaged(`${folder} was written by another version`)
  return meta
}

/** The block, if its checksum holds and it stands where it should. Throws Rejected. */
export function checked(bytes: Uint8Array, key: Uint8Array | undefined): Block {
  const block = new Block(bytes, { check: true })
  if (key !== undefined && block.first.seq !== seqOf(key)) throw damaged('a block stands where another should')
  return block
}
