/** Where requests from the broker come in and their answers go out; only so many at once, and never a retained one. */
import type { IClientPublishOptions } from 'mqtt'
import { Reason } from '../../contracts/batch.ts'
import type { CommandDoor } from '../../contracts/command.ts'
import { Retryable, sentence } from '../../contracts/errors.ts'
import type { SinkSurroundings } from '../../contracts/sink.ts'
import type { Broker, Message } from './broker.ts'
import type { Bigint } from './formats.ts'
import { answerRead, answerWrite } from './requests.ts'
import type { MqttSettings } from './schema.ts'
import { fill, gatewayVariables, isPublishable } from './topics.ts'

/** Requests whose answers are not sent yet; beyond that they are not taken. */
const MOST_UNDER_WAY = 32

interface Answer {
  readonly topic: string
  readonly text: string
  readonly correlation: Buffer | undefined
}

export class RequestDesk {
  readonly counts = { commands: 0, commandsIgnored: 0, answersLost: 0 }
  /** What to subscribe to. */
  readonly topics: readonly string[]
  readonly #door: CommandDoor | null
  readonly #surroundings: SinkSurroundings
  readonly #bigint: Bigint
  readonly #confirmed: boolean
  readonly #read: string
  readonly #readAnswer: string
  readonly #writeAnswer: string
  readonly #ending = new AbortController()
  readonly #answers: Answer[] = []
  #underWay = 0
  #unconfirmed = 0

  constructor(options: { settings: MqttSettings; bigint: Bigint; surroundings: SinkSurroundings }) {
    const { settings, surroundings } = options
    const own = gatewayVariables(surroundings.name, surroundings.path)
    this.#door = surroundings.door
    this.#surroundings = surroundings
    this.#bigint = options.bigint
    this.#confirmed = settings.qos !== 0
    this.#read = fill(settings.readTopic, own)
    this.#readAnswer = fill(settings.readAnswerTopic, own)
    this.#writeAnswer = fill(settings.writeAnswerTopic, own)
    this.topics = this.#door === null ? [] : [fill(settings.writeTopic, own), this.#read]
  }

  /** The part of a broker's window that deliveries leave to answers: together they must not exceed it. */
  share(window: number): number {
    return this.#door === null || !this.#confirmed ? 0 : Math.min(MOST_UNDER_WAY, window >> 2)
  }

  stop(): void {
    this.#answers.length = 0
    if (!this.#ending.signal.aborted) {
      this.#ending.abort(new Retryable('the sink is being stopped', { reason: Reason.noConnection }))
    }
  }

  hear(message: Message, broker: Broker): void {
    // A retained request would be carried out anew at every connect.
    if (this.#door === null || message.retained || this.#underWay >= MOST_UNDER_WAY) {
      this.counts.commandsIgnored++
      return
    }
    this.#underWay++
    void this.#carry(message, this.#door, broker)
  }

  async #carry(message: Message, door: CommandDoor, broker: Broker): Promise<void> {
    const reads = message.topic === this.#read
    let text: string | undefined
    try {
      const { answer, understood } = reads
        ? answerRead(message.payload, this.#surroundings.live, this.#bigint)
        : await answerWrite(message.payload, {
            door,
            by: `sink:${this.#surroundings.name}`,
            signal: this.#ending.signal,
          })
      if (understood) this.counts.commands++
      else this.counts.commandsIgnored++
      text = answer
    } catch (thrown) {
      if (!this.#ending.signal.aborted) this.#surroundings.log.warn(`a request failed: ${sentence(thrown)}`)
    }
    if (text === undefined || this.#ending.signal.aborted) {
      this.#underWay--
      return
    }
    const { answerTopic, correlation } = message
    const wanted = answerTopic !== undefined && isPublishable(answerTopic) ? answerTopic : undefined
    this.#answers.push({ topic: wanted ?? (reads ? this.#readAnswer : this.#writeAnswer), text, correlation })
    this.#send(broker)
  }

  #send(broker: Broker): void {
    const share = this.share(broker.limits.window)
    // A broker whose window leaves no room for answers gets them unconfirmed, outside of it.
    const qos = share === 0 ? 0 : 1
    while (this.#answers.length > 0 && (qos === 0 || this.#unconfirmed < share)) {
      const { topic, text, correlation } = this.#answers.shift()!
      const options: IClientPublishOptions = { qos }
      if (correlation !== undefined) options.properties = { correlationData: correlation }
      this.#unconfirmed++
      broker.publish(topic, Buffer.from(text), options, (thrown) => {
        this.#unconfirmed--
        this.#underWay--
        if (thrown !== undefined && !this.#ending.signal.aborted) {
          this.counts.answersLost++
          this.#surroundings.log.warn(`an answer could not be sent: ${sentence(thrown)}`)
        }
        this.#send(broker)
      })
    }
  }
}
