/** What watches over this process: the ledger of who makes progress, the loop's lateness, and whoever is fed while all is well. */
import type { Watchdog } from '../../../hal/contract.ts'
import type { Notifier } from '../../../hal/linux/kernel/notify.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import type { HealthReport, Light } from '../../contracts/report.ts'
import { Feeder } from '../../health/feeder.ts'
import { Ledger } from '../../health/ledger.ts'
import { Stalls } from '../../health/stalls.ts'
import type { Half } from './half.ts'

/** Whoever keeps the system's clock is asked each ten seconds, and given two to answer. */
const TIME_MS = 120_000
/** A socket is open or it is not: only whoever opens them anew takes time. */
const SOCKETS_MS = 60_000

export interface WatchOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly notifier: Notifier
  /** What the journal could not take. */
  readonly lost?: () => number
}

export class Watch {
  readonly ledger: Ledger
  readonly #options: WatchOptions
  readonly #stalls: Stalls
  readonly #feeder: Feeder
  #status: () => string = () => 'starting'
  #reloading = 0

  constructor(options: WatchOptions) {
    const { clock, log, notifier } = options
    this.#options = options
    this.ledger = new Ledger({ clock })
    this.#stalls = new Stalls({ clock, log, ledger: this.ledger, used: processorMs })
    this.#feeder = new Feeder({
      clock,
      log,
      ledger: this.ledger,
      supervisor: notifier,
      look: () => this.#stalls.look(),
      status: () => this.#status(),
    })
    if (clock.askedAt !== undefined) {
      const time = this.ledger.enrol({
        name: 'time keeper',
        allowanceMs: TIME_MS,
        progress: () => ({ at: clock.askedAt!, due: true }),
      })
      time.report({ condition: 'fine', text: 'is asked whether the clock is set' })
    }
    this.ledger.step('starting')
    this.#feeder.enter('starting')
  }

  /** Everything has begun trying. `hardware`: the watchdog of the box, where it is to be armed. `systemdCannot`: it is none of the
   *  kernel's, so that systemd cannot hold it. */
  running(options: {
    /** The worst there is to say, in one sentence. */
    readonly status: () => string
    readonly areOpen: () => boolean
    readonly hardware: (() => Watchdog | undefined) | undefined
    readonly systemdCannot?: boolean
  }): void {
    const { notifier, clock } = this.#options
    this.#status = options.status
    let openAt = clock.monotonic()
    const sockets = this.ledger.enrol({
      name: 'sockets',
      allowanceMs: SOCKETS_MS,
      progress: () => {
        const due = !options.areOpen()
        if (!due) openAt = clock.monotonic()
        return { at: openAt, due }
      },
    })
    sockets.report({ condition: 'fine', text: 'are open' })
    this.ledger.settled()
    this.#stalls.running()
    // Two who feed one device: systemd has it then.
    const ours = notifier.watchdogMs === undefined || options.systemdCannot === true
    if (options.hardware !== undefined && ours) this.#feeder.arm(options.hardware)
    this.#feeder.enter('running')
    notifier.ready()
  }

  /** Around whatever puts another configuration into force. */
  async reloading<T>(work: () => Promise<T>): Promise<T> {
    const { notifier } = this.#options
    if (this.#reloading++ === 0) notifier.reloading()
    try {
      return await work()
    } finally {
      this.ledger.settled()
      if (--this.#reloading === 0) notifier.ready()
    }
  }

  stopping(): void {
    this.#options.notifier.stopping()
    this.#status = () => 'stopping'
    this.ledger.step('stopping')
    this.#feeder.enter('stopping')
  }

  end(): void {
    this.#feeder.end()
    this.#stalls.stop()
  }

  report(): HealthReport {
    return {
      components: this.ledger.standings(),
      watchdog: { by: this.#feeder.by, state: this.#feeder.state() },
      longestStallMs: this.#stalls.longestMs,
      counters: {
        ...this.#stalls.counters,
        ...this.#feeder.counters,
        journalLost: this.#options.lost?.() ?? 0,
        notifyLost: this.#options.notifier.lost,
      },
    }
  }
}

/** Processor time of all its threads. */
function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const URGENCY = { red: 3, amber: 2, green: 1, off: 0 } as const

/** The sentence of the worst light, or where there are none, of a sink. */
export function worst(half: Pick<Half, 'lights' | 'report'>): string {
  const lights = half.lights?.()
  if (lights !== undefined) {
    const urgent = (light: Light): number =>
      light.colour === 'green' && light.pattern === 'gap' ? 0 : URGENCY[light.colour]
    const [first] = [...lights].sort((a, b) => urgent(b) - urgent(a))
    return first === undefined || urgent(first) === 0 ? 'healthy' : `${first.role}: ${first.text}`
  }
  const { sinks, notices } = half.report([])
  const troubled = sinks.find(({ state }) => state.condition === 'refused' || state.condition === 'fault')
  if (troubled !== undefined) return `${troubled.name}: ${troubled.state.text}`
  return notices[0] ?? `${sinks.length} ${sinks.length === 1 ? 'sink' : 'sinks'}, none in trouble`
}
