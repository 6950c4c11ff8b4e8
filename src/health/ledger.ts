/** Who made progress, and when: a component that hangs is seen here although it never said a word. The watchdog is fed from it. */
import type { Clock, Instant } from '../contracts/clock.ts'
import type { Condition, State } from '../contracts/component.ts'
import type { Enrolment, HealthLedger, Line, Standing } from '../contracts/health.ts'

/** Times in which the process did not run that are remembered: those before are older than any allowance, or many were short. */
const PAUSES = 32
/** One connection, one sink or the log is started or stopped in less: an exchange is ended, a disk takes what is under way, a file
 *  of the log is looked through. The slowest of these is a disk that repeats a command for minutes. */
const STEP_MS = 180_000

class Page {
  readonly enrolment: Enrolment
  state: State = { condition: 'waiting', text: 'not started' }
  /** For the sentence of one that hangs. */
  doing = ''
  at: number
  due = true
  seen: Condition | undefined
  since: Instant

  constructor(enrolment: Enrolment, now: Instant) {
    this.enrolment = enrolment
    this.at = now.monotonic
    this.since = now
  }
}

export class Ledger implements HealthLedger {
  readonly #clock: Clock
  readonly #pages = new Map<string, Page>()
  #service: { readonly line: Line; readonly page: Page } | undefined
  #onStep: () => void = () => {}
  readonly #pauses: { readonly end: number; readonly ms: number }[] = []

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock
  }

  enrol(enrolment: Enrolment): Line {
    const page = new Page(enrolment, this.#clock.now())
    this.#pages.set(enrolment.name, page)
    return this.#lineOf(page)
  }

  step(text: string): void {
    if (this.#service === undefined) {
      const line = this.enrol({ name: 'service', allowanceMs: STEP_MS })
      this.#service = { line, page: this.#pages.get('service')! }
    }
    const { line, page } = this.#service
    line.report({ condition: 'waiting', text })
    line.progress()
    page.doing = ` (${text})`
    this.#onStep()
  }

  /** No step is under way: it runs, or has ended. */
  settled(): void {
    if (this.#service === undefined) return
    this.#service.line.report({ condition: 'fine', text: 'running' })
    this.#service.line.idle()
    this.#service.page.doing = ''
  }

  /** Heard at once, also where the loop is not given a turn between two steps. */
  onStep(hear: () => void): void {
    this.#onStep = hear
  }

  #lineOf(page: Page): Line {
    return {
      report: (state) => {
        page.state = state
        if (page.seen === state.condition) return
        page.seen = state.condition
        page.since = this.#clock.now()
      },
      progress: () => {
        page.at = this.#clock.monotonic()
        page.due = true
      },
      idle: () => {
        page.at = this.#clock.monotonic()
        page.due = false
      },
      begin: () => {
        if (page.due) return
        page.at = this.#clock.monotonic()
        page.due = true
      },
      leave: () => {
        if (this.#pages.get(page.enrolment.name) === page) this.#pages.delete(page.enrolment.name)
      },
    }
  }

  /** Nobody could make progress in the last `ms`: the whole process stood still. */
  excuse(ms: number): void {
    this.#pauses.push({ end: this.#clock.monotonic(), ms })
    if (this.#pauses.length > PAUSES) this.#pauses.shift()
  }

  /** In the order of enrolment. */
  standings(): readonly Standing[] {
    const now = this.#clock.now()
    return [...this.#pages.values()].map((page) => this.#standing(page, now))
  }

  /** A sentence for each component that makes no progress. */
  stalled(): readonly string[] {
    const sentences: string[] = []
    let now: Instant | undefined
    const monotonic = this.#clock.monotonic()
    for (const page of this.#pages.values()) {
      const ageMs = this.#age(page, monotonic)
      if (ageMs <= page.enrolment.allowanceMs) continue
      now ??= this.#clock.now()
      sentences.push(`${page.enrolment.name}${page.doing}: ${late(page, ageMs, now)}`)
    }
    return sentences
  }

  /** Who has work under way, and who finished some since then, monotonic. */
  active(since: number): readonly string[] {
    const pages = [...this.#pages.values()].filter(({ at, due, enrolment }) => {
      const own = enrolment.progress?.()
      return own === undefined ? due || at >= since : own.due || own.at >= since
    })
    return pages.map(({ enrolment }) => enrolment.name)
  }

  #standing(page: Page, now: Instant): Standing {
    const { name, allowanceMs, state: ask } = page.enrolment
    const ageMs = this.#age(page, now.monotonic)
    const stalled = ageMs > allowanceMs
    const state = stalled ? ({ condition: 'fault', text: late(page, ageMs, now) } as const) : (ask?.() ?? page.state)
    if (page.seen !== state.condition) {
      page.seen = state.condition
      page.since = now
    }
    return { name, state, since: page.since, ageMs, allowanceMs, stalled }
  }

  /** 0: there is nothing to do. */
  #age(page: Page, now: number): number {
    const own = page.enrolment.progress?.()
    if (!(own?.due ?? page.due)) return 0
    // Whoever was just enrolled has its allowance from then on.
    const at = own === undefined ? page.at : Math.max(own.at, page.at)
    let ageMs = now - at
    for (const { end, ms } of this.#pauses) if (end > at) ageMs -= Math.min(ms, end - at)
    return Math.max(0, ageMs)
  }
}

function late({ enrolment }: Page, ageMs: number, now: Instant): string {
  const { allowanceMs } = enrolment
  return `no progress since ${clockTime(now.wall - ageMs)} (${seconds(ageMs)}, ${seconds(allowanceMs)} are in order)`
}

function clockTime(wall: number): string {
  format ??= new Intl.DateTimeFormat('sv-SE', { timeStyle: 'medium', timeZone: 'UTC' })
  return `${format.format(wall)} UTC`
}

let format: Intl.DateTimeFormat | undefined

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`
}
