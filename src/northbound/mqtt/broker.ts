/** The connection to the broker: made, lost and made again by our own clock. It keeps no queue: what is not confirmed when it
 *  breaks has not happened, and the log sends it again. */
import { readFileSync } from 'node:fs'
import type { IClientOptions, IClientPublishOptions, MqttClient } from 'mqtt'
import { Reason } from '../../contracts/batch.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Logger, State } from '../../contracts/component.ts'
import { Retryable, sentence } from '../../contracts/errors.ts'
import { refusal } from './refusal.ts'
import type { MqttSettings } from './schema.ts'

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** A broker that refuses us needs a person; it is asked again all the same, so that what is put right resumes by itself. */
const REFUSED_WAIT_MS = 15_000
/** How long a disconnect may take to be sent. */
const PARTING_MS = 1000

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

export class Broker {
  readonly counts: BrokerCounts = { connects: 0, connectFailures: 0, refusals: 0, disconnects: 0 }
  readonly #settings: MqttSettings
  readonly #clientId: string
  readonly #clock: Clock
  readonly #log: Logger
  readonly #subscriptions: readonly string[]
  readonly #hear: (message: Message) => void
  #client: MqttClient | undefined
  #connected = false
  #running = false
  #state: State = { condition: 'waiting', text: 'not started' }
  #waitMs = FIRST_WAIT_MS
  #retry: Stop | undefined
  /** The broker's own limits, from its CONNACK. */
  #window = Number.POSITIVE_INFINITY
  #largest = Number.POSITIVE_INFINITY
  readonly #waiting = new Set<() => void>()
  readonly #hanging = new Set<(why: Retryable) => void>()

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
    this.#client = undefined
    const wasConnected = this.#connected
    this.#connected = false
    this.#release('the sink is being stopped')
    for (const wake of [...this.#waiting]) wake()
    if (client === undefined) return
    await new Promise<void>((resolve) => {
      const late = this.#clock.after(PARTING_MS, () => client.end(true, {}, () => resolve()))
      client.end(!wasConnected, {}, () => {
        late()
        resolve()
      })
    })
  }

  /** Resolves when there is a connection; throws Retryable when there is none in time, with the reason. */
  async ready(waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#connected) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        stop()
        signal.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      const stop = this.#clock.after(waitMs, wake)
      signal.addEventListener('abort', wake, { once: true })
      this.#waiting.add(wake)
    })
    signal.throwIfAborted()
    if (!this.#connected) throw new Retryable(this.#state.text, { reason: Reason.noConnection })
  }

