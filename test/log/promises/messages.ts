/** What the tests and the processes with the log's ends say to each other. */
import type { Entry, Position, Range, Receipt } from '../../../src/contracts/log.ts'
import type { Rejection } from '../../../src/contracts/sink.ts'

export interface Opening {
  readonly side: 'both' | 'field' | 'uplink'
  readonly path: string
  readonly quotaBytes: number
  readonly commitEveryMs: number
  readonly evict: 'oldest' | 'newest'
  readonly segmentBytes: number | undefined
  /** Of each device. */
  readonly tags: number
  readonly wall: number
  readonly monotonic: number
  readonly boot: string
}

export interface Appending {
  readonly numbers: readonly number[]
  readonly device: string
  /** How many of the device's tags a batch holds. */
  readonly tags: number
}

export interface Plug {
  readonly name: string
  readonly delivery: 'stored' | 'live'
  readonly from: 'now' | 'oldest'
  readonly replay: 'in-order' | number
  readonly maxEntries: number
  /** Devices; null: all. */
  readonly wants: readonly string[] | null
  /** Whether the sink can tell when its link is back. */
  readonly ready: boolean
  /** What the far side says it has. */
  readonly resume: readonly Range[]
}

export interface Delivery {
  readonly call: number
  readonly name: string
  readonly stream: string
  readonly entries: readonly Entry[]
  readonly historical: boolean
}

export interface Fault {
  readonly name: string
  readonly message: string
}

export interface Answer {
  readonly answer: number
  readonly rejected?: readonly Rejection[]
  readonly thrown?: Fault
}

export interface Told {
  readonly outcomes?: readonly { readonly number: number; readonly position: Position | null; readonly why: string }[]
  readonly deliver?: Delivery
  readonly ready?: Delivery
  readonly id?: number
  readonly result?: unknown
  readonly fault?: Fault
}

export interface Account {
  readonly receipt: Receipt
  readonly pending: readonly Range[]
  readonly quarantined: readonly { readonly position: Position; readonly why: string }[]
}

export interface Environments {
  /** Options given to LMDB. */
  readonly opened: readonly { readonly [option: string]: unknown }[]
  /** As LMDB lists them: process, thread, and the transaction that is held or `-`. */
  readonly readers: readonly { readonly path: string; readonly list: string }[]
  /** Lines of /proc/self/maps. */
  readonly maps: readonly string[]
}
