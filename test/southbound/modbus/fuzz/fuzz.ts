/** One stream after the other through all three decoders: ours, the judge's, and modbus-serial's. */
import { Dice } from './dice.ts'
import { randomLineStream } from './line-streams.ts'
import { isKnownToModbusSerial, SerialPeer, TcpPeer } from './modbus-serial.ts'
import { Connection, Line, type Parts } from './ours.ts'
import { type Asked, randomQuestion, treacherousQuestion } from './questions.ts'
import { hearLine, hearSocket, NOTHING } from './reference.ts'
import { randomSocketStream, type SocketStream } from './socket-streams.ts'
import { Verdicts } from './verdicts.ts'

const LINE_UNITS = [1, 247] as const
const SOCKET_UNITS = [0, 255] as const

export class Fuzz {
  readonly verdicts = new Verdicts()
  readonly #parts: Parts
  readonly #seed: number
  readonly #serialPeer = new SerialPeer()
  readonly #tcpPeer = new TcpPeer()

  constructor(options: { parts: Parts; seed: number }) {
    this.#parts = options.parts
    this.#seed = options.seed
  }

  /** The stream of this number; by turns one over a line and one over a socket. */
  run(number: number): void {
    const dice = new Dice(this.#seed, number)
    const place = `seed ${this.#seed} stream ${number}`
    this.verdicts.streams++
    try {
      if (number % 3 === 2) this.#overSocket(dice, place)
      else this.#overLine(dice, place)
    } catch (thrown) {
      this.verdicts.crashes++
      this.verdicts.note(`${place}: crash: ${thrown instanceof Error ? thrown.stack : thrown}`)
    }
  }

  /** Two questions on one line, so that the second finds what the first one left. */
  #overLine(dice: Dice, place: string): void {
    const checkUnit = dice.chance(0.9)
    const line = new Line(this.#parts, { checkUnit })
    let before = randomQuestion(dice, { units: LINE_UNITS })
    for (let turn = 0; turn < 2; turn++) {
      const asked = dice.chance(0.05)
        ? treacherousQuestion(dice, LINE_UNITS)
        : randomQuestion(dice, { units: LINE_UNITS })
      const twin = asked.code === 5 || asked.code === 6 || asked.code === 22
      // A line never asks a question whose answer is its twin before it knows whether it hears itself.
      const echo = dice.pick(twin ? [false, true] : [null, null, false, true])
      const { kind, chunks, frames } = randomLineStream({ dice, asked, before })
      this.verdicts.frames += frames
      const stream = Buffer.concat(chunks)
      const judged = hearLine(asked, stream, { echo, checkUnit })
      this.verdicts.ours(`${place} turn ${turn}, ${kind}`, judged, line.ask(asked, echo, chunks))
      if (isKnownToModbusSerial(asked, { overTcp: false })) {
        // It knows no echoes, and always looks at the unit.
        const known = { echo: kind.includes('echo') ? echo : false, checkUnit: true }
        this.verdicts.theirs(`RTU ${kind}`, hearLine(asked, stream, known), this.#serialPeer.ask(asked, chunks))
      }
      before = asked
    }
  }

  #overSocket(dice: Dice, place: string): void {
    const checkUnit = dice.chance(0.9)
    const asked = Array.from({ length: dice.pick([1, 1, 2, 3, 8]) }, () =>
      randomQuestion(dice, { units: SOCKET_UNITS }),
    )
    const retiredId = dice.below(65536)
    const stream = randomSocketStream({ dice, asked, retiredId })
    this.verdicts.frames += stream.frames
    // What one stream leaves half said would spoil the next.
    const connection = new Connection(this.#parts, { checkUnit, random: () => dice.below(65536) / 65536 })
    const ours = connection.ask(asked)
    const chunks = stream.chunks(ours.ids)
    const judged = hearSocket(byId(ours.ids, asked), Buffer.concat(chunks), { checkUnit })
    const given = ours.hear(chunks)
    for (const [at, id] of ours.ids.entries()) {
      this.verdicts.ours(`${place} question ${at}, ${stream.kind}`, judged.get(id) ?? NOTHING, given[at]!)
    }
    if (checkUnit) this.#compare(asked, stream)
  }

  #compare(asked: readonly Asked[], stream: SocketStream): void {
    if (!asked.every((one) => isKnownToModbusSerial(one, { overTcp: true }))) return
    const theirs = this.#tcpPeer.ask(asked)
    const chunks = stream.chunks(theirs.ids)
    const judged = hearSocket(byId(theirs.ids, asked), Buffer.concat(chunks), { checkUnit: true })
    const given = theirs.hear(chunks)
    for (const [at, id] of theirs.ids.entries()) {
      this.verdicts.theirs(`TCP ${stream.kind}`, judged.get(id) ?? NOTHING, given[at]!)
    }
  }
}

function byId(ids: readonly number[], asked: readonly Asked[]): ReadonlyMap<number, Asked> {
  return new Map(ids.map((id, at) => [id, asked[at]!]))
}
