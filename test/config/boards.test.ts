import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { BoardDescription } from '../../hal/contract.ts'
import * as catalog from '../../src/catalog.ts'
import { diff } from '../../src/config/diff.ts'
import { load } from '../../src/config/load.ts'
import { violations } from './json-schema.ts'

const SHIPPED = join(import.meta.dirname, '../../hal/boards')
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fieldgate-boards-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function loaded(text: string, model: string | null = null, compatible: readonly string[] = []) {
  const kinds = { ...(await catalog.kinds()), boards: { shipped: SHIPPED, model, compatible } }
  return load({ file: join(folder, 'gateway.yaml'), text, kinds, env: {} })
}

async function board(text: string, ...box: [string?, string[]?]): Promise<BoardDescription> {
  const found = await loaded(text, ...box)
  if (!found.ok) throw new Error(found.problems.map(({ file, line, text }) => `${file}:${line}: ${text}`).join('\n'))
  return found.configuration.board
}

async function complaints(text: string): Promise<string[]> {
  const found = await loaded(text)
  return found.ok
    ? []
    : found.problems.map(({ file, line, column, path, text }) => {
        const short = file.replace(`${folder}/`, '').replace(`${SHIPPED}/`, '')
        return `${short}:${line}:${column} ${path}: ${text}`
      })
}

describe('the boards that are shipped', () => {
  const names = (inside: string) => readdirSync(join(SHIPPED, inside)).filter((name) => name.endsWith('.yaml'))

  it.each(names(''))('%s is valid and has a title', async (file) => {
    const { name, title } = await board(`board: ${file.replace('.yaml', '')}\n`)
    expect(name).toBe(file.replace('.yaml', ''))
    expect(title).not.toBe(name)
  })
})

describe('the schema of a board file', () => {
  const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/board.schema.json'), 'utf8')) as Record<
    string,
    unknown
  >
  const shelf = ['', 'hats'].flatMap((inside) =>
    readdirSync(join(SHIPPED, inside))
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => join(inside, name)),
  )

  it.each(shelf)('holds for %s', (file) => {
    expect(violations(parse(readFileSync(join(SHIPPED, file), 'utf8')), schema)).toEqual([])
  })

  it('finds what the service would refuse', () => {
    const wrong = {
      prots: {},
      leds: { SYSTEM: {}, SYS: { blue: {} } },
      button: { lien: 4 },
      ports: { a: { devices: [] } },
    }
    expect(violations(wrong, schema).length).toBeGreaterThanOrEqual(5)
  })
})

