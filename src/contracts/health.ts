/** How a component says that it makes progress: one that hangs cannot say that it does. The watchdog is fed from this. */
import type { Instant } from './clock.ts'
import type { State } from './component.ts'

/** Progress that somebody else keeps count of. */
export interface Progress {
  /** Monotonic, of the last piece of work that was finished; of the beginning where the oldest one is not finished yet. */
  readonly at: number
  /** Whether one should have been finished since: an idle component is not late. */
  readonly due: boolean
}

export interface Enrolment {
  readonly name: string
  /** Longest time without progress that is still in order: above everything that its own timeouts allow. */
  readonly allowanceMs: number
  /** Asked each time; without it the component reports by itself. */
  readonly state?: () => State
  /** Asked each time; without it the component notes its progress by itself. */
  readonly progress?: () => Progress
}

/** A component's own line in the ledger. Each call writes a number or two. */
export interface Line {
  report(state: State): void
  /** A piece of work is finished, and there is more to do. */
  progress(): void
  /** A piece of work is finished, and there is none to do until `begin`. */
  idle(): void
  /** There is work to do from now on; nothing changes where there was already. */
  begin(): void
  leave(): void
}

export interface Standing {
  readonly name: string
  /** Its own state, or that it makes no progress. */
  readonly state: State
  /** Since when it has been in this condition. */
  readonly since: Instant
  /** Milliseconds since the last progress; 0 while there is nothing to do. */
  readonly ageMs: number
  readonly allowanceMs: number
  readonly stalled: boolean
}

/** Where components enrol. */
export interface HealthLedger {
  /** A name that is enrolled again begins anew. */
  enrol(enrolment: Enrolment): Line
  /** The process as a whole starts, changes or ends, and this part of it begins now. Each has a time of its own. */
  step(text: string): void
}

/** For parts that run on their own, in tests and tools: nobody looks. */
export const unwatched: HealthLedger = {
  enrol: () => ({ report: nothing, progress: nothing, idle: nothing, begin: nothing, leave: nothing }),
  step: nothing,
}

function nothing(): void {}
