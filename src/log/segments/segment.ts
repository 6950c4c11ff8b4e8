/** One LMDB environment of the log's row: dictionary and last values at its head, then blocks of records; append-only. */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Batch, type GroupRef, Reason } from '../../contracts/batch.ts'
import type { Instant } from '../../contracts/clock.ts'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import type { Entry, GapEntry, Position } from '../../contracts/log.ts'
import { syncFolder, syncForeign, syncNow } from '../folder/durable.ts'
import { instantOf } from '../reading/boots.ts'
import { BLOCK_BYTES, Block, BlockWriter } from '../records/block.ts'
import { damaged } from '../records/bytes.ts'
import type { Dictionary } from '../records/dictionary.ts'
import type { Meaning } from '../records/record.ts'
import { DATABASE_FILE, Environment, type Put } from './environment.ts'
import {
  checked,
  folderOf,
  gapKeyOf,
  gapSeqOf,
  KEY,
  keyOf,
  LEAVING,
  MAKING,
  type Meta,
  numberOf,
  readMeta,
  type SegmentName,
  seqOf,
  writeMeta,
} from './layout.ts'

export class Segment implements Meaning {
  readonly number: number
  readonly base: Position
  readonly folder: string
  /** Bytes on disk, as of the last look. */
  bytes = 0
  /** Of these: dictionary and last values, of the segment that is written. */
  headBytes = 0
  /** How often in a row it could not be opened. */
  failures = 0
  #environment: Environment | undefined
  readonly #mapBytes: number
  readonly #dictionary: Dictionary
  /** Group numbers that its dictionary holds; only kept for the segment that is written. */
  readonly #groups = new Set<number>()
  #boots: readonly string[] | undefined
  /** The block that was read last, and where its bytes are kept: a reader that is behind comes for the rest of it next. */
  #last: Block | undefined
  #lastBytes: Buffer | undefined

  constructor(
    options: SegmentName & { readonly within: string; readonly mapBytes: number; readonly dictionary: Dictionary },
  ) {
    this.number = options.number
    this.base = options.base
    this.folder = join(options.within, folderOf(options))
    this.#mapBytes = options.mapBytes
    this.#dictionary = options.dictionary
    this.measure()
  }

  get isGone(): boolean {
    return !existsSync(join(this.folder, DATABASE_FILE))
  }

  get isOpen(): boolean {
    return this.#environment !== undefined
  }

  measure(): number {
    try {
      this.bytes = statSync(join(this.folder, DATABASE_FILE)).size
    } catch {
      this.bytes = 0
    }
    return this.bytes
  }