describe('board:', () => {
  it('is a generic Linux box where nothing is said', async () => {
    expect(await board('')).toEqual({ name: 'generic', title: 'Linux box', models: [], ports: {}, leds: {} })
  })

  it('names a board, with the chip of the board where a line names none', async () => {
    const { ports, leds, button, watchdog } = await board('board: virt\n')
    expect(ports['rs485-1']?.devices).toEqual(['/dev/ttyUSB0'])
    expect(leds.SYS).toEqual({ green: { led: 'sys:green' }, red: { led: 'sys:red' } })
    expect(button).toEqual({ chip: 'fieldgate-sim', line: 8, activeLow: true, bias: 'pull-up' })
    expect(watchdog).toEqual({ device: '/dev/watchdog0', timeoutMs: 30_000 })
  })

  it('may be a map: a board, and what is otherwise here; a lamp and a line are replaced whole', async () => {
    const { name, leds, button, ports } = await board(
      'board: { name: virt, leds: { SYS: { green: { gpio: { line: GPIO5 } } } }, button: { line: 3 }, ports: { rs485-3: { devices: [/dev/ttyS4] } } }\n',
    )
    expect(name).toBe('virt')
    expect(leds.SYS).toEqual({ green: { gpio: { chip: 'fieldgate-sim', line: 'GPIO5' } }, red: { led: 'sys:red' } })
    expect(leds.BUS).toBeDefined()
    expect(button).toEqual({ chip: 'fieldgate-sim', line: 3 })
    expect(Object.keys(ports)).toEqual(['rs485-1', 'rs485-2', 'rs485-3'])
  })

  it('may be a file beside the configuration', async () => {
    mkdirSync(join(folder, 'boards'))
    writeFileSync(
      join(folder, 'boards/carrier.yaml'),
      'title: Our carrier\nchip: gpiochip0\nports: { bus: { devices: ["/dev/ttyAMA*"], rs485: { mode: gpio, enable: { line: 17 }, delayAfter: 2ms } } }\n',
    )
    const { name, title, ports } = await board('board: ./boards/carrier.yaml\n')
    expect([name, title]).toEqual(['carrier', 'Our carrier'])
    expect(ports.bus).toEqual({
      devices: ['/dev/ttyAMA*'],
      rs485: { mode: 'gpio', enable: { chip: 'gpiochip0', line: 17 }, delayAfterMs: 2 },
    })
  })

  it('refuses what does not go together in rs485, as a connection does', async () => {
    const carrier = (rs485: string): Promise<string[]> => {
      writeFileSync(join(folder, 'carrier.yaml'), `ports: { bus: { devices: [/dev/ttyS1], rs485: ${rs485} } }\n`)
      return complaints('board: ./carrier.yaml\n')
    }
    expect(await carrier('{ mode: adapter, delayAfter: 2ms }')).toEqual([
      expect.stringMatching(
        /^carrier.yaml:1:\d+ board.ports.bus.rs485.delayAfter: delayAfter cannot be had with mode adapter/,
      ),
    ])
    const enable = 'enable: { chip: gpiochip0, line: 4 }'
    expect((await carrier(`{ mode: kernel, ${enable} }`))[0]).toContain('enable belongs to mode gpio or auto')
    expect((await carrier(`{ mode: gpio, rtsOnSend: low, ${enable} }`))[0]).toContain(
      'rtsOnSend belongs to mode kernel',
    )
    expect((await carrier(`{ mode: gpio, delayAfter: 200ms, ${enable} }`))[0]).toContain('expected at most 100ms')
    expect(await carrier(`{ mode: auto, delayAfter: 2ms, rtsOnSend: low, ${enable} }`)).toEqual([])
  })

  it('may say another mode of a port than its board file, which leaves what the old one alone can have', async () => {
    writeFileSync(
      join(folder, 'carrier.yaml'),
      'ports: { bus: { devices: [/dev/ttyS1], rs485: { mode: kernel, rtsOnSend: low, delayAfter: 2ms } } }\n',
    )
    const { ports } = await board(
      'board: { name: ./carrier.yaml, ports: { bus: { rs485: { mode: gpio, enable: { chip: c, line: 4 } } } } }\n',
    )
    expect(ports.bus?.rs485).toEqual({ mode: 'gpio', enable: { chip: 'c', line: 4 }, delayAfterMs: 2 })
  })

  it('that changes takes effect with a restart, also when only its file changes', async () => {
    const carrier = join(folder, 'carrier.yaml')
    writeFileSync(carrier, 'ports: { bus: { devices: [/dev/ttyS1] } }\n')
    const [before, same] = [await loaded('board: carrier.yaml\n'), await loaded('board: carrier.yaml\n')]
    writeFileSync(carrier, 'ports: { bus: { devices: [/dev/ttyS2] } }\n')
    const after = await loaded('board: carrier.yaml\n')
    if (!before.ok || !same.ok || !after.ok) throw new Error('not valid')
    const change = (one: typeof after) => {
      const found = diff(before.configuration, one.configuration).find(({ component }) => component === 'board')!
      return `${found.change}: ${found.text}`
    }
    expect(change(same)).toBe('kept: unchanged')
    expect(change(after)).toBe('restarted: takes effect when the service is restarted')
  })
})

describe('the name of a board', () => {
  it('that is misspelt is told the nearest', async () => {
    expect((await complaints('board: vrit\n'))[0]).toMatch(
      /^gateway.yaml:1:8 board: there is no board "vrit": did you mean "virt"\?/,
    )
    expect((await complaints('board: toaster\n'))[0]).toMatch(
      /expected one of generic, .*virt.*auto.*or a file such as/,
    )
  })

  it('that is a file which is not there names the file', async () => {
    const [text] = await complaints('board: ./carrier.yaml\n')
    expect(text).toBe(
      `gateway.yaml:1:8 board: there is no board "./carrier.yaml": ${folder}/carrier.yaml does not exist`,
    )
  })

  it('is auto: the board that the box says it is, or generic, which is said', async () => {
    expect((await board('board: auto\n', 'linux,dummy-virt')).name).toBe('virt')
    expect((await board('board: auto\n', 'Raspberry Pi 4 Model B Rev 1.5')).name).toBe('raspberry-pi-4')
    const unknown = await loaded('board: auto\n', 'Toaster 3000')
    expect(unknown.ok && unknown.configuration.board.name).toBe('generic')
    expect(unknown.ok && unknown.notices).toEqual([
      'board: auto fits no board that is known: this box calls itself Toaster 3000; it is taken as generic',
    ])
  })
})

describe('what the page shows', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/hardware.md'), 'utf8')
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!)

  it('is valid: in the gateway file, and as a board file', async () => {
    const files = examples.filter((text) => !text.startsWith('hostname:'))
    expect(files.length).toBe(3)
    const [first = '', own = '', file = ''] = files
    expect(Object.keys((await board(first)).ports)).toEqual(['rs485-1', 'rs485-2'])
    expect((await board(own)).leds.SYS?.red).toEqual({ gpio: { chip: 'pinctrl-bcm2711', line: 6 } })
    writeFileSync(join(folder, 'own.yaml'), file)
    const described = await board('board: own.yaml\n')
    expect(described.leds.SYS?.amber).toEqual({ led: 'sys:amber' })
    expect(described.button).toEqual({
      chip: 'pinctrl-bcm2711',
      line: 'KEY1',
      activeLow: true,
      bias: 'pull-up',
      debounceMs: 50,
    })
  })
})

