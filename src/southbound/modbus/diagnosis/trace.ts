/** The frames of one lane, always: a ring of bytes that is written without allocating, and copies of what surrounded the
 *  last faults. Each record: time, response time, length, direction, verdict, bytes. */

/** Which way a record went; `none`: something that did not happen, such as an answer. */
export const Way = { sent: 0, received: 1, none: 2 } as const

/** What became of a frame. */
export const Mark = {
  request: 0,
  answer: 1,
  exception: 2,
  timeout: 3,
  late: 4,
  foreignUnit: 5,
  badCrc: 6,
  garbage: 7,
  echo: 8,
  collision: 9,
  foreignQuestion: 10,
  foreignAnswer: 11,
  foreignTransaction: 12,
  objection: 13,
  badHeader: 14,
  contention: 15,
  lost: 16,
} as const
export type Mark = (typeof Mark)[keyof typeof Mark]

export interface Recorded {
  /** Counts from the first frame of the lane on. */
  readonly seq: number
  /** Monotonic milliseconds. */
  readonly at: number
  /** From the start of the question to the end of its answer; 0: there is none. */
  readonly elapsedMs: number
  readonly way: number
  readonly mark: Mark
  /** Who it is from, or whom it concerns. */
  readonly unit: number
  readonly bytes: Uint8Array
}

/** What surrounded a fault, copied before the ring runs over it. */
export interface Incident {
  readonly at: number
  readonly seq: number
  readonly mark: Mark
  readonly unit: number
  readonly frames: readonly Recorded[]
}

const HEADER_BYTES = 16
const DEFAULT_BYTES = 1 << 20
/** Frames that are kept before and after a fault. */
const BEFORE = 64
const AFTER = 16
/** The latest are kept. */
const MOST_INCIDENTS = 8
/** The same fault of the same unit is not kept again within this time, and any other not within the shorter one. */
const SAME_FAULT_MS = 60_000
const ANY_FAULT_MS = 1000
/** Faults by themselves; a timeout is one only for a unit that answered before. */
const FAULTS: ReadonlySet<Mark> = new Set([
  Mark.late,
  Mark.foreignUnit,
  Mark.badCrc,
  Mark.collision,
  Mark.foreignTransaction,
  Mark.objection,
  Mark.badHeader,
])
const IS_FAULT = Uint8Array.from({ length: 32 }, (_, mark) => (FAULTS.has(mark as Mark) ? 1 : 0))

export class Trace {
  readonly #size: number
  readonly #bytes: Uint8Array
  readonly #times: Float64Array
  readonly #elapsed: Float32Array
  readonly #heads: Uint32Array
  /** Where the next record goes, where the oldest stands, and where the older lap ends. */
  #head = 0
  #tail = 0
  #end: number
  #first = 0
  #next = 0
  /** By unit: it answered the last time it was asked. */
  readonly #answers = new Uint8Array(256)
  readonly #incidents: Incident[] = []
  #fault: { readonly at: number; readonly seq: number; readonly mark: Mark; readonly unit: number } | null = null
  #copyAt = -1
  #faultAt = Number.NEGATIVE_INFINITY
  readonly #sameFaultAt = new Map<number, number>()

