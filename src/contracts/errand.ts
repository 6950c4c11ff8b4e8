/** Work by hand that takes longer than one exchange: it takes its turn on the wire between the polls, and says how it goes. */

import type { DevicePlan, GroupPlan } from './driver.ts'

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

/** Whom a diagnosis is about, and what is known before anything is asked. */
export interface Inquiry {
  readonly device: DevicePlan
  readonly groups: readonly GroupPlan[]
  /** The other devices of its connection that are switched on. */
  readonly neighbours: readonly DevicePlan[]
  /** false: the door is shut, nothing may be sent. */
  readonly mayAsk: boolean
  /** What polling has shown; null: not asked yet. */
  readonly attendance: { readonly answers: boolean | null; readonly text: string }
}

/** Ends with one sentence and one thing to do. */
export interface Diagnosis {
  readonly device: string
  readonly steps: readonly { readonly question: string; readonly finding: string }[]
  /** Which of the known causes it is: `port missing`, `device dead`, … */
  readonly branch: string
  readonly sentence: string
  readonly action: string
}
