import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Button } from '../../../../hal/contract.ts'
import { openButton } from '../../../../hal/linux/gpio/button.ts'
import { gpioChips } from '../../../../hal/linux/gpio/chips.ts'
import { LineRequest } from '../../../../hal/linux/gpio/line.ts'
import { openOutput } from '../../../../hal/linux/gpio/output.ts'
import { LineFlag } from '../../../../hal/linux/gpio/structures.ts'
import { openSysfsOutput } from '../../../../hal/linux/gpio/sysfs.ts'
import { ConfigurationFault, Retryable } from '../../../../src/contracts/errors.ts'
import { Chips } from './chips.ts'

const thrownBy = (act: () => unknown): unknown => {
  try {
    act()
  } catch (thrown) {
    return thrown
  }
  throw new Error('nothing was thrown')
}
const messageOf = (act: () => unknown): string => (thrownBy(act) as Error).message

let chips: Chips
beforeEach(() => {
  chips = new Chips([
    { label: 'pinctrl-rp1', lines: ['ID_SDA', 'GPIO1', 'GPIO2', 'GPIO3'] },
    { label: 'expander', lines: ['', ''] },
    { label: 'expander', lines: [''] },
  ])
})
afterEach(() => chips.close())

describe('a GPIO chip', () => {
  it('is listed once, also when a second name leads to it', () => {
    symlinkSync('gpiochip0', join(chips.root, 'dev/gpiochip4'))
    const { chips: found, shut } = gpioChips(chips)
    expect(found.map(({ name, label, lines }) => [name, label, lines])).toEqual([
      ['gpiochip0', 'pinctrl-rp1', 4],
      ['gpiochip1', 'expander', 2],
      ['gpiochip2', 'expander', 1],
    ])
    expect(shut).toEqual([])
  })

  it.each(['pinctrl-rp1', 'gpiochip0', '/dev/gpiochip0'])('is found by %s', (chip) => {
    const line = LineRequest.output({ chip, line: 2 }, chips)
    expect(line.text).toBe('line 2 (GPIO2) of pinctrl-rp1')
    line.close()
  })

  it('that is not there is said beside those that are', () => {
    const fault = thrownBy(() => LineRequest.output({ chip: 'pinctrl-bcm2711', line: 2 }, chips)) as Error
    expect(fault).toBeInstanceOf(ConfigurationFault)
    expect(fault.message).toBe(
      'there is no GPIO chip pinctrl-bcm2711: this box has pinctrl-rp1 (gpiochip0), expander (gpiochip1), expander (gpiochip2); correct the board file',
    )
    expect(messageOf(() => LineRequest.output({ chip: '/dev/gpiochip9', line: 2 }, chips))).toContain(
      'there is no GPIO chip /dev/gpiochip9: this box has',
    )
  })

  it('whose label is another one’s too must be named otherwise', () => {
    expect(messageOf(() => LineRequest.output({ chip: 'expander', line: 0 }, chips))).toBe(
      'there are 2 GPIO chips expander (gpiochip1, gpiochip2): name the chip by one of these',
    )
  })

  it('of which there is none at all, or none that the unit allows, says which of the two', () => {
    for (const index of [0, 1, 2]) rmSync(join(chips.root, `dev/gpiochip${index}`))
    const ask = (): string => messageOf(() => LineRequest.output({ chip: 'pinctrl-rp1', line: 0 }, chips))
    expect(ask()).toContain('this kernel found none at all')
    mkdirSync(join(chips.root, 'sys/bus/gpio/devices/gpiochip0'), { recursive: true })
    expect(ask()).toContain(
      'in /dev, although the kernel has gpiochip0: allow them in the unit (DeviceAllow=char-gpiochip rw',
    )
  })
})

