/** The subscriber's side of the truth: which positions of the log it was sent, how often, and with which values. */
import type { Observer } from '../peers/mosquitto.ts'

export class Received {
  /** Sequence number to how often it came, by epoch. */
  readonly #seen = new Map<number, Map<number, number>>()
  readonly #observer: Observer
  #next = 0
  messages = 0
  readonly topics = new Map<string, number>()
  last = ''

  /** The observer prints `%t %P %p`: topic, properties, payload. */
  constructor(observer: Observer) {
    this.#observer = observer
  }

  look(): this {
    const { lines } = this.#observer
    for (; this.#next < lines.length; this.#next++) {
      const line = lines[this.#next]!
      const [, epoch, seq] = /position:[^/ ]+\/(\d+)\/(\d+)/.exec(line) ?? []
      if (seq === undefined) continue
      const topic = line.slice(0, line.indexOf(' '))
      this.topics.set(topic, (this.topics.get(topic) ?? 0) + 1)
      const own = this.#seen.get(Number(epoch)) ?? new Map<number, number>()
      this.#seen.set(Number(epoch), own)
      own.set(Number(seq), (own.get(Number(seq)) ?? 0) + 1)
      this.messages++
      this.last = line
    }
    return this
  }

  /** Under whatever epoch: a number is given once. */
  has(seq: number): boolean {
    for (const own of this.#seen.values()) if (own.has(seq)) return true
    return false
  }

  get repeated(): number {
    let more = 0
    for (const own of this.#seen.values()) for (const times of own.values()) more += times - 1
    return more
  }
}