  /** A new segment, its head durable on disk. Throws Retryable. */
  async create(head: { readonly stream: string; readonly latest: LastBatches }): Promise<void> {
    // Under its name once it is whole: what has the name and lacks something was damaged since.
    const making = `${this.folder}${MAKING}`
    mkdirSync(making, { recursive: true })
    const environment = this.#open(false, making)
    const puts: Put[] = []
    const positions: [number, number][] = []
    const numbers = new Set<number>()
    let chunk = 0
    let block: BlockWriter | undefined
    const finish = (): void => {
      if (block !== undefined) puts.push({ key: keyOf(KEY.snapshot, chunk++), value: block.finish() })
      block = undefined
    }
    for (const { batch, position } of head.latest) {
      if (block !== undefined && block.size > SNAPSHOT_CHUNK) finish()
      block ??= new BlockWriter({ epoch: 0, seq: positions.length })
      block.add({ kind: 'batch', position, batch }, this.#dictionary)
      numbers.add(this.#dictionary.group(batch.group))
      positions.push([position.epoch, position.seq])
    }
    finish()
    for (const number of numbers) this.#enterGroup(number, puts)
    this.#enterBoots(puts)
    this.headBytes = puts.reduce((sum, { value }) => sum + value.length, 0)
    const { next: nextGroup } = this.#dictionary
    const meta: Meta = { stream: head.stream, nextGroup, headBytes: this.headBytes, snapshot: positions }
    puts.push({ key: keyOf(KEY.meta, 0), value: writeMeta(meta) })
    await environment.commit(puts)
    await syncFolder(making)
    await rename(making, this.folder)
    environment.path = join(this.folder, DATABASE_FILE)
    await syncFolder(dirname(this.folder))
    this.measure()
  }

  /** Opens what another run left, to go on writing. Throws Rejected when it is damaged, Retryable. */
  reopen(streams: readonly string[], options: { readonly readOnly: boolean }): void {
    const path = join(this.folder, DATABASE_FILE)
    if (!existsSync(path)) throw damaged(`${this.folder} has no ${DATABASE_FILE}`)
    // A process that was killed may have left what is written and not durable, the segment's own name included: nobody reads
    // or adds to it before it is.
    if (!options.readOnly) {
      try {
        syncNow(path)
        syncNow(dirname(this.folder))
      } catch (thrown) {
        throw new Retryable(`${path} cannot be synced: ${sentence(thrown)}`, { reason: Reason.notYet, cause: thrown })
      }
    }
    const environment = this.#open(options.readOnly)
    const bytes = environment.get(keyOf(KEY.meta, 0))
    if (bytes === undefined) throw damaged(`${this.folder} has no head`)
    const meta = readMeta(bytes, this.folder)
    if (!streams.includes(meta.stream)) throw damaged(`${this.folder} belongs to stream ${meta.stream}`)
    this.headBytes = meta.headBytes
    this.#dictionary.next = meta.nextGroup
    this.#dictionary.loadBoots(this.#readBoots())
    this.#learn(environment)
  }

  /** Takes part in what another process writes. False: it is not complete yet. Throws Rejected when it is damaged. */
  follow(streams: readonly string[]): boolean {
    if (!this.isOpen) syncForeign(join(this.folder, DATABASE_FILE))
    const environment = this.#open(true)
    const bytes = environment.get(keyOf(KEY.meta, 0))
    if (bytes === undefined) return false
    const meta = readMeta(bytes, this.folder)
    if (!streams.includes(meta.stream)) throw damaged(`${this.folder} belongs to stream ${meta.stream}`)
    this.#learn(environment)
    return true
  }

  /** Blocks with what their records need of the dictionary, in one transaction. Throws Retryable, and Rejected when its file
   *  was damaged: nothing of it counts then, and it takes no more. */
  async append(
    blocks: readonly { readonly seq: number; readonly bytes: Buffer }[],
    groups: Iterable<number>,
    gaps: readonly GapNote[],
  ): Promise<void> {
    const puts: Put[] = []
    for (const number of groups) if (!this.#groups.has(number)) this.#enterGroup(number, puts)
    if (this.#boots?.length !== this.#dictionary.boots.length) this.#enterBoots(puts)
    for (const { seq, again } of gaps) puts.push({ key: gapKeyOf(seq), value: Buffer.from([again ? 1 : 0]) })
    for (const { seq, bytes } of blocks) puts.push({ key: keyOf(KEY.record, seq), value: bytes })
    const environment = this.#open(false)
    if (!environment.verify()) throw damaged(`${environment.path} is gone`)
    await environment.commit(puts)
    // What is in a file without a name is not found again.
    if (this.measure() === 0) throw damaged(`${environment.path} is gone`)
  }

  /** Throws Rejected when its file was damaged since it was opened. */
  verify(): void {
    this.#environment?.verify()
  }

  /** The last position on disk; undefined: no records. */
  last(): Position | undefined {
    const block = this.#lastBlock()
    return block?.position(block.count - 1)
  }

  /** The last position as far as it can be told when the last block is damaged: what it says of itself is not proven. */
  claimed(): Position {
    const found = this.#open(true).floor(RECORDS.to, RECORDS.from)
    const { epoch, seq } = this.base
    if (found === undefined) return { epoch, seq: seq - 1 }
    const at = seqOf(found.key)
    try {
      const { first, count } = new Block(found.value, { check: false })
      return { epoch: Math.max(epoch, first.epoch), seq: at + Math.max(1, count) - 1 }
    } catch {
      return { epoch, seq: at }
    }
  }

  /** The block that holds `seq`, or the next one behind it; valid until the next is asked for. Throws Rejected when it is
   *  damaged. */
  block(seq: number): Block | undefined {
    const last = this.#last
    if (last !== undefined && seq >= last.first.seq && seq < last.first.seq + last.count) return last
    this.#last = undefined
    this.#last = this.#find(seq)
    return this.#last
  }

  #find(seq: number): Block | undefined {
    const environment = this.#open(true)
    const wanted = keyOf(KEY.record, seq)
    // Who reads on from block to block asks for the first record of each; what is got is copied, decoding gets more.
    const begun = environment.get(wanted)
    if (begun !== undefined) return checked(this.#keep(begun), wanted)
    const found = environment.floor(wanted, keyOf(KEY.record, 0))
    if (found !== undefined) {
      const block = checked(found.value, found.key)
      if (block.first.seq + block.count > seq) return block
    }
    for (const next of environment.range(keyOf(KEY.record, seq), keyOf(KEY.record + 1, 0)))
      return checked(next.value, next.key)
    return undefined
  }

  /** A copy in the one place that the segment has for it. */
  #keep(bytes: Uint8Array): Uint8Array {
    if (this.#lastBytes === undefined || this.#lastBytes.length < bytes.length) {
      this.#lastBytes = Buffer.allocUnsafeSlow(Math.max(bytes.length, BLOCK_BYTES))
    }
    this.#lastBytes.set(bytes)
    return this.#lastBytes.subarray(0, bytes.length)
  }

  /** Where the first block behind `seq` begins; looks at keys only, so it is there when blocks are damaged. */
  after(seq: number): number | undefined {
    for (const next of this.#open(true).range(keyOf(KEY.record, seq + 1), keyOf(KEY.record + 1, 0)))
      return seqOf(next.key)
    return undefined
  }

  /** Its gap entries, what cannot be read is passed over. `first`: without those that tell again what others told. */
  gaps(which: 'all' | 'first'): readonly GapEntry[] {
    try {
      const notes = [...this.#open(true).range(gapKeyOf(0), keyOf(KEY.gap + 1, 0))]
      const wanted = which === 'all' ? notes : notes.filter(({ value }) => value[0] === 0)
      const entries = wanted.map(({ key }) => gapSeqOf(key)).flatMap((seq) => this.entries(seq, seq, ONE))
      return entries.filter((entry) => entry.kind === 'gap')
    } catch (thrown) {
      if (thrown instanceof Rejected) return []
      throw thrown
    }
  }

  /** How far records cannot be understood from `seq` on though their block is what was written: of an unknown kind, of a
   *  group that the dictionary lacks. undefined: that is not what is wrong. */
  obscure(seq: number): number | undefined {
    const block = this.#blockIfSound(seq)
    if (block === undefined || block.first.seq > seq) return undefined
    let end: number | undefined
    for (let index = seq - block.first.seq; index < block.count && this.#entry(block, index) === undefined; index++)
      end = block.first.seq + index
    return end
  }

  /** The last batch of every group: from the head, and from the records since. Newest first, until all groups are whole.
   *  What cannot be read is passed over: it is named and counted when a reader comes to it. */
  lastBatches(): LastBatches {
    const environment = this.#open(true)
    const missing = new Set(this.#groups)
    const found: { batch: Batch; position: Position }[] = []
    for (const pair of environment.range(RECORDS.from, RECORDS.to, { reverse: true })) {
      if (missing.size === 0) break
      const block = wanted(pair, missing)
      if (block === undefined) continue
      for (let index = block.count - 1; index >= 0; index--) {
        const group = block.group(index)
        if (!missing.has(group)) continue
        const entry = this.#entry(block, index)
        if (entry?.kind !== 'batch') continue
        found.push({ batch: entry.batch, position: entry.position })
        if (block.isWhole(index)) missing.delete(group)
      }
    }
    return [...this.#headBatches(environment), ...found.reverse()]
  }

  #headBatches(environment: Environment): { batch: Batch; position: Position }[] {
    const head: { batch: Batch; position: Position }[] = []
    try {
      const { snapshot } = readMeta(environment.get(keyOf(KEY.meta, 0)) ?? new Uint8Array(), this.folder)
      for (const pair of environment.range(keyOf(KEY.snapshot, 0), keyOf(KEY.gap, 0))) {
        // Its blocks stand at the place of their first batch in the list of positions.
        const block = checked(pair.value, undefined)
        for (let index = 0; index < block.count; index++) {
          const [epoch, seq] = snapshot[block.first.seq + index]!
          const entry = this.#entry(block, index)
          if (entry?.kind === 'batch') head.push({ batch: entry.batch, position: { epoch, seq } })
        }
      }
    } catch {
      // Last values that are lost come again with the next poll.
    }
    return head
  }

  #entry(block: Block, index: number): Entry | undefined {
    try {
      return block.entry(index, this)
    } catch {
      return undefined
    }
  }

  /** The last stamp under a set clock, if it is in one of the last few blocks that can be read. */
  lastSynced(): Instant | undefined {
    let left = LOOKED_THROUGH
    for (const { key, value } of this.#open(true).range(RECORDS.from, RECORDS.to, { reverse: true })) {
      if (left-- === 0) break
      try {
        const block = checked(value, key)
        for (let index = block.count - 1; index >= 0; index--) {
          const at = instantOf(block.entry(index, this))
          if (at.clock === 'synced') return at
        }
      } catch {
        // It is named and counted when a reader comes to it.
      }
    }
    return undefined
  }

  group(number: number): GroupRef {
    const known = this.#dictionary.groupOf(number)
    if (known !== undefined) return known
    const bytes = this.#open(true).get(keyOf(KEY.group, number))
    if (bytes === undefined) throw damaged(`${this.folder} has no group ${number} in its dictionary`)
    this.#dictionary.load(number, Buffer.from(bytes))
    return this.#dictionary.groupOf(number)!
  }

  boot(number: number): string {
    // Whoever writes the segment may have entered one since.
    if (this.#boots?.[number] === undefined) this.#boots = this.#readBoots()
    const boot = this.#boots[number]
    if (boot === undefined) throw damaged(`${this.folder} has no boot ${number} in its dictionary`)
    return boot
  }

  /** Entries from `seq` to `lastSeq`, up to the limits but at least one if there is one. Throws Rejected where the first
   *  of them is damaged. */
  entries(seq: number, lastSeq: number, max: { readonly entries: number; readonly bytes: number }): Entry[] {
    const entries: Entry[] = []
    let bytes = 0
    let at = seq
    while (at <= lastSeq && entries.length < max.entries) {
      const block = entries.length === 0 ? this.block(at) : this.#blockIfSound(at)
      if (block === undefined || block.first.seq > lastSeq) break
      // What is missing is found by whoever reads on from there.
      if (block.first.seq > at && entries.length > 0) break
      let index = Math.max(0, at - block.first.seq)
      for (; index < block.count && entries.length < max.entries; index++) {
        if (block.first.seq + index > lastSeq) return entries
        bytes += block.size(index)
        if (bytes > max.bytes && entries.length > 0) return entries
        if (entries.length === 0) entries.push(block.entry(index, this))
        else {
          try {
            entries.push(block.entry(index, this))
          } catch {
            return entries
          }
        }
      }
      at = block.first.seq + index
    }
    return entries
  }

  /** What is read from now on is as of now. */
  renew(): void {
    this.#environment?.renew()
  }

  forgetDeadReaders(): void {
    this.#environment?.forgetDeadReaders()
  }

  async close(): Promise<void> {
    const environment = this.#environment
    this.#environment = undefined
    this.#boots = undefined
    this.#last = undefined
    this.#lastBytes = undefined
    await environment?.close()
  }

  async remove(): Promise<void> {
    await this.close()
    // Whoever reads beside us finds it whole or not at all.
    const leaving = `${this.folder}${LEAVING}`
    await rename(this.folder, leaving).catch(() => undefined)
    // A power cut must not bring the name back without what is in it.
    await syncFolder(dirname(this.folder))
    for (const folder of [leaving, `${this.folder}${MAKING}`, this.folder])
      await rm(folder, { recursive: true, force: true })
  }

  #open(readOnly: boolean, folder = this.folder): Environment {
    this.#environment ??= new Environment({
      path: join(folder, DATABASE_FILE),
      mapBytes: this.#mapBytes,
      readOnly,
    })
    return this.#environment
  }

  /** Its dictionary's groups. */
  #learn(environment: Environment): void {
    for (const pair of environment.range(keyOf(KEY.group, 0), keyOf(KEY.snapshot, 0))) {
      const number = numberOf(pair.key)
      this.#groups.add(number)
      this.#dictionary.load(number, Buffer.from(pair.value))
    }
  }

  #enterGroup(number: number, puts: Put[]): void {
    const bytes = this.#dictionary.bytesOf(number)
    if (bytes === undefined) return
    this.#groups.add(number)
    puts.push({ key: keyOf(KEY.group, number), value: bytes })
  }

  #enterBoots(puts: Put[]): void {
    this.#boots = [...this.#dictionary.boots]
    puts.push({ key: keyOf(KEY.boots, 0), value: Buffer.from(JSON.stringify(this.#boots)) })
  }

  #readBoots(): readonly string[] {
    const bytes = this.#open(true).get(keyOf(KEY.boots, 0))
    return bytes === undefined ? [] : (JSON.parse(Buffer.from(bytes).toString('utf8')) as string[])
  }

  #blockIfSound(seq: number): Block | undefined {
    try {
      return this.block(seq)
    } catch {
      return undefined
    }
  }

  #lastBlock(): Block | undefined {
    const found = this.#open(true).floor(keyOf(KEY.record + 1, 0), keyOf(KEY.record, 0))
    return found === undefined ? undefined : checked(found.value, found.key)
  }
}

/** Where a gap entry stands; `again`: it tells what others told that are evicted. */
export interface GapNote {
  readonly seq: number
  readonly again: boolean
}

type LastBatches = Iterable<{ readonly batch: Batch; readonly position: Position }>

const ONE = { entries: 1, bytes: 1 }
const RECORDS = { from: keyOf(KEY.record, 0), to: keyOf(KEY.record + 1, 0) }
/** Blocks that are searched for the last set clock. */
const LOOKED_THROUGH = 16

/** The last values of so many bytes are one value in LMDB. */
const SNAPSHOT_CHUNK = 32_000

/** The block if it holds a batch of one of these groups. A damaged one is passed over: it is named and counted when a
 *  reader comes to it. */
function wanted({ key, value }: Put, groups: ReadonlySet<number>): Block | undefined {
  try {
    const block = new Block(value, { check: false })
    for (let index = 0; index < block.count; index++) if (groups.has(block.group(index))) return checked(value, key)
    return undefined
  } catch {
    return undefined
  }
}
