/** What was received is given at once instead of in lumps: the flag of <linux/tty_flags.h> in struct serial_struct
 *  (<linux/serial.h>), which the FTDI driver takes for a latency timer of 1 ms in place of 16; or that timer in sysfs. Best effort. */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Ioctl, KernelFault } from '../kernel/kernel.ts'

/** <asm-generic/ioctls.h> */
export const TIOCGSERIAL = 0x541e
export const TIOCSSERIAL = 0x541f
/** struct serial_struct on 64-bit machines; `flags` is its fifth int. */
export const SERIAL_BYTES = 72
export const FLAGS_AT = 16
export const ASYNC_LOW_LATENCY = 1 << 13
/** A driver that waits no longer than this waits for nothing worth the name. */
const SHORT_MS = 2

/** false: it gives in lumps and this process may not change it; undefined: the driver tells nothing. `device`: the file. */
export function lowerLatency(options: {
  fd: number
  device: string
  ioctl: Ioctl
  root?: string
}): boolean | undefined {
  const { fd, device, ioctl, root = '/' } = options
  const flag = raiseFlag(fd, ioctl)
  const timer = join(root, 'sys/class/tty', basename(device), 'device/latency_timer')
  const timerMs = readTimer(timer)
  if (timerMs === undefined) return flag
  if (timerMs <= SHORT_MS) return true
  try {
    writeFileSync(timer, '1')
  } catch {
    // It belongs to root unless a udev rule gives it away.
  }
  return (readTimer(timer) ?? timerMs) <= SHORT_MS
}

function raiseFlag(fd: number, ioctl: Ioctl): boolean | undefined {
  const structure = new Uint8Array(SERIAL_BYTES)
  const flags = new DataView(structure.buffer)
  const raised = (): boolean => (flags.getInt32(FLAGS_AT, true) & ASYNC_LOW_LATENCY) !== 0
  if (!answers(() => ioctl(fd, TIOCGSERIAL, structure))) return undefined
  if (raised()) return true
  flags.setInt32(FLAGS_AT, flags.getInt32(FLAGS_AT, true) | ASYNC_LOW_LATENCY, true)
  return (
    answers(() => ioctl(fd, TIOCSSERIAL, structure)) && answers(() => ioctl(fd, TIOCGSERIAL, structure)) && raised()
  )
}

function answers(call: () => unknown): boolean {
  try {
    call()
    return true
  } catch (thrown) {
    if (thrown instanceof KernelFault) return false
    throw thrown
  }
}

function readTimer(file: string): number | undefined {
  try {
    const ms = Number.parseInt(readFileSync(file, 'utf8'), 10)
    return Number.isNaN(ms) ? undefined : ms
  } catch {
    return undefined
  }
}
