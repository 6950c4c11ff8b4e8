/** One delivery: messages in their order, a window of them unconfirmed, over when the last is confirmed. */
import type { IClientPublishOptions } from 'mqtt'
import { Reason } from '../../contracts/batch.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import { ConfigurationFault, Retryable, sentence } from '../../contracts/errors.ts'
import type { Position } from '../../contracts/log.ts'
import type { Broker } from './broker.ts'

/** What a PUBLISH has beside topic and payload, at most: fixed header, lengths, packet id, properties. */
const PACKET_OVERHEAD = 256
/** Unconfirmed bytes beyond which no further message is begun. */
const MOST_BYTES = 4 * 2 ** 20

/** So many messages are made in so much time, at most. */
const MOST_A_TURN = 24
const TURN_MS = 1

/** One message on its way, and the entry it belongs to. */
export interface Outgoing {
  readonly position: Position
  readonly topic: string
  readonly payload: string
  readonly options: IClientPublishOptions
  readonly event: boolean
}

export interface TransmissionOptions {
  readonly broker: Broker
  /** Messages that may be unconfirmed together. */
  readonly window: number
  readonly messages: Iterable<Outgoing>
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly ackTimeoutMs: number
  readonly sent: (bytes: number) => void
  readonly confirmed: (message: Outgoing) => void
  readonly timedOut: () => void
  readonly reject: (position: Position, why: string) => void
  /** The broker broke the connection while this was its oldest unconfirmed message, of so many bytes. */
  readonly suspect: (message: Outgoing, bytes: number) => void
}

export class Transmission {
  readonly #options: TransmissionOptions
  readonly #messages: Iterator<Outgoing>
  /** Unconfirmed, oldest first, with their bytes. */
  readonly #underWay = new Map<Outgoing, number>()
  #bytes = 0
  #more = true
  #pumping = false
  #over = false
  /** Ends the whole call once nothing is under way any more. */
  #verdict: Error | undefined
  #movedAt: number
  #turnEndsAt = 0
  #turnSent = 0
  #resume: Stop | undefined
  #end: (thrown?: unknown) => void = () => {}

  constructor(options: TransmissionOptions) {
    this.#options = options
    this.#messages = options.messages[Symbol.iterator]()
    this.#movedAt = options.clock.monotonic()
  }

  /** Resolves when everything is confirmed or rejected by name; otherwise throws, with nothing left to come of it. */
  run(): Promise<void> {
    const { broker, signal } = this.#options
    return new Promise((resolve, reject) => {
      let stopWatch: Stop = () => {}
      const watch = (inMs: number): void => {
        stopWatch = this.#options.clock.after(inMs, () => {
          const leftMs = this.#leftMs()
          if (leftMs > 0) watch(leftMs)
          else this.#timeOut()
        })
      }
      const abort = (): void => this.#end(signal.reason)
      const forget = broker.onLoss((why, byBroker) => {
        const [oldest] = this.#underWay
        if (byBroker && oldest !== undefined) this.#options.suspect(...oldest)
        this.#end(why)
      })
      this.#end = (thrown) => {
        if (this.#over) return
        this.#over = true
        stopWatch()
        this.#resume?.()
        forget()
        signal.removeEventListener('abort', abort)
        if (thrown === undefined) resolve()
        else reject(thrown)
      }
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) return abort()
      watch(this.#options.ackTimeoutMs)
      this.#pump()
    })
  }

  #leftMs(): number {
    return this.#movedAt + this.#options.ackTimeoutMs - this.#options.clock.monotonic()
  }

  #timeOut(): void {
    const { ackTimeoutMs, timedOut, broker } = this.#options
    timedOut()
    broker.abandon(`the broker has confirmed nothing for ${ackTimeoutMs / 1000} s`)
  }

  /** Sends what the window allows. At QoS 0 the library confirms before it returns: a loop, not a recursion. */
  #pump(): void {
    if (this.#pumping || this.#over) return
    this.#pumping = true
    const release = this.#options.broker.gather()
    try {
      while (!this.#over && this.#more && this.#hasRoom() && this.#hasTurn()) {
        const next = this.#messages.next()
        if (next.done === true) this.#more = false
        else this.#send(next.value)
      }
    } catch (thrown) {
      this.#end(thrown)
    }
    release()
    this.#pumping = false
    if (this.#underWay.size === 0 && (!this.#more || this.#verdict !== undefined)) this.#end(this.#verdict)
  }

  /** A backlog leaves in small portions: whoever polls in the same process must not wait for the whole window. */
  #hasTurn(): boolean {
    const now = this.#options.clock.monotonic()
    if (now >= this.#turnEndsAt) {
      this.#turnEndsAt = now + TURN_MS
      this.#turnSent = 0
    }
    if (this.#turnSent++ < MOST_A_TURN) return true
    this.#resume ??= this.#options.clock.after(TURN_MS, () => {
      this.#resume = undefined
      this.#pump()
    })
    return false
  }

  #hasRoom(): boolean {
    const { window } = this.#options
    return this.#verdict === undefined && this.#underWay.size < window && this.#bytes < MOST_BYTES
  }

  #send(message: Outgoing): void {
    const { broker, sent, reject } = this.#options
    const payload = Buffer.from(message.payload)
    const bytes = payload.length + message.topic.length
    const { largest } = broker.limits
    if (bytes + PACKET_OVERHEAD > largest) {
      reject(message.position, `a message of ${bytes} bytes is more than the broker takes (${largest})`)
      return
    }
    if (this.#underWay.size === 0) this.#movedAt = this.#options.clock.monotonic()
    this.#underWay.set(message, bytes)
    this.#bytes += bytes
    sent(bytes)
    broker.publish(message.topic, payload, message.options, (thrown) => this.#answered(message, bytes, thrown))
  }

  #answered(message: Outgoing, bytes: number, thrown: unknown): void {
    if (this.#over) return
    this.#underWay.delete(message)
    this.#bytes -= bytes
    this.#movedAt = this.#options.clock.monotonic()
    if (thrown === undefined) this.#options.confirmed(message)
    else {
      const verdict = judged(thrown, message)
      if (typeof verdict === 'string') this.#options.reject(message.position, verdict)
      else this.#verdict ??= verdict
    }
    // Refilled by portions, not one by one: a portion is one write. A small window is refilled when half of it is free, so that
    // the broker always has something to confirm.
    const { window } = this.#options
    if (!this.#more || this.#underWay.size <= Math.max(window >> 1, window - MOST_A_TURN)) this.#pump()
  }
}

/** What a negative confirmation means: an error for the whole call, or the reason why this one entry is rejected. */
function judged(thrown: unknown, { topic, event }: Outgoing): Error | string {
  if (thrown instanceof Retryable) return thrown
  const { code } = thrown as { code?: unknown }
  switch (code) {
    // MQTT 5, 3.4.2.1 and 3.5.2.1.
    case 0x87:
    case 0x90: {
      const what = code === 0x87 ? 'does not let us publish to' : 'does not accept the topic'
      // Events are ours alone: a broker that does not want them must not stop the data.
      if (event) return `the broker ${what} ${topic}`
      return new ConfigurationFault(`the broker ${what} ${topic}: allow it in its rules, or set another topic`)
    }
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
