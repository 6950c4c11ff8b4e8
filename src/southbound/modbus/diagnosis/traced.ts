/** The trace of a lane as people and tools are given it: wall time, decoded text, the verdict in words. */
import type { Clock } from '../../../contracts/clock.ts'
import type { FrameTrace, Framing, TracedFrame, TracedIncident } from '../../../contracts/trace.ts'
import { exception } from '../frames/pdu.ts'
import { Mark, type Recorded, type Trace, Way } from './trace.ts'
import { answerText, dump, questionText } from './trace-text.ts'

interface Words {
  readonly verdict: string
  readonly fault: boolean
  /** Instead of a decoded frame. */
  readonly text?: string
  /** What an incident of this kind is called. */
  readonly incident?: (unit: number) => string
}

const WORDS: Readonly<Record<Mark, Words>> = {
  [Mark.request]: { verdict: 'request', fault: false },
  [Mark.answer]: { verdict: 'answer', fault: false },
  [Mark.exception]: { verdict: 'exception', fault: true },
  [Mark.timeout]: {
    verdict: 'timeout',
    fault: true,
    text: 'no answer',
    incident: (unit) => `unit ${unit} did not answer, and had until then`,
  },
  [Mark.late]: {
    verdict: 'late',
    fault: true,
    incident: (unit) => `unit ${unit} answered after its timeout: the answer was dropped`,
  },
  [Mark.foreignUnit]: {
    verdict: 'foreign unit',
    fault: true,
    incident: (unit) => `unit ${unit} answered, and had not been asked`,
  },
  [Mark.badCrc]: {
    verdict: 'bad CRC',
    fault: true,
    incident: (unit) => `the answer of unit ${unit} was damaged on the line`,
  },
  [Mark.garbage]: { verdict: 'garbage', fault: true },
  [Mark.echo]: { verdict: 'echo', fault: false },
  [Mark.collision]: {
    verdict: 'collision',
    fault: true,
    incident: (unit) => `two talked at once while unit ${unit} was asked`,
  },
  [Mark.foreignQuestion]: { verdict: 'other master', fault: true },
  [Mark.foreignAnswer]: { verdict: 'not asked for', fault: true },
  [Mark.foreignTransaction]: {
    verdict: 'foreign transaction',
    fault: true,
    incident: (unit) => `unit ${unit} answered a transaction that is not ours`,
  },
  [Mark.objection]: {
    verdict: 'wrong answer',
    fault: true,
    incident: (unit) => `unit ${unit} answered something else than it was asked`,
  },
  [Mark.badHeader]: { verdict: 'bad header', fault: true, incident: () => 'bytes came that are not Modbus TCP' },
  [Mark.contention]: { verdict: 'after a frame', fault: true },
  [Mark.lost]: { verdict: 'given up', fault: true, text: 'no answer any more: the line was lost, or nobody wants it' },
}

/** So many frames before the first that is asked for are read along: an answer is decoded by its question. */
const CONTEXT = 64
/** The wall clock was set. */
const STEP_MS = 5

export class TracedLine implements FrameTrace {
  readonly framing: Framing
  readonly #trace: Trace
  readonly #clock: Clock
  #offset = Number.NEGATIVE_INFINITY

  constructor(options: { trace: Trace; framing: Framing; clock: Clock }) {
    this.framing = options.framing
    this.#trace = options.trace
    this.#clock = options.clock
  }

  get next(): number {
    return this.#trace.next
  }

  since(seq: number, most: number): readonly TracedFrame[] {
    const from = Math.max(0, seq - CONTEXT)
    return this.#decoded(this.#trace.since(from, most + CONTEXT))
      .filter((frame) => frame.seq >= seq)
      .slice(0, most)
  }

  incidents(): readonly TracedIncident[] {
    return this.#trace.incidents().map(({ at, seq, mark, unit, frames }) => ({
      at: this.#wall(at),
      seq,
      text: WORDS[mark].incident?.(unit) ?? WORDS[mark].verdict,
      frames: this.#decoded(frames),
    }))
  }

  #decoded(frames: readonly Recorded[]): readonly TracedFrame[] {
    // Questions under way: on a line the last one sent, on TCP by transaction.
    const questions = new Map<number, Uint8Array>()
    return frames.map((frame) => this.#frame(frame, questions))
  }

  #frame(recorded: Recorded, questions: Map<number, Uint8Array>): TracedFrame {
    const { seq, at, elapsedMs, way, mark, bytes } = recorded
    const words = WORDS[mark]
    const parsed = parse(bytes, this.framing)
    let text = words.text ?? dump(bytes)
    if (words.text === undefined && parsed !== null && mark !== Mark.garbage && mark !== Mark.badHeader) {
      const { key, pdu } = parsed
      const asks = way === Way.sent || mark === Mark.foreignQuestion || mark === Mark.echo
      if (way === Way.sent) questions.set(key, pdu)
      const settles = mark === Mark.answer || mark === Mark.exception
      text = asks ? questionText(pdu) : answerText(pdu, settles ? (questions.get(key) ?? null) : null, exceptionText)
      if (mark === Mark.badCrc) text = dump(bytes)
    }
    const verdict = mark === Mark.exception && parsed !== null ? `exception ${parsed.pdu[1]}` : words.verdict
    const nobody = mark === Mark.garbage || mark === Mark.contention || mark === Mark.badHeader
    return {
      seq,
      at: this.#wall(at),
      way: way === Way.sent ? 'sent' : way === Way.received ? 'received' : 'none',
      unit: nobody ? null : recorded.unit,
      bytes,
      text,
      verdict,
      fault: words.fault,
      elapsedMs: elapsedMs > 0 ? elapsedMs : null,
    }
  }

  /** The wall clock counts whole milliseconds: one offset is kept until the clock is set, so that differences stay exact. */
  #wall(monotonic: number): number {
    const offset = this.#clock.wall() - this.#clock.monotonic()
    if (Math.abs(offset - this.#offset) > STEP_MS) this.#offset = offset
    return this.#offset + monotonic
  }
}

function exceptionText(code: number): string {
  return exception(code).text
}

/** The PDU of a frame and what tells its question from others; null: too short to have one. */
function parse(bytes: Uint8Array, framing: Framing): { readonly key: number; readonly pdu: Uint8Array } | null {
  if (framing === 'tcp') return bytes.length < 8 ? null : { key: (bytes[0]! << 8) | bytes[1]!, pdu: bytes.subarray(7) }
  return bytes.length < 4 ? null : { key: 0, pdu: bytes.subarray(1, bytes.length - 2) }
}
