/** What travels: the samples of one group of one device at one moment, in columns. */
import type { Instant } from './clock.ts'

/** What one tag can hold. `null`: there is no value, and the quality says why. */
export type Value = number | boolean | bigint | string | Uint8Array | readonly Value[] | null

/** Why a sample is not good. Stored and sent as a number, so a code is never given a new meaning. */
export const Reason = {
  good: 0,
  /** The device says "no reading", or sent NaN. */
  noValue: 1,
  /** Outside what the tag allows, or an enum's unknown code. */
  outOfRange: 2,
  /** The bytes were read but do not form a value of the type. */
  notDecodable: 3,
  /** Nobody answered in time. */
  timeout: 10,
  /** There is no connection or no port. */
  noConnection: 11,
  /** Answers came, but none that passes its checks. */
  badFrame: 12,
  /** Modbus exceptions 1, 2, 3, 4, 5/6, 10, 11. */
  illegalFunction: 20,
  illegalAddress: 21,
  illegalValue: 22,
  deviceFailure: 23,
  deviceBusy: 24,
  gatewayPath: 25,
  gatewayTarget: 26,
  /** The device does not answer and is asked less often: this slot was not spent on it. */
  deviceSilent: 30,
  /** The scaling register has no good value. */
  noScale: 31,
  /** The device was not set up as configured: what it says would not be what it seems. */
  notPrepared: 32,
  /** Not read yet. */
  notYet: 40,
  /** Refused by a rule of the door: access, limits, grid, expiry. */
  refused: 50,
} as const
export type Reason = (typeof Reason)[keyof typeof Reason]

/** Where the gateway stands (ISA-95); every level but the gateway's own name is optional. */
export interface Isa95Path {
  readonly gateway: string
  readonly enterprise?: string
  readonly site?: string
  readonly area?: string
  readonly line?: string
}

/** What a column holds after the pipeline; an `integer` may arrive as a bigint where a double would round it. */
export type ValueKind = 'boolean' | 'integer' | 'real' | 'text' | 'bytes' | 'array'

export interface TagInfo {
  readonly name: string
  /** The type as configured: `int16`, `float32`, `string`, … */
  readonly type: string
  readonly kind: ValueKind
  readonly unit?: string
  readonly labels?: Readonly<Record<string, string>>
  /** Lists of records that are given once: an equal one is no repetition of the last, and none may be left out. */
  readonly events?: true
}

/** Immutable, interned, shared by all batches of the group. A changed tag list is a new revision. */
export interface GroupRef {
  readonly id: number
  readonly revision: number
  readonly device: string
  readonly group: string
  readonly path: Isa95Path
  readonly labels?: Readonly<Record<string, string>>
  readonly tags: readonly TagInfo[]
}

/** Immutable once it left its maker. */
export interface Batch {
  readonly group: GroupRef
  /** The moment of acquisition. */
  readonly at: Instant
  /** Indices into `group.tags`, ascending; null: all of them. */
  readonly tags: Uint32Array | null
  /** One a column entry; booleans as 0 and 1; NaN where `others` speaks or there is no value. */
  readonly numbers: Float64Array
  /** By column entry (not tag index): what a double cannot carry. */
  readonly others: ReadonlyMap<number, Value> | null
  /** One reason a column entry; null: all good. */
  readonly quality: Uint8Array | null
  /** What the pipeline must find again after a restart (counter totals). Stored, never sent north. */
  readonly carry: Float64Array | null
}

/** One tag of a batch, for consoles and tests; the hot path stays in columns. */
export interface Sample {
  readonly tag: TagInfo
  readonly value: Value
  readonly quality: Reason
  readonly at: Instant
}

/** The value at a column entry, with its kind restored. */
export function valueAt(batch: Batch, entry: number): Value {
  const other = batch.others?.get(entry)
  if (other !== undefined) return other
  const number = batch.numbers[entry]!
  if (Number.isNaN(number) && batch.quality !== null && batch.quality[entry] !== Reason.good) return null
  return batch.group.tags[tagAt(batch, entry)]!.kind === 'boolean' ? number !== 0 : number
}

/** The index into `group.tags` of a column entry. */
export function tagAt(batch: Batch, entry: number): number {
  return batch.tags === null ? entry : batch.tags[entry]!
}

export function qualityAt(batch: Batch, entry: number): Reason {
  return (batch.quality === null ? Reason.good : batch.quality[entry]!) as Reason
}

export function* samples(batch: Batch): Iterable<Sample> {
  for (let entry = 0; entry < batch.numbers.length; entry++) {
    yield {
      tag: batch.group.tags[tagAt(batch, entry)]!,
      value: valueAt(batch, entry),
      quality: qualityAt(batch, entry),
      at: batch.at,
    }
  }
}

/** The columns of one poll while a driver fills them. Every tag starts as "not yet". */
export class BatchBuilder {
  readonly group: GroupRef
  readonly numbers: Float64Array
  readonly quality: Uint8Array
  others: Map<number, Value> | null = null

  constructor(group: GroupRef) {
    this.group = group
    this.numbers = new Float64Array(group.tags.length)
    this.quality = new Uint8Array(group.tags.length).fill(Reason.notYet)
  }

  number(tag: number, value: number): void {
    this.numbers[tag] = value
    this.quality[tag] = Reason.good
  }

  other(tag: number, value: Value): void {
    this.numbers[tag] = Number.NaN
    this.others ??= new Map()
    this.others.set(tag, value)
    this.quality[tag] = Reason.good
  }

  bad(tag: number, reason: Reason): void {
    this.numbers[tag] = Number.NaN
    this.others?.delete(tag)
    this.quality[tag] = reason
  }

  /** All columns, stamped. The builder must not be used afterwards. */
  finish(at: Instant): Batch {
    let good = true
    for (let tag = 0; good && tag < this.quality.length; tag++) good = this.quality[tag] === Reason.good
    return {
      group: this.group,
      at,
      tags: null,
      numbers: this.numbers,
      others: this.others !== null && this.others.size > 0 ? this.others : null,
      quality: good ? null : this.quality,
      carry: null,
    }
  }
}
