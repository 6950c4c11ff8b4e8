/** The decoders under test, fed with bytes: the ear of an RTU line, and a Modbus TCP link on a socket that is none. The
 *  sources are named, so that deliberately broken ones can be tried. */
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import type { Clock } from '../../../../src/contracts/clock.ts'
import type { Trace } from '../../../../src/southbound/modbus/diagnosis/trace.ts'
import type { Exchange } from '../../../../src/southbound/modbus/exchange.ts'
import type { Ask } from '../../../../src/southbound/modbus/frames/pdu.ts'
import type { RtuEar } from '../../../../src/southbound/modbus/line/rtu-ear.ts'
import type { TcpLink } from '../../../../src/southbound/modbus/network/tcp-link.ts'
import type { Tally } from '../../../../src/southbound/modbus/tally.ts'
import type { Asked } from './questions.ts'
import { answer, NOTHING, type Outcome, refusal } from './reference.ts'

export interface Parts {
  readonly RtuEar: typeof RtuEar
  readonly TcpLink: typeof TcpLink
  readonly Exchange: typeof Exchange
  readonly Tally: typeof Tally
  readonly Quarantine: new (options: { byUnit: boolean }) => never
  readonly Trace: typeof Trace
  /** One for all: it is the fuzz's own, and only passed through. */
  readonly trace: Trace
  readonly encodeFrame: (ask: Ask, payload: Uint8Array | null) => Uint8Array
}

/** `source`: a `src` folder. */
export async function parts(source: string): Promise<Parts> {
  const files = [
    'line/rtu-ear',
    'network/tcp-link',
    'exchange',
    'tally',
    'line/quarantine',
    'frames/rtu-frame',
    'diagnosis/trace',
  ]
  const modules = await Promise.all(files.map((file) => import(join(source, 'southbound/modbus', `${file}.ts`))))
  const all = Object.assign({}, ...modules) as Parts
  return { ...all, trace: new all.Trace() }
}

/** A clock on which nothing ever happens. */
const still = {
  monotonic: () => 0,
  after: () => () => {},
} as unknown as Clock

const NEVER = new AbortController().signal

function askOf({ unit, code, address, quantity, file, writeAddress, category }: Asked): Ask {
  return {
    device: 'd',
    unit,
    function: code as Ask['function'],
    address,
    // A queue is asked for as many as it can hold.
    quantity: code === 24 ? 31 : quantity,
    timeoutMs: 1000,
    ...(file === undefined ? {} : { file }),
    ...(writeAddress === undefined ? {} : { writeAddress }),
    ...(category === undefined ? {} : { category }),
  }
}

/** What came of a question, as the driver would see it. */
class Hearing {
  outcome: Outcome = NOTHING
  /** How often it was settled: once at most. */
  times = 0
  readonly exchange: Exchange

  constructor(parts: Parts, asked: Asked, signal: AbortSignal, tally: Tally) {
    let content = NOTHING.content
    this.exchange = new parts.Exchange({
      ask: askOf(asked),
      payload: asked.payload,
      signal,
      device: tally,
      take: (bytes, offset, length) => {
        if (asked.payload === null || asked.code === 23) content = bytes.slice(offset, offset + length)
      },
      resolve: (exception) => {
        this.times++
        this.outcome = exception === 0 ? answer(Uint8Array.from(content)) : refusal(exception)
      },
      reject: () => {},
    })
  }
}

/** A line on which one question after the other is asked. */
export class Line {
  readonly #parts: Parts
  readonly #tally: Tally
  readonly #ear: RtuEar

  constructor(parts: Parts, options: { checkUnit: boolean }) {
    this.#parts = parts
    this.#tally = new parts.Tally()
    const quarantine = new parts.Quarantine({ byUnit: options.checkUnit })
    const { checkUnit } = options
    const { trace } = parts
    this.#ear = new parts.RtuEar({ clock: still, tally: this.#tally, trace, quarantine, checkUnit, echoes: null })
  }

  ask(asked: Asked, echo: boolean | null, chunks: readonly Uint8Array[]): Outcome {
    const { exchange } = new Hearing(this.#parts, asked, NEVER, this.#tally)
    this.#ear.echoes = echo
    this.#ear.waitFor(exchange, this.#parts.encodeFrame(exchange.ask, exchange.payload))
    exchange.sent = true
    let outcome = NOTHING
    for (const [at, chunk] of chunks.entries()) {
      // As the line does when nothing more comes.
      const heard = this.#ear.hear(chunk) ?? (at === chunks.length - 1 ? this.#ear.last() : null)
      if (heard === null) continue
      if (outcome !== NOTHING) throw new Error('one question was answered twice')
      const { bytes, content, contentBytes, verdict } = heard
      const carries = asked.payload === null || asked.code === 23
      outcome =
        verdict > 0
          ? refusal(verdict)
          : answer(carries ? bytes.slice(content, content + contentBytes) : NOTHING.content)
      this.#ear.rest()
    }
    this.#ear.rest()
    return outcome
  }
}

class FakeSocket extends EventEmitter {
  readonly writableLength = 0
  destroyed = false
  write(): boolean {
    return true
  }
  destroy(): void {
    this.destroyed = true
  }
}

/** A connection on which several questions wait at once. */
export class Connection {
  readonly #parts: Parts
  readonly #tally: Tally
  readonly #link: TcpLink
  readonly #buffer = Buffer.alloc(16_384)
  readonly #socket = new FakeSocket()
  #deliver: (bytes: number, chunk: Buffer) => unknown = () => {}

  constructor(parts: Parts, options: { checkUnit: boolean; random: () => number }) {
    this.#parts = parts
    this.#tally = new parts.Tally()
    this.#link = new parts.TcpLink({
      settings: {
        kind: 'tcp',
        host: 'fuzz',
        port: 502,
        connect: 'keep',
        inFlight: 16,
        timeoutMs: 1000,
        pauseMs: 0,
        pauseAfterConnectMs: 0,
        checkUnit: options.checkUnit,
      } as never,
      clock: still,
      tally: this.#tally,
      trace: parts.trace,
      random: options.random,
      connect: ((how: { onread: { callback: (bytes: number, chunk: Buffer) => unknown } }) => {
        this.#deliver = how.onread.callback
        return this.#socket
      }) as never,
    })
    this.#link.start()
    this.#socket.emit('connect')
  }

  /** Whether it still stands. */
  get stands(): boolean {
    return !this.#socket.destroyed
  }

  /** Asks; `ids` are the transactions, `hear` takes what comes, `give up` ends what is left. */
  ask(asked: readonly Asked[]): {
    readonly ids: readonly number[]
    hear(chunks: readonly Uint8Array[]): readonly Outcome[]
  } {
    const giveUp = new AbortController()
    const hearings = asked.map((one) => new Hearing(this.#parts, one, giveUp.signal, this.#tally))
    for (const { exchange } of hearings) this.#link.send(exchange)
    return {
      ids: hearings.map(({ exchange }) => exchange.transaction),
      hear: (chunks) => {
        for (const chunk of chunks) {
          if (!this.stands) break
          // As from a socket: always the same buffer, so that what is kept beyond the call is found out.
          this.#buffer.set(chunk)
          this.#deliver(chunk.length, this.#buffer)
        }
        giveUp.abort()
        if (hearings.some(({ times }) => times > 1)) throw new Error('one question was answered twice')
        return hearings.map(({ outcome }) => outcome)
      },
    }
  }
}
