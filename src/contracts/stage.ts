/** The pipeline between poller and log: no I/O, no clock; time arrives as data. */
import type { Batch, GroupRef } from './batch.ts'
import type { Instant } from './clock.ts'

/** How a raw number becomes an engineering value. Immutable and shared between tags. */
export interface Mapping {
  /** value = raw × scale + offset; a `range` is folded into these two. */
  readonly scale: number
  readonly offset: number
  /** Engineering units; a value outside is set to the nearer end. */
  readonly clamp: readonly [number, number] | null
  /** Decimals to round to. */
  readonly precision: number | null
  /** Raw numbers that mean "no reading". Bit patterns are the driver's. */
  readonly noValue: readonly number[]
  /** NaN and infinities are values here, not "no reading". */
  readonly keepNaN: boolean
  readonly enum: ReadonlyMap<number, string> | null
  readonly unknown: 'keep' | 'bad'
  /** The tag (index in the group) whose raw number scales this one. */
  readonly scaleFrom: { readonly index: number; readonly as: 'pow10' | 'factor' } | null
  /** Raw units. `wrap`: the count at which it starts again at 0. A larger step than `maxStep` is a reset. */
  readonly counter: { readonly wrap: number | null; readonly maxStep: number | null } | null
  readonly deadband: { readonly absolute: number } | { readonly percent: number } | null
  /** `events`: whenever the value is a list with something in it; such a report is never repeated. */
  readonly report: 'always' | 'change' | 'events'
  /** With report `change`: repeat at the latest after this. */
  readonly heartbeatMs: number
}

export interface Stage {
  readonly name: string
  /** Every output group, at configuration time. */
  bind(inputs: readonly GroupRef[]): readonly GroupRef[]
  onBatch(batch: Batch, emit: (batch: Batch) => void): void
  onTick?(now: Instant, emit: (batch: Batch) => void): void
}
