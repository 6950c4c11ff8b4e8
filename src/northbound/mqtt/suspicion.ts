/** MQTT 3.1.1 has no "no": a broker that does not take a message closes the connection. The message it is sent with each time
 *  is found out by sending one at a time, so that it does not stop everything behind it for ever. Pure. */
import { compare, type Position } from '../../contracts/log.ts'

/** Losses over the same message after which messages are sent one at a time. */
const SUSPECTED = 2
/** And after which it is to blame. */
const GUILTY = 5

interface Suspect {
  readonly position: Position
  readonly topic: string
}

export class Suspicion {
  #suspect: Suspect | undefined
  #losses = 0

  /** Whether messages are to be sent one at a time: only then is it sure which of them it is. */
  get oneByOne(): boolean {
    return this.#losses >= SUSPECTED
  }

  guilty(message: Suspect): boolean {
    return this.#losses >= GUILTY && this.#is(message)
  }

  lost({ position, topic }: Suspect): void {
    if (this.#is({ position, topic })) this.#losses++
    // One at a time it may prove to be another one: that search goes on.
    else this.#losses = this.oneByOne ? SUSPECTED : 1
    this.#suspect = { position, topic }
  }

  /** A whole delivery went through. */
  cleared(): void {
    this.#suspect = undefined
    this.#losses = 0
  }

  #is({ position, topic }: Suspect): boolean {
    return (
      this.#suspect !== undefined && compare(this.#suspect.position, position) === 0 && this.#suspect.topic === topic
    )
  }
}
