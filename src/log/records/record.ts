/** One entry of the log as bytes and back. Pure; groups and boots are numbers of the dictionary. */
import type { Batch, GroupRef, Value } from '../../contracts/batch.ts'
import type { Instant } from '../../contracts/clock.ts'
import type { Entry, Position, Range } from '../../contracts/log.ts'
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts'
import { readNumbers, writeNumbers } from './columns.ts'
import { readValue, writeValue } from './values.ts'

/** What the numbers in a record stand for. */
export interface Meaning {
  group(number: number): GroupRef
  boot(number: number): string
}

/** The numbers that stand for groups and boots; hands out new ones. */
export interface Numbering {
  group(ref: GroupRef): number
  boot(boot: string): number
}

const KIND = { batch: 1, gap: 2, clock: 3, event: 4 } as const
const FLAG = { tags: 1, others: 2, quality: 4, carry: 8, uniform: 16, wide: 32 } as const
const QUALITIES: readonly Instant['clock'][] = ['synced', 'holdover', 'unsynced', 'device', 'corrected']
const REASONS = ['evicted', 'damaged', 'refused'] as const
const MANY = 0xffff

export function writeEntry(to: ByteWriter, entry: Entry, numbering: Numbering): void {
  switch (entry.kind) {
    case 'batch':
      writeBatch(to, entry.batch, numbering)
      return
    case 'gap':
      to.u8(KIND.gap)
      writeInstant(to, entry.at, numbering)
      to.u8(REASONS.indexOf(entry.why))
      to.f64(entry.entries)
      writeRange(to, entry.range)
      to.u16(entry.readers === undefined ? MANY : entry.readers.length)
      for (const reader of entry.readers ?? []) to.text(reader)
      return
    case 'clock':
      to.u8(KIND.clock)
      writeInstant(to, entry.at, numbering)
      to.text(entry.boot)
      to.f64(entry.offsetMs)
      return
    case 'event': {
      to.u8(KIND.event)
      writeInstant(to, entry.at, numbering)
      to.text(entry.name)
      to.text(entry.text)
      const facts = Object.entries(entry.facts)
      to.u16(facts.length)
      for (const [name, fact] of facts) {
        to.text(name)
        writeValue(to, fact)
      }
    }
  }
}

export function readEntry(from: ByteReader, position: Position, meaning: Meaning): Entry {
  const kind = from.u8()
  switch (kind) {
    case KIND.batch:
      return { kind: 'batch', position, batch: readBatch(from, meaning) }
    case KIND.gap: {
      const at = readInstant(from, meaning)
      const why = REASONS[from.u8()]
      if (why === undefined) throw damaged('a gap has no known reason')
      const entries = from.f64()
      const range = readRange(from)
      const count = from.u16()
      const gap = { kind: 'gap' as const, position, at, range, entries, why }
      return count === MANY ? gap : { ...gap, readers: Array.from({ length: count }, () => from.text()) }
    }
    case KIND.clock: {
      const at = readInstant(from, meaning)
      return { kind: 'clock', position, at, boot: from.text(), offsetMs: from.f64() }
    }
    case KIND.event: {
      const at = readInstant(from, meaning)
      const name = from.text()
      const text = from.text()
      const facts: Record<string, string | number | boolean> = {}
      for (let left = from.u16(); left > 0; left--) {
        const fact = from.text()
        facts[fact] = readValue(from) as string | number | boolean
      }
      return { kind: 'event', position, at, name, text, facts }
    }
    default:
      throw damaged(`a record has unknown kind ${kind}`)
  }
}

