/** Devices that do not answer: asked less and less, so that those which do answer keep their wire. */
import type { Counters } from '../contracts/component.ts'

/** All silent devices of a lane together get this share of its time. */
export const SHARE = 0.05
/** No silent device waits longer than this for its next try. */
export const LONGEST_MS = 60_000

/** What is known of one device's answers; times are monotonic milliseconds. */
export class Attendance {
  answers: boolean | null = null
  answeredAt: number | null = null
  text = 'not asked yet'
  /** Not asked before this. */
  askAfter = 0
  #asked = 0
  #answered = 0
  #missed = 0
  #notSpent = 0

  answer(now: number): void {
    this.#asked++
    this.#answered++
    this.answers = true
    this.answeredAt = now
    this.askAfter = 0
    this.text = 'answers'
  }

  /** It answered that it cannot be set up, and is not asked each time. */
  unprepared(now: number): void {
    if (this.answers !== true) this.answer(now)
  }

  miss(text: string): void {
    this.#asked++
    this.#missed++
    this.answers = false
    this.text = text
  }

  notSpent(): void {
    this.#notSpent++
  }

  counters(): Counters {
    return { asked: this.#asked, answered: this.#answered, missed: this.#missed, slotsNotSpent: this.#notSpent }
  }
}

/** When the silent devices of one lane may be tried again, and who goes first while it is unknown who else has gone. */
export class Silence {
  #nextTry = 0
  /** Misses followed each other since; they are paid off at `#troubleUntil`. */
  #troubleSince = 0
  #troubleUntil = 0
  #missedAt: number | null = null

  /** After a try that cost `costMs` of wire and got no answer: when this device may be asked again. A lane with nobody
   *  else on it has no one to protect, so the device is asked at its own pace. */
  after(options: { now: number; costMs: number; others: boolean }): number {
    const { now, costMs, others } = options
    if (now > this.#troubleUntil) this.#troubleSince = now
    this.#troubleUntil = Math.min(Math.max(this.#troubleUntil, now) + costMs / SHARE, now + LONGEST_MS)
    this.#missedAt = now
    if (!others) return now
    this.#nextTry = Math.max(this.#nextTry, now) + costMs / SHARE
    return Math.min(this.#nextTry, now + LONGEST_MS)
  }

  /** After a miss, what was due by then of devices that have answered since the trouble began goes first, once, and then who
   *  answered last: many that fell silent together cost those which did not one timeout a slot. null: nobody is preferred. */
  get missedAt(): number | null {
    return this.#missedAt
  }

  trusts(device: Attendance): boolean {
    return device.answers === true && device.answeredAt !== null && device.answeredAt >= this.#troubleSince
  }

  /** The trusted have had their turn. */
  goOn(): void {
    this.#missedAt = null
  }
}
