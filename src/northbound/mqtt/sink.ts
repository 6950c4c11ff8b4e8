/** The MQTT sink: entries become messages, and are delivered when the broker has confirmed each of them. */
import type { IClientPublishOptions } from 'mqtt'
import { type Batch, Reason, tagAt } from '../../contracts/batch.ts'
import type { Stop } from '../../contracts/clock.ts'
import type { Counters, State } from '../../contracts/component.ts'
import { ConfigurationFault, Retryable, sentence } from '../../contracts/errors.ts'
import type { Entry, GapEntry, Position } from '../../contracts/log.ts'
import type { Rejection, Sink, SinkSurroundings } from '../../contracts/sink.ts'
import { Broker, type Message } from './broker.ts'
import { type Bigint, ecpPayload, tagsPayload, unsPayload, valuesPayload } from './formats.ts'
import { answerRead, answerWrite } from './requests.ts'
import type { MqttSettings } from './schema.ts'
import { fillTemplate } from './template.ts'
import { fill, gatewayVariables, groupVariables } from './topics.ts'

/** How long a delivery waits for a connection before it is given back to be tried later. */
const PATIENCE_MS = 5000
/** Commands under way at once; more are answered as refused by nobody: they wait in the broker's socket. */
const MOST_COMMANDS = 32
/** What a PUBLISH has beside topic and payload, at most: fixed header, lengths, packet id, properties. */
const PACKET_OVERHEAD = 256

