/** The watchdog of a Revolution Pi Connect: a bit of piControl's process image that must change before the time is over. Numbers
 *  and structures are those of src/piControl.h in github.com/RevolutionPi/piControl. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationFault, Fatal, type Retryable } from '../../../src/contracts/errors.ts'
import type { Watchdog, WatchdogDescription } from '../../contract.ts'
import { unavailable } from '../../fault.ts'
import { type Ioctl, ioctl as kernel } from '../kernel/kernel.ts'

/** _IO('K', 15), _IO('K', 16), _IO('K', 17) */
export const KB_GET_VALUE = 0x4b0f
export const KB_SET_VALUE = 0x4b10
export const KB_FIND_VARIABLE = 0x4b11

/** struct SPIVariableStr: char strVarName[32], u16 i16uAddress, u8 i8uBit, u8 pad, u16 i16uLength. */
const VARIABLE_BYTES = 38
const NAME_BYTES = 32
/** struct SPIValueStr: u16 i16uAddress, u8 i8uBit, u8 i8uValue. */
const VALUE_BYTES = 4
const NOWHERE = 0xffff
type Toggled = WatchdogDescription & { readonly toggle: NonNullable<WatchdogDescription['toggle']> }

/** Throws ConfigurationFault where there is no such device or variable, Retryable while piControl does not run. */
export function openToggledWatchdog(
  { device, timeoutMs, toggle }: Toggled,
  { root = '/', ioctl = kernel }: { readonly root?: string; readonly ioctl?: Ioctl } = {},
): Watchdog {
  const fd = opened(join(root, device), device)
  let value: Uint8Array
  let open = true
  try {
    value = find(fd, device, toggle, ioctl)
  } catch (thrown) {
    closeSync(fd)
    throw thrown
  }
  return {
    timeoutMs,
    feed() {
      asked(device, () => {
        ioctl(fd, KB_GET_VALUE, value)
        value[3] = value[3] === 0 ? 1 : 0
        ioctl(fd, KB_SET_VALUE, value)
      })
    },
    disarm() {
      if (!open) return
      open = false
      closeSync(fd)
      throw new Fatal(
        `the watchdog behind ${device} cannot be disarmed: it resets the box ${timeoutMs / 1000} s after it was fed last, unless its terminal WD is bridged to 0 V`,
      )
    },
  }
}

function opened(path: string, device: string): number {
  try {
    return openSync(path, 'r+')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new ConfigurationFault(
      code === 'ENOENT'
        ? `the watchdog's ${device} is not there: load the module piControl, or leave watchdog out of the board file`
        : `the watchdog's ${device} may not be opened (${code}): give this user the right to, or leave watchdog out of the board file`,
      { cause },
    )
  }
}

/** The question for the bit, with the address that PiCtory gave the variable. */
function find(fd: number, device: string, toggle: Toggled['toggle'], ioctl: Ioctl): Uint8Array {
  const question = new Uint8Array(VARIABLE_BYTES)
  new TextEncoder().encodeInto(toggle.variable, question.subarray(0, NAME_BYTES - 1))
  try {
    ioctl(fd, KB_FIND_VARIABLE, question)
  } catch (cause) {
    // Of a variable that it does not know it says so in the structure, and by ENOENT or EFAULT.
    if ((cause as { code?: string }).code === 'EAGAIN') throw explained(device, cause)
  }
  const view = new DataView(question.buffer)
  const address = view.getUint16(NAME_BYTES, true)
  if (address === NOWHERE || view.getUint16(NAME_BYTES + 4, true) === 0) {
    throw new ConfigurationFault(
      `the process image of ${device} has no variable ${toggle.variable}: save the project in PiCtory, or correct watchdog.toggle in the board file`,
    )
  }
  const value = new Uint8Array(VALUE_BYTES)
  new DataView(value.buffer).setUint16(0, address + (toggle.bit >> 3), true)
  value[2] = toggle.bit & 7
  return value
}

function asked(device: string, ask: () => void): void {
  try {
    ask()
  } catch (cause) {
    throw explained(device, cause)
  }
}

function explained(device: string, cause: unknown): Retryable {
  const { code } = cause as { code?: string }
  const why = code === 'EAGAIN' ? 'piControl does not exchange data: see piTest -d' : (cause as Error).message
  return unavailable(`the watchdog behind ${device} could not be fed: ${why}`, cause)
}
