import { createReadStream, createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { portVariable } from '../../hal/linux/ports.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import { serialPortSuite } from '../contracts/serial-suite.ts'
import { started } from '../peers/processes.ts'
import { genericBoard } from './generic.ts'

const LINE = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const
const socat = '/usr/bin/socat'
const LINKED = /starting data transfer loop/
if (!existsSync(socat)) console.warn('skipped: the Linux serial port needs socat, which is not installed')

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5))
  if (!holds()) throw new Error('waited ten seconds in vain')
}

describe.skipIf(!existsSync(socat))('a serial port of Linux (a pty)', () => {
  serialPortSuite(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-pty-'))
    const [near, far] = [join(folder, 'near'), join(folder, 'far')]
    // Its links are there before its ends are raw.
    const child = await started(socat, ['-d', '-d', ...[near, far].map((end) => `pty,raw,echo=0,link=${end}`)], LINKED)
    const input = createReadStream(far)
    const output = createWriteStream(far)
    const heard: Buffer[] = []
    input.on('data', (chunk) => heard.push(chunk as Buffer))
    input.on('error', () => {})
    output.on('error', () => {})
    const port = genericBoard().serial(near)
    return {
      port,
      send: (bytes) => output.write(bytes),
      received: () => Buffer.concat(heard),
      unplug() {
        child.kill('SIGKILL')
        rmSync(near, { force: true })
      },
      until,
      settled: (promise) => promise,
      async close() {
        await port.close()
        input.destroy()
        output.destroy()
        child.kill('SIGKILL')
        rmSync(folder, { recursive: true, force: true })
      },
    }
  })
})

describe('the names of ports', () => {
  test('a stable name is found where udev puts it', () => {
    const root = mkdtempSync(join(tmpdir(), 'fieldgate-dev-'))
    mkdirSync(join(root, 'dev/serial/by-id'), { recursive: true })
    writeFileSync(join(root, 'dev/serial/by-id/usb-FTDI_1'), '')
    const port = genericBoard({ root, env: {} }).serial('usb-FTDI_1')
    return port
      .open(LINE)
      .catch((thrown) => thrown)
      .then((fault) => {
        expect(fault).toBeInstanceOf(Retryable)
        expect(fault.message).toContain('usb-FTDI_1')
        expect(port.facts.device).toBe(join(root, 'dev/serial/by-id/usb-FTDI_1'))
        rmSync(root, { recursive: true })
      })
  })

  test("a board's own name is a variable's matter", async () => {
    expect(portVariable('rs485-1')).toBe('FIELDGATE_PORT_RS485_1')
    const port = genericBoard({ env: { FIELDGATE_PORT_RS485_1: '/nowhere/tty' } }).serial('rs485-1')
    const fault = await port.open(LINE).catch((thrown) => thrown)
    expect(fault.message).toBe('rs485-1 (/nowhere/tty) is not there: is the adapter plugged in?')
  })

  test('a name that leads nowhere says where it was looked for', async () => {
    const fault = await genericBoard({ root: '/nonexistent', env: {} })
      .serial('rs485-1')
      .open(LINE)
      .catch((thrown) => thrown)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toMatch(/there is no serial port rs485-1.*FIELDGATE_PORT_RS485_1/)
  })
})
