/** Feeds whoever restarts the service, or the box, when it is not fed: systemd, a watchdog in hardware, or both. It is fed while
 *  every line of the ledger is fresh, and never by a bare interval: a poll loop that hangs would stay healthy. */
import type { Watchdog } from '../../hal/contract.ts'
import type { Clock, Stop } from '../contracts/clock.ts'
import type { Logger, State } from '../contracts/component.ts'
import { sentence } from '../contracts/errors.ts'
import type { Ledger } from './ledger.ts'

/** As systemd knows it: sd_notify(3). Each does nothing where there is none. */
export interface Supervisor {
  /** Who is not fed for so long is killed and started again; undefined: nobody looks. */
  readonly watchdogMs: number | undefined
  watchdog(): void
  status(text: string): void
  extendTimeout(ms: number): void
}

export interface FeederOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly ledger: Ledger
  readonly supervisor: Supervisor
  /** What the process was kept from is nobody's fault: called before anybody is judged. */
  readonly look?: () => void
  /** The worst there is to say, in one sentence. */
  readonly status?: () => string
}

/** The ledger is looked at so often, or as often as somebody wants to be fed. */
const LOOK_MS = 1000
/** A third of it: one feeding may be late, and one lost. */
const SHARE = 3
/** The report behind the sentence costs more than a look at the ledger. */
const STATUS_MS = 10_000
/** Who starts or stops is given so much more time, again and again while it makes progress. */
const EXTENSION_MS = 60_000
const EXTEND_EVERY_MS = 5000
const MOST_NAMES = 3

export class Feeder {
  readonly counters = { watchdogFed: 0, watchdogWithheld: 0, watchdogFailed: 0 }
  readonly #options: FeederOptions
  #device: Watchdog | undefined
  #deviceState: State | undefined
  #phase: 'starting' | 'running' | 'stopping' = 'starting'
  #stop: Stop | undefined
  #everyMs = LOOK_MS
  #fedAt = Number.NEGATIVE_INFINITY
  #extendedAt = Number.NEGATIVE_INFINITY
  #saidAt = Number.NEGATIVE_INFINITY
  #said = ''
  /** Who was told of last; empty: everybody is fresh. */
  #told = ''
  #toldNames = ''

