import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LedDescription } from '../../../../hal/contract.ts'
import { openLed } from '../../../../hal/linux/lamps/leds.ts'
import { ConfigurationFault, Retryable } from '../../../../src/contracts/errors.ts'
import { Chips } from '../gpio/chips.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fieldgate-leds-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const at = (name: string, file: string): string => join(root, 'sys/class/leds', name, file)
const read = (name: string, file: string): string => readFileSync(at(name, file), 'utf8').trim()
/** A lamp as the kernel lays it out; files of triggers are there all the time. */
const lamp = (name: string, files: Readonly<Record<string, string>> = {}): void => {
  mkdirSync(at(name, '.'), { recursive: true })
  const all = { brightness: '0', max_brightness: '255', trigger: '[none] mmc0 timer pattern', ...files }
  for (const [file, text] of Object.entries(all)) writeFileSync(at(name, file), `${text}\n`)
}
const open = (description: LedDescription) => openLed({ role: 'SYS', description, root })
const lit = (...names: string[]): boolean[] => names.map((name) => Number(read(name, 'brightness')) > 0)
const half = [
  { colour: 'green', ms: 100 },
  { colour: 'off', ms: 200 },
] as const
const thrownBy = (act: () => unknown): Error => {
  try {
    act()
  } catch (thrown) {
    return thrown as Error
  }
  throw new Error('nothing was thrown')
}
const messageOf = (act: () => unknown): string => {
  const fault = thrownBy(act)
  expect(fault).toBeInstanceOf(ConfigurationFault)
  return fault.message
}

describe('a lamp of the kernel', () => {
  it('is lit fully, put out, and its trigger taken off', () => {
    lamp('ACT', { trigger: 'none [mmc0] timer', max_brightness: '127' })
    const led = open({ green: { led: 'ACT' } })
    expect(led.colours).toEqual(['green'])
    // Opening it changes nothing.
    expect(read('ACT', 'trigger')).toBe('none [mmc0] timer')
    led.show('green')
    expect([read('ACT', 'trigger'), read('ACT', 'brightness')]).toEqual(['none', '127'])
    led.show('off')
    expect(Number(read('ACT', 'brightness'))).toBe(0)
    led.close()
  })

  it('is given back with its trigger', () => {
    lamp('ACT', { trigger: 'none [mmc0] timer' })
    const led = open({ green: { led: 'ACT' } })
    led.show('green')
    led.close()
    expect(read('ACT', 'trigger')).toBe('mmc0')
  })

  it('is given back with the times of a timer it had, or the brightness', () => {
    lamp('a', { trigger: 'none [timer]', delay_on: '30', delay_off: '970' })
    lamp('b', { brightness: '40' })
    const leds = [open({ green: { led: 'a' } }), open({ green: { led: 'b' } })]
    expect(
      leds[0]!.blink([
        { colour: 'green', ms: 100 },
        { colour: 'off', ms: 200 },
      ]),
    ).toBe(true)
    expect([read('a', 'delay_on'), read('a', 'delay_off')]).toEqual(['100', '200'])
    leds[1]!.show('green')
    for (const led of leds) led.close()
    expect([read('a', 'trigger'), read('a', 'delay_on'), read('a', 'delay_off')]).toEqual(['timer', '30', '970'])
    expect([read('b', 'trigger'), read('b', 'brightness')]).toEqual(['none', '40'])
  })

  it('that was never told anything is left alone', () => {
    lamp('ACT', { trigger: 'none [mmc0]', brightness: '255' })
    open({ red: { led: 'ACT' } }).close()
    expect([read('ACT', 'trigger'), read('ACT', 'brightness')]).toEqual(['none [mmc0]', '255'])
  })

  it('that is not there is said beside those that are', () => {
    lamp('ACT')
    lamp('PWR')
    expect(messageOf(() => open({ green: { led: 'LED0' } }))).toBe(
      'there is no lamp LED0 in /sys/class/leds: this box has ACT, PWR; correct the board file, or load the lamp’s driver'.replace(
        '’',
        "'",
      ),
    )
    rmSync(join(root, 'sys'), { recursive: true })
    expect(messageOf(() => open({ green: { led: 'LED0' } }))).toContain('this box has none')
    mkdirSync(join(root, 'sys'))
  })

  it('whose driver went fails with a sentence, and works again when it is back', () => {
    lamp('ACT')
    const led = open({ green: { led: 'ACT' } })
    led.show('green')
    // The brightness of a lamp that is gone takes nothing any more: here, a file that cannot be written.
    expect(led.blink(half)).toBe(true)
    rmSync(at('ACT', '.'), { recursive: true })
    mkdirSync(at('ACT', 'trigger'), { recursive: true })
    const fault = thrownBy(() => led.show('green'))
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.message).toBe('the lamp ACT failed (EISDIR): its driver may be gone')
    expect(() => led.blink(half)).toThrow(Retryable)
    rmSync(at('ACT', '.'), { recursive: true })
    lamp('ACT')
    led.show('green')
    expect(lit('ACT')).toEqual([true])
    led.close()
  })
})

