import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BoardDescription, LedRole, PartReport } from '../../../hal/contract.ts'
import { openBoard } from '../../../hal/linux/board.ts'
import { ConfigurationFault, Retryable } from '../../../src/contracts/errors.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { boardSuite } from '../../contracts/board-suite.ts'
import { started } from '../../peers/processes.ts'
import { BoxTree } from './box-tree.ts'

const SOCAT = '/usr/bin/socat'
if (!existsSync(SOCAT)) console.warn('skipped: a port of the board needs socat, which is not installed')

const DESCRIPTION: BoardDescription = {
  name: 'carrier',
  title: 'Our carrier',
  models: [],
  ports: {
    'rs485-1': { devices: ['/dev/ttyAMA0', '/dev/ttyUSB*'], rs485: { mode: 'adapter' }, text: 'terminals 1 to 3' },
  },
  leds: {
    SYS: { green: { led: 'sys:green' }, red: { led: 'sys:red' } },
    BUS: { green: { gpio: { chip: 'expander', line: 2 } }, red: { gpio: { chip: 'expander', line: 'GPIO3' } } },
  },
  button: { chip: 'expander', line: 8, activeLow: true },
  watchdog: { device: '/dev/watchdog0', timeoutMs: 30_000 },
}

function whole(): BoxTree {
  const box = new BoxTree()
  box.lamp('sys:green')
  box.lamp('sys:red')
  box.port('ttyUSB0', 16)
  box.file('dev/watchdog0')
  box.file('sys/class/watchdog/watchdog0/identity', 'i6300ESB timer\n')
  box.file('sys/class/watchdog/watchdog0/timeout', '30\n')
  box.file('proc/device-tree/model', 'Carrier 7\0')
  return box
}

const clock = new SystemClock()

function open(box: BoxTree, description = DESCRIPTION, env: Record<string, string> = {}) {
  return openBoard({ description, clock, root: box.root, ioctl: box.ioctl, env })
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5))
  if (!holds()) throw new Error('waited ten seconds in vain')
}

describe('a board of Linux', () => {
  boardSuite(async () => {
    const box = whole()
    const board = open(box)
    const asked = new Set<LedRole>()
    const led = board.led.bind(board)
    board.led = (role) => {
      asked.add(role)
      return led(role)
    }
    const close = board.close.bind(board)
    board.close = async () => {
      asked.clear()
      await close()
    }
    const levels = (role: LedRole): readonly boolean[] =>
      role === 'SYS' ? [box.lit('sys:green'), box.lit('sys:red')] : [box.line(2).active, box.line(3).active]
    return {
      board,
      shown(role) {
        if (!asked.has(role)) return undefined
        const [green, red] = levels(role)
        return green ? (red ? 'amber' : 'green') : red ? 'red' : 'off'
      },
      press: (pressed) => box.edge(8, pressed, clock.monotonic()),
      until,
      async close() {
        await board.close()
        box.close()
      },
    }
  })
})

