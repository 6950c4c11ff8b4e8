/** Values to registers: what a write puts on the wire. Pure. */

export interface WriteFrame {
  readonly function: 5 | 6 | 15 | 16
  /** Wire address. */
  readonly address: number
  /** Registers or coils. */
  readonly quantity: number
  /** The values as on the wire: two bytes a register; coils packed, the first in the lowest bit; one coil as FF 00 or 00 00. */
  readonly bytes: Uint8Array
}