  /** Calls `done` once: without an argument when the broker confirmed (QoS 0: when it was written). */
  publish(topic: string, payload: string, options: IClientPublishOptions, done: (thrown?: unknown) => void): void {
    const client = this.#client
    if (client === undefined || !this.#connected) {
      done(new Retryable(this.#state.text, { reason: Reason.noConnection }))
      return
    }
    client.publish(topic, payload, options, (error) => done(error ?? undefined))
  }

  /** `lost` is called when the connection breaks; the returned function takes it back. */
  onLoss(lost: (why: Retryable) => void): () => void {
    this.#hanging.add(lost)
    return () => this.#hanging.delete(lost)
  }

  /** Gives this connection up: it does not confirm, or a packet of it went wrong. */
  abandon(why: string): void {
    const client = this.#client
    if (client !== undefined && this.#connected) this.#lost(client, why)
  }

  get #host(): string {
    return new URL(this.#settings.url).host
  }

  async #connect(): Promise<void> {
    let options: IClientOptions
    let connect: typeof import('mqtt').connect
    try {
      options = this.#options()
      connect = (await import('mqtt')).connect
    } catch (thrown) {
      this.#failed(sentence(thrown), true)
      return
    }
    if (!this.#running) return
    const client = connect(this.#settings.url, options)
    this.#client = client
    let trouble: unknown
    client.on('error', (error) => {
      trouble = error
      if (client === this.#client && !this.#connected) this.#refused(client, error)
    })
    client.on('connect', (connack) => {
      if (client === this.#client) this.#established(client, connack)
    })
    client.on('disconnect', (packet) => {
      if (client === this.#client) trouble = { code: packet.reasonCode }
    })
    client.on('message', (topic, payload, packet) => {
      this.#hear({
        topic,
        payload,
        retained: packet.retain,
        answerTopic: packet.properties?.responseTopic,
        correlation: packet.properties?.correlationData,
      })
    })
    client.on('close', () => {
      if (client !== this.#client) return
      if (this.#connected) {
        const { text } =
          trouble === undefined ? { text: `${this.#host} closed the connection` } : refusal(trouble, this.#whom)
        this.#lost(client, text)
      } else this.#refused(client, trouble ?? { code: 'CLOSED' })
    })
  }

  #established(
    client: MqttClient,
    connack: { properties?: { receiveMaximum?: number; maximumPacketSize?: number } },
  ): void {
    this.#connected = true
    this.counts.connects++
    this.#waitMs = FIRST_WAIT_MS
    this.#window = connack.properties?.receiveMaximum ?? Number.POSITIVE_INFINITY
    this.#largest = connack.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY
    const lossy = this.#settings.qos === 0 ? '; QoS 0 does not confirm: what is under way when it breaks is lost' : ''
    this.#state = { condition: 'fine', text: `connected to ${this.#host}${lossy}` }
    this.#log.info(`connected to ${this.#host}`)
    for (const topic of this.#subscriptions) {
      client.subscribe(topic, { qos: this.#settings.qos === 0 ? 0 : 1 }, (error, granted) => {
        const refused = error !== null || granted?.some(({ qos }) => qos >= 128)
        if (refused) this.#log.warn(`${this.#host} does not let us subscribe to ${topic}: commands do not arrive`)
      })
    }
    for (const wake of [...this.#waiting]) wake()
  }

  /** It was there and is gone. */
  #lost(client: MqttClient, why: string): void {
    this.#connected = false
    this.counts.disconnects++
    this.#log.warn(`${why}: connecting anew`)
    this.#dismiss(client)
    this.#state = { condition: 'fault', text: why }
    this.#release(why)
    this.#later(FIRST_WAIT_MS)
  }

  /** It never came to be. */
  #refused(client: MqttClient, trouble: unknown): void {
    this.#dismiss(client)
    const { text, byPerson } = refusal(trouble, this.#whom)
    this.#failed(text, byPerson)
  }

  #failed(text: string, byPerson: boolean): void {
    if (byPerson) this.counts.refusals++
    else this.counts.connectFailures++
    if (this.#state.text !== text) this.#log.warn(text)
    this.#state = { condition: byPerson ? 'refused' : 'fault', text }
    this.#waitMs = Math.min(this.#waitMs * 2, byPerson ? REFUSED_WAIT_MS : LONGEST_WAIT_MS)
    this.#later(this.#waitMs)
    for (const wake of [...this.#waiting]) wake()
  }

  get #whom() {
    return { host: this.#host, username: this.#settings.username, clientId: this.#clientId }
  }

  #dismiss(client: MqttClient): void {
    if (this.#client === client) this.#client = undefined
    client.removeAllListeners('close')
    client.on('error', () => {})
    client.end(true)
  }

  #release(why: string): void {
    const lost = new Retryable(why, { reason: Reason.noConnection })
    for (const hanging of [...this.#hanging]) hanging(lost)
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

  #options(): IClientOptions {
    const { version, username, password, tls, keepAlive, connectTimeout } = this.#settings
    return {
      protocolVersion: version === '5' ? 5 : 4,
      clientId: this.#clientId,
      keepalive: Math.max(1, Math.round(keepAlive / 1000)),
      connectTimeout,
      clean: true,
      // The library's own reconnecting and queueing would send behind the log's back.
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(tls === undefined
        ? {}
        : {
            ...pem('ca', tls.ca),
            ...pem('cert', tls.cert),
            ...pem('key', tls.key),
            ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
            ...(tls.servername === undefined ? {} : { servername: tls.servername }),
            rejectUnauthorized: tls.verify,
          }),
    }
  }
}

/** A file's content, or the text itself where it is one. Read at each attempt: a renewed certificate is taken up. */
function pem(key: 'ca' | 'cert' | 'key', given: string | undefined): Record<string, Buffer | string> {
  if (given === undefined) return {}
  if (given.includes('-----BEGIN')) return { [key]: given }
  try {
    return { [key]: readFileSync(given) }
  } catch {
    throw new Retryable(`tls.${key}: the file ${given} cannot be read`, { reason: Reason.noConnection })
  }
}
