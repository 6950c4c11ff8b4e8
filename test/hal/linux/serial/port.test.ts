import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Ioctl, KernelFault } from '../../../../hal/linux/kernel/kernel.ts'
import { explainOpening } from '../../../../hal/linux/serial/fault.ts'
import { TIOCOUTQ, TIOCSER_TEMT, TIOCSERGETLSR } from '../../../../hal/linux/serial/leaving.ts'
import { LinuxSerialPort } from '../../../../hal/linux/serial/port.ts'
import { portVariable } from '../../../../hal/linux/serial/ports.ts'
import { portsThere } from '../../../../hal/linux/serial/ports-there.ts'
import { Retryable } from '../../../../src/contracts/errors.ts'
import { serialPortSuite } from '../../../contracts/serial-suite.ts'
import { started } from '../../../peers/processes.ts'
import { genericBoard } from '../generic.ts'

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
    expect(fault.message).toMatch(/^rs485-1 \(\/nowhere\/tty\) is not there: is the adapter plugged in\?/)
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

describe.skipIf(!existsSync(socat))('an adapter that is plugged in again', () => {
  test('is found by its stable name under whatever file it came back as', async () => {
    const root = mkdtempSync(join(tmpdir(), 'fieldgate-replug-'))
    mkdirSync(join(root, 'dev/serial/by-id'), { recursive: true })
    const stable = join(root, 'dev/serial/by-id/usb-FTDI_1')
    const plug = async (name: string) => {
      const ends = [join(root, 'dev', name), join(root, 'far')]
      const child = await started(socat, ['-d', '-d', ...ends.map((end) => `pty,raw,echo=0,link=${end}`)], LINKED)
      symlinkSync(join(root, 'dev', name), stable)
      const far = openSync(join(root, 'far'), 'r+')
      return {
        send: (byte: number) => writeSync(far, Uint8Array.of(byte)),
        unplug: async () => {
          child.kill('SIGKILL')
          closeSync(far)
          for (const link of [stable, join(root, 'dev', name), join(root, 'far')]) rmSync(link, { force: true })
        },
      }
    }
    const port = genericBoard({ root, env: {} }).serial('usb-FTDI_1')
    const [reasons, heard]: [string[], number[]] = [[], []]
    port.onClose((why) => reasons.push(why))
    port.onData((chunk) => heard.push(...chunk))
    try {
      for (const [turn, name] of ['ttyUSB0', 'ttyUSB1', 'ttyUSB0'].entries()) {
        const adapter = await plug(name)
        await port.open(LINE)
        await until(() => {
          adapter.send(turn)
          return heard.includes(turn)
        })
        expect(realpathSync(port.facts.device)).toBe(realpathSync(join(root, 'dev', name)))
        await adapter.unplug()
        await until(() => reasons.length === turn + 1)
        expect(reasons[turn]).toMatch(/^usb-FTDI_1 \(.*\) was unplugged or failed$/)
        const fault = await port.open(LINE).catch((thrown) => thrown)
        expect(fault).toBeInstanceOf(Retryable)
      }
    } finally {
      await port.close()
      rmSync(root, { recursive: true })
    }
  })

  test('is missed also when it goes in the instant of its opening, or while it is being read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-instant-'))
    const near = join(folder, 'near')
    const port = genericBoard().serial(near)
    const reasons: string[] = []
    port.onClose((why) => reasons.push(why))
    for (let turn = 0; turn < 8; turn++) {
      const ends = [near, join(folder, 'far')].map((end) => `pty,raw,echo=0,link=${end}`)
      const child = await started(socat, ['-d', '-d', ...ends], LINKED)
      await port.open(LINE)
      if (turn % 2 === 1) writeFileSync(join(folder, 'far'), 'much to read'.repeat(100))
      child.kill('SIGKILL')
      await until(() => reasons.length === turn + 1)
      expect(await port.write(Uint8Array.of(1)).catch((thrown) => thrown)).toBeInstanceOf(Retryable)
      for (const end of ['near', 'far']) rmSync(join(folder, end), { force: true })
    }
    rmSync(folder, { recursive: true })
  })
})

