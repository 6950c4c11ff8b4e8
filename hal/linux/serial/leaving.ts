/** What of a port's output has not left yet, without waiting for it: `tcdrain` holds a thread of the pool until it has, for ever
 *  where an adapter hangs, and is late by a tick of the kernel's. Numbers of <asm-generic/ioctls.h> and <linux/serial.h>. */
import { type Ioctl, KernelFault } from '../kernel/kernel.ts'

export const TIOCOUTQ = 0x5411
export const TIOCSERGETLSR = 0x5459
export const TIOCSER_TEMT = 1

export class Leaving {
  readonly #fd: number
  readonly #ioctl: Ioctl
  readonly #word = new Int32Array(1)
  readonly #bytes = new Uint8Array(this.#word.buffer)
  #tells = true

  constructor(fd: number, ioctl: Ioctl) {
    this.#fd = fd
    this.#ioctl = ioctl
  }

  /** Bytes that wait in the kernel, or in an adapter that says so. */
  queued(): number {
    return this.#answers(TIOCOUTQ) ? this.#word[0]! : 0
  }

  /** Whether the last bit has left the chip; undefined: the driver does not tell. */
  empty(): boolean | undefined {
    this.#tells &&= this.#answers(TIOCSERGETLSR)
    return this.#tells ? (this.#word[0]! & TIOCSER_TEMT) !== 0 : undefined
  }

  /** Throws when the device is gone. */
  #answers(request: number): boolean {
    try {
      this.#ioctl(this.#fd, request, this.#bytes)
      return true
    } catch (thrown) {
      if (thrown instanceof KernelFault && ['ENOTTY', 'EINVAL'].includes(thrown.code)) return false
      throw thrown
    }
  }
}