/** One message on its way, and the entry it belongs to. */
interface Outgoing {
  readonly position: Position
  readonly topic: string
  readonly payload: string
  readonly options: IClientPublishOptions
  readonly event: boolean
}

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
  readonly #bigint: Bigint
  readonly #surroundings: SinkSurroundings
  readonly #broker: Broker
  readonly #topics = new WeakMap<Batch['group'], string | readonly string[]>()
  readonly #ending = new AbortController()
  readonly #eventsTopic: string | undefined
  #stateTimer: Stop | undefined
  #published = 0
  #confirmed = 0
  #bytes = 0
  #ackTimeouts = 0
  #rejected = 0
  #commands = 0
  #commandsUnderWay = 0
  #commandsIgnored = 0

  constructor(settings: MqttSettings, bigint: Bigint, surroundings: SinkSurroundings) {
    this.name = surroundings.name
    this.#settings = settings
    this.#bigint = bigint
    this.#surroundings = surroundings
    const own = gatewayVariables(this.name, surroundings.path)
    this.#eventsTopic = settings.events === false ? undefined : fill(settings.events, own)
    const subscriptions =
      surroundings.door === null ? [] : [settings.writeTopic, settings.readTopic].map((topic) => fill(topic, own))
    this.#broker = new Broker({
      settings,
      clientId: settings.clientId ?? `fieldgate-${surroundings.path.gateway}-${this.name}`,
      clock: surroundings.clock,
      log: surroundings.log,
      subscriptions,
      hear: (message) => this.#hear(message),
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
    if (!this.#ending.signal.aborted) {
      this.#ending.abort(new Retryable('the sink is being stopped', { reason: Reason.noConnection }))
    }
    await this.#broker.stop()
  }

  state(): State {
    return this.#broker.state
  }

  counters(): Counters {
    return {
      ...this.#broker.counts,
      published: this.#published,
      confirmed: this.#confirmed,
      bytes: this.#bytes,
      ackTimeouts: this.#ackTimeouts,
      rejected: this.#rejected,
      commands: this.#commands,
      commandsIgnored: this.#commandsIgnored,
    }
  }

  async deliver(
    entries: readonly Entry[],
    how: { readonly historical: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly rejected: readonly Rejection[] }> {
    await this.#broker.ready(PATIENCE_MS, signal)
    const rejected: Rejection[] = []
    await new Transmission({
      broker: this.#broker,
      window: Math.min(this.#settings.maxInFlight, this.#broker.limits.window),
      messages: this.#messages(entries, how.historical),
      signal,
      clock: this.#surroundings.clock,
      ackTimeoutMs: this.#settings.ackTimeout,
      sent: (bytes) => {
        this.#published++
        this.#bytes += bytes
      },
      confirmed: () => this.#confirmed++,
      timedOut: () => this.#ackTimeouts++,
      reject: (position, why) => {
        const last = rejected.at(-1)
        // An entry that is several messages is rejected once.
        if (last?.position.seq === position.seq && last.position.epoch === position.epoch) return
        this.#rejected++
        rejected.push({ position, why })
      },
    }).run()
    return { rejected }
  }

  *#messages(entries: readonly Entry[], historical: boolean): Iterable<Outgoing> {
    for (const entry of entries) {
      if (entry.kind === 'batch') yield* this.#batch(entry.position, entry.batch, historical)
      else if (this.#eventsTopic !== undefined) {
        const options = { qos: this.#settings.qos }
        yield {
          position: entry.position,
          topic: this.#eventsTopic,
          payload: this.#eventText(entry),
          options,
          event: true,
        }
      }
    }
  }

  *#batch(position: Position, batch: Batch, historical: boolean): Iterable<Outgoing> {
    const { format, uploadErrors, template } = this.#settings
    const options = this.#publishOptions(position, batch, historical)
    const topic = this.#topicsOf(batch.group)
    if (format === 'uns' || typeof topic !== 'string') {
      for (let entry = 0; entry < batch.numbers.length; entry++) {
        const tag = tagAt(batch, entry)
        const payload = unsPayload(batch, entry, this.#bigint)
        yield { position, topic: typeof topic === 'string' ? topic : topic[tag]!, payload, options, event: false }
      }
      return
    }
    const payload =
      format === 'values'
        ? valuesPayload(batch, this.#bigint, uploadErrors)
        : format === 'tags'
          ? tagsPayload(batch, this.#bigint, uploadErrors)
          : format === 'ecp'
            ? ecpPayload(batch, this.#bigint)
            : fillTemplate(template ?? DEFAULT_TEMPLATE, batch, this.name, this.#bigint)
    if (payload !== undefined) yield { position, topic, payload, options, event: false }
  }

  /** One topic, or for formats of one value a message one for each tag. */
  #topicsOf(group: Batch['group']): string | readonly string[] {
    let topics = this.#topics.get(group)
    if (topics === undefined) {
      const { format, topic } = this.#settings
      const own = groupVariables(this.name, group)
      const wanted = topic ?? (format === 'uns' ? UNS_TOPIC : VALUES_TOPIC)
      topics = format === 'uns' ? group.tags.map((tag) => fill(wanted, { ...own, tag: tag.name })) : fill(wanted, own)
      this.#topics.set(group, topics)
    }
    return topics
  }

  #publishOptions(position: Position, batch: Batch, historical: boolean): IClientPublishOptions {
    const { qos, retain, version, properties } = this.#settings
    // What is retained is taken for the present: a backlog that is sent beside it never is.
    const options: IClientPublishOptions = { qos, retain: retain && !historical }
    if (version === '5' && properties) {
      options.properties = {
        userProperties: {
          position: `${this.#surroundings.stream}/${position.epoch}/${position.seq}`,
          quality:
            batch.quality === null ? 'good' : batch.quality.every((reason) => reason !== Reason.good) ? 'bad' : 'mixed',
          ...(historical ? { historical: 'true' } : {}),
        },
      }
    }
    return options
  }

  #eventText(entry: Exclude<Entry, { kind: 'batch' }>): string {
    const { stream } = this.#surroundings
    const { at, ...rest } = entry as GapEntry
    return JSON.stringify({ timestamp: at.wall, stream, ...rest })
  }

  // ── requests ─────────────────────────────────────────────────────────────────────────────────

  #hear(message: Message): void {
    const { door, live, path } = this.#surroundings
    if (door === null) return
    // A retained request would be carried out anew at every connect.
    if (message.retained || this.#commandsUnderWay >= MOST_COMMANDS) {
      this.#commandsIgnored++
      return
    }
    const own = gatewayVariables(this.name, path)
    const { readTopic, readAnswerTopic, writeAnswerTopic } = this.#settings
    this.#commands++
    if (message.topic === fill(readTopic, own)) {
      this.#answer(message, fill(readAnswerTopic, own), answerRead(message.payload, live, this.#bigint))
      return
    }
    this.#commandsUnderWay++
    answerWrite(message.payload, { door, by: `sink:${this.name}`, signal: this.#ending.signal })
      .then(({ answer, understood }) => {
        if (!understood) this.#commandsIgnored++
        this.#answer(message, fill(writeAnswerTopic, own), answer)
      })
      .catch((thrown) => this.#surroundings.log.warn(`a write request failed: ${sentence(thrown)}`))
      .finally(() => this.#commandsUnderWay--)
  }

  #answer({ answerTopic, correlation }: Message, topic: string, answer: string | undefined): void {
    if (answer === undefined) return
    const properties = correlation === undefined ? {} : { properties: { correlationData: correlation } }
    const qos = this.#settings.qos === 0 ? 0 : 1
    this.#broker.publish(answerTopic ?? topic, answer, { qos, ...properties }, (thrown) => {
      if (thrown !== undefined) this.#surroundings.log.warn(`an answer could not be sent: ${sentence(thrown)}`)
    })
  }

  /** Neuron's node states: link 1 answers, 0 does not; running 3. */
  #sayStates(topic: string): void {
    if (!this.#broker.connected) return
    const { live, clock, path } = this.#surroundings
    const devices = new Set([...live.all()].map((batch) => batch.group.device))
    const states = [...devices].map((node) => ({ node, link: live.answers(node) === true ? 1 : 0, running: 3 }))
    if (states.length === 0) return
    const payload = JSON.stringify({ timestamp: clock.wall(), states })
    this.#broker.publish(fill(topic, gatewayVariables(this.name, path)), payload, { qos: 0 }, () => {})
  }
}

const VALUES_TOPIC = '/neuron/{sink}/{device}/{group}'
const UNS_TOPIC = '{enterprise}/{site}/{area}/{line}/{device}/{group}/{tag}'
const DEFAULT_TEMPLATE = '{"timestamp":"${timestamp}","node":"${node}","group":"${group}","values":"${tag_values}"}'

interface TransmissionOptions {
  readonly broker: Broker
  readonly window: number
  readonly messages: Iterable<Outgoing>
  readonly signal: AbortSignal
  readonly clock: SinkSurroundings['clock']
  readonly ackTimeoutMs: number
  readonly sent: (bytes: number) => void
  readonly confirmed: () => void
  readonly timedOut: () => void
  readonly reject: (position: Position, why: string) => void
}

/** One delivery: in the order of the entries, a window of unconfirmed messages, over when the last is confirmed. */
class Transmission {
  readonly #options: TransmissionOptions
  readonly #messages: Iterator<Outgoing>
  #next: Outgoing | undefined
  #underWay = 0
  #over = false
  #moved = true

  constructor(options: TransmissionOptions) {
    this.#options = options
    this.#messages = options.messages[Symbol.iterator]()
    this.#next = this.#take()
  }

  run(): Promise<void> {
    const { broker, signal, clock, ackTimeoutMs, timedOut } = this.#options
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        if (this.#over) return
        this.#over = true
        watch()
        forget()
        signal.removeEventListener('abort', abort)
        settle()
      }
      const fail = (thrown: unknown): void => end(() => reject(thrown))
      const abort = (): void => fail(signal.reason)
      const forget = broker.onLoss(fail)
      const watch = clock.every(ackTimeoutMs, () => {
        if (!this.#moved) {
          timedOut()
          broker.abandon(`the broker has confirmed nothing for ${ackTimeoutMs / 1000} s`)
        }
        this.#moved = false
      })
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      this.#pump(() => end(resolve), fail)
    })
  }

  #take(): Outgoing | undefined {
    const next = this.#messages.next()
    return next.done === true ? undefined : next.value
  }

  #pump(done: () => void, fail: (thrown: unknown) => void): void {
    const { broker, window, sent, confirmed, reject } = this.#options
    while (!this.#over && this.#next !== undefined && this.#underWay < window) {
      const message = this.#next
      this.#next = this.#take()
      const bytes = message.payload.length + message.topic.length
      if (bytes + PACKET_OVERHEAD > broker.limits.largest) {
        reject(message.position, `${bytes} bytes are more than the broker takes: ${broker.limits.largest}`)
        continue
      }
      this.#underWay++
      sent(bytes)
      broker.publish(message.topic, message.payload, message.options, (thrown) => {
        this.#underWay--
        this.#moved = true
        if (this.#over) return
        const verdict = thrown === undefined ? undefined : judged(thrown, message)
        if (verdict === undefined) confirmed()
        else if (verdict instanceof Error) return fail(verdict)
        else reject(message.position, verdict)
        this.#pump(done, fail)
      })
    }
    if (!this.#over && this.#next === undefined && this.#underWay === 0) done()
  }
}

/** What a negative confirmation means: an error for the whole call, or the reason why this one entry is rejected. */
function judged(thrown: unknown, { topic, event }: Outgoing): Error | string {
  if (thrown instanceof Retryable) return thrown
  const { code } = thrown as { code?: unknown }
  switch (code) {
    case 0x87:
      // Events are ours alone: a broker that does not want them must not stop the data.
      if (event) return `the broker does not let us publish to ${topic}`
      return new ConfigurationFault(`the broker does not let us publish to ${topic}: allow it in its rules`)
    case 0x90:
      return `the broker does not accept the topic ${topic}`
    case 0x95:
      return 'the broker does not take a message of this size'
    case 0x99:
      return 'the broker does not accept the form of this message'
    default:
      return new Retryable(`the broker did not take a message: ${sentence(thrown)}`, {
        reason: Reason.noConnection,
        cause: thrown,
      })
  }
}
