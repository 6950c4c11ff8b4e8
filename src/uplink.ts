/** The uplink half: brings what the log holds to the sinks, and remembers how far each has come.
 *
 *    log ─► selection ─► drain ─► sink          door ◄─ sink
 */
import { isDeepStrictEqual } from 'node:util'
import * as catalog from './catalog.ts'
import type { Configuration, SinkConfiguration } from './config/configuration.ts'
import { type Change, dropping } from './config/diff.ts'
import { unknownName } from './config/spelling.ts'
import type { Clock } from './contracts/clock.ts'
import type { CommandDoor } from './contracts/command.ts'
import type { Logger } from './contracts/component.ts'
import { ConfigurationFault, Rejected } from './contracts/errors.ts'
import type { Position } from './contracts/log.ts'
import type { LiveValues, SinkReport } from './contracts/report.ts'
import type { Sink } from './contracts/sink.ts'
import type { Ledger } from './health/ledger.ts'
import { Drain } from './log/delivery/drain.ts'
import type { UplinkEnd } from './log/ends.ts'
import { Selection } from './pipeline/selection.ts'

/** One reader of the log, north: its sink and what brings entries to it. */
interface Delivery {
  readonly configuration: SinkConfiguration
  readonly sink: Sink
  readonly drain: Drain
}

export interface UplinkOptions {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly log: Logger
  readonly end: UplinkEnd
  /** The way back to the field, for sinks that take commands. */
  readonly door: CommandDoor
  readonly live: LiveValues
  /** Where every delivery says that it makes progress. */
  readonly ledger: Ledger
}

export class Uplink {
  readonly #options: UplinkOptions
  readonly #deliveries = new Map<string, Delivery>()
  readonly #ending = new AbortController()
  #configuration: Configuration

  /** The log's end stays its owner's to close. */
  constructor(options: UplinkOptions) {
    this.#options = options
    this.#configuration = options.configuration
  }

  get configuration(): Configuration {
    return this.#configuration
  }

  async start(): Promise<void> {
    const { groups, sinks } = this.#configuration
    this.#options.end.configure({ groups: groups.map((group) => group.ref), readers: sinks.map(({ name }) => name) })
    for (const sink of sinks) if (sink.enabled) await this.#addDelivery(sink)
    this.#options.ledger.settled()
  }

  /** What is stored now is given `drainMs` to be confirmed. */
  async stop(drainMs: number): Promise<void> {
    const { ledger } = this.#options
    const deliveries = [...this.#deliveries.values()]
    ledger.step('delivering what is stored')
    await Promise.all(deliveries.map(({ drain }) => drain.finish(drainMs)))
    const remove = async (delivery: Delivery): Promise<void> => {
      await removeDelivery(delivery)
      ledger.step('stopping the sinks')
    }
    await Promise.all(deliveries.map(remove))
    ledger.step('storing what sinks have confirmed')
    this.#deliveries.clear()
    this.#ending.abort(new ConfigurationFault('the gateway is stopping'))
    await this.#options.end.flush()
    ledger.settled()
  }

  /** Puts another configuration into force. Sinks that are the same object in both go on undisturbed. */
  async reload(after: Configuration): Promise<void> {
    const before = this.#configuration
    this.#configuration = after
    this.#options.end.configure({
      groups: after.groups.map((group) => group.ref),
      readers: after.sinks.map(({ name }) => name),
    })
    const renamed = !isDeepStrictEqual(before.gateway, after.gateway)
    const sinks = new Map(after.sinks.filter((sink) => sink.enabled).map((sink) => [sink.name, sink]))
    for (const [name, delivery] of this.#deliveries) {
      // A sink's topics carry the gateway's own names.
      if (!renamed && sinks.get(name) === delivery.configuration) continue
      this.#deliveries.delete(name)
      this.#options.ledger.step(`stopping sink ${name}`)
      await removeDelivery(delivery)
    }
    for (const sink of sinks.values()) if (!this.#deliveries.has(sink.name)) await this.#addDelivery(sink)
    this.#options.ledger.settled()
  }

  async #addDelivery(configuration: SinkConfiguration): Promise<void> {
    const { clock, log, end, door, live, ledger } = this.#options
    const create = await catalog.sinks[configuration.type]!.load()
    const sink = create({
      settings: configuration.settings,
      bigint: configuration.bigint,
      surroundings: {
        name: configuration.name,
        clock,
        log,
        path: this.#configuration.gateway,
        stream: end.reader.stream,
        door: configuration.commands === 'none' ? null : door,
        live,
      },
    })
    const selection = new Selection(configuration)
    const drain = new Drain({
      sink,
      reader: end.reader,
      cursor: await end.cursor(configuration.name, { from: configuration.from }),
      clock,
      log,
      health: ledger,
      replay: configuration.replay,
      select: selection.selects ? (entry) => selection.select(entry) : undefined,
    })
    this.#options.ledger.step(`starting sink ${configuration.name}`)
    this.#deliveries.set(configuration.name, { configuration, sink, drain })
    await sink.start(this.#ending.signal)
    drain.start()
  }

  /** The changes with what each would cost: what a sink that goes away has not been sent yet. */
  consequences(changes: readonly Change[]): readonly Change[] {
    return dropping(changes, (sink) => this.#deliveries.get(sink)?.drain.report().receipt.pending)
  }

  /** What a sink refused is tried once more; null: all of it. Returns how many entries. Throws Rejected when nobody delivers to it. */
  retry(name: string, positions: readonly Position[] | null): number {
    const delivery = this.#deliveries.get(name)
    if (delivery !== undefined) return delivery.drain.retry(positions)
    if (this.#configuration.sinks.some((sink) => sink.name === name))
      throw new Rejected(`sink "${name}" is switched off: set "enabled: true" there, and try again then`)
    throw new Rejected(unknownName('sink', name, [...this.#deliveries.keys()]).text)
  }

  /** Deliveries that were answered, of all sinks since each began. */
  get deliveries(): number {
    let sum = 0
    for (const { drain } of this.#deliveries.values()) sum += drain.answered
    return sum
  }

  report(): readonly SinkReport[] {
    return [...this.#deliveries.values()].map(({ configuration, sink, drain }) => ({
      name: configuration.name,
      type: configuration.type,
      ...drain.report(),
      counters: { ...sink.counters(), ...drain.counters() },
    }))
  }
}

async function removeDelivery({ sink, drain }: Delivery): Promise<void> {
  await drain.stop()
  await sink.stop()
}