describe('blinking by the kernel', () => {
  const twice = [
    { colour: 'red', ms: 100 },
    { colour: 'off', ms: 200 },
    { colour: 'red', ms: 100 },
    { colour: 'off', ms: 1000 },
  ] as const

  it('of two steps is the timer’s', () => {
    lamp('r', { delay_on: '500', delay_off: '500' })
    const led = open({ red: { led: 'r' } })
    // A lamp alone has no phase.
    expect(
      led.blink([
        { colour: 'off', ms: 70 },
        { colour: 'red', ms: 30 },
      ]),
    ).toBe(true)
    expect([read('r', 'trigger'), read('r', 'delay_on'), read('r', 'delay_off')]).toEqual(['timer', '30', '70'])
    led.close()
  })

  it('of more steps is the pattern’s: each level twice, so that nothing fades', () => {
    lamp('r', { pattern: '' })
    const led = open({ red: { led: 'r' } })
    expect(led.blink(twice)).toBe(true)
    expect([read('r', 'trigger'), read('r', 'pattern')]).toEqual([
      'pattern',
      '255 100 255 0 0 200 0 0 255 100 255 0 0 1000 0 0',
    ])
    led.show('red')
    expect([read('r', 'trigger'), read('r', 'brightness')]).toEqual(['none', '255'])
    led.close()
  })

  it('that no module gives is refused, and nothing has changed', () => {
    lamp('r', { trigger: '[none] mmc0 timer' })
    const led = open({ red: { led: 'r' } })
    led.show('red')
    expect(led.blink(twice)).toBe(false)
    expect([read('r', 'trigger'), read('r', 'brightness')]).toEqual(['none', '255'])
    led.close()
  })

  it('of one colour only is no blinking', () => {
    lamp('r')
    const led = open({ red: { led: 'r' } })
    expect(led.blink([{ colour: 'red', ms: 100 }])).toBe(true)
    expect([read('r', 'trigger'), lit('r')]).toEqual(['none', [true]])
    led.close()
  })
})

describe('several lamps that are one', () => {
  it('are amber together', () => {
    lamp('r')
    lamp('g')
    const led = open({ red: { led: 'r' }, green: { led: 'g' } })
    expect(led.colours).toEqual(['green', 'amber', 'red'])
    const seen = (['red', 'amber', 'green', 'off'] as const).map((colour) => {
      led.show(colour)
      return lit('r', 'g')
    })
    expect(seen).toEqual([
      [true, false],
      [true, true],
      [false, true],
      [false, false],
    ])
    led.close()
  })

  it('do not mix where amber has its own', () => {
    for (const name of ['r', 'g', 'a']) lamp(name)
    const led = open({ red: { led: 'r' }, green: { led: 'g' }, amber: { led: 'a' } })
    led.show('amber')
    expect(lit('r', 'g', 'a')).toEqual([false, false, true])
    led.close()
  })

  it('blink in step: alike by the timer, against each other by the pattern', () => {
    for (const name of ['r', 'g']) lamp(name, { pattern: '', delay_on: '', delay_off: '' })
    const led = open({ red: { led: 'r' }, green: { led: 'g' } })
    expect(
      led.blink([
        { colour: 'amber', ms: 900 },
        { colour: 'off', ms: 100 },
      ]),
    ).toBe(true)
    expect([read('r', 'trigger'), read('g', 'trigger'), read('g', 'delay_on')]).toEqual(['timer', 'timer', '900'])
    expect(
      led.blink([
        { colour: 'red', ms: 300 },
        { colour: 'green', ms: 400 },
      ]),
    ).toBe(true)
    expect([read('r', 'pattern'), read('g', 'pattern')]).toEqual(['255 300 255 0 0 400 0 0', '0 300 0 0 255 400 255 0'])
    // Red stays, green comes and goes.
    expect(
      led.blink([
        { colour: 'amber', ms: 50 },
        { colour: 'red', ms: 60 },
      ]),
    ).toBe(true)
    expect([read('r', 'trigger'), lit('r'), read('g', 'trigger')]).toEqual(['none', [true], 'timer'])
    led.close()
  })

  it('go back to what they did where one of them cannot blink', () => {
    lamp('r')
    lamp('g', { trigger: '[none]' })
    const led = open({ red: { led: 'r' }, green: { led: 'g' } })
    led.show('amber')
    expect(
      led.blink([
        { colour: 'amber', ms: 900 },
        { colour: 'off', ms: 100 },
      ]),
    ).toBe(false)
    expect([lit('r', 'g'), read('r', 'trigger')]).toEqual([[true, true], 'none'])
    led.close()
  })
})

