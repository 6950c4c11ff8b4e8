/** Composition: builds both halves from a configuration and joins them by the log in one process.
 *
 *    devices ═► FIELD ─► log ─► UPLINK ═► brokers, databases
 *    devices ◄═ FIELD ◄─ door ◄─ UPLINK
 */
import type { Ports } from '../hal/contract.ts'
import type { Configuration } from './config/configuration.ts'
import type { Change } from './config/diff.ts'
import { keepIdentity } from './config/identity.ts'
import type { Clock } from './contracts/clock.ts'
import type { Logger } from './contracts/component.ts'
import type { Position } from './contracts/log.ts'
import type { GatewayReport } from './contracts/report.ts'
import { Field } from './field.ts'
import type { BoxFacts, GatewayFacts } from './health/language/facts.ts'
import { Ledger } from './health/ledger.ts'
import { type Log, openLog } from './log/log.ts'
import { Uplink } from './uplink.ts'

export interface GatewayOptions {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly board: Ports
  readonly log: Logger
  readonly version: string
  /** Where everything that runs says that it makes progress; absent: one of its own. */
  readonly ledger?: Ledger
}

export class Gateway {
  readonly field: Field
  readonly #uplink: Uplink
  readonly #log: Log

  static async open(options: GatewayOptions): Promise<Gateway> {
    const { configuration, clock, log, ledger = new Ledger({ clock }) } = options
    const both = await openLog({ ...configuration.log, clock, log, health: ledger })
    const field = await Field.open({ ...options, end: both, ledger })
    const { door, live } = field
    return new Gateway(field, new Uplink({ configuration, clock, log, end: both, door, live, ledger }), both)
  }

  private constructor(field: Field, uplink: Uplink, log: Log) {
    this.field = field
    this.#uplink = uplink
    this.#log = log
  }

  get configuration(): Configuration {
    return this.field.configuration
  }

  /** Sinks first, then drivers: nothing is read before there is somewhere for it to go. */
  async start(): Promise<void> {
    await this.#uplink.start()
    await this.field.start()
  }

  /** The reverse: readers of the field first, then what is under way north is given `drainMs` to be confirmed. */
  async stop(drainMs = 5000): Promise<void> {
    await this.field.stop()
    await this.#uplink.stop(drainMs)
    await this.#log.close()
  }

  /** Puts another configuration into force. Connections, groups and sinks that are equal in both go on undisturbed. */
  async reload(next: Configuration): Promise<void> {
    const after = keepIdentity(this.configuration, next)
    await this.field.reload(after, () => this.#uplink.reload(after))
  }

  /** The changes with what each would cost: what a sink that goes away has not been sent yet. */
  consequences(changes: readonly Change[]): readonly Change[] {
    return this.#uplink.consequences(changes)
  }

  /** As `Uplink.retry`. */
  retry(sink: string, positions: readonly Position[] | null): number {
    return this.#uplink.retry(sink, positions)
  }

  /** As much as the lamps need. */
  facts(): GatewayFacts {
    return this.field.facts(this.#uplink.report())
  }

  get traffic(): { readonly bus: number; readonly net: number } {
    return { bus: this.field.exchanges, net: this.#uplink.deliveries }
  }

  /** `box`: what is known of the box it runs in. */
  report(notices: readonly string[] = [], box: BoxFacts = {}): GatewayReport {
    return this.field.report(this.#uplink.report(), notices, box)
  }
}
