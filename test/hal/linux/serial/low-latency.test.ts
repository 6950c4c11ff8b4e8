/** The flag of struct serial_struct, and the timer of FTDI adapters. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ioctl, KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import {
  ASYNC_LOW_LATENCY,
  FLAGS_AT,
  lowerLatency,
  SERIAL_BYTES,
  TIOCGSERIAL,
  TIOCSSERIAL,
} from '../../../../hal/linux/serial/low-latency.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fieldgate-latency-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function timer(ms: string): string {
  const folder = join(root, 'sys/class/tty/ttyUSB0/device')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'latency_timer'), ms)
  return join(folder, 'latency_timer')
}

/** A driver with other things in its structure that must come back as they were. */
function driver(options: { keeps?: boolean; refuses?: number } = {}) {
  const structure = Uint8Array.from({ length: SERIAL_BYTES }, (_, at) => at)
  new DataView(structure.buffer).setInt32(FLAGS_AT, 0x40, true)
  const ioctl: Ioctl = (_, request, argument) => {
    const given = argument as Uint8Array
    expect(given).toHaveLength(72)
    if (request === TIOCGSERIAL) given.set(structure)
    else {
      expect(request).toBe(TIOCSSERIAL)
      if (options.refuses !== undefined) throw new KernelFault('ioctl', options.refuses)
      if (options.keeps !== false) structure.set(given)
    }
    return 0
  }
  return { ioctl, structure }
}
const none: Ioctl = () => {
  throw new KernelFault('ioctl', 25)
}
const lower = (ioctl: Ioctl) => lowerLatency({ fd: 3, device: '/dev/ttyUSB0', ioctl, root })

test('the flag is raised, and nothing else is changed', () => {
  const { ioctl, structure } = driver()
  const before = Buffer.from(structure)
  expect(lower(ioctl)).toBe(true)
  expect(ASYNC_LOW_LATENCY).toBe(0x2000)
  before.writeInt32LE(0x2040, 16)
  expect(Buffer.from(structure)).toEqual(before)
})

test('a driver that may not be told, or does not keep it, gives in lumps', () => {
  expect(lower(driver({ refuses: 1 }).ioctl)).toBe(false)
  expect(lower(driver({ keeps: false }).ioctl)).toBe(false)
})

test('a driver without such a structure tells nothing', () => {
  expect(lower(none)).toBeUndefined()
})

test('the timer in sysfs is set where the flag did not reach it', () => {
  const file = timer('16\n')
  expect(lower(none)).toBe(true)
  expect(readFileSync(file, 'utf8')).toBe('1')
})

test('the timer counts, not the flag', () => {
  const file = timer('16')
  mkdirSync(`${file}.d`)
  rmSync(file)
  // Somebody else's file, that stays as it is: a folder cannot be written.
  mkdirSync(file)
  expect(lower(driver().ioctl)).toBe(true)
  rmSync(file, { recursive: true })
  writeFileSync(file, '1')
  expect(lower(none)).toBe(true)
})
