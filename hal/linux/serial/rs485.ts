/** The kernel switches the transmitter: struct serial_rs485 and its ioctls, <linux/serial.h> and <asm-generic/ioctls.h>. The
 *  answer counts, not the question: a driver clears what it cannot do and says nothing. */
import type { Rs485Settings } from '../../contract.ts'
import { type Ioctl, KernelFault } from '../kernel/kernel.ts'

export const TIOCGRS485 = 0x542e
export const TIOCSRS485 = 0x542f

/** u32 flags, u32 delay_rts_before_send, u32 delay_rts_after_send, u32 padding[5]. */
export const RS485_BYTES = 32
/** Nothing in it depends on the byte order of a file: it is the machine's own. All our machines are little-endian. */
const LITTLE = true

export const Rs485Flag = {
  enabled: 1 << 0,
  rtsOnSend: 1 << 1,
  rtsAfterSend: 1 << 2,
  rxDuringTx: 1 << 4,
  terminateBus: 1 << 5,
} as const

const POLARITY = Rs485Flag.rtsOnSend | Rs485Flag.rtsAfterSend

/** What it says of the port as it is; null: its driver knows no such thing (ENOTTY), or is too old to (EINVAL). */
export function readRs485(fd: number, ioctl: Ioctl): Uint8Array | null {
  const found = new Uint8Array(RS485_BYTES)
  try {
    ioctl(fd, TIOCGRS485, found)
    return found
  } catch (thrown) {
    if (thrown instanceof KernelFault) return null
    throw thrown
  }
}

export function isEnabled(found: Uint8Array): boolean {
  return (flagsOf(found) & Rs485Flag.enabled) !== 0
}

/** What to ask for: what is said nowhere stays as the device tree has set it. */
export function wantedRs485(found: Uint8Array, settings: Rs485Settings): Uint8Array {
  const wanted = Uint8Array.from(found)
  const fields = new DataView(wanted.buffer)
  let flags = flagsOf(found) | Rs485Flag.enabled
  const told = settings.rtsOnSend
  // Exactly one of the two is a polarity: with none or both the kernel guesses.
  const known = (flags & POLARITY) === Rs485Flag.rtsOnSend || (flags & POLARITY) === Rs485Flag.rtsAfterSend
  if (told !== undefined || !known) {
    flags = (flags & ~POLARITY) | (told === 'low' ? Rs485Flag.rtsAfterSend : Rs485Flag.rtsOnSend)
  }
  flags = switched(flags, Rs485Flag.rxDuringTx, settings.receiveWhileSending)
  flags = switched(flags, Rs485Flag.terminateBus, settings.terminate)
  fields.setUint32(0, flags >>> 0, LITTLE)
  if (settings.delayBeforeMs !== undefined) fields.setUint32(4, Math.ceil(settings.delayBeforeMs), LITTLE)
  if (settings.delayAfterMs !== undefined) fields.setUint32(8, Math.ceil(settings.delayAfterMs), LITTLE)
  return wanted
}

/** What was asked for in so many words and is not there, for people; null: nothing. */
export function missingOf(wanted: Uint8Array, got: Uint8Array, settings: Rs485Settings): string | null {
  const [asked, has] = [flagsOf(wanted), flagsOf(got)]
  const lacks = (flag: number): boolean => ((asked ^ has) & flag) !== 0
  const delay = (at: number): boolean =>
    new DataView(got.buffer).getUint32(at, LITTLE) !== new DataView(wanted.buffer).getUint32(at, LITTLE)
  if (settings.rtsOnSend !== undefined && lacks(POLARITY)) {
    return `cannot hold RTS ${settings.rtsOnSend} while sending (rtsOnSend)`
  }
  if (settings.receiveWhileSending !== undefined && lacks(Rs485Flag.rxDuringTx)) {
    return settings.receiveWhileSending
      ? 'cannot receive while it sends (receiveWhileSending)'
      : 'always receives while it sends (receiveWhileSending)'
  }
  if (settings.terminate !== undefined && lacks(Rs485Flag.terminateBus)) {
    return 'has no switch for a termination resistor (terminate)'
  }
  if (settings.delayBeforeMs !== undefined && delay(4)) return 'cannot wait before sending (delayBefore)'
  if (settings.delayAfterMs !== undefined && delay(8)) return 'cannot wait after sending (delayAfter)'
  return null
}

/** Asks for it and reads it back. `refused`: the driver cannot switch the transmitter at all; `lacking`: it does, but not
 *  as it was asked to. */
export function setRs485(
  fd: number,
  settings: Rs485Settings,
  ioctl: Ioctl,
): { readonly gated: true } | { readonly refused: string } | { readonly lacking: string } {
  const found = readRs485(fd, ioctl)
  if (found === null) return { refused: 'its driver knows no RS-485 mode' }
  const wanted = wantedRs485(found, settings)
  try {
    ioctl(fd, TIOCSRS485, Uint8Array.from(wanted))
  } catch (thrown) {
    if (!(thrown instanceof KernelFault)) throw thrown
    return { refused: `its driver refuses the RS-485 mode (${thrown.code})` }
  }
  const got = readRs485(fd, ioctl)
  if (got === null || !isEnabled(got)) return { refused: 'its driver has no RS-485 mode' }
  const lacking = missingOf(wanted, got, settings)
  return lacking === null ? { gated: true } : { lacking }
}

/** Off, where somebody left it on. */
export function clearRs485(fd: number, ioctl: Ioctl): void {
  const found = readRs485(fd, ioctl)
  if (found === null || !isEnabled(found)) return
  const off = Uint8Array.from(found)
  new DataView(off.buffer).setUint32(0, (flagsOf(found) & ~Rs485Flag.enabled) >>> 0, LITTLE)
  ioctl(fd, TIOCSRS485, off)
}

/** As it was found: a driver keeps its settings when a port is closed, and what is said nowhere must not depend on what was
 *  said before. */
export function restoreRs485(fd: number, found: Uint8Array | null, ioctl: Ioctl): void {
  const now = found === null ? null : readRs485(fd, ioctl)
  if (found === null || now === null || found.every((byte, at) => byte === now[at])) return
  try {
    ioctl(fd, TIOCSRS485, Uint8Array.from(found))
  } catch (thrown) {
    // It goes away at this very moment.
    if (!(thrown instanceof KernelFault)) throw thrown
  }
}

function flagsOf(structure: Uint8Array): number {
  return new DataView(structure.buffer).getUint32(0, LITTLE)
}

function switched(flags: number, flag: number, on: boolean | undefined): number {
  if (on === undefined) return flags
  return on ? flags | flag : flags & ~flag
}