  constructor(options: FeederOptions) {
    this.#options = options
    // A step that keeps the loop to itself costs neither the time for it nor the watchdog its food.
    options.ledger.onStep(() => {
      if (this.#phase === 'running' || options.ledger.stalled().length > 0) return
      this.#extend()
      this.#feed()
    })
    this.#arrange()
  }

  /** A watchdog in hardware is fed, too, from now on. */
  arm(open: () => Watchdog | undefined): void {
    try {
      this.#device = open()
    } catch (thrown) {
      this.#refuse(`the watchdog of the box cannot be armed: ${sentence(thrown)}`)
      return
    }
    if (this.#device === undefined) {
      this.#refuse('the watchdog of the box cannot be armed: the board has none; run "fieldgate board"')
      return
    }
    const text = `the watchdog of the box is armed: it resets the box when it is not fed for ${seconds(this.#device.timeoutMs)}`
    this.#deviceState = { condition: 'fine', text }
    this.#options.log.info(text)
    this.#arrange()
  }

  enter(phase: 'starting' | 'running' | 'stopping'): void {
    this.#phase = phase
    this.#saidAt = Number.NEGATIVE_INFINITY
    this.look()
  }

  get by(): readonly ('systemd' | 'device')[] {
    const systemd = this.#options.supervisor.watchdogMs === undefined ? [] : (['systemd'] as const)
    return this.#device === undefined ? systemd : [...systemd, 'device']
  }

  state(): State {
    if (this.#told !== '') return { condition: 'fault', text: this.#told }
    if (this.#deviceState !== undefined && this.#deviceState.condition !== 'fine') return this.#deviceState
    if (this.by.length === 0) return { condition: 'fine', text: 'nobody restarts the service when it hangs' }
    return { condition: 'fine', text: `fed: ${this.by.join(', ')}` }
  }

  /** Ends it in order: the box lives on without being fed. */
  end(): void {
    this.#stop?.()
    this.#options.ledger.onStep(() => {})
    try {
      this.#device?.disarm()
    } catch (thrown) {
      this.#options.log.error(`the watchdog of the box stays armed and will reset it: ${sentence(thrown)}`)
    }
    this.#device = undefined
  }

  look(): void {
    const { ledger, look } = this.#options
    look?.()
    const stalled = ledger.stalled()
    this.#judge(stalled)
    if (stalled.length === 0) {
      this.#feed()
      this.#extend()
    } else if (this.by.length > 0) this.counters.watchdogWithheld++
    this.#say()
  }

  #arrange(): void {
    const { clock, supervisor } = this.#options
    this.#stop?.()
    const { watchdogMs = LOOK_MS * SHARE } = supervisor
    this.#everyMs = Math.min(LOOK_MS, watchdogMs / SHARE, (this.#device?.timeoutMs ?? watchdogMs) / SHARE)
    this.#stop = clock.every(this.#everyMs, () => this.look())
  }

  #feed(): void {
    const { clock, supervisor, log } = this.#options
    const now = clock.monotonic()
    const { watchdogMs } = supervisor
    // Not with each look: what is sent wakes systemd. Not before it is ready: the first feeding is what arms it, and nobody has
    // to load code or look through files within its time.
    const isDue = this.#phase !== 'starting' && watchdogMs !== undefined
    if (isDue && now + this.#everyMs > this.#fedAt + watchdogMs / SHARE) {
      supervisor.watchdog()
      this.#fedAt = now
      this.counters.watchdogFed++
    }
    if (this.#device === undefined) return
    try {
      this.#device.feed()
      if (watchdogMs === undefined) this.counters.watchdogFed++
      if (this.#deviceState?.condition === 'fault') log.info('the watchdog of the box is fed again')
      this.#deviceState = { condition: 'fine', text: 'fed' }
    } catch (thrown) {
      this.counters.watchdogFailed++
      const text = `the watchdog of the box cannot be fed and will reset it: ${sentence(thrown)}`
      if (this.#deviceState?.condition !== 'fault') log.error(text)
      this.#deviceState = { condition: 'fault', text }
    }
  }

  /** One line before the reset comes, and one when it was averted. */
  #judge(stalled: readonly string[]): void {
    const { log } = this.#options
    const names = stalled.map((one) => one.slice(0, one.indexOf(': '))).join('\n')
    if (names === this.#toldNames) return
    this.#toldNames = names
    if (stalled.length === 0) {
      this.#told = ''
      log.warn('everything makes progress again: the watchdog is fed', { event: 'watchdog.fed' })
      return
    }
    const more = stalled.length > MOST_NAMES ? ` and ${stalled.length - MOST_NAMES} more` : ''
    this.#told = `the watchdog is not fed: ${stalled.slice(0, MOST_NAMES).join('; ')}${more}; ${this.#consequence()}`
    log.error(this.#told, { event: 'watchdog.withheld', stalled })
  }

  #consequence(): string {
    const { watchdogMs } = this.#options.supervisor
    const device = this.#device === undefined ? [] : [`the box is reset within ${seconds(this.#device.timeoutMs)}`]
    const systemd = watchdogMs === undefined ? [] : [`systemd restarts the service within ${seconds(watchdogMs)}`]
    const all = [...systemd, ...device]
    return all.length === 0 ? 'nobody restarts the service: do it by hand' : all.join(', ')
  }

  #extend(): void {
    const { clock, supervisor } = this.#options
    const now = clock.monotonic()
    if (this.#phase === 'running' || now < this.#extendedAt + EXTEND_EVERY_MS) return
    this.#extendedAt = now
    supervisor.extendTimeout(EXTENSION_MS)
  }

  #say(): void {
    const { clock, supervisor, status } = this.#options
    const now = clock.monotonic()
    if (status === undefined || now < this.#saidAt + STATUS_MS) return
    this.#saidAt = now
    const text = this.#told === '' ? status() : this.#told
    if (text === this.#said) return
    this.#said = text
    supervisor.status(text)
  }

  #refuse(text: string): void {
    this.#deviceState = { condition: 'refused', text }
    this.#options.log.error(`${text}; everything else works`)
  }
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`
}
