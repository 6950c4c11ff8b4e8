/** The thread that sends and switches, over real terminals. What it switches here is the terminal's size: a call of the kernel
 *  like that of a GPIO line, whose effect can be seen. */
import type { ChildProcess } from 'node:child_process'
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  mkdtempSync,
  openSync,
  type ReadStream,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ioctl } from '../../../../hal/linux/kernel/kernel.ts'
import type { OpenLine } from '../../../../hal/linux/serial/gate.ts'
import { LinuxSerialPort } from '../../../../hal/linux/serial/port.ts'
import { Retryable } from '../../../../src/contracts/errors.ts'
import { ended, started, until } from '../../../peers/processes.ts'

/** <asm-generic/ioctls.h>; struct winsize of <asm-generic/termios.h>: four u16. */
const TIOCGWINSZ = 0x5413
const TIOCSWINSZ = 0x5414

const LINE = {
  baudRate: 19_200,
  dataBits: 8,
  parity: 'even',
  stopBits: 1,
  // Long enough to be seen on a machine that has much else to do.
  rs485: { mode: 'gpio', enable: { chip: 'chip', line: 4 }, delayAfterMs: 100 },
} as const

describe.skipIf(!existsSync('/usr/bin/socat'))('a port whose transmitter is switched by a line', () => {
  let folder: string
  let socat: ChildProcess
  let far: ReadStream
  let lamp: number
  let heard: Buffer[]
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-direction-'))
    const ends = ['near', 'far'].map((end) => `pty,raw,echo=0,link=${join(folder, end)}`)
    socat = await started('/usr/bin/socat', ['-d', '-d', ...ends], /starting data transfer loop/)
    heard = []
    far = createReadStream(join(folder, 'far'))
    far.on('data', (chunk) => heard.push(chunk as Buffer))
    far.on('error', () => {})
    lamp = openSync(join(folder, 'far'), constants.O_RDWR | constants.O_NOCTTY)
  })
  afterEach(async () => {
    far.destroy()
    closeSync(lamp)
    await ended(socat)
    rmSync(folder, { recursive: true })
  })

  const isOn = (): boolean => {
    const size = new Uint8Array(8)
    ioctl(lamp, TIOCGWINSZ, size)
    return size[0] === 1
  }
  /** Nothing is awaited here: what switches it on and off again is not the event loop. */
  const switchesOn = (): void => {
    const end = performance.now() + 20_000
    while (!isOn() && performance.now() < end);
    expect(isOn()).toBe(true)
  }
  const line = (closed: string[] = []): OpenLine => {
    return ({ chip, line }) => ({
      enable: {
        fd: lamp,
        request: TIOCSWINSZ,
        on: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
        off: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0),
      },
      close: () => closed.push(`${chip} ${line}`),
    })
  }
  const portOf = (openLine: OpenLine, name = 'rs485-1') =>
    new LinuxSerialPort({ name, find: () => join(folder, 'near'), openLine })

  test('sends with the transmitter on, and is done when it is off', async () => {
    const closed: string[] = []
    const port = portOf(line(closed))
    await port.open(LINE)
    expect(port.facts.gatedTransmitter).toBe(true)
    expect(isOn()).toBe(false)
    for (let round = 0; round < 5; round++) {
      heard.length = 0
      const written = port.write(Uint8Array.of(1, 3, 0, 0x11, 0x13, 0xff))
      switchesOn()
      await written
      expect(isOn()).toBe(false)
      await until('the frame', () => Buffer.concat(heard).length >= 6)
      expect([...Buffer.concat(heard)]).toEqual([1, 3, 0, 0x11, 0x13, 0xff])
    }
    await port.close()
    expect(closed).toEqual(['chip 4'])
  })

  test('sends while this process has no time at all for anything else', async () => {
    const port = portOf(line())
    await port.open(LINE)
    const written = port.write(new Uint8Array(8).fill(0x55))
    switchesOn()
    const end = performance.now() + 20_000
    while (isOn() && performance.now() < end);
    expect(isOn()).toBe(false)
    await written
    await port.close()
  })

  test('is not open when its line cannot be had, and says which line', async () => {
    const refused = () => {
      throw new Retryable('line 4 of chip is used by "other"', { reason: 11 })
    }
    const port = portOf(refused)
    const fault = await port.open(LINE).catch((thrown) => thrown)
    expect(fault.message).toBe('line 4 of chip is used by "other"')
    // The device is free again.
    const next = portOf(line())
    await next.open(LINE)
    await next.close()
  })

  test('says when its line fails, and sends nothing', async () => {
    const gone: OpenLine = (address) => {
      const { enable, close } = line()(address)
      return { enable: { ...enable, on: Uint8Array.of(1), request: 0x1234 }, close }
    }
    const fault = await portOf(gone)
      .open(LINE)
      .catch((thrown) => thrown)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toMatch(/^rs485-1 \(.*near\) cannot send: .*ENOTTY/)
    expect(heard).toEqual([])
  })

  test('without a line says where to name one', async () => {
    const fault = await portOf(line())
      .open({ ...LINE, rs485: { mode: 'gpio' } })
      .catch((thrown) => thrown)
    expect(fault.message).toMatch(/no line that enables its transmitter.*add enable/)
  })

  test('takes the line from the board when the connection names none', async () => {
    const closed: string[] = []
    const port = new LinuxSerialPort({
      name: 'rs485-1',
      find: () => join(folder, 'near'),
      openLine: line(closed),
      rs485: { mode: 'adapter', enable: { chip: 'of the board', line: 7 } },
    })
    await port.open({ ...LINE, rs485: { mode: 'auto' } })
    expect(port.facts.gatedTransmitter).toBe(true)
    await port.close()
    expect(closed).toEqual(['of the board 7'])
  })

  test('survives being unplugged while it sends', async () => {
    const port = portOf(line())
    await port.open(LINE)
    const reasons: string[] = []
    const answer: number[] = []
    port.onClose((why) => reasons.push(why))
    port.onData((chunk) => answer.push(...chunk))
    writeSync(lamp, Uint8Array.of(1))
    await until('something to come', () => answer.length > 0)
    const writing = port.write(new Uint8Array(64)).catch((thrown) => thrown)
    socat.kill('SIGKILL')
    await writing
    await until('the port to be lost', () => reasons.length > 0)
    expect(await port.write(Uint8Array.of(1)).catch((thrown) => thrown)).toBeInstanceOf(Retryable)
    await port.close()
  })
})