describe('a family', () => {
  it('is the member that the box says it is', async () => {
    expect((await board('board: raspberry-pi\n', 'Raspberry Pi 5 Model B Rev 1.0')).name).toBe('raspberry-pi-5')
    expect((await complaints('board: rasberry-pi\n'))[0]).toContain('did you mean "raspberry-pi"?')
  })

  it('is the latest where the box is none of them, so that a file can be checked anywhere, and this is said', async () => {
    const found = await loaded('board: { name: raspberry-pi, hat: seeed-rs485 }\n', 'Desk PC')
    expect(found.ok && found.configuration.board.name).toBe('raspberry-pi-5+seeed-rs485')
    expect(found.ok && found.notices).toEqual([
      'board: raspberry-pi fits no board that is known: this box calls itself Desk PC; it is taken as raspberry-pi-5',
    ])
    expect((await board('board: { name: auto, hat: seeed-rs485 }\n', 'Desk PC')).name).toBe(
      'raspberry-pi-5+seeed-rs485',
    )
  })

  it('is told by what the device tree is compatible with before the computer on it', async () => {
    const tree = ['kunbus,revpi-connect4', 'brcm,bcm2711']
    const model = 'Raspberry Pi Compute Module 4 Rev 1.1'
    expect((await board('board: auto\n', model, tree)).name).toBe('revolution-pi-connect-4')
    expect((await board('board: revolution-pi\n', model, tree)).name).toBe('revolution-pi-connect-4')
    expect((await board('board: raspberry-pi\n', model, tree)).name).toBe('raspberry-pi-4')
  })
})

describe('a hat', () => {
  it('adds its ports to the board, and its lines are those of the board', async () => {
    const { name, title, ports, leds } = await board('board: { name: raspberry-pi-5, hat: waveshare-2ch-rs485 }\n')
    expect(name).toBe('raspberry-pi-5+waveshare-2ch-rs485')
    expect(title).toBe('Raspberry Pi 5 with Waveshare 2-CH RS485 HAT')
    expect([ports['rs485-1']?.devices, ports['rs485-2']?.devices]).toEqual([['/dev/ttySC0'], ['/dev/ttySC1']])
    expect(leds.SYS).toBeDefined()
    const seeed = await board('board: { name: raspberry-pi-4, hat: seeed-rs485 }\n')
    expect(seeed.ports['rs485-1']).toMatchObject({
      devices: expect.arrayContaining(['/dev/ttyAMA0']),
      rs485: { mode: 'gpio', enable: { chip: 'pinctrl-bcm2711', line: 18 } },
    })
  })

  it('gives way to what the gateway file says', async () => {
    const { ports } = await board(
      'board: { name: raspberry-pi-4, hat: waveshare-rs485-can, ports: { rs485-1: { rs485: { mode: gpio, enable: { line: 4 } } } } }\n',
    )
    expect(ports['rs485-1']?.rs485).toEqual({ mode: 'gpio', enable: { chip: 'pinctrl-bcm2711', line: 4 } })
  })

  it('that does not fit the board, or is not known, is refused', async () => {
    expect(await complaints('board: { name: iot2050, hat: seeed-rs485 }\n')).toEqual([
      'gateway.yaml:1:30 board.hat: seeed-rs485 is for raspberry-pi-3, raspberry-pi-4, raspberry-pi-5, not for iot2050',
    ])
    expect((await complaints('board: { name: virt, hat: seed-rs485 }\n'))[0]).toContain('did you mean "seeed-rs485"?')
  })

  it.each(readdirSync(join(SHIPPED, 'hats')))('%s is valid on each board it names', async (file) => {
    const hat = file.replace('.yaml', '')
    for (const name of ['raspberry-pi-3', 'raspberry-pi-4', 'raspberry-pi-5']) {
      expect((await board(`board: { name: ${name}, hat: ${hat} }\n`)).name).toBe(`${name}+${hat}`)
    }
  })
})