describe('what a board of Linux is described as', () => {
  let box: BoxTree
  beforeEach(() => {
    box = whole()
  })
  afterEach(() => box.close())

  async function parts(description = DESCRIPTION): Promise<Record<string, PartReport>> {
    const report = await open(box, description).describe()
    expect([report.board, report.model]).toEqual([description.name, 'Carrier 7'])
    return Object.fromEntries(report.parts.map((part) => [`${part.part} ${part.name}`, part]))
  }

  it('is all found where all is there', async () => {
    const found = await parts()
    expect(Object.values(found).map(({ part, name, state }) => `${part} ${name}: ${state}`)).toEqual([
      'port rs485-1: found',
      'led SYS: found',
      'led BUS: found',
      'button button: found',
      'watchdog watchdog: found',
      'chip expander: found',
    ])
    expect(found['port rs485-1']!.text).toMatch(/ttyUSB0; the adapter switches its direction; gives .* every 16 ms/)
    expect(found['led SYS']!.text).toBe('green sys:green and red sys:red (brightness 0)')
    expect(found['button button']!.text).toBe('line 8 (GPIO8) of expander')
    expect(found['watchdog watchdog']!.text).toBe('armed by nobody yet; i6300ESB timer, 30 s')
    expect(found['chip expander']!.text).toBe('gpiochip0, 16 lines')
  })

  it('takes nothing: no line, no lamp, no watchdog', async () => {
    await parts()
    expect([2, 3, 8].map((line) => box.isHeld(line))).toEqual([false, false, false])
    expect(box.read('dev/watchdog0')).toBe('')
    expect(box.read('sys/class/leds/sys:green/trigger')).toBe('[none] timer pattern')
  })

  it('names a port, a lamp, a chip, a line and a watchdog that are not there, and what there is instead', async () => {
    const found = await parts({
      ...DESCRIPTION,
      ports: { bus: { devices: ['/dev/ttyS9'], text: 'needs enable_uart=1' } },
      leds: {
        SYS: { green: { led: 'ACT' } },
        BUS: { red: { gpio: { chip: 'pinctrl-rp1', line: 3 } } },
        NET: { green: { gpio: { chip: 'expander', line: 99 } } },
      },
      button: { chip: 'expander', line: 'KEY1' },
      watchdog: { device: '/dev/watchdog3', timeoutMs: 15_000 },
    })
    const missing = Object.values(found).filter(({ state }) => state === 'missing')
    expect(Object.fromEntries(missing.map(({ part, name, text }) => [`${part} ${name}`, text]))).toEqual({
      'port bus': 'bus is not there: board carrier says /dev/ttyS9, and there is no such device (needs enable_uart=1)',
      'led SYS': 'green ACT not there; there are sys:green, sys:red: correct the board file',
      'led BUS': 'red there is no GPIO chip pinctrl-rp1: this box has expander (gpiochip0); correct the board file',
      'led NET': 'green expander has no line 99: it has 16, 0 to 15; correct the board file',
      'button button': expect.stringMatching(
        /^expander has no line named KEY1: it has GPIO0, .*; correct the board file$/,
      ),
      'watchdog watchdog': '/dev/watchdog3 is not there: there is /dev/watchdog0: correct the board file',
    })
  })

  it('names who has a line, a port or the watchdog, unless it is Fieldgate or systemd', async () => {
    box.busy(8, 'gpio-keys')
    box.process(712, ['ModemManager'], 'dev/ttyUSB0')
    box.process(1, ['systemd'], 'dev/watchdog0')
    const found = await parts()
    expect(found['button button']).toMatchObject({
      state: 'in use',
      text: expect.stringContaining('is in use by gpio-keys'),
    })
    expect(found['port rs485-1']).toMatchObject({ state: 'in use', text: expect.stringContaining('ModemManager') })
    expect(found['watchdog watchdog']).toMatchObject({
      state: 'found',
      text: expect.stringContaining('held by systemd'),
    })
  })

  it('calls found what Fieldgate itself has', async () => {
    box.process(88, ['node', '/usr/lib/fieldgate/main.js', 'run'], 'dev/ttyUSB0')
    box.process(89, ['node', '/usr/lib/fieldgate/main.js', 'run'], 'dev/watchdog0')
    const board = open(box)
    board.led('BUS')
    board.button()
    const { parts } = await board.describe()
    expect(parts.filter(({ state }) => state !== 'found')).toEqual([])
    const texts = Object.fromEntries(parts.map(({ name, text }) => [name, text]))
    expect(texts['rs485-1']).toContain('open by Fieldgate (process 88)')
    expect(texts.watchdog).toContain('held by Fieldgate, process 89')
    expect(texts.button).toBe('line 8 (GPIO8) of expander, held by Fieldgate')
    await board.close()
  })

  it.skipIf(process.getuid?.() === 0)('tells what this user may not use, and who may', async () => {
    for (const path of ['dev/ttyUSB0', 'sys/class/leds/sys:red/brightness', 'dev/gpiochip0']) box.shut(path)
    const found = await parts()
    expect([found['port rs485-1']!.state, found['led SYS']!.state, found['button button']!.state]).toEqual(
      Array(3).fill('refused'),
    )
  })

  it('misses a chip that cannot be looked at only where a line of it may be named', async () => {
    box.unplugged = true
    const without = await parts({ ...DESCRIPTION, leds: { SYS: DESCRIPTION.leds.SYS! }, button: undefined as never })
    expect(without['chip gpiochip0']).toMatchObject({
      state: 'found',
      text: expect.stringMatching(/^cannot be looked at/),
    })
    expect((await parts())['chip gpiochip0']!.state).toBe('refused')
  })

  it('says why the box started, and whether the watchdog can be left', async () => {
    box.file('sys/class/watchdog/watchdog0/bootstatus', '32\n')
    box.file('sys/class/watchdog/watchdog0/nowayout', '1\n')
    expect((await parts())['watchdog watchdog']!.text).toContain(
      '30 s, once armed it stays so, the last start was a reset by this watchdog',
    )
  })

  it('takes a watchdog that runs, or that only systemd can hold, for held by systemd', async () => {
    box.file('run/systemd/system/.keep')
    expect((await parts())['watchdog watchdog']!.text).toMatch(/^whether systemd holds it .* this kernel does not tell/)
    box.file('sys/class/watchdog/watchdog0/state', 'active\n')
    expect((await parts())['watchdog watchdog']!.text).toMatch(/^armed, most likely by systemd/)
    box.file('sys/class/watchdog/watchdog0/state', 'inactive\n')
    expect((await parts())['watchdog watchdog']!.text).toMatch(/^armed by nobody yet/)
  })

  it('takes a watchdog whose file the unit hides for held by systemd where it runs, and never names it against itself', async () => {
    rmSync(join(box.root, 'dev/watchdog0'))
    const watchdog = async () => (await parts())['watchdog watchdog']!
    expect((await watchdog()).state).toBe('missing')
    expect((await watchdog()).text).toMatch(/^the kernel has it, armed by nobody, and its file \/dev\/watchdog0 is not/)
    box.file('sys/class/watchdog/watchdog0/state', 'active\n')
    expect(await watchdog()).toMatchObject({ state: 'found', text: expect.stringMatching(/^armed by systemd; /) })
    rmSync(join(box.root, 'sys/class/watchdog/watchdog0/state'))
    box.file('run/systemd/system/.keep')
    expect((await watchdog()).state).toBe('found')
  })

  it('lists ports and lamps that the board does not name, with the names that stay', async () => {
    box.port('ttyUSB1', 1)
    box.link('dev/serial/by-id/usb-FTDI_7-port0', 'dev/ttyUSB1')
    box.port('ttyS4', 1)
    box.file('proc/cmdline', 'quiet console=ttyS4,115200\n')
    box.lamp('mmc0::', 'none timer [mmc0]')
    box.lamp('input3::capslock')
    const found = await parts()
    expect(found['port usb-FTDI_7-port0']!.text).toMatch(/ttyUSB1.*a connection may use it: port: usb-FTDI_7-port0/)
    expect(found['port ttyS4']!.text).toContain("in use by another, the kernel's console")
    expect(found['led mmc0::']!.text).toContain('no role has it; driven by mmc0, even blinking only')
    expect(found['led input3::capslock']).toBeUndefined()
  })

  it('tells whether the kernel can switch the direction, and does not ask twice', async () => {
    const description: BoardDescription = {
      ...DESCRIPTION,
      ports: { 'rs485-1': { devices: ['/dev/ttyUSB0'], rs485: { mode: 'kernel' } } },
    }
    expect((await parts(description))['port rs485-1']).toMatchObject({
      state: 'broken',
      text: expect.stringContaining('its driver cannot switch the direction'),
    })
    let asked = 0
    const board = openBoard({
      description,
      clock,
      root: box.root,
      env: {},
      ioctl: (fd, request, argument) => {
        if (request !== 0x542e) return box.ioctl(fd, request, argument)
        asked++
        ;(argument as Uint8Array)[0] = 1
        return 0
      },
    })
    await board.describe()
    const { parts: again } = await board.describe()
    expect(again[0]!.text).toContain('the kernel switches its direction, and does already')
    expect(asked).toBe(1)
  })
})

