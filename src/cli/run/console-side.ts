/** The third process of an appliance: tells over HTTP what the halves say over their `inspect.sock`. It has no devices, no log, and
 *  no right to change anything; a half that is away is told as that. */
import { flushCompileCache } from 'node:module'
import { notifier } from '../../../hal/linux/kernel/notify.ts'
import { listenIn } from '../../config/listen.ts'
import type { Listen } from '../../console/http/address.ts'
import type { Endpoint } from '../../console/http/endpoint.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger, State } from '../../contracts/component.ts'
import { Rejected, Retryable, sentence } from '../../contracts/errors.ts'
import type { HealthLedger, Line } from '../../contracts/health.ts'
import type { GatewayReport, ProcessReport, UplinkReport } from '../../contracts/report.ts'
import { vitals } from '../../health/vitals.ts'
import { Exit, type Invocation } from '../command.ts'
import { withHalves } from '../running.ts'
import { absent, reportOf } from '../status.ts'
import { version } from '../version.ts'
import { journal } from './journal.ts'
import { openEndpoint } from './pages.ts'
import { Watch, worst } from './watch.ts'

/** Where it is to be reached is asked so often. */
const LOOK_MS = 2000
/** Asking ends by itself after a few seconds. */
const LOOK_ALLOWANCE_MS = 60_000

/** Until the signal aborts. */
export async function runConsole({
  file,
  clock,
  signal,
}: Pick<Invocation, 'file' | 'clock' | 'signal'>): Promise<Exit> {
  const startedAt = clock.monotonic()
  const log = journal({ identifier: 'fieldgate-console' })
  const watch = new Watch({ clock, log, notifier: notifier(process.env), lost: () => log.lost() })
  const own = () => ({ ...vitals('console', { clock, startedAt }), health: watch.report() })
  const side = new ConsoleSide({ file, clock, log, version: version(), health: watch.ledger, signal, own })
  try {
    await side.start()
    flushCompileCache()
    log.info('running', { file, side: 'console' })
    // Sockets it has none: it comes to those of the halves.
    watch.running({ status: () => worst({ report: () => side.summary() }), areOpen: () => true, hardware: undefined })
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    log.info('stopping')
  } finally {
    watch.stopping()
    await side.stop()
    watch.end()
  }
  log.info('stopped')
  return Exit.done
}

interface ConsoleOptions {
  readonly file: string
  readonly clock: Clock
  readonly log: Logger
  readonly version: string
  readonly health: HealthLedger
  readonly signal: AbortSignal
  /** What this process says of itself. */
  readonly own: () => ProcessReport
}

class ConsoleSide {
  readonly #options: ConsoleOptions
  readonly #endpoint: Endpoint
  readonly #line: Line
  #state: State = { condition: 'waiting', text: 'not started' }
  /** What the halves said last of who they are. */
  #known = { gateway: '', revision: '' }
  #asked: Stop | undefined
  #looking: Promise<void> | undefined

  constructor(options: ConsoleOptions) {
    const { clock, log, health } = options
    this.#options = options
    this.#endpoint = openEndpoint({ clock, log, health, report: () => this.report() })
    this.#line = health.enrol({ name: 'halves', allowanceMs: LOOK_ALLOWANCE_MS, state: () => this.#state })
  }

  /** Resolves when it is open where a half, or else the file, says so. */
  async start(): Promise<void> {
    await this.#look()
    this.#asked = this.#options.clock.every(LOOK_MS, () => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
    })
  }

  async stop(): Promise<void> {
    this.#asked?.()
    await this.#looking
    this.#line.leave()
    await this.#endpoint.stop()
  }

  /** What the halves say together; that they are away where they say nothing. */
  async report(): Promise<GatewayReport> {
    const { file, clock, signal, own, version } = this.#options
    try {
      const report = await withHalves({ file, signal }, 'inspect', (halves) => reportOf(halves, { clock, signal }))
      this.#known = { gateway: report.gateway, revision: report.revision }
      return { ...report, processes: [...(report.processes ?? []), own()] }
    } catch (thrown) {
      if (!(thrown instanceof Retryable || thrown instanceof Rejected)) throw thrown
      const { gateway, revision } = this.#known
      const process = own()
      const known = { gateway, revision, version, startedAt: process.startedAt, at: clock.wall() }
      return { ...absent(known, sentence(thrown)), processes: [process] }
    }
  }

  /** For whoever asks the supervisor: how it is with this process alone. */
  summary(): UplinkReport {
    const { clock, version, own } = this.#options
    const { startedAt } = own()
    const notices = [`${this.#state.text}; the endpoint ${this.#endpoint.state().text}`]
    return { ...this.#known, version, startedAt, at: clock.wall(), notices, sinks: [] }
  }

  async #look(): Promise<void> {
    const { file, clock, log, signal } = this.#options
    this.#line.begin()
    try {
      const said = await withHalves({ file, signal }, 'inspect', async (halves) => {
        const stop = clock.after(LOOK_MS, () => {
          for (const { gateway } of halves) gateway.close()
        })
        const asked = halves.map(
          ({ gateway }) => gateway.call('console') as Promise<{ readonly listen: Listen | null }>,
        )
        // One of them may hang.
        return await Promise.any(asked)
          .catch(({ errors: [first] }: AggregateError) => Promise.reject(first))
          .finally(stop)
      }).catch((thrown) => {
        if (thrown instanceof Retryable || thrown instanceof Rejected) return sentence(thrown)
        throw thrown
      })
      if (typeof said === 'string') {
        this.#state = { condition: 'degraded', text: said }
        // It stays where the configuration in force put it: the file may hold what nobody has applied.
        const listen = this.#endpoint.isConfigured ? undefined : listenIn(file)
        if (listen !== undefined) await this.#endpoint.configure(listen)
      } else {
        this.#state = { condition: 'fine', text: 'the halves answer' }
        await this.#endpoint.configure(said.listen)
      }
    } catch (thrown) {
      if (!signal.aborted) log.error(`the console cannot ask the halves: ${sentence(thrown)}`)
    }
    this.#line.progress()
  }
}
