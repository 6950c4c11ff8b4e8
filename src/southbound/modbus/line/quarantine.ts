/** Answers that are still owed. On RTU an answer names only unit and function: while one to a question that was given up may
 *  come, the same is not asked again, and for a time after that what looks like the answer to a new question may be the old
 *  one. A slave answers in order, so an answer to anything asked later of the same unit ends what it owed before. */
import { type Ask, replyLength } from '../frames/pdu.ts'

/** A window of so many timeouts after the first in which an answer is waited out. */
const LATE_WINDOW = 2
/** For so many timeouts an answer may come at all. */
const OWED_FOR = 10
const OWED_AT_LEAST_MS = 2000
/** More than so many are not expected to come: each was asked for three timeouts after the one before. */
const MOST_OWED = 4

interface Debt {
  /** Of the answer without exception; 0: it would say so itself. */
  readonly pduBytes: number
  readonly timeoutMs: number
  /** Another master asked. */
  readonly foreign: boolean
  /** Until then the same is not asked. */
  readonly until: number
  readonly forgetAt: number
}

/** What an answer shows of itself. */
interface Answer {
  readonly unit: number
  readonly function: number
  readonly pduBytes: number
}

export class Quarantine {
  readonly #byUnit: boolean
  readonly #owed = new Map<number, Debt[]>()

  /** `byUnit` false: answers of any unit are accepted, so any unit's late answer is a danger to all. */
  constructor(options: { byUnit: boolean }) {
    this.#byUnit = options.byUnit
  }

  #key(unit: number, functionCode: number): number {
    return ((this.#byUnit ? unit : 0) << 8) | (functionCode & 0x7f)
  }

  /** The question was given up `now`, unanswered after a wait. `lost`: what it still owes finds nobody, because the port is
   *  gone; only what comes within the window is a danger then. The same is not asked before the moment it gives back. */
  impose(ask: Ask, options: { now: number; waitedMs: number; lost?: boolean; times?: number }): number {
    const { now, waitedMs, lost = false, times = 1 } = options
    const { until, forgetAt } = span(now, ask.timeoutMs, waitedMs)
    this.#add(ask, { until, forgetAt: lost ? until : forgetAt }, times)
    return until
  }

  /** Another master asked: the answer looks like one to a question of ours. `between`: ours is under way, and nobody knows
   *  which is answered first, so that neither answer counts. */
  overhear(ask: Ask, now: number, between: boolean): void {
    // Nobody waits for it: a busy other master would never let us ask.
    this.#add(ask, { until: now, forgetAt: now + ask.timeoutMs }, between ? 2 : 1, true)
  }

  #add(ask: Ask, when: { until: number; forgetAt: number }, times: number, foreign = false): void {
    const { timeoutMs } = ask
    const key = this.#key(ask.unit, ask.function)
    const debts = this.#owed.get(key) ?? []
    for (let count = 0; count < times; count++) debts.push({ pduBytes: sizeOf(ask), timeoutMs, foreign, ...when })
    this.#owed.set(key, debts.slice(-MOST_OWED))
  }

  /** An answer came that is, or may be, an older question's, or that of another master. Null: none was owed. */
  pay(answer: Answer, now: number): 'late' | 'foreign' | null {
    const key = this.#key(answer.unit, answer.function)
    const debts = this.#present(key, now)
    if (debts === undefined) return null
    const at = debts.findIndex((debt) => couldBe(debt, answer))
    if (at < 0) return null
    // What was asked before it will not be answered any more; what was asked after it still may.
    const { timeoutMs, foreign } = debts[at]!
    const left = debts
      .slice(at + 1)
      .map((debt) => (debt.foreign ? debt : { ...debt, ...span(now, timeoutMs, timeoutMs) }))
    if (left.length === 0) this.#owed.delete(key)
    else this.#owed.set(key, left)
    return foreign ? 'foreign' : 'late'
  }

  /** An answer that could be no older one's came after it was asked for `1 + doubts` times: so many answers may still come. */
  settle(ask: Ask, now: number, doubts: number): void {
    if (this.#owed.size === 0 && doubts === 0) return
    for (const key of [...this.#owed.keys()]) {
      if (this.#byUnit ? key >> 8 === ask.unit : key === this.#key(ask.unit, ask.function)) this.#owed.delete(key)
    }
    if (doubts === 0) return
    const { until, forgetAt } = span(now, ask.timeoutMs, ask.timeoutMs)
    // Where nothing else can tell them apart, they are not expected for long: each would cost another question.
    this.#add(ask, { until, forgetAt: hasParts(ask) ? forgetAt : until }, doubts)
  }

  /** Whether what comes next could answer something older. */
  owes(ask: Ask, now: number): boolean {
    return this.#present(this.#key(ask.unit, ask.function), now) !== undefined
  }

  /** Part of a read whose answer cannot be mistaken for what is owed: once it is answered nothing older can come. `null`:
   *  none is needed, or there is none. */
  marker(ask: Ask, now: number): Ask | null {
    if (ask.function > 4) return null
    const debts = this.#present(this.#key(ask.unit, ask.function), now)
    const owed = (quantity: number): boolean => {
      const pduBytes = replyLength({ ...ask, quantity })
      return debts?.some((debt) => debt.pduBytes === pduBytes) ?? false
    }
    if (!owed(ask.quantity)) return null
    let quantity = ask.quantity - 1
    while (quantity > 0 && owed(quantity)) quantity--
    return quantity === 0 ? null : { ...ask, quantity }
  }

  /** Whether a read of another function shows that nothing more is owed to a write. */
  get clearsByRead(): boolean {
    return this.#byUnit
  }

  /** Monotonic time from which this may be asked; 0: at once. */
  end(ask: Ask, now: number): number {
    const debts = this.#present(this.#key(ask.unit, ask.function), now)
    if (debts === undefined) return 0
    let until = 0
    for (const debt of debts) until = Math.max(until, debt.until)
    return until > now ? until : 0
  }

  #present(key: number, now: number): Debt[] | undefined {
    if (this.#owed.size === 0) return undefined
    const debts = this.#owed.get(key)
    if (debts === undefined || debts.every(({ forgetAt }) => forgetAt > now)) return debts
    const left = debts.filter(({ forgetAt }) => forgetAt > now)
    if (left.length > 0) this.#owed.set(key, left)
    else this.#owed.delete(key)
    return left.length > 0 ? left : undefined
  }
}

function hasParts(ask: Ask): boolean {
  return ask.function <= 4 && replyLength({ ...ask, quantity: 1 }) < replyLength(ask)
}

function span(now: number, timeoutMs: number, waitedMs: number): { until: number; forgetAt: number } {
  const until = now + (LATE_WINDOW + 1) * timeoutMs - waitedMs
  return { until, forgetAt: Math.max(until, now + Math.max(OWED_FOR * timeoutMs, OWED_AT_LEAST_MS)) }
}

function couldBe({ pduBytes }: Debt, answer: Answer): boolean {
  return answer.function >= 0x80 || pduBytes === 0 || pduBytes === answer.pduBytes
}

function sizeOf(ask: Ask): number {
  return ask.function === 24 || ask.function === 43 ? 0 : replyLength(ask)
}