describe.skipIf(!existsSync(socat))('a frame', () => {
  const opened = async (told: { queued: number; empty: boolean | null; gone?: boolean; now?: number }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-leaving-'))
    const near = join(folder, 'near')
    const ends = [near, join(folder, 'far')].map((end) => `pty,raw,echo=0,link=${end}`)
    const child = await started(socat, ['-d', '-d', ...ends], LINKED)
    let asked = 0
    const ioctl: Ioctl = (_, request, argument) => {
      const answer = new DataView((argument as Uint8Array).buffer ?? new ArrayBuffer(4))
      if (told.gone) throw new KernelFault('ioctl', 5)
      if (request === TIOCOUTQ) answer.setInt32(0, told.queued, true)
      else if (request === TIOCSERGETLSR && told.empty !== null) answer.setInt32(0, told.empty ? TIOCSER_TEMT : 0, true)
      else throw new KernelFault('ioctl', 25)
      asked++
      return 0
    }
    const port = new LinuxSerialPort({ name: 'bus', find: () => near, ioctl, monotonic: () => told.now ?? 0 })
    await port.open(LINE)
    return {
      port,
      asked: () => asked,
      async end() {
        await port.close()
        child.kill('SIGKILL')
        rmSync(folder, { recursive: true })
      },
    }
  }

  test('has left when nothing is queued and the chip is empty', async () => {
    const told = { queued: 8, empty: false }
    const { port, asked, end } = await opened(told)
    let left = false
    const writing = port.write(new Uint8Array(8)).then(() => {
      left = true
    })
    await until(() => asked() > 3)
    expect(left).toBe(false)
    told.queued = 0
    const before = asked()
    await until(() => asked() > before + 3)
    expect(left).toBe(false)
    told.empty = true
    await writing
    await end()
  })

  test('of a driver that does not tell of its chip has left when nothing is queued', async () => {
    const { port, end } = await opened({ queued: 0, empty: null })
    await port.write(new Uint8Array(8))
    await end()
  })

  test('has left soon after its time when nothing is queued, though the adapter never says that its chip is empty', async () => {
    const told = { queued: 0, empty: false, now: 0 }
    const { port, asked, end } = await opened(told)
    let left = false
    const writing = port.write(new Uint8Array(8)).then(() => {
      left = true
    })
    await until(() => asked() > 6)
    expect(left).toBe(false)
    told.now = 60
    await writing
    await end()
  })

  test('that an adapter keeps back is given up, with what to do', async () => {
    const told = { queued: 5, empty: false, now: 0 }
    const { port, asked, end } = await opened(told)
    const fault = port.write(new Uint8Array(8)).catch((thrown) => thrown)
    await until(() => asked() > 3)
    told.now = 3000
    expect(await fault).toBeInstanceOf(Retryable)
    expect((await fault).message).toMatch(/5 bytes wait.*plug it in again/)
    await end()
  })

  test('that never leaves is given up when the port is closed, and when it goes away', async () => {
    for (const how of ['closed', 'gone'] as const) {
      const told = { queued: 8, empty: false, gone: false }
      const { port, asked, end } = await opened(told)
      const fault = port.write(new Uint8Array(8)).catch((thrown) => thrown)
      await until(() => asked() > 2)
      if (how === 'closed') await port.close()
      else told.gone = true
      expect((await fault).message).toMatch(/was unplugged/)
      await end()
    }
  })
})

describe.skipIf(!existsSync(socat))('a port that somebody has', () => {
  const pair = async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-busy-'))
    const near = join(folder, 'near')
    const ends = [near, join(folder, 'far')].map((end) => `pty,raw,echo=0,link=${end}`)
    const child = await started(socat, ['-d', '-d', ...ends], LINKED)
    return {
      near,
      end() {
        child.kill('SIGKILL')
        rmSync(folder, { recursive: true })
      },
    }
  }

  test('is refused with the name of who has it, whose settings stay as they are', async () => {
    const { near, end } = await pair()
    const reading = `open(my $port, '<', '${near}') or die; $| = 1; print "reads\\n"; sleep`
    const child = await started('/usr/bin/perl', ['-e', reading], /reads/)
    const settings = () => execFileSync('/bin/stty', ['-F', near, '-a'], { encoding: 'utf8' })
    execFileSync('/bin/stty', ['-F', near, '4800', 'raw'])
    const before = settings()
    const fault = await genericBoard()
      .serial(near)
      .open(LINE)
      .catch((thrown) => thrown)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe(
      `${near} is in use by another program, perl (process ${child.pid}): stop it ("sudo kill ${child.pid}")`,
    )
    expect(settings()).toBe(before)
    child.kill('SIGKILL')
    end()
  })

  test('of this very gateway is refused with the other name it has', async () => {
    const { near, end } = await pair()
    const board = genericBoard({ env: { FIELDGATE_PORT_BUS: near } })
    const [one, other] = [board.serial('bus'), board.serial(near)]
    const both = await Promise.allSettled([one.open(LINE), other.open(LINE)])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect((both[1] as PromiseRejectedResult).reason.message).toMatch(
      /is in use by another connection of this gateway \(bus\)/,
    )
    await one.close()
    await other.open(LINE)
    await other.close()
    end()
  })

  test('is looked after once, and again only a while after it was closed', async () => {
    const { near, end } = await pair()
    let now = 0
    const port = new LinuxSerialPort({ name: near, find: () => near, monotonic: () => now })
    await port.open(LINE)
    await port.close()
    const child = await started(
      '/usr/bin/perl',
      ['-e', `open(my $port, '<', '${near}') or die; $| = 1; print "reads\n"; sleep`],
      /reads/,
    )
    now = 4999
    await port.open(LINE)
    await port.close()
    now += 5000
    expect((await port.open(LINE).catch((thrown) => thrown)).message).toMatch(/in use by another program, perl/)
    child.kill('SIGKILL')
    end()
  })

  test('of which nothing is known but that it is refused RS-485 says which mode there is instead', async () => {
    const { near, end } = await pair()
    const port = genericBoard().serial(near)
    const fault = await port.open({ ...LINE, rs485: { mode: 'kernel' } }).catch((thrown) => thrown)
    expect(fault.message).toMatch(
      /cannot switch its transmitter: its driver knows no RS-485 mode.*mode: adapter.*mode: gpio/,
    )
    await port.open({ ...LINE, rs485: { mode: 'auto' } })
    expect(port.facts.gatedTransmitter).toBeUndefined()
    await port.close()
    end()
  })
})

