/** Who switches the transmitter: as the connection says, as the board says, and as the port was found. */
import { describe, expect, test } from 'vitest'
import type { Rs485Settings } from '../../../../hal/contract.ts'
import { type Ioctl, KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import { gateOf } from '../../../../hal/linux/serial/gate.ts'
import { RS485_BYTES, Rs485Flag } from '../../../../hal/linux/serial/rs485.ts'
import { Retryable } from '../../../../src/contracts/errors.ts'
import { driver, hex } from './rs485-driver.ts'

const line = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const
const none: Ioctl = () => {
  throw new KernelFault('ioctl', 25)
}

function gate(ioctl: Ioctl, rs485?: Rs485Settings, board?: Rs485Settings) {
  const settings = rs485 === undefined ? line : { ...line, rs485 }
  return gateOf({ fd: 3, device: '/dev/ttyX', where: 'bus', settings, board, ioctl, openLine: undefined })
}

/** As the device tree left it. */
function found(flags: number, delayAfter = 0): Uint8Array {
  const structure = new Uint8Array(RS485_BYTES)
  structure[0] = flags
  structure[8] = delayAfter
  return structure
}

describe('a port of which nothing is said', () => {
  test('stays as it is, and tells whether the device tree has its transmitter switched', async () => {
    const { ioctl, calls } = driver({ now: found(Rs485Flag.enabled | Rs485Flag.rtsOnSend) })
    const { gated, close } = await gate(ioctl)
    await close(false)
    expect(gated).toBe(true)
    expect(calls.map(([request]) => request)).toEqual([0x542e])
    expect((await gate(driver().ioctl)).gated).toBeUndefined()
    expect((await gate(none)).gated).toBeUndefined()
  })
})

describe('a port whose kernel switches', () => {
  test('is given back as it was found, so that what is said later does not depend on what was said before', async () => {
    const { ioctl, now } = driver({ now: found(Rs485Flag.rtsAfterSend, 7) })
    const first = await gate(ioctl, { mode: 'kernel', rtsOnSend: 'high', delayAfterMs: 1, receiveWhileSending: true })
    expect(hex(now)).toBe('130000000000000001000000')
    await first.close(false)
    expect(hex(now)).toBe('040000000000000007000000')
    const second = await gate(ioctl, { mode: 'kernel' })
    expect(hex(now)).toBe('050000000000000007000000')
    await second.close(false)
  })

  test('is left alone when it is gone: its number may be another file', async () => {
    const { ioctl, calls } = driver()
    const { close } = await gate(ioctl, { mode: 'kernel' })
    calls.length = 0
    await close(true)
    expect(calls).toEqual([])
  })

  test('is given back also when a wish is not granted', async () => {
    const { ioctl, now } = driver({ supports: Rs485Flag.enabled | Rs485Flag.rtsOnSend })
    const fault = await gate(ioctl, { mode: 'kernel', terminate: true }).catch((thrown) => thrown)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe(
      'bus: its driver switches the transmitter, but has no switch for a termination resistor (terminate): leave that key of rs485 out',
    )
    expect(hex(now)).toBe('000000000000000000000000')
  })

  test('goes away while it is closed, and that is no fault', async () => {
    const { ioctl, now } = driver()
    const { close } = await gate(
      (fd, request, argument) => {
        if (now[0] !== 0 && request === 0x542f) throw new KernelFault('ioctl', 5)
        return ioctl(fd, request, argument)
      },
      { mode: 'kernel' },
    )
    await close(false)
  })
})

describe('who is chosen', () => {
  const board: Rs485Settings = { mode: 'kernel', delayAfterMs: 2 }

  test('is who the board says, with what the connection says besides', async () => {
    const { ioctl, now } = driver()
    await gate(ioctl, undefined, board)
    expect(hex(now)).toBe('030000000000000002000000')
    const own = driver()
    expect((await gate(own.ioctl, { mode: 'adapter' }, board)).gated).toBeUndefined()
    expect(hex(own.now)).toBe('000000000000000000000000')
  })

  test('with adapter is nobody, also where the device tree has it on', async () => {
    const { ioctl, now } = driver({ now: found(Rs485Flag.enabled | Rs485Flag.rtsOnSend) })
    const { gated, close } = await gate(ioctl, { mode: 'adapter' })
    expect(gated).toBeUndefined()
    expect(isOn(now)).toBe(false)
    await close(false)
    expect(isOn(now)).toBe(true)
  })

  test('with auto is the kernel, and nobody where it cannot', async () => {
    expect((await gate(driver().ioctl, { mode: 'auto' })).gated).toBe(true)
    expect((await gate(none, { mode: 'auto' })).gated).toBeUndefined()
    expect((await gate(driver({ supports: 0 }).ioctl, { mode: 'auto' })).gated).toBeUndefined()
  })

  test('with auto falls through to nobody only when no line is named', async () => {
    const fault = await gate(none, { mode: 'auto', enable: { chip: 'c', line: 1 } }).catch((thrown) => thrown)
    expect(fault.message).toMatch(/no line that enables/)
  })
})

function isOn(structure: Uint8Array): boolean {
  return (structure[0]! & Rs485Flag.enabled) !== 0
}
