/** CRC-16 of Modbus over serial line V1.02, 6.2.2: polynomial A001 reflected, start FFFF, low byte first on the wire. */

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
  return crc
})

/** Over `bytes` from `from` to before `to`. */
export function crc16(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffff
  for (let at = from; at < to; at++) crc = (crc >> 8) ^ TABLE[(crc ^ bytes[at]!) & 0xff]!
  return crc
}

/** Whether the two bytes before `to` are the CRC of those from `from` on. */
export function crcHolds(bytes: Uint8Array, from: number, to: number): boolean {
  const crc = crc16(bytes, from, to - 2)
  return bytes[to - 2] === (crc & 0xff) && bytes[to - 1] === crc >> 8
}
