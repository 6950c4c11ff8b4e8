import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import * as watchdog from '../../../../hal/linux/watchdog/watchdog.ts'
import { ConfigurationFault, Retryable } from '../../../../src/contracts/errors.ts'

/** A watchdog driver, as drivers/watchdog/watchdog_dev.c answers for it. */
class Driver {
  options = watchdog.WDIOF_SETTIMEOUT | watchdog.WDIOF_MAGICCLOSE
  timeoutS = 30
  longestS = 2046
  bootStatus = 0
  broken = false

  readonly ioctl = (_fd: number, request: number, argument: Uint8Array | number): number => {
    const bytes = argument as Uint8Array
    const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (this.broken) throw new KernelFault('ioctl', 5)
    switch (request) {
      case watchdog.WDIOC_GETSUPPORT:
        fields.setUint32(0, this.options, true)
        bytes.set(Buffer.from('i6300ESB timer'), 8)
        return 0
      case watchdog.WDIOC_GETBOOTSTATUS:
        fields.setInt32(0, this.bootStatus, true)
        return 0
      case watchdog.WDIOC_SETTIMEOUT:
        if (fields.getInt32(0, true) > this.longestS) throw new KernelFault('ioctl', 22)
        this.timeoutS = fields.getInt32(0, true)
        return 0
      case watchdog.WDIOC_GETTIMEOUT:
        fields.setInt32(0, this.timeoutS, true)
        return 0
      // WDIOC_KEEPALIVE among them: a driver without WDIOF_KEEPALIVEPING refuses it.
      default:
        throw new KernelFault('ioctl', 25)
    }
  }
}

describe('the watchdog', () => {
  let root: string
  let driver: Driver
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'fieldgate-watchdog-'))
    mkdirSync(join(root, 'dev'))
    mkdirSync(join(root, 'sys/class/watchdog/watchdog0'), { recursive: true })
    writeFileSync(join(root, 'dev/watchdog'), '')
    driver = new Driver()
  })
  afterEach(() => rmSync(root, { recursive: true }))
  const open = (timeoutMs = 15_000, device = '/dev/watchdog') =>
    watchdog.openWatchdog({ device, timeoutMs, root, ioctl: driver.ioctl })
  const written = (): string => readFileSync(join(root, 'dev/watchdog'), 'utf8')
  const fed = (): number => written().split('.').length - 1
  const thrownBy = (act: () => unknown): Error => {
    try {
      act()
    } catch (thrown) {
      return thrown as Error
    }
    throw new Error('nothing was thrown')
  }

  it('is armed with the time asked for, in whole seconds, and fed', () => {
    const armed = open(14_200)
    expect([armed.timeoutMs, armed.identity, driver.timeoutS, fed()]).toEqual([15_000, 'i6300ESB timer', 15, 1])
    armed.feed()
    expect(fed()).toBe(2)
    armed.disarm()
  })

  it('keeps its own time where the one asked for is too long, and says so', () => {
    driver.longestS = 15
    driver.timeoutS = 10
    const armed = open(60_000)
    expect(armed.timeoutMs).toBe(10_000)
    armed.disarm()
  })

  it('is disarmed by the letter V, once, and then no longer fed', () => {
    const armed = open()
    expect(written()).toBe('.')
    armed.disarm()
    armed.disarm()
    expect(written()).toBe('.V')
    expect(thrownBy(() => armed.feed()).message).toBe('the watchdog /dev/watchdog could not be fed: it was disarmed')
  })

  it('cannot be disarmed where the kernel never lets go', () => {
    writeFileSync(join(root, 'sys/class/watchdog/watchdog0/nowayout'), '1\n')
    const armed = open()
    const fault = thrownBy(() => armed.disarm())
    expect(fault).toBeInstanceOf(ConfigurationFault)
    expect(fault.message).toContain('cannot be disarmed (NOWAYOUT')
    expect(written()).toBe('.')
    armed.feed()
    expect(fed()).toBe(2)
  })

  it('tells whether it was the cause of this boot', () => {
    expect(open().causedBoot).toBe(false)
    driver.bootStatus = watchdog.WDIOF_CARDRESET | 1
    expect(open().causedBoot).toBe(true)
  })

  it('that is not there, or is none, says what to do', () => {
    const missing = thrownBy(() => open(15_000, '/dev/watchdog7'))
    expect(missing).toBeInstanceOf(ConfigurationFault)
    expect(missing.message).toBe(
      'the watchdog /dev/watchdog7 is not there: load its driver, or leave watchdog: out of the board file',
    )
    driver.broken = true
    expect(thrownBy(() => open()).message).toContain('the watchdog /dev/watchdog cannot be armed (EIO)')
    // Opened is armed: it is let go.
    expect(written()).toBe('V')
  })

  const sysfs = (files: Readonly<Record<string, string>>): void => {
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(root, 'sys/class/watchdog/watchdog0', name), `${text}\n`)
    }
  }

  it('that fails while it is fed says what comes, and is fed again once that works', () => {
    const pipe = join(root, 'dev/watchdog1')
    execFileSync('mkfifo', [pipe])
    const listen = (): number => openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    const reader = listen()
    const armed = open(15_000, '/dev/watchdog1')
    closeSync(reader)
    const fault = thrownBy(() => armed.feed())
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe(
      'the watchdog /dev/watchdog1 could not be fed (EPIPE): it resets the box within 15 s unless it can be again',
    )
    const again = listen()
    armed.feed()
    closeSync(again)
  })

  it('that fails after it was opened and never lets go is fed on', () => {
    sysfs({ nowayout: '1', timeout: '20', identity: 'bcm2835_wdt' })
    driver.broken = true
    const armed = open()
    expect([armed.timeoutMs, armed.identity, written()]).toEqual([20_000, 'bcm2835_wdt', ''])
    armed.feed()
    expect(written()).toBe('.')
    expect(thrownBy(() => armed.disarm()).message).toContain('the box is reset 20 s after the last feeding')
  })

  it('that takes nothing at all and never lets go says within which time the box is reset', () => {
    sysfs({ nowayout: '1' })
    rmSync(join(root, 'dev/watchdog'))
    symlinkSync('/dev/full', join(root, 'dev/watchdog'))
    expect(thrownBy(() => open().feed()).message).toBe(
      'the watchdog /dev/watchdog could not be fed (ENOSPC): it resets the box within 15 s unless it can be again',
    )
  })

  it('that may be one and cannot be let go says that the box may be reset', () => {
    symlinkSync('/dev/full', join(root, 'dev/watchdog3'))
    driver.broken = true
    expect(thrownBy(() => open(15_000, '/dev/watchdog3')).message).toContain('it resets the box within its timeout')
  })
})
