/** How long the process was kept from its timers. A loop that is late by seconds is still alive, and everything in it is late:
 *  polls miss their slots, and keep-alives their answers. */
import type { Clock, Stop } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import type { Line } from '../contracts/health.ts'
import type { Ledger } from './ledger.ts'

const LOOK_MS = 100
/** What collecting garbage and a commit take together stays below. */
const STALL_MS = 100
/** From here on somebody is told, at the most so often. */
const TOLD_MS = 500
const TELL_EVERY_MS = 10_000
/** Before anything runs, code is loaded and files are looked through: that is told when it takes so long. */
const TOLD_AT_START_MS = 5000
/** The timer that measures is itself gone. */
const GONE_MS = 30_000
/** Below this share of the time the processor was not with this process. */
const BUSY = 0.5
const MOST_NAMES = 6

export interface StallsOptions {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly log: Logger
  /** Processor time that this process has used, milliseconds. */
  readonly used: () => number
}

export class Stalls {
  readonly counters = { loopStalls: 0, loopStalledMs: 0 }
  longestMs = 0
  readonly #options: StallsOptions
  readonly #line: Line
  #expected: number
  #used: number
  #lookedAt: number
  #stop: Stop
  #toldAt = Number.NEGATIVE_INFINITY
  #untold = 0
  /** Somebody looked, and it has not ticked since. */
  #tickAwaited = false
  #toldMs = TOLD_AT_START_MS

  constructor(options: StallsOptions) {
    const { clock, ledger, used } = options
    this.#options = options
    this.#line = ledger.enrol({ name: 'event loop', allowanceMs: GONE_MS })
    this.#line.report({ condition: 'fine', text: 'was never late' })
    this.#lookedAt = clock.monotonic()
    this.#expected = this.#lookedAt + LOOK_MS
    this.#used = used()
    this.#stop = clock.after(LOOK_MS, () => this.#tick())
  }

  /** Before anybody is judged: what the process was kept from is nobody's fault. */
  look(): void {
    // A timer that is gone is no loop that stands still: it would excuse everybody for ever.
    if (this.#tickAwaited) return
    this.#tickAwaited = true
    this.#measure()
  }

  #measure(): void {
    const { clock, ledger, used } = this.#options
    const now = clock.monotonic()
    if (now < this.#expected) return
    const lateMs = now - this.#expected
    if (lateMs >= STALL_MS) {
      ledger.excuse(lateMs)
      this.counters.loopStalls++
      this.counters.loopStalledMs += Math.round(lateMs)
      if (lateMs > this.longestMs) {
        this.longestMs = Math.round(lateMs)
        this.#line.report({ condition: 'fine', text: `was late by ${this.longestMs} ms at the most` })
      }
      if (lateMs >= this.#toldMs) this.#tell(lateMs, now)
    }
    this.#used = used()
    this.#lookedAt = now
    this.#expected = now + LOOK_MS
  }

  /** Everything runs: from now on nobody may be kept waiting. */
  running(): void {
    this.#toldMs = TOLD_MS
  }

  stop(): void {
    this.#stop()
    this.#line.leave()
  }

  #tick(): void {
    this.#tickAwaited = false
    this.#measure()
    this.#line.progress()
    this.#stop = this.#options.clock.after(LOOK_MS, () => this.#tick())
  }

  #tell(lateMs: number, now: number): void {
    const { ledger, log, used } = this.#options
    if (now - this.#toldAt < TELL_EVERY_MS) {
      this.#untold++
      return
    }
    const usedMs = used() - this.#used
    const active = ledger.active(this.#lookedAt).filter((name) => name !== 'event loop')
    const names = active.slice(0, MOST_NAMES).join(', ') + (active.length > MOST_NAMES ? ', …' : '')
    const why =
      usedMs >= BUSY * lateMs
        ? `it computed (${Math.round(usedMs)} ms of processor time)${names === '' ? '' : `; under way: ${names}`}`
        : `it was not given the processor (${Math.round(usedMs)} ms of it): other programs, swapping, or it was stopped`
    const more = this.#untold > 0 ? `; ${this.#untold} more since the last such line` : ''
    log.warn(`everything was late by ${Math.round(lateMs)} ms: ${why}${more}`, {
      event: 'loop.stalled',
      lateMs: Math.round(lateMs),
      usedMs: Math.round(usedMs),
      underWay: active,
    })
    this.#toldAt = now
    this.#untold = 0
  }
}
