/** A line on which another master asks: its conversation is listened to, and nothing is ever sent. Reads are answered out of
 *  what was heard. */
import type { LineSettings, SerialPort } from '../../../../hal/contract.ts'
import { type BatchBuilder, Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import type { State } from '../../../contracts/component.ts'
import { Retryable } from '../../../contracts/errors.ts'
import { Mark, type Trace } from '../diagnosis/trace.ts'
import { duration, type Exchange, type Link } from '../exchange.ts'
import type { ModbusRequest } from '../plan/plan.ts'
import { LIMITS, type TagSettings } from '../settings.ts'
import type { Tally } from '../tally.ts'
import { Conversation } from './conversation.ts'
import { KeptPort } from './kept-port.ts'
import { Overheard, READS } from './overheard.ts'

/** A device that is asked may take so long to answer. */
const ANSWER_WINDOW_MS = 1000
/** Nothing at all for so long: the other master is off, or the line settings are wrong. */
const QUIET_MS = 10_000

export class Listening implements Link {
  generation = 0
  readonly #clock: Clock
  readonly #tally: Tally
  readonly #trace: Trace
  readonly #line: LineSettings
  readonly #kept: KeptPort
  readonly #conversation: Conversation
  readonly #overheard = new Overheard()
  /** By unit: when it last answered its master. */
  readonly #answeredAt = new Map<number, number>()
  readonly #content = new Uint8Array(2 * LIMITS.readRegisters)
  #unsubscribe = (): void => {}
  #heardAt: number
  #bytesAt = Number.NEGATIVE_INFINITY

  constructor(options: {
    port: SerialPort
    line: LineSettings
    clock: Clock
    tally: Tally
    trace: Trace
    random: () => number
  }) {
    const { port, line, clock, tally, trace, random } = options
    this.#clock = clock
    this.#tally = tally
    this.#trace = trace
    this.#line = line
    this.#heardAt = clock.monotonic()
    this.#conversation = new Conversation({
      windowMs: ANSWER_WINDOW_MS,
      hearing: {
        exchanged: (exchange) => {
          this.#tally.replies++
          this.#overheard.take(exchange)
        },
        answered: (unit, at) => {
          this.#heardAt = at
          this.#answeredAt.set(unit, at)
        },
        questions: (count) => {
          this.#tally.foreignQuestions += count
        },
        garbage: (bytes) => {
          this.#tally.garbageBytes += bytes
        },
        doubtful: () => {
          this.#tally.lateReplies++
        },
        frame: (question, unit, bytes, from, to, at) => {
          this.#trace.received(question ? Mark.foreignQuestion : Mark.foreignAnswer, unit, at, 0, bytes, from, to)
        },
      },
    })
    this.#kept = new KeptPort({
      port,
      line,
      clock,
      tally,
      random,
      remote: false,
      onOpen: () => this.#conversation.drop(),
      onLost: () => {
        this.generation++
        this.#conversation.drop()
      },
    })
  }

  start(): void {
    this.#unsubscribe = this.#kept.port.onData((chunk) => {
      this.#bytesAt = this.#clock.monotonic()
      this.#conversation.hear(chunk, this.#bytesAt)
    })
    this.#kept.start()
    this.#kept.open()
  }

  stop(): Promise<void> {
    const stopped = this.#kept.stop()
    this.#unsubscribe()
    return stopped
  }

  /** Whatever would have to be sent is refused. */
  send(exchange: Exchange): void {
    exchange.fail('not sent: this connection only listens (mode: listen)', Reason.refused)
  }

  /** Fills the request's tags with what was heard within `freshMs`. Throws Retryable when nothing of its unit was. */
  fill(request: ModbusRequest, into: BatchBuilder, freshMs: number): void {
    const { trouble } = this.#kept
    if (trouble !== null) throw new Retryable(trouble, { reason: Reason.noConnection })
    const { unit, address, quantity } = request
    const now = this.#clock.monotonic()
    const answeredAt = this.#answeredAt.get(unit)
    if (answeredAt === undefined || now - answeredAt > freshMs) {
      const text = `nothing heard of unit ${unit} for ${duration(freshMs)}: its master does not ask it, or it does not answer`
      throw new Retryable(text, { reason: Reason.timeout })
    }
    const target = this.#content
    const area = READS[request.function]
    const words = wordsOf(request)
    const moment = area === undefined ? 0 : this.#overheard.copy({ unit, area, address, quantity, words, target })
    if (moment > 0 && now - moment <= freshMs) request.decode(target, 0, into)
    else for (const tag of request.tags) into.bad(tag, Reason.timeout)
  }

  state(): State {
    const { device } = this.#kept.port.facts
    if (this.#kept.trouble !== null) return { condition: 'fault', text: this.#kept.trouble, cause: 'port' }
    if (!this.#kept.isOpen) return { condition: 'waiting', text: `opening ${device}` }
    const { baudRate, dataBits, parity, stopBits } = this.#line
    const settings = `${baudRate} ${dataBits}${parity[0]!.toUpperCase()}${stopBits}`
    const now = this.#clock.monotonic()
    if (now - this.#heardAt <= QUIET_MS) {
      return { condition: 'fine', text: `listening on ${device}, ${settings}: ${this.#answeredAt.size} units heard` }
    }
    const why =
      now - this.#bytesAt <= QUIET_MS
        ? `what is heard forms no frames: are ${settings} the line's settings?`
        : 'nothing is heard: does the other master ask, and are A and B the right way round?'
    return { condition: 'degraded', text: `listening on ${device}: ${why}` }
  }
}

/** Wire addresses of a value whose words stand apart: what lies between need not have been heard. */
function wordsOf({ members }: ModbusRequest): readonly number[] | null {
  return members.length === 1 ? (members[0]!.settings as TagSettings).words : null
}