function writeBatch(to: ByteWriter, batch: Batch, numbering: Numbering): void {
  const { tags, numbers, others, quality, carry } = batch
  const count = numbers.length
  const uniform = quality !== null && count > 0 && isUniform(quality)
  const wide = batch.group.tags.length > 0xffff
  to.u8(KIND.batch)
  to.u8(
    (tags === null ? 0 : FLAG.tags) |
      (others === null ? 0 : FLAG.others) |
      (quality === null ? 0 : FLAG.quality) |
      (carry === null ? 0 : FLAG.carry) |
      (uniform ? FLAG.uniform : 0) |
      (wide ? FLAG.wide : 0),
  )
  to.u32(numbering.group(batch.group))
  writeInstant(to, batch.at, numbering)
  to.u32(count)
  if (tags !== null) for (const tag of tags) wide ? to.u32(tag) : to.u16(tag)
  writeNumbers(to, numbers)
  if (quality !== null) uniform ? to.u8(quality[0]!) : to.bytes(quality)
  if (others !== null) {
    to.u32(others.size)
    for (const [entry, value] of others) {
      to.u32(entry)
      writeValue(to, value)
    }
  }
  if (carry !== null) {
    to.u32(carry.length)
    to.bytes(new Uint8Array(carry.buffer, carry.byteOffset, carry.byteLength))
  }
}

function readBatch(from: ByteReader, meaning: Meaning): Batch {
  const flags = from.u8()
  const group = meaning.group(from.u32())
  const at = readInstant(from, meaning)
  const count = from.u32()
  if (count > group.tags.length) throw damaged(`a record of ${group.device}/${group.group} has more values than tags`)
  const tags = (flags & FLAG.tags) === 0 ? null : new Uint32Array(count)
  for (let entry = 0; tags !== null && entry < count; entry++) {
    tags[entry] = (flags & FLAG.wide) === 0 ? from.u16() : from.u32()
    if (tags[entry]! >= group.tags.length) throw damaged(`a record of ${group.device}/${group.group} names no tag`)
  }
  if (tags === null && count !== group.tags.length)
    throw damaged(`a record of ${group.device}/${group.group} lacks tags`)
  const numbers = readNumbers(from, count)
  let quality: Uint8Array | null = null
  if ((flags & FLAG.quality) !== 0) {
    quality = (flags & FLAG.uniform) === 0 ? from.bytes(count) : new Uint8Array(count).fill(from.u8())
  }
  let others: Map<number, Value> | null = null
  if ((flags & FLAG.others) !== 0) {
    others = new Map()
    for (let left = from.u32(); left > 0; left--) {
      const entry = from.u32()
      others.set(entry, readValue(from))
    }
  }
  let carry: Float64Array | null = null
  if ((flags & FLAG.carry) !== 0) {
    const size = from.u32()
    carry = new Float64Array(from.bytes(8 * size).buffer, 0, size)
  }
  return { group, at, tags, numbers, others, quality, carry }
}

function isUniform(quality: Uint8Array): boolean {
  const first = quality[0]
  for (let entry = 1; entry < quality.length; entry++) if (quality[entry] !== first) return false
  return true
}

function writeInstant(to: ByteWriter, at: Instant, numbering: Numbering): void {
  to.reserve(19)
  to.u16(numbering.boot(at.boot))
  to.u8(QUALITIES.indexOf(at.clock))
  to.f64(at.wall)
  to.f64(at.monotonic)
}

function readInstant(from: ByteReader, meaning: Meaning): Instant {
  const boot = meaning.boot(from.u16())
  const clock = QUALITIES[from.u8()]
  if (clock === undefined) throw damaged('a record has no known clock quality')
  return { wall: from.f64(), monotonic: from.f64(), boot, clock }
}

function writeRange(to: ByteWriter, range: Range | null): void {
  to.u8(range === null ? 0 : 1)
  if (range === null) return
  for (const { epoch, seq } of [range.from, range.to]) {
    to.u32(epoch)
    to.f64(seq)
  }
}

function readRange(from: ByteReader): Range | null {
  if (from.u8() === 0) return null
  const position = (): Position => ({ epoch: from.u32(), seq: from.f64() })
  return { from: position(), to: position() }
}
