/** The MQTT sink: entries become messages, and are delivered when the broker has confirmed each of them. */
import type { Stop } from '../../contracts/clock.ts'
import type { Counters, State } from '../../contracts/component.ts'
import { ConfigurationFault } from '../../contracts/errors.ts'
import type { Entry } from '../../contracts/log.ts'
import type { Rejection, Sink, SinkSurroundings } from '../../contracts/sink.ts'
import { Broker } from './broker.ts'
import { RequestDesk } from './desk.ts'
import type { Bigint } from './formats.ts'
import { Messages } from './messages.ts'
import type { MqttSettings } from './schema.ts'
import { Suspicion } from './suspicion.ts'
import { fill, gatewayVariables } from './topics.ts'
import { type Outgoing, Transmission } from './transmission.ts'

/** A message of more bytes that a broker closes the connection upon is taken for too large; a smaller one for forbidden. */
const LARGE_BYTES = 16 * 1024

export function createMqttSink(options: {
  settings: unknown
  bigint: Bigint
  surroundings: SinkSurroundings
}): MqttSink {
  return new MqttSink(options.settings as MqttSettings, options.bigint, options.surroundings)
}

export class MqttSink implements Sink {
  readonly name: string
  readonly delivery = 'stored'
  readonly #settings: MqttSettings
  readonly #surroundings: SinkSurroundings
  readonly #broker: Broker
  readonly #desk: RequestDesk
  readonly #messages: Messages
  readonly #suspicion = new Suspicion()
  readonly #counts = { published: 0, confirmed: 0, bytes: 0, ackTimeouts: 0, rejected: 0 }
  #stateTimer: Stop | undefined
  readonly longestMs: number
  movedAt = 0

  constructor(settings: MqttSettings, bigint: Bigint, surroundings: SinkSurroundings) {
    const { name, path, stream, clock, log } = surroundings
    this.name = name
    this.#settings = settings
    this.longestMs = settings.connectTimeout + settings.ackTimeout
    this.#surroundings = surroundings
    this.#messages = new Messages({ sink: name, path, stream, settings, bigint })
    this.#desk = new RequestDesk({ settings, bigint, surroundings })
    this.#broker = new Broker({
      settings,
      clientId: settings.clientId ?? `fieldgate-${path.gateway}-${name}`,
      clock,
      log,
      subscriptions: this.#desk.topics,
      hear: (message) => this.#desk.hear(message, this.#broker),
    })
  }

  async start(): Promise<void> {
    this.#broker.start()
    const { driverState } = this.#settings
    if (driverState !== undefined) {
      this.#stateTimer = this.#surroundings.clock.every(driverState.every, () => this.#sayStates(driverState.topic))
    }
  }

  async stop(): Promise<void> {
    this.#stateTimer?.()
    this.#stateTimer = undefined
    this.#desk.stop()
    await this.#broker.stop()
  }

  ready(signal: AbortSignal): Promise<void> {
    return this.#broker.ready(signal)
  }

  state(): State {
    return this.#broker.state
  }

  counters(): Counters {
    return { ...this.#broker.counts, ...this.#counts, ...this.#desk.counts }
  }

  async deliver(
    entries: readonly Entry[],
    how: { readonly historical: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly rejected: readonly Rejection[] }> {
    await this.#broker.reached(signal)
    const { clock } = this.#surroundings
    const rejected: Rejection[] = []
    const reject = (position: Rejection['position'], why: string): void => {
      const last = rejected.at(-1)
      // An entry that is several messages is rejected once.
      if (last?.position.seq === position.seq && last.position.epoch === position.epoch) return
      this.#counts.rejected++
      rejected.push({ position, why })
    }
    const { window } = this.#broker.limits
    const most = Math.max(1, Math.min(this.#settings.maxInFlight, window - this.#desk.share(window)))
    await new Transmission({
      broker: this.#broker,
      window: this.#suspicion.oneByOne ? 1 : most,
      messages: this.#acceptable(this.#messages.of(entries, how.historical), reject),
      signal,
      clock,
      ackTimeoutMs: this.#settings.ackTimeout,
      sent: (bytes) => {
        this.#counts.published++
        this.#counts.bytes += bytes
        this.movedAt = clock.monotonic()
      },
      confirmed: () => {
        this.#counts.confirmed++
        this.movedAt = clock.monotonic()
      },
      timedOut: () => this.#counts.ackTimeouts++,
      reject,
      suspect: (message) => this.#suspicion.lost(message),
    }).run()
    this.#suspicion.cleared()
    return { rejected }
  }

  /** All but the message that the broker closes the connection upon, time after time. */
  *#acceptable(
    messages: Iterable<Outgoing>,
    reject: (position: Rejection['position'], why: string) => void,
  ): Iterable<Outgoing> {
    for (const message of messages) {
      if (!this.#suspicion.guilty(message)) yield message
      else {
        const what = `the broker closes the connection upon each message of ${message.payload.length} bytes to ${message.topic}`
        if (message.payload.length < LARGE_BYTES && !message.event) {
          throw new ConfigurationFault(`${what}: allow it in its rules, or set another topic`)
        }
        reject(message.position, what)
      }
    }
  }

  /** Neuron's node states: link 1 answers, 0 does not; running 3. */
  #sayStates(topic: string): void {
    if (!this.#broker.connected) return
    const { live, clock, path } = this.#surroundings
    const devices = new Set([...live.all()].map((batch) => batch.group.device))
    if (devices.size === 0) return
    const states = [...devices].map((node) => ({ node, link: live.answers(node) === true ? 1 : 0, running: 3 }))
    const payload = Buffer.from(JSON.stringify({ timestamp: clock.wall(), states }))
    this.#broker.publish(fill(topic, gatewayVariables(this.name, path)), payload, { qos: 0 }, () => {})
  }
}
