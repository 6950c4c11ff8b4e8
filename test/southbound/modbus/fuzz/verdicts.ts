/** Who was right, counted. */
import { type Outcome, same } from './reference.ts'

/** How modbus-serial differs from the judge. */
interface Differences {
  /** It gave what is not the answer. */
  wrong: number
  /** It gave nothing where there was an answer. */
  lost: number
}

export class Verdicts {
  streams = 0
  frames = 0
  /** Answers that we and the judge agree on. */
  answers = 0
  /** We gave what the judge does not. */
  wrong = 0
  /** We gave nothing where the judge gives an answer. */
  lost = 0
  crashes = 0
  /** Questions modbus-serial was asked, too. */
  compared = 0
  readonly modbusSerial: Record<string, Differences> = {}
  /** The first few of ours, to be run again. */
  readonly cases: string[] = []

  ours(place: string, judged: Outcome, given: Outcome): void {
    if (same(judged, given)) {
      if (judged.kind !== 'nothing') this.answers++
      return
    }
    if (given.kind === 'nothing') this.lost++
    else this.wrong++
    this.note(`${place}: ${given.kind === 'nothing' ? 'lost' : 'wrong'}: ${text(given)} for ${text(judged)}`)
  }

  theirs(kind: string, judged: Outcome, given: Outcome): void {
    this.compared++
    if (same(judged, given)) return
    this.modbusSerial[kind] ??= { wrong: 0, lost: 0 }
    if (given.kind === 'nothing') this.modbusSerial[kind].lost++
    else this.modbusSerial[kind].wrong++
  }

  note(text: string): void {
    if (this.cases.length < 5) this.cases.push(text)
  }

  get clean(): boolean {
    return this.wrong === 0 && this.lost === 0 && this.crashes === 0
  }
}

function text({ kind, exception, content }: Outcome): string {
  return kind === 'exception' ? `exception ${exception}` : `${kind} ${Buffer.from(content).toString('hex')}`.trimEnd()
}
