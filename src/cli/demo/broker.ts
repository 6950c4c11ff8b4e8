/** An embedded MQTT broker on loopback that counts what arrives, and the network cable between it and the gateway. */
import { createServer, type Server, type Socket } from 'node:net'
import { Aedes } from 'aedes'
import { Fatal } from '../../contracts/errors.ts'
import { Tally } from './tally.ts'

/** The tag by which a device numbers what it handed out. */
export const SEQUENCE_TAG = 'sequence'

export class Broker {
  readonly port: number
  readonly #aedes: Aedes
  readonly #tallies = new Map<string, Tally>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #messages = 0

  private constructor(port: number, aedes: Aedes) {
    this.port = port
    this.#aedes = aedes
    aedes.on('publish', (packet, client) => {
      if (client !== null) this.#count(packet.payload)
    })
  }

  static async open(port: number): Promise<Broker> {
    return new Broker(port, await Aedes.createBroker())
  }

  /** Messages that clients published, repeats included. */
  get messages(): number {
    return this.#messages
  }

  get clients(): number {
    return this.#sockets.size
  }

  get plugged(): boolean {
    return this.#server !== undefined
  }

  tally(device: string, group: string): Tally {
    const key = `${device}/${group}`
    let tally = this.#tallies.get(key)
    if (tally === undefined) {
      tally = new Tally()
      this.#tallies.set(key, tally)
    }
    return tally
  }

  plug(): Promise<void> {
    if (this.#server !== undefined) return Promise.resolve()
    const server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
      this.#aedes.handle(socket)
    })
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(new Fatal(`the broker cannot listen on ${this.port}: ${error.message}`)))
      server.listen(this.port, '127.0.0.1', resolve)
    })
  }

  /** As if the cable were pulled: connections end without a word, new ones find nobody. */
  async pull(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async close(): Promise<void> {
    await this.pull()
    await new Promise<void>((resolve) => this.#aedes.close(resolve))
  }

  #count(payload: Buffer | string): void {
    this.#messages++
    let message: unknown
    try {
      message = JSON.parse(payload.toString())
    } catch {
      // Not one of ours in the format of the demo: it is counted as a message and proves nothing.
      return
    }
    const { node, group, values } = message as Record<string, unknown>
    if (typeof node !== 'string' || typeof group !== 'string' || typeof values !== 'object' || values === null) return
    const number = (values as Record<string, unknown>)[SEQUENCE_TAG]
    if (typeof number === 'number') this.tally(node, group).take(number)
  }
}