describe('a lamp that mixes', () => {
  const rgb = { multi_index: 'red green blue', multi_intensity: '0 0 0' }
  const one = { led: 'rgb:status' }

  it('shows each colour by its shares', () => {
    lamp('rgb:status', rgb)
    const led = open({ red: one, green: one })
    expect(led.colours).toEqual(['green', 'amber', 'red'])
    const seen = (['red', 'amber', 'green'] as const).map((colour) => {
      led.show(colour)
      return read('rgb:status', 'multi_intensity')
    })
    expect(seen).toEqual(['255 0 0', '255 102 0', '0 255 0'])
    expect(lit('rgb:status')).toEqual([true])
    led.show('off')
    expect(lit('rgb:status')).toEqual([false])
    led.close()
  })

  it('of colours that are only on or off has each of them on', () => {
    lamp('rgb:status', { ...rgb, max_brightness: '1' })
    const led = open({ red: one, green: one })
    led.show('amber')
    expect(read('rgb:status', 'multi_intensity')).toBe('1 1 0')
    led.close()
  })

  it('blinks in one colour, not in two', () => {
    lamp('rgb:status', { ...rgb, delay_on: '', delay_off: '' })
    const led = open({ red: one, green: one, amber: one })
    expect(
      led.blink([
        { colour: 'amber', ms: 900 },
        { colour: 'off', ms: 100 },
      ]),
    ).toBe(true)
    expect([read('rgb:status', 'multi_intensity'), read('rgb:status', 'trigger')]).toEqual(['255 102 0', 'timer'])
    expect(
      led.blink([
        { colour: 'red', ms: 900 },
        { colour: 'green', ms: 100 },
      ]),
    ).toBe(false)
    led.close()
  })

  it('is what one lamp for several colours must be', () => {
    lamp('ACT')
    expect(messageOf(() => open({ red: { led: 'ACT' }, green: { led: 'ACT' } }))).toContain(
      'names one lamp for several colours, which only a multicolor lamp can show',
    )
  })
})

describe('a lamp on bare lines', () => {
  it('is two lines, amber together, and never blinks by itself', () => {
    const chips = new Chips([{ label: 'pinctrl-rp1', lines: ['', '', '', ''] }])
    const description = {
      red: { gpio: { chip: 'pinctrl-rp1', line: 1 } },
      green: { gpio: { chip: 'pinctrl-rp1', line: 2, activeLow: true } },
    }
    const led = openLed({ role: 'BUS', description, root: chips.root, ioctl: chips.ioctl })
    const levels = (): boolean[] => [chips.line(1).active, chips.line(2).active]
    expect(levels()).toEqual([false, false])
    led.show('amber')
    expect(levels()).toEqual([true, true])
    expect(
      led.blink([
        { colour: 'red', ms: 100 },
        { colour: 'off', ms: 100 },
      ]),
    ).toBe(false)
    led.show('green')
    expect(levels()).toEqual([false, true])
    led.close()
    expect([levels(), chips.isHeld(1), chips.isHeld(2)]).toEqual([[false, false], false, false])
    chips.close()
  })

  it('gives back what it has when another line is busy', () => {
    const chips = new Chips([{ label: 'pinctrl-rp1', lines: ['', '', '', ''] }])
    Object.assign(chips.line(2), { consumer: 'gpio-fan', flags: 1 })
    const description = {
      red: { gpio: { chip: 'pinctrl-rp1', line: 1 } },
      green: { gpio: { chip: 'pinctrl-rp1', line: 2 } },
    }
    expect(() => openLed({ role: 'BUS', description, root: chips.root, ioctl: chips.ioctl })).toThrow(
      /used by "gpio-fan"/,
    )
    expect(chips.isHeld(1)).toBe(false)
    chips.close()
  })
})
