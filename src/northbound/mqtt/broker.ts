/** The connection to the broker: made, lost and made again by our own clock. It keeps no queue: what is not confirmed when it
 *  breaks has not happened, and the log sends it again. */
import type { IClientPublishOptions, MqttClient } from 'mqtt'
import { Reason } from '../../contracts/batch.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger, State } from '../../contracts/component.ts'
import { Retryable, sentence } from '../../contracts/errors.ts'
import { clientOptions, LONGEST_HEARD } from './client-options.ts'
import { usernameOf } from './contradictions.ts'
import { type Refusal, refusal } from './refusal.ts'
import type { MqttSettings } from './schema.ts'

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** A broker that refuses us needs a person; it is asked again all the same, so that what is put right resumes by itself. */
const REFUSED_WAIT_MS = 15_000
/** How long a disconnect may take to be sent. */
const PARTING_MS = 1000
/** Packet ids, and what MQTT 5 takes when a CONNACK names no Receive Maximum (3.2.2.3.3). */
const MOST_UNCONFIRMED = 65_535

export interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly retained: boolean
  /** MQTT 5: where the asker wants the answer, and what it recognises it by. */
  readonly answerTopic: string | undefined
  readonly correlation: Buffer | undefined
}

export interface BrokerCounts {
  connects: number
  connectFailures: number
  refusals: number
  disconnects: number
}

/** What a CONNACK says of the broker's limits. */
interface Connack {
  readonly properties?: {
    readonly receiveMaximum?: number
    readonly maximumPacketSize?: number
    readonly maximumQoS?: number
    readonly retainAvailable?: boolean
  }
}

/** Bytes of one packet after which we do not hear it out: MQTT 3.1.1 cannot tell a broker the longest it may send, and the
 *  library would collect up to 256 MiB. */
const MOST_HEARD = 2 * LONGEST_HEARD

/** `byBroker`: it was the other side that broke the connection. */
type Lost = (why: Retryable, byBroker: boolean) => void

export class Broker {
  readonly counts: BrokerCounts = { connects: 0, connectFailures: 0, refusals: 0, disconnects: 0 }
  readonly #settings: MqttSettings
  readonly #clientId: string
  readonly #clock: Clock
  readonly #log: Logger
  readonly #subscriptions: readonly string[]
  readonly #hear: (message: Message) => void
  readonly #host: string
  #client: MqttClient | undefined
  #connected = false
  #running = false
  #state: State = { condition: 'waiting', text: 'not started' }
  #waitMs = FIRST_WAIT_MS
  #retry: Stop | undefined
  #window = MOST_UNCONFIRMED
  #largest = Number.POSITIVE_INFINITY
  #unconfirmed = 0
  readonly #waiting = new Set<() => void>()
  readonly #hanging = new Set<Lost>()

  constructor(options: {
    settings: MqttSettings
    clientId: string
    clock: Clock
    log: Logger
    subscriptions: readonly string[]
    hear: (message: Message) => void
  }) {
    this.#settings = options.settings
    this.#clientId = options.clientId
    this.#clock = options.clock
    this.#log = options.log
    this.#subscriptions = options.subscriptions
    this.#hear = options.hear
    this.#host = new URL(options.settings.url).host
  }

  get state(): State {
    return this.#state
  }

  get connected(): boolean {
    return this.#connected
  }

