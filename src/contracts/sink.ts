/** Northbound: turns entries into what the other side expects and resolves when it has confirmed them. */

import type { Isa95Path } from './batch.ts'
import type { Clock } from './clock.ts'
import type { CommandDoor } from './command.ts'
import type { Component, Counters, Logger, State } from './component.ts'
import type { Entry, Position, Range } from './log.ts'
import type { LiveValues } from './report.ts'

export interface Rejection {
  readonly position: Position
  readonly why: string
}

export interface Sink extends Component {
  /** A live sink starts from the snapshot and follows the tail, without a cursor. */
  readonly delivery: 'stored' | 'live'
  /** One call is the unit: resolves when the far side has answered for every entry, in any order. If it throws,
   *  nothing of it counts and all of it is repeated. Never called concurrently, never after stop.
   *  `historical`: these come from a backlog, beside live ones. */
  deliver(
    entries: readonly Entry[],
    how: { readonly historical: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly rejected: readonly Rejection[] }>
  /** The longest that a call goes without anything being confirmed, by the timeouts that are set; absent: a minute. */
  readonly longestMs?: number
  /** When something of the call under way was last confirmed, monotonic. */
  readonly movedAt?: number
  /** Resolves once the link is there, at once while it is. Delivery that failed is resumed then, before its back-off ends. */
  ready?(signal: AbortSignal): Promise<void>
  /** Ranges the far side stored together with its data; confirmed before the first deliver. */
  resume?(): Promise<readonly Range[]>
  state(): State
  counters(): Counters
}

/** What every sink is given. */
export interface SinkSurroundings {
  /** The configured name: the sink's identity in the log and in topics. */
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  readonly path: Isa95Path
  /** The log's stream: with a position, the key a receiver drops repeats by. */
  readonly stream: string
  /** null: this sink takes no commands. */
  readonly door: CommandDoor | null
  readonly live: LiveValues
}