  /** `bytes`: of the ring, a multiple of eight, far more than one frame. */
  constructor(options: { bytes?: number } = {}) {
    this.#size = options.bytes ?? DEFAULT_BYTES
    this.#end = this.#size
    const memory = new ArrayBuffer(this.#size)
    this.#bytes = new Uint8Array(memory)
    this.#times = new Float64Array(memory)
    this.#elapsed = new Float32Array(memory)
    this.#heads = new Uint32Array(memory)
  }

  sent(unit: number, at: number, bytes: Uint8Array, from: number, to: number): void {
    this.#record(Way.sent, Mark.request, unit, at, 0, bytes, from, to)
  }

  received(mark: Mark, unit: number, at: number, elapsedMs: number, bytes: Uint8Array, from: number, to: number): void {
    if (mark === Mark.answer || mark === Mark.exception) this.#answers[unit & 0xff] = 1
    this.#record(Way.received, mark, unit, at, elapsedMs, bytes, from, to)
  }

  /** Nobody answered, or nobody can. */
  missed(mark: Mark, unit: number, at: number, elapsedMs: number): void {
    const fault = mark === Mark.timeout && this.#answers[unit & 0xff] === 1
    this.#answers[unit & 0xff] = 0
    this.#record(Way.none, mark, unit, at, elapsedMs, NOTHING, 0, 0)
    if (fault) this.#freeze(mark, unit, at)
  }

  /** Frames from `seq` on that the ring still has, at most so many. */
  since(seq: number, most: number): readonly Recorded[] {
    const frames: Recorded[] = []
    let place = this.#tail
    for (let at = this.#first; at < this.#next && frames.length < most; at++) {
      if (at >= seq) frames.push(this.#read(at, place))
      place = this.#after(place)
    }
    return frames
  }

  /** The number the next frame will have. */
  get next(): number {
    return this.#next
  }

  /** The oldest first; one that is still going on ends with the last frame there is. */
  incidents(): readonly Incident[] {
    if (this.#fault !== null) return [...this.#incidents, this.#incident()].slice(-MOST_INCIDENTS)
    return [...this.#incidents]
  }

  #record(
    way: number,
    mark: Mark,
    unit: number,
    at: number,
    elapsedMs: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    const length = to - from
    const size = HEADER_BYTES + ((length + 7) & ~7)
    if (this.#head + size > this.#size) {
      while (this.#first < this.#next && this.#tail >= this.#head) this.#forget()
      this.#end = this.#head
      this.#head = 0
      if (this.#first === this.#next) this.#tail = 0
    }
    const head = this.#head
    while (this.#first < this.#next && this.#tail >= head && this.#tail < head + size) this.#forget()
    this.#times[head >> 3] = at
    this.#elapsed[(head >> 2) + 2] = elapsedMs
    this.#heads[(head >> 2) + 3] = length | (way << 16) | (mark << 18) | (unit << 24)
    const target = this.#bytes
    // The native copy is the faster one from some 30 bytes on.
    if (length > 32 && bytes instanceof Buffer) bytes.copy(target, head + HEADER_BYTES, from, to)
    else for (let read = from, write = head + HEADER_BYTES; read < to; read++, write++) target[write] = bytes[read]!
    this.#head = head + size
    this.#next++
    if (this.#next === this.#copyAt) this.#keep()
    if (IS_FAULT[mark] === 1) this.#freeze(mark, unit, at)
  }
  /** Lets the oldest go. */
  #forget(): void {
    this.#tail = this.#after(this.#tail)
    if (this.#tail === 0) this.#end = this.#size
    this.#first++
  }

  #after(place: number): number {
    const next = place + HEADER_BYTES + (((this.#heads[(place >> 2) + 3]! & 0xffff) + 7) & ~7)
    return next >= this.#end ? 0 : next
  }

  #read(seq: number, place: number): Recorded {
    const head = this.#heads[(place >> 2) + 3]!
    const start = place + HEADER_BYTES
    return {
      seq,
      at: this.#times[place >> 3]!,
      elapsedMs: this.#elapsed[(place >> 2) + 2]!,
      way: (head >> 16) & 3,
      mark: ((head >> 18) & 63) as Mark,
      unit: head >>> 24,
      bytes: this.#bytes.slice(start, start + (head & 0xffff)),
    }
  }

  /** Marks the last record as a fault: it is copied with its surroundings once they are complete. */
  #freeze(mark: Mark, unit: number, at: number): void {
    if (this.#fault !== null || at - this.#faultAt < ANY_FAULT_MS) return
    const key = (mark << 8) | unit
    if (at - (this.#sameFaultAt.get(key) ?? Number.NEGATIVE_INFINITY) < SAME_FAULT_MS) return
    this.#sameFaultAt.set(key, at)
    this.#faultAt = at
    this.#fault = { at, seq: this.#next - 1, mark, unit }
    this.#copyAt = this.#next + AFTER
  }

  #keep(): void {
    this.#incidents.push(this.#incident())
    if (this.#incidents.length > MOST_INCIDENTS) this.#incidents.shift()
    this.#fault = null
    this.#copyAt = -1
  }

  #incident(): Incident {
    const fault = this.#fault!
    return { ...fault, frames: this.since(fault.seq - BEFORE, BEFORE + 1 + AFTER) }
  }
}

const NOTHING = new Uint8Array(0)
