/** A TCP server of the test's own that answers byte by byte as a test wants it. */
import { createServer, type Server, type Socket } from 'node:net'

export interface Question {
  readonly transaction: number
  readonly unit: number
  readonly pdu: Buffer
  readonly socket: Socket
  /** How many questions came before it. */
  readonly number: number
}

export class SlaveSocket {
  readonly questions: Question[] = []
  readonly sockets = new Set<Socket>()
  accepted = 0
  answer: (question: Question) => void
  readonly #server: Server
  #waiting: (() => void)[] = []

  private constructor(answer: (question: Question) => void) {
    this.answer = answer
    this.#server = createServer((socket) => this.#accept(socket))
  }

  static async listen(
    answer: (question: Question) => void = () => {},
    at: { host?: string; port?: number } = {},
  ): Promise<SlaveSocket> {
    const slave = new SlaveSocket(answer)
    await new Promise<void>((resolve) => slave.#server.listen(at.port ?? 0, at.host ?? '127.0.0.1', resolve))
    return slave
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Resolves when so many questions have come. */
  async asked(count: number): Promise<void> {
    while (this.questions.length < count) await this.#change()
  }

  async connected(count: number): Promise<void> {
    while (this.accepted < count) await this.#change()
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #accept(socket: Socket): void {
    this.accepted++
    this.sockets.add(socket)
    socket.setNoDelay(true)
    let rest = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 7 && rest.length >= 6 + rest.readUInt16BE(4)) {
        const end = 6 + rest.readUInt16BE(4)
        const question: Question = {
          transaction: rest.readUInt16BE(0),
          unit: rest[6]!,
          pdu: Buffer.from(rest.subarray(7, end)),
          socket,
          number: this.questions.length,
        }
        rest = rest.subarray(end)
        this.questions.push(question)
        this.answer(question)
      }
      this.#wake()
    })
    this.#wake()
  }
}

/** A whole Modbus TCP frame. */
export function adu(transaction: number, unit: number, pdu: Uint8Array): Buffer {
  const header = Buffer.alloc(7)
  header.writeUInt16BE(transaction, 0)
  header.writeUInt16BE(pdu.length + 1, 4)
  header[6] = unit
  return Buffer.concat([header, pdu])
}

/** The answer to a question for holding registers: register n of unit u holds 1000 × u + n. */
export function goodAnswer({ transaction, unit, pdu }: Question): Buffer {
  return adu(transaction, unit, registersOf(unit, pdu.readUInt16BE(1), pdu.readUInt16BE(3)))
}

export function registersOf(unit: number, address: number, quantity: number, code = 3): Buffer {
  const answer = Buffer.alloc(2 + 2 * quantity)
  answer[0] = code
  answer[1] = 2 * quantity
  for (let at = 0; at < quantity; at++) answer.writeUInt16BE((1000 * unit + address + at) & 0xffff, 2 + 2 * at)
  return answer
}