describe('a line', () => {
  it('is found by its own name, and switched', () => {
    const line = LineRequest.output({ chip: 'pinctrl-rp1', line: 'GPIO3' }, chips)
    const held = chips.line(3)
    expect([held.consumer, held.flags, held.active]).toEqual(['fieldgate', LineFlag.output, false])
    line.set(true)
    expect([held.active, line.get()]).toEqual([true, true])
    line.set(false)
    expect(held.active).toBe(false)
    line.close()
  })

  it('begins with the level it is asked to begin with', () => {
    const line = LineRequest.output(
      { chip: 'pinctrl-rp1', line: 1, activeLow: true, bias: 'pull-down' },
      { ...chips, active: true },
    )
    expect(chips.line(1).active).toBe(true)
    expect(chips.line(1).flags).toBe(LineFlag.output | LineFlag.activeLow | LineFlag.pullDown)
    line.close()
  })

  it('is given back with its direction, and released', () => {
    const line = LineRequest.output({ chip: 'pinctrl-rp1', line: 1 }, chips)
    expect(chips.isHeld(1)).toBe(true)
    line.close()
    line.close()
    expect([chips.isHeld(1), chips.line(1).flags]).toEqual([false, LineFlag.input])
    expect(messageOf(() => line.set(true))).toBe('line 1 (GPIO1) of pinctrl-rp1 was given back')
  })

  it('that is busy says by whom', () => {
    Object.assign(chips.line(1), { consumer: 'spi0 CS0', flags: LineFlag.used })
    const fault = thrownBy(() => LineRequest.output({ chip: 'pinctrl-rp1', line: 1 }, chips)) as Error
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe(
      'line 1 (GPIO1) of pinctrl-rp1 is used by "spi0 CS0": free it there, or name another line in the board file',
    )
    Object.assign(chips.line(1), { consumer: '' })
    expect(messageOf(() => LineRequest.output({ chip: 'pinctrl-rp1', line: 1 }, chips))).toContain(
      'is used by the kernel or another program',
    )
  })

  it('that is not there is said beside those that are', () => {
    expect(messageOf(() => LineRequest.output({ chip: 'pinctrl-rp1', line: 4 }, chips))).toBe(
      'pinctrl-rp1 has no line 4: it has 4, 0 to 3; correct the board file',
    )
    expect(messageOf(() => LineRequest.output({ chip: 'pinctrl-rp1', line: 'GPIO17' }, chips))).toBe(
      'pinctrl-rp1 has no line named GPIO17: it has ID_SDA, GPIO1, GPIO2, GPIO3; correct the board file',
    )
    expect(messageOf(() => LineRequest.output({ chip: 'gpiochip1', line: 'X' }, chips))).toContain(
      'its lines have no names, use the offset',
    )
  })

  it('of a chip that was unplugged fails and can still be closed', () => {
    const line = LineRequest.output({ chip: 'pinctrl-rp1', line: 1 }, chips)
    chips.unplugged = true
    const fault = thrownBy(() => line.set(true)) as Error
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe('line 1 (GPIO1) of pinctrl-rp1 failed (ENODEV): its chip may be unplugged')
    line.close()
    expect(chips.isHeld(1)).toBe(false)
  })
})

describe('a button', () => {
  let button: Button | undefined
  afterEach(() => button?.close())
  const heard: [boolean, number][] = []
  const press = (options = {}): void => {
    heard.length = 0
    button = openButton({
      line: { chip: 'pinctrl-rp1', line: 2, activeLow: true, bias: 'pull-up', ...options },
      root: chips.root,
      ioctl: chips.ioctl,
    })
    button.onChange((pressed, at) => heard.push([pressed, at]))
  }
  const told = async (count: number): Promise<void> => {
    for (let turn = 0; heard.length < count && turn < 10_000; turn += 1) await new Promise(setImmediate)
  }

  it('is an input with both edges that the kernel debounces', () => {
    press({ debounceMs: 30 })
    const { flags, debounceUs } = chips.line(2)
    expect(flags).toBe(
      LineFlag.input | LineFlag.edgeRising | LineFlag.edgeFalling | LineFlag.activeLow | LineFlag.pullUp,
    )
    expect(debounceUs).toBe(30_000)
  })

  it('tells of each change with the moment the kernel saw it', async () => {
    press()
    expect([button!.pressed, chips.line(2).debounceUs]).toEqual([false, 20_000])
    chips.edge(2, true, 1000.25)
    chips.edge(2, false, 2200.5)
    await told(2)
    expect(heard).toEqual([
      [true, 1000.25],
      [false, 2200.5],
    ])
    expect(button!.pressed).toBe(false)
  })

  it('is known to be pressed also when it was before, and when edges were lost', async () => {
    chips.line(2).active = true
    press()
    expect(button!.pressed).toBe(true)
    chips.edge(2, false, 10)
    chips.edge(2, true, 20)
    // The release at 25 did not fit into the kernel's queue.
    chips.edge(2, true, 30)
    chips.edge(2, false, 40)
    await told(3)
    expect(heard).toEqual([
      [false, 10],
      [true, 20],
      [false, 40],
    ])
  })

  it('is given back, and keeps no process alive', () => {
    press()
    expect(chips.isHeld(2)).toBe(true)
    button!.close()
    expect(chips.isHeld(2)).toBe(false)
  })
})

