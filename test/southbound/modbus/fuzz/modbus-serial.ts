/** The other judge: modbus-serial's own ports and client, fed with the same bytes. It is known to be wrong in places. */
import { createRequire } from 'node:module'
import type { Asked } from './questions.ts'
import { answer, NOTHING, type Outcome, refusal } from './reference.ts'

type Next = (fault: { modbusCode?: number } | null, reply?: { buffer?: Buffer; data?: unknown }) => void

interface Port {
  _client: { emit(event: 'data', chunk: Buffer): void; write: unknown; open: unknown; isOpen: boolean }
  _buffer?: Buffer
  _clientRcvData?: Buffer
  _transactionIdWrite: number
  openFlag?: boolean
}

interface Client {
  open(done: () => void): void
  [write: `writeFC${number}`]: (...words: unknown[]) => void
}

const require = createRequire(import.meta.url)
const ModbusRTU = require('modbus-serial') as new (port: Port) => Client
const RtuPort = require('modbus-serial/ports/rtubufferedport') as new (path: string, options: object) => Port
const TcpPort = require('modbus-serial/ports/tcpport') as new (host: string, options: object) => Port

/** What it can be asked; its serial port does not know all that its client does. */
export function isKnownToModbusSerial({ code }: Asked, { overTcp }: { overTcp: boolean }): boolean {
  return code <= 6 || code === 15 || code === 16 || (overTcp && (code === 22 || code === 23))
}

class Peer {
  readonly port: Port
  readonly #client: Client

  constructor(port: Port) {
    this.port = port
    this.#client = new ModbusRTU(port)
    port._client.write = () => true
    this.#client.open(() => {})
  }

  /** Asks; the function gives what has come of it so far. */
  ask(asked: Asked): () => Outcome {
    let outcome = NOTHING
    let over = false
    const next: Next = (fault, reply) => {
      if (over) return
      over = true
      if (fault !== null) outcome = fault.modbusCode === undefined ? NOTHING : refusal(fault.modbusCode)
      else outcome = answer(contentOf(asked, reply!))
    }
    const { unit, code, address, quantity, payload } = asked
    const client = this.#client
    if (code < 5) client[`writeFC${code}`]!(unit, address, quantity, next)
    else if (code === 5) client.writeFC5!(unit, address, payload![0] === 0xff, next)
    else if (code === 6) client.writeFC6!(unit, address, word(payload!, 0), next)
    else if (code === 15) client.writeFC15!(unit, address, new Array(quantity).fill(false), next)
    else if (code === 16) client.writeFC16!(unit, address, Buffer.from(payload!), next)
    else if (code === 22) client.writeFC22!(unit, address, word(payload!, 0), word(payload!, 2), next)
    else {
      const values = Buffer.from(payload!)
      client.writeFC23!(unit, address, quantity, asked.writeAddress, values.length / 2, values, next)
    }
    return () => outcome
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function contentOf({ code }: Asked, reply: { buffer?: Buffer; data?: unknown }): Uint8Array {
  if (code < 5) return Uint8Array.from(reply.buffer!)
  if (code !== 23) return NOTHING.content
  return Uint8Array.from((reply.data as number[]).flatMap((register) => [register >> 8, register & 0xff]))
}

export class SerialPeer {
  readonly #peer: Peer

  constructor() {
    const port = new RtuPort('/dev/null', { baudRate: 9600 })
    port._client.open = (done: (fault: null) => void) => done(null)
    Object.defineProperty(port._client, 'isOpen', { get: () => true })
    this.#peer = new Peer(port)
  }

  ask(asked: Asked, chunks: readonly Uint8Array[]): Outcome {
    const { port } = this.#peer
    port._buffer = Buffer.alloc(0)
    const outcome = this.#peer.ask(asked)
    for (const chunk of chunks) port._client.emit('data', Buffer.from(chunk))
    return outcome()
  }
}

export class TcpPeer {
  readonly #peer: Peer

  constructor() {
    const port = new TcpPort('127.0.0.1', {})
    ;(port._client as unknown as { connect: unknown }).connect = () => {
      port._client.emit('connect' as 'data', Buffer.alloc(0))
    }
    this.#peer = new Peer(port)
  }

  ask(asked: readonly Asked[]): {
    readonly ids: readonly number[]
    hear(chunks: readonly Uint8Array[]): readonly Outcome[]
  } {
    const { port } = this.#peer
    port._clientRcvData = Buffer.alloc(0)
    const ids: number[] = []
    const outcomes = asked.map((one) => {
      ids.push(port._transactionIdWrite)
      return this.#peer.ask(one)
    })
    return {
      ids,
      hear: (chunks) => {
        for (const chunk of chunks) port._client.emit('data', Buffer.from(chunk))
        return outcomes.map((outcome) => outcome())
      },
    }
  }
}
