/** What a connection has to do and what it can do, on paper: shown by `check` before anything runs, and by `status`. */

/** What the requests of one group take from their connection. */
export interface Cost {
  /** Each of its requests, milliseconds from the start of one to the start of the next. */
  readonly exchangesMs: readonly number[]
  /** What it costs until the device counts as silent. */
  readonly fallMs: number
  /** Each try of it after that. */
  readonly tryMs: number
  /** In words: where the figures are from, `devices are taken to answer within 5 ms`. */
  readonly basis: string
}

export interface GroupLoad {
  readonly device: string
  readonly group: string
  readonly everyMs: number
  /** One round of its requests, milliseconds. */
  readonly roundMs: number
  /** Of the connection's time. */
  readonly load: number
  /** Of its slots, those that will be read; 1: all. */
  readonly kept: number
}

/** A group that cannot keep its interval. */
export interface Overdue {
  readonly device: string
  readonly group: string
  readonly everyMs: number
  readonly kept: number
  /** The interval that would fit when every group of the connection is slowed alike. */
  readonly fitsMs: number
}

export interface DeadLoad {
  readonly device: string
  /** Of the connection, with this device dead. */
  readonly load: number
  /** Wire time until it counts as silent. */
  readonly fallMs: number
}

export interface Budget {
  /** Share of the connection's time; above 1 there is not enough. */
  readonly load: number
  readonly basis: string
  readonly groups: readonly GroupLoad[]
  readonly dead: readonly DeadLoad[]
  readonly cannotKeep: readonly Overdue[]
  /** All intervals times this would fit; null: they fit as they are. */
  readonly slower: number | null
  /** The heaviest group alone so much slower would do, too; null: it would not, or nothing is needed. */
  readonly alone: { readonly device: string; readonly group: string; readonly everyMs: number } | null
}
