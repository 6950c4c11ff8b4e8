/** A broker made of bytes (MQTT 5, chapter 3): takes packets apart, and answers what the test says. */
import { createServer, type Socket } from 'node:net'

export interface Packet {
  /** 1 CONNECT, 3 PUBLISH, 8 SUBSCRIBE, 12 PINGREQ, 14 DISCONNECT. */
  readonly type: number
  readonly body: Buffer
  /** Of a PUBLISH at QoS 1 or 2, or a SUBSCRIBE. */
  readonly id: number
  /** Of a PUBLISH. */
  readonly topic: string
  readonly payload: string
}

export interface ByteBroker {
  readonly port: number
  readonly packets: Packet[]
  connections: number
  readonly open: Set<Socket>
  close(): Promise<void>
}

/** A CONNACK, with properties in bytes. */
export function connack(properties: readonly number[] = [], code = 0): number[] {
  return [0x20, 3 + properties.length, 0, code, properties.length, ...properties]
}

export function puback(id: number, code: number): number[] {
  return [0x40, 3, id >> 8, id & 0xff, code]
}

export function disconnect(code: number): number[] {
  return [0xe0, 1, code]
}

/** `answer`: the bytes that answer a packet; undefined: none. `lingers`: it never closes its side. */
export async function byteBroker(
  answer: (packet: Packet, socket: Socket) => readonly number[] | undefined,
  { lingers = false } = {},
): Promise<ByteBroker> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: lingers }, (socket) => {
    broker.connections++
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => {})
    let rest = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      for (let packet = take(); packet !== undefined; packet = take()) {
        broker.packets.push(packet)
        const bytes = answer(packet, socket)
        if (bytes !== undefined) socket.write(Uint8Array.from(bytes))
      }
    })
    const take = (): Packet | undefined => {
      let [length, at] = [0, 1]
      for (let shift = 0; ; shift += 7) {
        const byte = rest[at++]
        if (byte === undefined) return undefined
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      if (rest.length < at + length) return undefined
      const [first, body] = [rest[0]!, rest.subarray(at, at + length)]
      rest = rest.subarray(at + length)
      return parsed(first, body)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const broker: ByteBroker = {
    port: (server.address() as { port: number }).port,
    packets: [],
    connections: 0,
    open,
    close: () => {
      for (const socket of open) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return broker
}

function parsed(first: number, body: Buffer): Packet {
  const type = first >> 4
  if (type === 8) return { type, body, id: body.readUInt16BE(0), topic: '', payload: '' }
  if (type !== 3) return { type, body, id: 0, topic: '', payload: '' }
  const length = body.readUInt16BE(0)
  const topic = body.toString('utf8', 2, 2 + length)
  let at = 2 + length
  const id = (first & 0x06) === 0 ? 0 : body.readUInt16BE(at)
  if (id !== 0) at += 2
  // Properties below 128 bytes have a length of one byte.
  return { type, body, id, topic, payload: body.toString('utf8', at + 1 + body[at]!) }
}