describe.skipIf(!existsSync(SOCAT))('a port whose transmitter a line of the board enables', () => {
  it('is refused, with who has the line, while somebody else has it', async () => {
    const box = whole()
    const link = join(box.root, 'dev/ttyAMA0')
    const ends = [`pty,raw,echo=0,link=${link}`, `pty,raw,echo=0,link=${link}-far`]
    const child = await started(SOCAT, ['-d', '-d', ...ends], /starting data transfer loop/)
    box.busy(4, 'spi0 CS1')
    const enable = { chip: 'expander', line: 4 }
    const ports = { bus: { devices: ['/dev/ttyAMA0'], rs485: { mode: 'gpio' as const, enable } } }
    const board = open(box, { ...DESCRIPTION, ports })
    const line = { baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 } as const
    const fault = await board
      .serial('bus')
      .open(line)
      .catch((thrown: unknown) => thrown)
    expect(fault).toBeInstanceOf(Retryable)
    expect((fault as Error).message).toMatch(/line 4 \(GPIO4\) of expander.*spi0 CS1/)
    child.kill('SIGKILL')
    box.close()
  })
})

describe('a part that cannot be had', () => {
  it('says so when it is asked for, and the others work', () => {
    const box = whole()
    box.busy(3, 'someone')
    const board = open(box, { ...DESCRIPTION, leds: { ...DESCRIPTION.leds, NET: { green: { led: 'nowhere' } } } })
    expect(() => board.led('BUS')).toThrow(/someone/)
    expect(() => board.led('NET')).toThrow(ConfigurationFault)
    expect(() => board.watchdog()).toThrow(/cannot be armed/)
    board.led('SYS')!.show('green')
    expect(box.lit('sys:green')).toBe(true)
    box.close()
  })
})