describe('a port that cannot be opened', () => {
  test('names what there is instead, without its phantoms', async () => {
    const root = mkdtempSync(join(tmpdir(), 'fieldgate-sys-'))
    const tty = (name: string, type: string, device: string): void => {
      mkdirSync(join(root, 'sys/class/tty', name), { recursive: true })
      mkdirSync(join(root, device), { recursive: true })
      writeFileSync(join(root, 'sys/class/tty', name, 'type'), `${type}\n`)
      symlinkSync(join(root, device), join(root, 'sys/class/tty', name, 'device'))
    }
    tty('ttyS0', '4', 'sys/devices/platform/serial8250')
    tty('ttyS1', '0', 'sys/devices/platform/serial8250')
    tty('ttyUSB10', '0x', 'sys/devices/usb1/1-1/1-1:1.0/ttyUSB10')
    tty('ttyUSB9', '0x', 'sys/devices/usb1/1-2/1-2:1.0/ttyUSB9')
    mkdirSync(join(root, 'sys/class/tty/tty1'))
    for (const [file, text] of [
      ['idVendor', '0403'],
      ['manufacturer', 'FTDI'],
      ['product', 'FT232R USB UART'],
    ] as const) {
      writeFileSync(join(root, 'sys/devices/usb1/1-2', file), `${text}\n`)
    }
    expect(portsThere(root)).toEqual(['/dev/ttyS0', '/dev/ttyUSB9 (FTDI FT232R USB UART)', '/dev/ttyUSB10'])
    const port = genericBoard({ root, env: { FIELDGATE_PORT_BUS: join(root, 'dev/ttyUSB0') } }).serial('bus')
    const fault = await port.open(LINE).catch((thrown) => thrown)
    expect(fault.message).toBe(
      `bus (${root}/dev/ttyUSB0) is not there: is the adapter plugged in? There is /dev/ttyS0, /dev/ttyUSB9 (FTDI FT232R USB UART), /dev/ttyUSB10`,
    )
    rmSync(root, { recursive: true })
  })

  test('names the right that is missing, and the command that gives it', () => {
    const root = mkdtempSync(join(tmpdir(), 'fieldgate-rights-'))
    mkdirSync(join(root, 'etc'))
    const device = join(root, 'ttyUSB0')
    writeFileSync(device, '')
    chmodSync(device, 0o660)
    const { username } = userInfo()
    const group = (gid: number, members: string): void =>
      writeFileSync(join(root, 'etc/group'), `root:x:5555:\ndialout:x:${gid}:${members}\n`)
    const said = (): string => explainOpening(new RangeError('EACCES: permission denied'), 'bus', device, root) ?? ''
    const own = statSync(device).gid
    group(own, '')
    const mine = process.getuid!() === 0 || process.getgroups!().includes(own)
    if (mine) expect(said()).toMatch(/the service's unit keeps it away.*DeviceAllow=/)
    chmodSync(device, 0o600)
    expect(said()).toMatch(/group dialout has no right to it \(mode 600\).*chgrp dialout .*chmod g\+rw/)
    chmodSync(device, 0o660)
    if (process.getuid!() === 0) {
      const real = process.getuid
      process.getuid = () => 1000
      try {
        chownSync(device, 0, 4711)
        group(4711, '')
        expect(said()).toBe(
          `bus may not be opened by user ${username}: it belongs to group dialout; "sudo usermod -aG dialout ${username}", then restart the service`,
        )
        group(4711, `other,${username}`)
        expect(said()).toMatch(/was added to group dialout after the service had started; restart it/)
      } finally {
        process.getuid = real!
      }
    }
    rmSync(root, { recursive: true })
  })

  test('is no serial port, or has nothing behind it', () => {
    expect(explainOpening(new RangeError('Inappropriate ioctl for device, cannot open'), 'bus', '/dev/null')).toBe(
      'bus is no serial port',
    )
    const phantom = explainOpening(new RangeError('Error: Input/output error'), 'bus', '/dev/ttyS77', '/nonexistent')
    expect(phantom).toBe('bus has no hardware behind it.')
    expect(
      explainOpening(new RangeError('Error Resource temporarily unavailable Cannot lock port'), 'bus', 'x'),
    ).toBeNull()
  })
})
