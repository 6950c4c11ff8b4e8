/** The hardware timer that resets the box when it is not fed (Documentation/watchdog/watchdog-api.rst), fed by this process where
 *  no systemd does it. Numbers and structures are those of <linux/watchdog.h>. */
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import type { Watchdog } from '../../contract.ts'
import { codeOf, unavailable } from '../../fault.ts'
import type { Box } from '../kernel/box.ts'
import { ioctl as kernel } from '../kernel/kernel.ts'
import { isRefused, userName } from '../kernel/rights.ts'

/** `_IOR('W', …)` and `_IOWR('W', …)` of `int`, and of `struct watchdog_info` for the first. */
export const WDIOC_GETSUPPORT = 0x80285700
export const WDIOC_GETBOOTSTATUS = 0x80045702
export const WDIOC_SETTIMEOUT = 0xc0045706
export const WDIOC_GETTIMEOUT = 0x80045707

export const WATCHDOG_INFO_BYTES = 40
/** Bits of `options` and of the boot status. */
export const WDIOF_CARDRESET = 0x20
export const WDIOF_SETTIMEOUT = 0x80
export const WDIOF_MAGICCLOSE = 0x100

/** Any byte but V feeds; WDIOC_KEEPALIVE is refused by drivers without WDIOF_KEEPALIVEPING (watchdog_dev.c). */
const FOOD = Buffer.from('.')

/** `struct watchdog_info`. */
export function decodeWatchdogInfo(bytes: Uint8Array): { readonly options: number; readonly identity: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const name = bytes.subarray(8, WATCHDOG_INFO_BYTES)
  const end = name.indexOf(0)
  return {
    options: view.getUint32(0, true),
    identity: new TextDecoder().decode(end < 0 ? name : name.subarray(0, end)),
  }
}

export interface LinuxWatchdog extends Watchdog {
  /** `i6300ESB timer` */
  readonly identity: string
  /** The box last started because the watchdog was not fed. */
  readonly causedBoot: boolean
}

/** Arms it. Throws ConfigurationFault (none there, no rights, cannot be armed) or Retryable (another feeds it). */
export function openWatchdog({
  device,
  timeoutMs,
  ...box
}: { readonly device: string; readonly timeoutMs: number } & Box): LinuxWatchdog {
  const { root = '/', ioctl = kernel } = box
  const text = `the watchdog ${device}`
  const path = join(root, device)
  let fd: number | undefined = open(path, text, root)
  const number = (request: number, value = 0): number => {
    const cell = new Int32Array([value])
    ioctl(fd!, request, new Uint8Array(cell.buffer))
    return cell[0]!
  }
  const close = (): void => {
    closeSync(fd!)
    fd = undefined
  }
  const magicClose = (): void => {
    writeSync(fd!, 'V')
    close()
  }
  const ofSysfs = (file: string): string | undefined => readSysfs(root, device, file)
  const nowayout = ofSysfs('nowayout') === '1'
  const sysfsMs = Number(ofSysfs('timeout') ?? 0) * 1000
  let info: ReturnType<typeof decodeWatchdogInfo> | undefined
  let inForceMs = 0
  try {
    const answer = new Uint8Array(WATCHDOG_INFO_BYTES)
    ioctl(fd, WDIOC_GETSUPPORT, answer)
    info = decodeWatchdogInfo(answer)
    const settable = (info.options & WDIOF_SETTIMEOUT) !== 0
    // Whole seconds; a longer time than the hardware has is refused as invalid: then its own is kept, and said.
    const set = settable ? quietly(() => number(WDIOC_SETTIMEOUT, Math.max(1, Math.ceil(timeoutMs / 1000)))) : undefined
    inForceMs = (set ?? number(WDIOC_GETTIMEOUT)) * 1000
    writeSync(fd, FOOD)
  } catch (thrown) {
    const why = `${text} cannot be armed (${codeOf(thrown) || String(thrown)}): it may be no watchdog, or its driver fails`
    // Opening it has armed it: unless it is let go, the box would be reset although nobody means it.
    if (!nowayout && letGo(info, magicClose)) {
      throw new ConfigurationFault(`${why}; leave watchdog: out of the board file to run without`, { cause: thrown })
    }
    if (info === undefined && sysfsMs === 0) {
      close()
      throw new ConfigurationFault(
        `${why}, and if it is one, opening it has armed it for good, and it resets the box within its timeout; leave watchdog: out of the board file to run without`,
        { cause: thrown },
      )
    }
    // One that stays armed is fed on, as well as it can be; who feeds it is told when that fails.
  }
  inForceMs ||= sysfsMs || timeoutMs
  const within = `it resets the box within ${inForceMs / 1000} s`
  const kept = nowayout || info === undefined || (info.options & WDIOF_MAGICCLOSE) === 0
  return {
    timeoutMs: inForceMs,
    identity: info?.identity ?? ofSysfs('identity') ?? '',
    causedBoot: ((quietly(() => number(WDIOC_GETBOOTSTATUS)) ?? 0) & WDIOF_CARDRESET) !== 0,
    feed() {
      if (fd === undefined) throw unavailable(`${text} could not be fed: it was disarmed`)
      try {
        writeSync(fd, FOOD)
      } catch (thrown) {
        throw unavailable(`${text} could not be fed (${codeOf(thrown)}): ${within} unless it can be again`, thrown)
      }
    },
    disarm() {
      if (fd === undefined) return
      if (kept) {
        throw new ConfigurationFault(
          `${text} cannot be disarmed (NOWAYOUT, or a driver without magic close): the box is reset ${inForceMs / 1000} s after the last feeding`,
        )
      }
      magicClose()
    },
  }
}

/** false: it stays armed. */
function letGo(info: { readonly options: number } | undefined, magicClose: () => void): boolean {
  if (info !== undefined && (info.options & WDIOF_MAGICCLOSE) === 0) return false
  const done = quietly(() => {
    magicClose()
    return true
  })
  return done ?? false
}

function open(path: string, text: string, root: string): number {
  try {
    return openSync(path, constants.O_WRONLY)
  } catch (thrown) {
    if (codeOf(thrown) === 'EBUSY') {
      const systemd = existsSync(join(root, 'run/systemd/system'))
      throw unavailable(
        systemd
          ? `${text} is taken: systemd feeds it already (RuntimeWatchdogSec=), and feeds it only while it is well; leave watchdog: out of the board file, systemd watches the service by WatchdogSec=`
          : `${text} is taken: another program feeds it (watchdog, wd_keepalive?); stop that, or leave watchdog: out of the board file`,
        thrown,
      )
    }
    if (isRefused(thrown)) {
      throw new ConfigurationFault(
        `${text} may not be opened by user ${userName()}: let systemd feed it (RuntimeWatchdogSec= in system.conf) and leave watchdog: out of the board file, or give the device to the service (a udev rule, DeviceAllow= in the unit)`,
        { cause: thrown },
      )
    }
    const what = codeOf(thrown) === 'ENOENT' ? 'is not there' : `cannot be opened (${codeOf(thrown)})`
    throw new ConfigurationFault(`${text} ${what}: load its driver, or leave watchdog: out of the board file`, {
      cause: thrown,
    })
  }
}

/** A file of `/sys/class/watchdog`; `/dev/watchdog` is the first one. */
function readSysfs(root: string, device: string, file: string): string | undefined {
  const name = basename(device) === 'watchdog' ? 'watchdog0' : basename(device)
  return quietly(() => readFileSync(join(root, 'sys/class/watchdog', name, file), 'utf8').trim())
}

function quietly<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}
