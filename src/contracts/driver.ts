/** Southbound: how a protocol is planned, read and written. One driver instance is one connection. */
import type { BatchBuilder, GroupRef, Isa95Path, TagInfo, Value } from './batch.ts'
import type { Cost } from './budget.ts'
import type { Component, Counters, State } from './component.ts'
import type { Diagnosis, Errand, Inquiry, Scan } from './errand.ts'
import type { Mapping } from './stage.ts'
import type { FrameTrace } from './trace.ts'

/** A configured tag. Tags with equal mapping share one object. */
export interface Tag {
  /** Position in the group's `GroupRef.tags`; -1 for a write-only tag, which is never read. */
  readonly index: number
  readonly info: TagInfo
  readonly access: 'r' | 'rw' | 'w'
  /** Engineering units; what a write may ask for. */
  readonly limits: readonly [number, number] | null
  readonly mapping: Mapping
  /** The driver's own, as its schema parsed it (address, type, order, …). */
  readonly settings: unknown
  /** What goes with a write and what follows it; absent: nothing. */
  readonly upkeep?: Upkeep
}

/** Immutable and shared between tags. */
export interface Upkeep {
  /** The last value is written again so often; null: never. */
  readonly refreshMs: number | null
  /** So long after a write it no longer holds; null: for ever. */
  readonly expiresMs: number | null
  /** Engineering units; written when a write no longer holds. null: nothing is. */
  readonly onStop: Value
  /** Names of tags of the same group that are written in one request with this one, or not at all. */
  readonly with: readonly string[]
}

export interface DevicePlan {
  readonly name: string
  readonly connection: string
  readonly path: Isa95Path
  readonly enabled: boolean
  /** The driver's own, as its schema parsed it (unit id, limits, …). */
  readonly settings: unknown
}

/** One group of one device: what is read together and travels as one batch. */
export interface GroupPlan {
  readonly ref: GroupRef
  readonly device: DevicePlan
  readonly everyMs: number
  readonly phaseMs: number
  /** Higher goes first among groups that are equally due. */
  readonly priority: number
  /** All readable tags come from one request: they are of one moment. */
  readonly coherent?: true
  /** The tag (index in the group) whose value is the time of the group's batches. */
  readonly timeFrom?: number
  /** Readable tags in the order of `ref.tags`, then write-only ones. */
  readonly tags: readonly Tag[]
}

/** One exchange on the wire, as planned. Drivers extend it with what they need. */
export interface Request {
  readonly group: GroupRef
  readonly device: string
  /** Indices into `group.tags` that a successful read fills. */
  readonly tags: Uint32Array
  /** What the exchange will cost the wire, milliseconds; 0 where a wire is not shared. */
  readonly wireMs: number
  /** For people: `FC03 unit 1, 40001–40002`. */
  readonly text: string
}

/** One tag's part of a write, raw, the mapping already inverted. */
export interface Write {
  readonly tag: Tag
  readonly value: Value
}

/** What a request by hand found: every reading of the bytes that makes sense. */
export interface Peek {
  readonly request: string
  readonly elapsedMs: number
  readonly rows: readonly {
    readonly address: string
    readonly readings: Readonly<Record<string, string>>
    /** Names of the readings that may well be meant, the likeliest first. */
    readonly plausible: readonly string[]
  }[]
}

/** What was learnt of a device by asking it. */
export interface Knowledge {
  /** `refuses 40007–40009 (no such address)`, `gives at most 64 registers`. */
  readonly sentences: readonly string[]
  /** The keys of a device or profile that say the same; `omit`: addresses whose tags are better left out. */
  readonly keys: Readonly<Record<string, number | readonly string[]>>
}

/** Where a component keeps what it would have to learn anew after a restart: small, plain, and nothing depends on it. */
export interface Notebook {
  /** Plain data, as `put`; undefined: nothing there, or nothing that could be read. */
  get(name: string): unknown
  /** Kept soon, not at once. */
  put(name: string, plain: unknown): void
}

/** A driver's place in the queue of its connection. */
export interface Turn {
  /** Between two exchanges of one read: lets the writes that wait go first. undefined: none waits. */
  between(): Promise<void> | undefined
}

export interface Driver extends Component {
  /** What shares a wire. */
  readonly lane: string
  /** 1 on every shared wire; the lane never exceeds it. */
  readonly inFlight: number
  /** The longest that one call may take by the timeouts that are set; absent: 15 s. */
  readonly longestMs?: number
  /** Pure: the fewest requests that read the group. */
  plan(group: GroupPlan): readonly Request[]
  /** What these requests, of one device, take from the connection: as assumed, or as learnt since it answers. */
  cost?(requests: readonly Request[]): Cost
  /** Why the group is read by these requests, for people: a sentence or more for each. */
  explain?(group: GroupPlan, requests: readonly Request[]): readonly (readonly string[])[]
  /** What was learnt of a device of that connection, and is used for its requests; undefined: nothing. */
  knowledge?(device: DevicePlan): Knowledge | undefined
  /** One request on the wire. Device fault: bad quality with a reason in `into`. Line fault: throws Retryable. */
  read(request: Request, into: BatchBuilder, signal: AbortSignal): Promise<void>
  /** Told once, before the first read, whose queue it is in. A driver that has joined does not wait a repetition out on the
   *  wire: it throws Retryable with `repeat`, and others are asked meanwhile. */
  join?(turn: Turn): void
  /** `value` is raw, the mapping already inverted. Resolves with what there is to say beside that it was done. Throws Rejected
   *  (the device refused), or Retryable with `ambiguous` unknown: a write is never repeated by itself. */
  write?(device: DevicePlan, tag: Tag, value: Value, signal: AbortSignal): Promise<string | undefined>
  /** Several tags of one group in one request: all of them take effect, or none. As `write` otherwise. */
  writeTogether?(device: DevicePlan, writes: readonly Write[], signal: AbortSignal): Promise<string | undefined>
  /** By hand: `words` as typed after the connection's name, e.g. `1 40001 int16`. Throws Rejected for words it cannot read. */
  peek?(words: readonly string[], signal: AbortSignal): Promise<Peek>
  poke?(words: readonly string[], signal: AbortSignal): Promise<string>
  /** Who answers. `options` as typed, by name. Throws Rejected for what it cannot read, Retryable without a connection. */
  scan?(options: Readonly<Record<string, unknown>>, errand: Errand): Promise<Scan>
  /** Why a device does not answer: one finding after the other. */
  why?(inquiry: Inquiry, errand: Errand): Promise<Diagnosis>
  state(): State
  counters(): Counters
  /** Its frames, where the driver remembers them. */
  readonly trace?: FrameTrace
  /** Why a device that answers is not read all the same, in the words that follow its name; null: it is. */
  deviceTrouble?(device: string): string | null
  /** What is counted for each device apart, where the driver does. */
  deviceCounters?(device: string): Counters
}
