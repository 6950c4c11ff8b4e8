import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KernelFault } from '../../hal/linux/kernel.ts'
import * as watchdog from '../../hal/linux/watchdog.ts'
import { ConfigurationFault, Retryable } from '../../src/contracts/errors.ts'

/** A watchdog driver, as drivers/watchdog/watchdog_dev.c answers for it. */
class Driver {
  options = watchdog.WDIOF_SETTIMEOUT | watchdog.WDIOF_MAGICCLOSE
  timeoutS = 30
  longestS = 2046
  bootStatus = 0
  fed = 0
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
      case watchdog.WDIOC_KEEPALIVE:
        this.fed += 1
        return 0
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
    expect([armed.timeoutMs, armed.identity, driver.timeoutS, driver.fed]).toEqual([15_000, 'i6300ESB timer', 15, 1])
    armed.feed()
    expect(driver.fed).toBe(2)
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
    expect(written()).toBe('')
    armed.disarm()
    armed.disarm()
    expect(written()).toBe('V')
    expect(thrownBy(() => armed.feed()).message).toBe('the watchdog /dev/watchdog could not be fed: it was disarmed')
  })

  it('cannot be disarmed where the kernel never lets go', () => {
    writeFileSync(join(root, 'sys/class/watchdog/watchdog0/nowayout'), '1\n')
    const armed = open()
    const fault = thrownBy(() => armed.disarm())
    expect(fault).toBeInstanceOf(ConfigurationFault)
    expect(fault.message).toContain('cannot be disarmed (NOWAYOUT')
    expect(written()).toBe('')
    armed.feed()
    expect(driver.fed).toBe(2)
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

  it('that fails while it is fed says what comes', () => {
    const armed = open()
    driver.broken = true
    const fault = thrownBy(() => armed.feed())
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe('the watchdog /dev/watchdog could not be fed (EIO): it will reset the box')
  })
})