describe('a line of an old kernel', () => {
  const file = (path: string, text: string): void => {
    mkdirSync(join(chips.root, 'sys/class/gpio', path, '..'), { recursive: true })
    writeFileSync(join(chips.root, 'sys/class/gpio', path), text)
  }
  beforeEach(() => {
    file('export', '')
    file('unexport', '')
    for (const [name, value] of Object.entries({ label: 'pinctrl-bcm2835', base: '458', ngpio: '54' })) {
      file(`gpiochip458/${name}`, `${value}\n`)
    }
  })

  it('is switched through sysfs, by the base of its chip and its offset', async () => {
    chips.old = true
    const read = (path: string): string => readFileSync(join(chips.root, 'sys/class/gpio', path), 'utf8')
    for (const name of ['active_low', 'direction', 'value']) file(`gpio475/${name}`, '0')
    const line = openOutput({ chip: 'pinctrl-bcm2835', line: 17, activeLow: true }, chips)
    expect([line.text, read('gpio475/active_low'), read('gpio475/direction')]).toEqual([
      'line 17 of pinctrl-bcm2835',
      '1',
      'high',
    ])
    line.set(true)
    expect(read('gpio475/value')).toBe('1')
    line.set(false)
    expect(read('gpio475/value')).toBe('0')
    line.close()
    expect(messageOf(() => openOutput({ chip: 'pinctrl-bcm2835', line: 54 }, chips))).toContain('it has 0 to 53')
    expect(messageOf(() => openOutput({ chip: 'pinctrl-rp1', line: 1 }, chips))).toBe(
      'there is no GPIO chip pinctrl-rp1: this box has pinctrl-bcm2835; correct the board file',
    )
  })

  it('is given back where it cannot be had after all', () => {
    chips.old = true
    // A plain file exports nothing: its folder never comes, as with a line whose chip was just unplugged.
    expect(messageOf(() => openOutput({ chip: 'pinctrl-bcm2835', line: 17 }, chips))).toMatch(
      /^line 17 of pinctrl-bcm2835 cannot be had: ENOENT at .*gpio475\/active_low$/,
    )
    expect(readFileSync(join(chips.root, 'sys/class/gpio/export'), 'utf8')).toBe('475')
    expect(readFileSync(join(chips.root, 'sys/class/gpio/unexport'), 'utf8')).toBe('475')
  })

  it('waits for the rights that udev gives to its files after the export, then shows what was asked for last', async () => {
    const late = join(chips.root, 'late')
    mkdirSync(join(late, 'gpio475'), { recursive: true })
    symlinkSync(join(late, 'gpio475'), join(chips.root, 'sys/class/gpio/gpio475'))
    const files = ['active_low', 'direction', 'value'].map((name) => join(late, 'gpio475', name))
    for (const path of files) writeFileSync(path, '0')
    for (const path of files) chmodSync(path, 0o666)
    chmodSync(chips.root, 0o755)
    chmodSync(late, 0)
    // Root may everything.
    const isRoot = process.geteuid!() === 0
    if (isRoot) process.seteuid!(65_534)
    try {
      const line = openSysfsOutput({ chip: 'pinctrl-bcm2835', line: 17 }, chips)
      line.set(true)
      if (isRoot) process.seteuid!(0)
      chmodSync(late, 0o755)
      if (isRoot) process.seteuid!(65_534)
      const direction = (): string => readFileSync(join(late, 'gpio475/direction'), 'utf8')
      await expect.poll(direction, { timeout: 10_000 }).toBe('high')
      line.set(false)
      expect(readFileSync(join(late, 'gpio475/value'), 'utf8')).toBe('0')
      line.close()
    } finally {
      if (isRoot) process.seteuid!(0)
      chmodSync(late, 0o755)
    }
  })

  it('says in a sentence that its level cannot be opened, and leaves what another exported', () => {
    chips.old = true
    for (const name of ['active_low', 'direction']) file(`gpio475/${name}`, '0')
    const fault = thrownBy(() => openOutput({ chip: 'pinctrl-bcm2835', line: 17 }, chips)) as Error
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toMatch(/^line 17 of pinctrl-bcm2835 cannot be had: ENOENT at .*gpio475\/value$/)
    expect(readFileSync(join(chips.root, 'sys/class/gpio/unexport'), 'utf8')).toBe('')
  })

  it('cannot be a button: that is said with the kernel that can', () => {
    chips.old = true
    const fault = thrownBy(() => LineRequest.input({ chip: 'pinctrl-rp1', line: 2 }, chips)) as Error
    expect(fault).toBeInstanceOf(ConfigurationFault)
    expect(fault.message).toBe(
      'line 2 of pinctrl-rp1 cannot be had from this kernel (EINVAL): lines are given since 5.10; bring the kernel up to date',
    )
  })

  it('is not asked for where the character device gives lines', () => {
    const line = openOutput({ chip: 'pinctrl-rp1', line: 1 }, chips)
    expect(chips.isHeld(1)).toBe(true)
    line.close()
  })
})