  /** Messages the broker takes unconfirmed, and bytes it takes in one packet. */
  get limits(): { readonly window: number; readonly largest: number } {
    return { window: this.#window, largest: this.#largest }
  }

  start(): void {
    this.#running = true
    this.#state = { condition: 'waiting', text: `connecting to ${this.#host}` }
    void this.#connect()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#retry?.()
    this.#retry = undefined
    const client = this.#client
    // What is unconfirmed is given up; otherwise the library would wait for it.
    const civil = this.#connected && this.#unconfirmed === 0
    this.#client = undefined
    this.#connected = false
    this.#state = { condition: 'waiting', text: 'stopped' }
    this.#release('the sink is being stopped', false)
    this.#changed()
    if (client === undefined) return
    await new Promise<void>((resolve) => {
      // A library that waits for the other side to close would wait for ever for one that does not.
      const late = this.#clock.after(PARTING_MS, () => {
        client.stream.destroy()
        resolve()
      })
      client.end(!civil, {}, () => {
        late()
        resolve()
      })
    })
  }

  /** Resolves once there is a connection, however long that takes. */
  async ready(signal: AbortSignal): Promise<void> {
    await this.#until(() => this.#connected || !this.#running, signal)
    if (!this.#connected) throw this.#away()
  }

  /** Resolves with a connection. Throws Retryable, with the reason, as soon as the attempt under way fails or if none is. */
  async reached(signal: AbortSignal): Promise<void> {
    await this.#until(() => this.#connected || this.#retry !== undefined || !this.#running, signal)
    if (!this.#connected) throw this.#away()
  }

  /** Calls `done` once: without an argument when the broker confirmed (QoS 0: when it was written). */
  /** What is published until the given function is called leaves in one write. */
  gather(): () => void {
    const stream = this.#client?.stream
    stream?.cork()
    return () => stream?.uncork()
  }

  publish(topic: string, payload: Buffer, options: IClientPublishOptions, done: (thrown?: unknown) => void): void {
    const client = this.#client
    if (client === undefined || !this.#connected) {
      done(this.#away())
      return
    }
    this.#unconfirmed++
    client.publish(topic, payload, options, (error) => {
      if (client === this.#client) this.#unconfirmed--
      // It carries data: whatever made the connection break before is over.
      if (!error && options.qos !== 0) this.#waitMs = FIRST_WAIT_MS
      done(error ?? undefined)
    })
  }

  /** `lost` is called when the connection breaks; the returned function takes it back. */
  onLoss(lost: Lost): () => void {
    this.#hanging.add(lost)
    return () => this.#hanging.delete(lost)
  }

  /** Gives this connection up: it does not confirm. */
  abandon(why: string): void {
    const client = this.#client
    if (client !== undefined && this.#connected) this.#lost(client, { text: why, byPerson: false }, false)
  }

  async #connect(): Promise<void> {
    let client: MqttClient
    try {
      const { connect } = await import('mqtt')
      if (!this.#running) return
      client = connect(this.#settings.url, clientOptions(this.#settings, this.#clientId))
    } catch (thrown) {
      // A file that cannot be read, a certificate or key that is none, or keys that contradict each other.
      this.#failed({ text: `${this.#host}: ${sentence(thrown)}`, byPerson: true })
      return
    }
    this.#client = client
    let trouble: unknown
    client.on('error', (error) => {
      if (client !== this.#client) return
      trouble = error
      // Some of the library's errors (a packet that cannot be parsed) leave the connection open; it is of no use any more.
      if (this.#connected) this.#lost(client, refusal(error, this.#whom), true)
      else this.#refused(client, error)
    })
    client.on('connect', (connack) => {
      if (client === this.#client) this.#established(client, connack as Connack)
    })
    client.on('disconnect', (packet) => {
      if (client === this.#client && this.#connected) {
        this.#lost(client, refusal({ code: packet.reasonCode }, this.#whom), true)
      }
    })
    client.on('message', (topic, payload, packet) => {
      if (client !== this.#client) return
      this.#hear({
        topic,
        payload,
        retained: packet.retain,
        answerTopic: packet.properties?.responseTopic,
        correlation: packet.properties?.correlationData,
      })
    })
    let heard = 0
    client.on('packetreceive', () => {
      heard = 0
    })
    client.stream.on('data', (chunk: Buffer) => {
      heard += chunk.length
      if (heard > MOST_HEARD && client === this.#client) this.abandon(`${this.#host} sends a request that is too long`)
    })
    client.on('close', () => {
      if (client !== this.#client) return
      if (this.#connected) this.#lost(client, refusal(trouble ?? { code: 'CLOSED' }, this.#whom), true)
      else this.#refused(client, trouble ?? { code: 'CLOSED' })
    })
  }

  #established(client: MqttClient, { properties = {} }: Connack): void {
    const unfit = this.#unfit(properties)
    if (unfit !== undefined) {
      this.#dismiss(client)
      this.#failed({ text: unfit, byPerson: true })
      return
    }
    this.#connected = true
    this.#unconfirmed = 0
    this.counts.connects++
    this.#window = properties.receiveMaximum ?? MOST_UNCONFIRMED
    this.#largest = properties.maximumPacketSize ?? Number.POSITIVE_INFINITY
    const lossy = this.#settings.qos === 0 ? '; QoS 0 does not confirm: what is under way when it breaks is lost' : ''
    this.#state = { condition: 'fine', text: `connected to ${this.#host}${lossy}` }
    this.#log.info(`connected to ${this.#host}`)
    for (const topic of this.#subscriptions) this.#subscribe(client, topic)
    this.#changed()
  }

  /** What is configured and the broker does not have (MQTT 5, 3.2.2.3); undefined: nothing. */
  #unfit({ maximumQoS, retainAvailable }: NonNullable<Connack['properties']>): string | undefined {
    const { qos, retain } = this.#settings
    if (maximumQoS !== undefined && maximumQoS < qos) {
      return `${this.#host} offers QoS ${maximumQoS} at most: set qos: ${maximumQoS}`
    }
    if (retain && retainAvailable === false) return `${this.#host} does not retain messages: set retain: false`
    return undefined
  }

  #subscribe(client: MqttClient, topic: string): void {
    client.subscribe(topic, { qos: this.#settings.qos === 0 ? 0 : 1 }, (error, granted) => {
      if (client !== this.#client || (error === null && granted?.every(({ qos }) => qos < 128) !== false)) return
      const text = `${this.#host} does not let us subscribe to ${topic}: requests do not arrive, allow it in its rules`
      this.#state = { condition: 'degraded', text }
      this.#log.warn(text)
    })
  }

  /** It was there and is gone. */
  #lost(client: MqttClient, { text, byPerson, ...why }: Refusal, byBroker: boolean): void {
    this.#connected = false
    this.counts.disconnects++
    if (byPerson) this.counts.refusals++
    this.#log.warn(`${text}: connecting anew`)
    this.#state = { condition: byPerson ? 'refused' : 'fault', text, ...why }
    // Two clients with one id throw each other out for ever, at most this often.
    this.#later(byPerson ? REFUSED_WAIT_MS : this.#waitMs)
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS)
    this.#release(text, byBroker)
    this.#dismiss(client)
    this.#changed()
  }

  /** It never came to be. */
  #refused(client: MqttClient, trouble: unknown): void {
    this.#dismiss(client)
    this.#failed(refusal(trouble, this.#whom))
  }

  #failed({ text, byPerson, ...why }: Refusal): void {
    if (byPerson) this.counts.refusals++
    else this.counts.connectFailures++
    if (this.#state.text !== text) this.#log.warn(text)
    this.#state = { condition: byPerson ? 'refused' : 'fault', text, ...why }
    this.#later(Math.min(this.#waitMs, byPerson ? REFUSED_WAIT_MS : LONGEST_WAIT_MS))
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS)
    this.#changed()
  }

  get #whom() {
    return { host: this.#host, username: usernameOf(this.#settings), clientId: this.#clientId }
  }

  /** Its own listeners stay: the library clears its timers by them. Ours ignore a client that is not the present one. */
  #dismiss(client: MqttClient): void {
    if (this.#client === client) this.#client = undefined
    client.end(true)
  }

  #release(why: string, byBroker: boolean): void {
    const lost = new Retryable(why, { reason: Reason.noConnection })
    for (const hanging of [...this.#hanging]) hanging(lost, byBroker)
    this.#hanging.clear()
  }

  #later(waitMs: number): void {
    this.#retry?.()
    this.#retry = undefined
    if (!this.#running) return
    // A fleet that lost its broker together must not come back in step.
    this.#retry = this.#clock.after(waitMs * (0.75 + Math.random() / 2), () => {
      this.#retry = undefined
      void this.#connect()
    })
  }

  #away(): Retryable {
    return new Retryable(this.#state.text, { reason: Reason.noConnection })
  }

  async #until(is: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (!is()) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake)
          this.#waiting.delete(wake)
          resolve()
        }
        signal.addEventListener('abort', wake, { once: true })
        this.#waiting.add(wake)
      })
      signal.throwIfAborted()
    }
  }

  #changed(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
