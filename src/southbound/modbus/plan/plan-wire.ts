/** What an exchange costs the wire, so that the planner can weigh a hole against another request. Pure. */
import { asciiCharacters } from '../frames/ascii-frame.ts'
import type { ConnectionSettings } from '../settings.ts'

export interface WireCost {
  /** Milliseconds an exchange occupies a shared wire; 0 where none is shared. */
  readonly wireMs: (quantity: number, bits: boolean) => number
  /** The same as weight, on TCP too, where what counts is the round trip. */
  readonly weight: (quantity: number, bits: boolean) => number
}

/** Unit, function, address, quantity, CRC. */
const REQUEST_BYTES = 8
/** Unit, function, byte count, CRC. */
const REPLY_OVERHEAD = 5
const CRC_BYTES = 2
/** How long devices commonly think before they answer. */
export const THINKING_MS = 5

/** A TCP round trip on a plant network, and what each byte adds where the answer comes from a serial device behind a gateway. */
export const ROUND_TRIP_MS = 2
const TCP_BYTE_MS = 0.001

function replyBytes(quantity: number, bits: boolean): number {
  return bits ? (quantity + 7) >> 3 : quantity * 2
}

/** Three and a half characters of 11 bits; fixed above 19200 baud (Modbus over serial line V1.02, 2.5.1.1). */
function silenceMs(baudRate: number): number {
  return baudRate > 19_200 ? 1.75 : (3.5 * 11 * 1000) / baudRate
}

export function wireCost(connection: ConnectionSettings): WireCost {
  if (connection.kind !== 'rtu') {
    const weight = (quantity: number, bits: boolean): number =>
      ROUND_TRIP_MS + connection.pauseMs + replyBytes(quantity, bits) * TCP_BYTE_MS
    return { wireMs: () => 0, weight }
  }
  if (connection.mode === 'listen') return { wireMs: () => 0, weight: () => 1 }
  const { baudRate, dataBits, parity, stopBits, pauseMs } = connection
  const bitsOfCharacter = 1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits
  const characterMs = (bitsOfCharacter * 1000) / baudRate
  if (connection.framing === 'ascii') {
    // Two characters a byte; the frame's ends are characters, and no silence is needed.
    const ends = asciiCharacters(REQUEST_BYTES - CRC_BYTES) + asciiCharacters(REPLY_OVERHEAD - CRC_BYTES)
    const fixed = ends * characterMs + THINKING_MS + pauseMs
    const wireMs = (quantity: number, bits: boolean): number => fixed + 2 * replyBytes(quantity, bits) * characterMs
    return { wireMs, weight: wireMs }
  }
  const fixed = (REQUEST_BYTES + REPLY_OVERHEAD) * characterMs + 2 * silenceMs(baudRate) + THINKING_MS + pauseMs
  const wireMs = (quantity: number, bits: boolean): number => fixed + replyBytes(quantity, bits) * characterMs
  return { wireMs, weight: wireMs }
}
