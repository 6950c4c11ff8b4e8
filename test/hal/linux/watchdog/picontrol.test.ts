import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import {
  KB_FIND_VARIABLE,
  KB_GET_VALUE,
  KB_SET_VALUE,
  openToggledWatchdog,
} from '../../../../hal/linux/watchdog/picontrol.ts'
import { ConfigurationFault, Fatal, Retryable } from '../../../../src/contracts/errors.ts'

const DESCRIPTION = { device: '/dev/piControl0', timeoutMs: 60_000, toggle: { variable: 'RevPiLED', bit: 7 } }
const ADDRESS = 6

/** The process image, as src/piControlMain.c answers for it. */
class ProcessImage {
  readonly bytes = new Uint8Array(64)
  running = true

  readonly ioctl = (_fd: number, request: number, argument: Uint8Array | number): number => {
    if (!this.running) throw new KernelFault('ioctl', 11)
    const given = argument as Uint8Array
    const view = new DataView(given.buffer)
    if (request === KB_FIND_VARIABLE) {
      const known = new TextDecoder().decode(given.subarray(0, 32)).replace(/\0.*$/, '') === 'RevPiLED'
      view.setUint16(32, known ? ADDRESS : 0xffff, true)
      view.setUint16(36, known ? 8 : 0xffff, true)
      if (!known) throw new KernelFault('ioctl', 14)
      return 0
    }
    const at = view.getUint16(0, true)
    if (request === KB_GET_VALUE) given[3] = (this.bytes[at]! >> given[2]!) & 1
    else if (request === KB_SET_VALUE) {
      this.bytes[at] = given[3] ? this.bytes[at]! | (1 << given[2]!) : this.bytes[at]! & ~(1 << given[2]!)
    } else throw new KernelFault('ioctl', 22)
    return 0
  }
}

describe('the watchdog of a Revolution Pi Connect', () => {
  let root: string
  let image: ProcessImage
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'fieldgate-revpi-'))
    mkdirSync(join(root, 'dev'))
    writeFileSync(join(root, 'dev/piControl0'), '')
    image = new ProcessImage()
  })
  afterEach(() => rmSync(root, { recursive: true }))
  const open = (toggle = DESCRIPTION.toggle) =>
    openToggledWatchdog({ ...DESCRIPTION, toggle }, { root, ioctl: image.ioctl })

  it('is fed by changing bit 7 of RevPiLED, and the lamps beside it stay', () => {
    image.bytes[ADDRESS] = 0b0001_0110
    const watchdog = open()
    expect(image.bytes[ADDRESS]).toBe(0b0001_0110)
    watchdog.feed()
    expect(image.bytes[ADDRESS]).toBe(0b1001_0110)
    watchdog.feed()
    expect(image.bytes[ADDRESS]).toBe(0b0001_0110)
  })

  it('is fed also when another program changed the bit in between', () => {
    const watchdog = open()
    image.bytes[ADDRESS] = 0x80
    watchdog.feed()
    expect(image.bytes[ADDRESS]).toBe(0)
  })

  it('cannot be disarmed, and says what keeps it from biting', () => {
    expect(() => open().disarm()).toThrow(Fatal)
    expect(() => open().disarm()).toThrow(/WD is bridged to 0 V/)
  })

  it('says what is missing: the device, the variable, or the exchange of data', () => {
    expect(() => open({ variable: 'RevPiLamp', bit: 7 })).toThrow(ConfigurationFault)
    expect(() => open({ variable: 'RevPiLamp', bit: 7 })).toThrow(/no variable RevPiLamp: save the project in PiCtory/)
    const watchdog = open()
    image.running = false
    expect(() => watchdog.feed()).toThrow(Retryable)
    expect(() => watchdog.feed()).toThrow(/piTest -d/)
    rmSync(join(root, 'dev/piControl0'))
    expect(() => open()).toThrow(/\/dev\/piControl0 is not there: load the module piControl/)
  })
})
