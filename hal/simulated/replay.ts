/** A recorded conversation as a station: when it hears the next question of the record, it says what followed it then, with the
 *  same pauses. The text is what `fieldgate trace --fixture` writes:
 *
 *      +12.5 > 01030000000ac5cd   # sent, so many milliseconds after the line before it
 *      +31   < 0103…              # received; its end at that time
 *
 *  Spaces within the bytes, empty lines and what follows a `#` do not count. */
import { ConfigurationFault } from '../../src/contracts/errors.ts'
import type { Listener, SimulatedWire } from './wire.ts'

interface Said {
  readonly bytes: Uint8Array
  /** From the start of the question, to its own end. */
  readonly endsAfterMs: number
}

interface Exchange {
  readonly question: Uint8Array
  readonly said: Said[]
}

const LINE = /^\+(\d+(?:\.\d+)?)\s+([<>])\s+((?:[0-9a-fA-F]{2}\s*)+)$/

/** Throws ConfigurationFault with the number of a line it cannot read. What was received before the first question is dropped:
 *  nothing tells when it would be due. */
export function readConversation(text: string): readonly Exchange[] {
  const exchanges: Exchange[] = []
  let sinceQuestionMs = 0
  for (const [index, line] of text.split('\n').entries()) {
    const said = line.replace(/#.*/, '').trim()
    if (said === '') continue
    const match = LINE.exec(said)
    if (match === null) {
      throw new ConfigurationFault(
        `line ${index + 1} is no frame: expected "+MS > BYTES" or "+MS < BYTES", not "${said}"`,
      )
    }
    sinceQuestionMs += Number(match[1])
    const bytes = Uint8Array.from(Buffer.from(match[3]!.replaceAll(/\s/g, ''), 'hex'))
    if (match[2] === '>') {
      exchanges.push({ question: bytes, said: [] })
      sinceQuestionMs = 0
    } else exchanges.at(-1)?.said.push({ bytes, endsAfterMs: sinceQuestionMs })
  }
  return exchanges
}

export class Replay implements Listener {
  /** Questions that were not the next of the record; they are not answered. */
  readonly surprises: Uint8Array[] = []
  readonly #wire: SimulatedWire
  readonly #exchanges: readonly Exchange[]
  #next = 0

  constructor(options: { wire: SimulatedWire; text: string }) {
    this.#wire = options.wire
    this.#exchanges = readConversation(options.text)
  }

  /** Questions of the record that have not been asked yet. */
  get left(): number {
    return this.#exchanges.length - this.#next
  }

  hear(frame: Uint8Array): null {
    const exchange = this.#exchanges[this.#next]
    if (exchange === undefined || Buffer.compare(exchange.question, frame) !== 0) {
      this.surprises.push(frame)
      return null
    }
    this.#next++
    const { byteMs, clock } = this.#wire
    for (const { bytes, endsAfterMs } of exchange.said) {
      const waitMs = endsAfterMs - (frame.length + bytes.length) * byteMs
      clock.after(Math.max(0, waitMs), () => this.#wire.talk(this, bytes))
    }
    return null
  }
}
