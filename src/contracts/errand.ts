/** Work by hand that takes longer than one exchange: it takes its turn on the wire between the polls, and says how it goes. */

export interface Errand {
  /** Runs one piece of work alone on the wire, as soon as it is free. The signal aborts when the connection is stopped or
   *  whoever asked has left. */
  turn<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** One line for people, as it goes. */
  say(line: string): void
  /** Aborted when whoever asked has left. */
  readonly signal: AbortSignal
}

/** Somebody who answers. */
export interface Found {
  readonly unit: number
  /** For people, without the unit: who it is and what it answers. */
  readonly text: string
  /** What it says of itself; null: it does not. */
  readonly identity: string | null
  /** The line's settings, `19200 8E1`; null: no serial line. */
  readonly line: string | null
  /** By area (`holding`, `input`, `coil`, `discrete`): `answers`, `no address 0`, `unknown`, … */
  readonly areas: Readonly<Record<string, string>>
  /** What is wrong with it, such as two devices on one id; null: nothing. */
  readonly trouble: string | null
}

export interface Scan {
  readonly found: readonly Found[]
  /** Units asked, each on every line setting. */
  readonly asked: number
  readonly elapsedMs: number
  /** The end of it in one sentence. */
  readonly text: string
}
