/** Registers a device refuses, found by halving the request that drew the refusal. One bad register costs its neighbours
 *  nothing: the parts that answer are read, the refused are left out, and after a while all are tried again. */
import type { ModbusRequest } from './plan.ts'

/** A refusal may pass: a controller that starts up refuses, too. */
const TRY_AGAIN_MS = 600_000
/** Extra questions one read may spend on finding out; the rest waits for the next cycle. */
const PROBES = 32

interface Refused {
  readonly request: ModbusRequest
  readonly code: number
}

/** What is known of one planned request. */
export class Holes {
  readonly #until: number
  readonly #generation: number
  #good: ModbusRequest[] = []
  #refused: Refused[] = []
  /** Parts of which nothing is known but that a larger one was refused. */
  #open: Refused[]

  constructor(options: { request: ModbusRequest; code: number; now: number; generation: number }) {
    this.#open = [{ request: options.request, code: options.code }]
    this.#until = options.now + TRY_AGAIN_MS
    this.#generation = options.generation
  }

  /** The device is asked for everything again. */
  expired(now: number, generation: number): boolean {
    return now >= this.#until || generation !== this.#generation
  }

  get refused(): readonly Refused[] {
    return this.#refused
  }

  /** `ask` puts one request on the wire and gives 0 or the exception. Reads all that is known to answer, and finds out more.
   *  `mark` is told of every part that gave no values in this cycle. */
  async read(
    split: (request: ModbusRequest) => readonly ModbusRequest[],
    ask: (request: ModbusRequest) => Promise<number>,
    mark: (request: ModbusRequest, code: number) => void,
  ): Promise<void> {
    for (const part of [...this.#good]) {
      const code = await ask(part)
      if (code === 0) continue
      mark(part, code)
      if (code > 3) continue
      this.#good = this.#good.filter((other) => other !== part)
      this.#open.push({ request: part, code })
    }
    for (let probes = 0; this.#open.length > 0 && probes < PROBES; ) {
      const { request, code } = this.#open[0]!
      const parts = split(request)
      if (parts.length < 2) {
        this.#open.shift()
        this.#refused.push({ request, code })
        continue
      }
      const answers: Refused[] = []
      for (const part of parts) {
        probes++
        answers.push({ request: part, code: await ask(part) })
      }
      // Only now, so that a line that fails in between leaves the part to be found out again.
      this.#open.shift()
      for (const answer of answers) {
        if (answer.code === 0 || answer.code > 3) this.#good.push(answer.request)
        else this.#open.unshift(answer)
        if (answer.code > 3) mark(answer.request, answer.code)
      }
    }
    for (const { request, code } of [...this.#open, ...this.#refused]) mark(request, code)
  }
}
