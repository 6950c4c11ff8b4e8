/** What stands for the RS-485 mode of a UART's driver. */
import { type Ioctl, KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import { RS485_BYTES, TIOCGRS485, TIOCSRS485 } from '../../../../hal/linux/serial/rs485.ts'

/** A driver as serial_core has them: unsupported flags and delays are cleared without a word. */
export function driver(options: { supports?: number; delays?: boolean; now?: Uint8Array; refuses?: number } = {}) {
  const { supports = 0xff, delays = true, now = new Uint8Array(RS485_BYTES), refuses } = options
  const calls: [number, string][] = []
  const ioctl: Ioctl = (_, request, argument) => {
    const structure = argument as Uint8Array
    calls.push([request, hex(structure)])
    if (refuses !== undefined && request === TIOCSRS485) throw new KernelFault('ioctl', refuses)
    if (request === TIOCGRS485) structure.set(now)
    else {
      now.set(structure)
      const fields = new DataView(now.buffer)
      fields.setUint32(0, fields.getUint32(0, true) & supports, true)
      if (!delays) now.fill(0, 4, 12)
    }
    return 0
  }
  return { ioctl, calls, now }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 12)).toString('hex')
}
