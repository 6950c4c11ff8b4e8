/** Traced frames as a capture file that Wireshark and tshark decode without being told anything. Pure.
 *
 *  A serial frame is an exported PDU that names its dissector (LINKTYPE_WIRESHARK_UPPER_PDU). A Modbus TCP frame stands in an
 *  Ethernet, IPv4 and TCP frame made up around it: documentation addresses (RFC 5737), port 502, sequence numbers that add up. */
import type { Framing, TracedFrame } from '../../../contracts/trace.ts'

const LINKTYPE_ETHERNET = 1
const LINKTYPE_WIRESHARK_UPPER_PDU = 252
/** Of an exported PDU: the dissector's name, and the end of the tags. */
const TAG_DISSECTOR = 12

const US = { mac: [2, 0, 0, 0, 0, 1], ip: [192, 0, 2, 1], port: 49_152 } as const
const THEM = { mac: [2, 0, 0, 0, 0, 2], ip: [192, 0, 2, 2], port: 502 } as const

export class Capture {
  readonly #framing: Framing
  /** TCP bytes sent so far, by us and by them. */
  #ours = 1
  #theirs = 1

  constructor(framing: Framing) {
    this.#framing = framing
  }

  /** What the file begins with. */
  header(): Uint8Array {
    const header = new DataView(new ArrayBuffer(24))
    header.setUint32(0, 0xa1b2c3d4, true)
    header.setUint16(4, 2, true)
    header.setUint16(6, 4, true)
    header.setUint32(16, 0xffff, true)
    header.setUint32(20, this.#framing === 'tcp' ? LINKTYPE_ETHERNET : LINKTYPE_WIRESHARK_UPPER_PDU, true)
    return new Uint8Array(header.buffer)
  }

  /** One packet; empty for what did not happen. */
  packet(frame: TracedFrame): Uint8Array {
    if (frame.bytes.length === 0) return new Uint8Array(0)
    const body = this.#framing === 'tcp' ? this.#segment(frame) : exported(frame)
    const packet = new Uint8Array(16 + body.length)
    const head = new DataView(packet.buffer)
    const seconds = Math.floor(frame.at / 1000)
    head.setUint32(0, seconds, true)
    head.setUint32(4, Math.min(999_999, Math.round((frame.at - seconds * 1000) * 1000)), true)
    head.setUint32(8, body.length, true)
    head.setUint32(12, body.length, true)
    packet.set(body, 16)
    return packet
  }

  #segment({ way, bytes }: TracedFrame): Uint8Array {
    const sent = way === 'sent'
    const [from, to] = sent ? [US, THEM] : [THEM, US]
    const frame = new Uint8Array(54 + bytes.length)
    const view = new DataView(frame.buffer)
    frame.set(to.mac, 0)
    frame.set(from.mac, 6)
    view.setUint16(12, 0x0800)
    frame.set([0x45, 0], 14)
    view.setUint16(16, 40 + bytes.length)
    frame.set([0x40, 0, 64, 6], 20)
    frame.set(from.ip, 26)
    frame.set(to.ip, 30)
    view.setUint16(24, checksum(frame, 14, 34, 0))
    view.setUint16(34, from.port)
    view.setUint16(36, to.port)
    view.setUint32(38, sent ? this.#ours : this.#theirs)
    view.setUint32(42, sent ? this.#theirs : this.#ours)
    // Data offset 5, PSH and ACK.
    view.setUint16(46, 0x5018)
    view.setUint16(48, 0xffff)
    frame.set(bytes, 54)
    // The pseudo-header (RFC 9293, 3.1): addresses, protocol, length.
    const pseudo = sum(frame, 26, 34) + 6 + 20 + bytes.length
    view.setUint16(50, checksum(frame, 34, frame.length, pseudo))
    if (sent) this.#ours = (this.#ours + bytes.length) >>> 0
    else this.#theirs = (this.#theirs + bytes.length) >>> 0
    return frame
  }
}

function exported({ bytes, verdict }: TracedFrame): Uint8Array {
  // What forms no frame is shown as the bytes it is.
  const decodable = bytes.length >= 4 && verdict !== 'garbage'
  const name = Buffer.from(decodable ? 'mbrtu' : 'data')
  const padded = (name.length + 3) & ~3
  const pdu = new Uint8Array(4 + padded + 4 + bytes.length)
  const view = new DataView(pdu.buffer)
  view.setUint16(0, TAG_DISSECTOR)
  view.setUint16(2, padded)
  pdu.set(name, 4)
  pdu.set(bytes, 8 + padded)
  return pdu
}

/** The internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array, from: number, to: number, start: number): number {
  let total = start + sum(bytes, from, to)
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return ~total & 0xffff
}

function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0
  for (let at = from; at < to; at += 2) total += (bytes[at]! << 8) | (at + 1 < to ? bytes[at + 1]! : 0)
  return total
}
