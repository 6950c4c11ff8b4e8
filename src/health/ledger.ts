/** Who made progress, and when: a component that hangs is seen here although it never said a word. The watchdog is fed from it. */
import type { Clock, Instant } from '../contracts/clock.ts'
import type { Condition, State } from '../contracts/component.ts'

/** Progress that somebody else keeps count of. */
interface Progress {
  /** Monotonic, of the last piece of work that was finished. */
  readonly at: number
  /** Whether one should have been finished since: an idle component is not late. */
  readonly due: boolean
}

interface Enrolment {
  readonly name: string
  /** Longest time without progress that is still in order. */
  readonly allowanceMs: number
  /** Asked each time; without it the component reports by itself. */
  readonly state?: () => State
  readonly progress?: () => Progress
}

/** A component's own line in the ledger. */
interface Line {
  report(state: State): void
  /** A piece of work is finished; `idle`: and there is none to do until `begin`. */
  progress(how?: { readonly idle: boolean }): void
  /** There is work to do from now on. */
  begin(): void
  leave(): void
}

interface Standing {
  readonly name: string
  /** Its own state, or that it makes no progress. */
  readonly state: State
  /** Since when it has been in this condition. */
  readonly since: Instant
  /** Milliseconds since the last progress. */
  readonly ageMs: number
  readonly stalled: boolean
}

class Page {
  readonly enrolment: Enrolment
  state: State = { condition: 'waiting', text: 'not started' }
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

export class Ledger {
  readonly #clock: Clock
  readonly #pages = new Map<string, Page>()

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock
  }

  /** A name that is enrolled again begins anew. */
  enrol(enrolment: Enrolment): Line {
    const page = new Page(enrolment, this.#clock.now())
    this.#pages.set(enrolment.name, page)
    return {
      report: (state) => {
        page.state = state
        this.#look(page)
      },
      progress: ({ idle } = { idle: false }) => {
        page.at = this.#clock.monotonic()
        page.due = !idle
      },
      begin: () => {
        if (!page.due) page.at = this.#clock.monotonic()
        page.due = true
      },
      leave: () => {
        if (this.#pages.get(enrolment.name) === page) this.#pages.delete(enrolment.name)
      },
    }
  }

  /** In the order of enrolment. */
  standings(): readonly Standing[] {
    return [...this.#pages.values()].map((page) => this.#look(page))
  }

  /** A sentence for each component that makes no progress. */
  stalled(): readonly string[] {
    return this.standings().flatMap(({ name, state, stalled }) => (stalled ? [`${name}: ${state.text}`] : []))
  }

  #look(page: Page): Standing {
    const { name, allowanceMs, state: ask, progress } = page.enrolment
    const now = this.#clock.now()
    const own = progress?.()
    // Whoever was just enrolled has its allowance from then on.
    const at = own === undefined ? page.at : Math.max(own.at, page.at)
    const ageMs = Math.max(0, now.monotonic - at)
    const stalled = (own?.due ?? page.due) && ageMs > allowanceMs
    const said = ask?.() ?? page.state
    const text = `no progress since ${clockTime(now.wall - ageMs)} (${seconds(ageMs)}, ${seconds(allowanceMs)} are in order)`
    const state: State = stalled ? { condition: 'fault', text } : said
    if (page.seen !== state.condition) {
      page.seen = state.condition
      page.since = now
    }
    return { name, state, since: page.since, ageMs, stalled }
  }
}

function clockTime(wall: number): string {
  format ??= new Intl.DateTimeFormat('sv-SE', { timeStyle: 'medium', timeZone: 'UTC' })
  return `${format.format(wall)} UTC`
}

let format: Intl.DateTimeFormat | undefined

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`
}
