/** struct serial_rs485 and the two ioctls, byte by byte, against a driver that keeps what it can and drops the rest. */
import { describe, expect, test } from 'vitest'
import { type Ioctl, KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import {
  clearRs485,
  isEnabled,
  missingOf,
  RS485_BYTES,
  Rs485Flag,
  readRs485,
  setRs485,
  TIOCGRS485,
  wantedRs485,
} from '../../../../hal/linux/serial/rs485.ts'
import { driver, hex } from './rs485-driver.ts'

const EINVAL = 22
const ENOTTY = 25

const nothing = new Uint8Array(RS485_BYTES)

describe('the structure', () => {
  test.each([
    ['nothing else: RTS is high while sending', {}, '030000000000000000000000'],
    ['RTS low while sending', { rtsOnSend: 'low' }, '050000000000000000000000'],
    ['RTS high, receiver on', { rtsOnSend: 'high', receiveWhileSending: true }, '130000000000000000000000'],
    ['terminated', { terminate: true }, '230000000000000000000000'],
    ['delays, rounded up to milliseconds', { delayBeforeMs: 1, delayAfterMs: 2.2 }, '030000000100000003000000'],
  ] as const)('%s', (_, settings, bytes) => {
    const wanted = wantedRs485(nothing, { mode: 'kernel', ...settings })
    expect(wanted).toHaveLength(32)
    expect(hex(wanted)).toBe(bytes)
  })

  test('what the device tree has set stays where nothing is said of it', () => {
    const found = new Uint8Array(RS485_BYTES)
    found.set([Rs485Flag.rtsAfterSend | Rs485Flag.terminateBus, 0, 0, 0, 7, 0, 0, 0, 9])
    expect(hex(wantedRs485(found, { mode: 'kernel' }))).toBe('250000000700000009000000')
    expect(hex(wantedRs485(found, { mode: 'kernel', rtsOnSend: 'high', terminate: false, delayAfterMs: 0 }))).toBe(
      '030000000700000000000000',
    )
  })

  test('both polarities, or none, are no polarity', () => {
    const found = new Uint8Array(RS485_BYTES)
    found[0] = Rs485Flag.rtsOnSend | Rs485Flag.rtsAfterSend
    expect(hex(wantedRs485(found, { mode: 'kernel' }))).toBe('030000000000000000000000')
  })
})

describe('a driver', () => {
  test('that can is told, and asked whether it has understood', () => {
    const { ioctl, calls } = driver()
    expect(setRs485(3, { mode: 'kernel', delayAfterMs: 1 }, ioctl)).toEqual({ gated: true })
    expect(calls.map(([request]) => request)).toEqual([0x542e, 0x542f, 0x542e])
    expect(calls[1]![1]).toBe('030000000000000001000000')
  })

  test('that knows no such ioctl refuses', () => {
    const ioctl: Ioctl = () => {
      throw new KernelFault('ioctl', ENOTTY)
    }
    expect(readRs485(3, ioctl)).toBeNull()
    expect(setRs485(3, { mode: 'kernel' }, ioctl)).toEqual({ refused: 'its driver knows no RS-485 mode' })
  })

  test('that says no refuses with the kernel’s word', () => {
    const { ioctl } = driver({ refuses: EINVAL })
    expect(setRs485(3, { mode: 'kernel' }, ioctl)).toEqual({ refused: 'its driver refuses the RS-485 mode (EINVAL)' })
  })

  test('that says yes and does nothing is found out', () => {
    const { ioctl } = driver({ supports: 0 })
    expect(setRs485(3, { mode: 'kernel' }, ioctl)).toEqual({ refused: 'its driver has no RS-485 mode' })
  })

  const { enabled, rtsOnSend, rtsAfterSend } = Rs485Flag
  test.each([
    [{ rtsOnSend: 'low' }, enabled | rtsOnSend, 'cannot hold RTS low while sending (rtsOnSend)'],
    [{ receiveWhileSending: true }, enabled | rtsOnSend, 'cannot receive while it sends (receiveWhileSending)'],
    [{ terminate: true }, enabled | rtsOnSend, 'has no switch for a termination resistor (terminate)'],
  ] as const)('that cannot do %o says which wish it does not grant', (settings, supports, lacking) => {
    const { ioctl } = driver({ supports })
    expect(setRs485(3, { mode: 'kernel', ...settings }, ioctl)).toEqual({ lacking })
  })

  test('that knows only one polarity has it its way, when nobody asked for another', () => {
    const { ioctl } = driver({ supports: enabled | rtsAfterSend })
    expect(setRs485(3, { mode: 'kernel' }, ioctl)).toEqual({ gated: true })
    expect(setRs485(3, { mode: 'kernel', rtsOnSend: 'high' }, ioctl)).toMatchObject({ lacking: /RTS high/ })
  })

  test('that does not wait is told so only to whoever asked for it', () => {
    const { ioctl } = driver({ delays: false })
    expect(setRs485(3, { mode: 'kernel' }, ioctl)).toEqual({ gated: true })
    expect(setRs485(3, { mode: 'kernel', delayBeforeMs: 1 }, ioctl)).toMatchObject({ lacking: /before sending/ })
    expect(setRs485(3, { mode: 'kernel', delayAfterMs: 1 }, ioctl)).toMatchObject({ lacking: /after sending/ })
  })

  test('that always receives cannot be kept from it', () => {
    const wanted = wantedRs485(nothing, { mode: 'kernel', receiveWhileSending: false })
    const got = Uint8Array.from(wanted)
    got[0]! |= Rs485Flag.rxDuringTx
    expect(missingOf(wanted, got, { mode: 'kernel', receiveWhileSending: false })).toMatch(/always receives/)
    expect(missingOf(wanted, got, { mode: 'kernel' })).toBeNull()
  })

  test('that was left switching is switched off, and one that was not is left alone', () => {
    const { ioctl, now, calls } = driver()
    setRs485(3, { mode: 'kernel', delayAfterMs: 4 }, ioctl)
    clearRs485(3, ioctl)
    expect(isEnabled(now)).toBe(false)
    expect(hex(now)).toBe('020000000000000004000000')
    calls.length = 0
    clearRs485(3, ioctl)
    expect(calls.map(([request]) => request)).toEqual([TIOCGRS485])
  })
})
