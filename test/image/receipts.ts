/** The subscriber's side of the truth: which positions of the log it was sent, how often, and with which values. */
import type { Observer } from '../peers/mosquitto.ts'

export class Received {
  /** Number of an entry to how often it came. A number is given once, whatever the epoch. */
  readonly #seen = new Map<number, number>()
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
      const [, seq] = /position:[^/ ]+\/\d+\/(\d+)/.exec(line) ?? []
      if (seq === undefined) continue
      const topic = line.slice(0, line.indexOf(' '))
      this.topics.set(topic, (this.topics.get(topic) ?? 0) + 1)
      this.#seen.set(Number(seq), (this.#seen.get(Number(seq)) ?? 0) + 1)
      this.messages++
      this.last = line
    }
    return this
  }

  has(seq: number): boolean {
    return this.#seen.has(seq)
  }

  get repeated(): number {
    return this.messages - this.#seen.size
  }
}