describe('what is wrong in a board file', () => {
  it('is all said at once, each with its place', async () => {
    writeFileSync(
      join(folder, 'carrier.yaml'),
      `title: Our carrier
prots: {}
ports:
  bus: { device: /dev/ttyS1 }
  other: { devices: [/dev/ttyS2], rs485: { mode: hand, enabel: { line: 4 } } }
  third: { devices: [/dev/ttyS3], rs485: { mode: gpio } }
leds:
  SYSTEM: { green: { led: ACT } }
  BUS: { blue: { led: ACT }, green: { led: ACT, gpio: { line: 4, chip: x } }, red: { gpio: { line: -4 } } }
button: { line: 4, activeLow: yes, debounce: 30 }
watchdog: { timeout: 10ms }
`,
    )
    expect(await complaints('board: carrier.yaml\n')).toMatchInlineSnapshot(`
      [
        "carrier.yaml:2:1 board.prots: unknown key "prots": did you mean "ports"?",
        "carrier.yaml:4:10 board.ports.bus.device: unknown key "device": did you mean "devices"?",
        "carrier.yaml:4:18 board.ports.bus.device: expected a list of device files, such as [/dev/ttyAMA0]",
        "carrier.yaml:5:50 board.ports.other.rs485.mode: expected auto, kernel, gpio or adapter",
        "carrier.yaml:5:56 board.ports.other.rs485.enabel: unknown key "enabel": did you mean "enable"?",
        "carrier.yaml:6:35 board.ports.third.rs485: enable is missing: name the line that enables the driver (DE)",
        "carrier.yaml:8:3 board.leds.SYSTEM: unknown key "SYSTEM": expected one of SYS, BUS, NET, HA",
        "carrier.yaml:9:10 board.leds.BUS.blue: unknown key "blue": expected one of green, amber, red",
        "carrier.yaml:9:30 board.leds.BUS.green: expected either { led: NAME } or { gpio: { chip, line } }",
        "carrier.yaml:9:100 board.leds.BUS.red.gpio.line: expected at least 0",
        "carrier.yaml:10:31 board.button.activeLow: expected true or false; YAML reads yes as a text",
        "carrier.yaml:10:46 board.button.debounce: expected a duration such as 250ms, 1s, 5m or 1h; did you mean "30s"?",
        "carrier.yaml:11:1 board.watchdog: device is missing: expected a text",
        "carrier.yaml:11:22 board.watchdog.timeout: expected at least 1000ms",
      ]
    `)
  })

  it('is told in the gateway file where it stands there', async () => {
    expect(
      await complaints('board: { name: virt, button: { lien: 8 }, ports: { a: { devices: [] } } }\n'),
    ).toMatchInlineSnapshot(`
      [
        "gateway.yaml:1:32 board.button.lien: unknown key "lien": did you mean "line"?",
        "gateway.yaml:1:57 board.ports.a.devices: expected at least one device file",
      ]
    `)
    expect(await complaints('board: 3\n')).toMatchInlineSnapshot(`
      [
        "gateway.yaml:1:8 board: expected the name of a board, such as raspberry-pi, a board file, or { name, hat }",
      ]
    `)
    expect(await complaints('board: { hat: x }\n')).toMatchInlineSnapshot(`
      [
        "gateway.yaml:1:1 board: name is missing: name a board, such as raspberry-pi",
      ]
    `)
    expect(await complaints('board: { name: virt, hat: x }\n')).toMatchInlineSnapshot(`
      [
        "gateway.yaml:1:27 board.hat: there is no hat "x": expected one of seeed-rs485, waveshare-2ch-rs485, waveshare-rs485-can, zihatec-rs422-rs485, or a file such as ./my-hat.yaml",
      ]
    `)
  })

  it('is a lamp or a line that two have, where the second has it', async () => {
    const lines = '{ name: virt, leds: { BUS: { red: { led: "sys:red" } }, NET: { green: { gpio: { line: 8 } } } }, '
    const rest = 'ports: { rs485-1: { rs485: { mode: gpio, enable: { line: 8 } } } } }\n'
    expect((await complaints(`board: ${lines}${rest}`)).map((text) => text.replace(/^\S+:(\d+):\d+/, '$1'))).toEqual([
      '1 board.leds.BUS.red: the lamp sys:red is used twice: it is SYS red already',
      '1 board.ports.rs485-1.rs485.enable: line 8 of fieldgate-sim is used twice: it is NET green already',
      '15 board.button: line 8 of fieldgate-sim is used twice: it is NET green already',
    ])
    expect(
      (await board('board: { leds: { SYS: { green: { led: rgb }, red: { led: rgb } } }, name: generic }\n')).leds.SYS,
    ).toEqual({
      green: { led: 'rgb' },
      red: { led: 'rgb' },
    })
  })

  it('is told when the file is no map, or no YAML', async () => {
    writeFileSync(join(folder, 'carrier.yaml'), '- a\n')
    expect(await complaints('board: carrier.yaml\n')).toEqual([
      'carrier.yaml:1:1 board: expected the keys of a board, such as ports and leds',
    ])
    writeFileSync(join(folder, 'carrier.yaml'), 'a: [\n')
    expect((await complaints('board: carrier.yaml\n'))[0]).toMatch(/^carrier.yaml:2:1 board: this is not YAML/)
  })
})
