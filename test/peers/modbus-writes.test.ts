/** Writes against other people's devices: every type and part of a register at pymodbus and libmodbus, mbpoll as the second opinion;
 *  set-up, refreshing and letting go with a whole gateway in front of a pymodbus device that is killed under it. */
import { type ChildProcess, execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Value } from '../../src/contracts/batch.ts'
import type { GroupPlan } from '../../src/contracts/driver.ts'
import { Rejected } from '../../src/contracts/errors.ts'
import { ModbusDriver } from '../../src/southbound/modbus/driver.ts'
import { modbusRtu, modbusTcp } from '../../src/southbound/modbus/schema/schema.ts'
import { type ConnectionSettings, connectionSettings } from '../../src/southbound/modbus/settings.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { genericBoard } from '../hal/linux/generic.ts'
import { groupOf, type TagWritten } from '../southbound/modbus/configured.ts'
import { ALWAYS, readGroup, SILENT } from '../southbound/modbus/rig.ts'
import { ended, fieldgate, freePort, gateway, started, until } from './processes.ts'
import {
  ASYNC_SERIAL,
  CC,
  cable,
  keep,
  LIBMODBUS,
  lacks,
  MBPOLL,
  newFolder,
  PYMODBUS,
  PYTHON,
  SOCAT,
  stopAfterwards,
} from './workshop.ts'

const run = promisify(execFile)
function device(...words: string[]): Promise<ChildProcess> {
  return keep(started(PYTHON, [join(import.meta.dirname, 'writes-device.py'), ...words], /ready/))
}

async function connected(settings: ConnectionSettings): Promise<ModbusDriver> {
  const board = genericBoard()
  const driver = new ModbusDriver({ name: 'peer', settings, clock: new SystemClock(), log: SILENT, board })
  stopAfterwards(driver)
  await driver.start()
  await until('the first answer', async () => {
    return (await readGroup(driver, groupOf([{ address: 'holding:0', type: 'uint16' }]))).fault === undefined
  })
  return driver
}

const overTcp = (port: number) =>
  connected(connectionSettings(modbusTcp.connection.parse({ host: '127.0.0.1', port, timeout: '1s' })))

/** How the device is reached, and its registers from 0 on as mbpoll prints them. */
interface Way {
  readonly driver: ModbusDriver
  registers(count: number): Promise<string>
}

async function mbpoll(way: readonly string[], count: number): Promise<string> {
  const words = [...way.slice(0, -1), '-1', '-0', '-a', '1', '-t', '4:hex', '-r', '0', '-c', String(count), way.at(-1)!]
  const { stdout } = await run(MBPOLL, words)
  return [...stdout.matchAll(/^\[\d+\]:\s+0x(\S+)/gm)].map((match) => match[1]!.toLowerCase()).join(' ')
}

async function wayTcp(masks: string): Promise<Way> {
  const port = await freePort()
  await device(masks, 'tcp', String(port))
  return {
    driver: await overTcp(port),
    registers: (count) => mbpoll(['-m', 'tcp', '-p', String(port), '127.0.0.1'], count),
  }
}

async function waySerial(masks: string): Promise<Way> {
  const [near, far] = await cable()
  await device(masks, 'rtu', far, '19200')
  const driver = await connected(connectionSettings(modbusRtu.connection.parse({ port: near, baudRate: 19_200 })))
  return {
    driver,
    async registers(count) {
      await driver.stop()
      return mbpoll(['-m', 'rtu', '-b', '19200', '-P', 'none', near], count)
    },
  }
}

async function wayLibmodbus(): Promise<Way> {
  const program = join(newFolder(), 'server')
  const source = new URL('../bench/libmodbus-server.c', import.meta.url).pathname
  await run(CC, ['-O1', '-o', program, source, '-I/usr/include/modbus', '-lmodbus'])
  const port = await freePort()
  await keep(started(program, [String(port)], /ready/))
  const driver = await overTcp(port)
  // Its registers count up from their address.
  const zeros = groupOf([{ address: 'holding:0', type: 'uint16', count: 60 }])
  await driver.write(zeros.device, zeros.tags[0]!, Array(60).fill(0), ALWAYS)
  return { driver, registers: (count) => mbpoll(['-m', 'tcp', '-p', String(port), '127.0.0.1'], count) }
}

/** Each where the one before ends: what is written, what stands in the registers then. */
const WRITES: readonly (readonly [keys: object, value: Value, registers: string])[] = [
  [{ type: 'int16' }, -2, 'fffe'],
  [{ type: 'uint16', order: 'BA' }, 0x1234, '3412'],
  [{ type: 'int32', order: 'CDAB' }, -2, 'fffe ffff'],
  [{ type: 'uint32', order: 'BADC' }, 0x12345678, '3412 7856'],
  [{ type: 'uint48' }, 0x123456789abc, '1234 5678 9abc'],
  [{ type: 'int64', order: 'DCBA' }, -2n, 'feff ffff ffff ffff'],
  [{ type: 'uint64', order: 'EFGHABCD' }, 0x0102030405060708n, '0506 0708 0102 0304'],
  [{ type: 'float16' }, 1.5, '3e00'],
  [{ type: 'float32', order: 'CDAB' }, 1.5, '0000 3fc0'],
  [{ type: 'float64' }, -2, 'c000 0000 0000 0000'],
  [{ type: 'bcd16' }, 1234, '1234'],
  [{ type: 'bcd32' }, 12345678, '1234 5678'],
  [{ type: 'mod10k' }, 1_234_567, '007b 11d7'],
  [{ type: 'signmag16' }, -5, '8005'],
  [{ type: 'datetime', layout: 'unix' }, '2009-02-13T23:31:30Z', '4996 02d2'],
  [{ type: 'string', length: 6, order: 'BA' }, 'Ulm-3', '6c55 2d6d 0033'],
  [{ type: 'bytes', length: 2 }, 'beef', 'beef'],
  [{ type: 'int16', count: 3 }, [1, -1, 2], '0001 ffff 0002'],
]

async function writeAll(driver: ModbusDriver, group: GroupPlan, values: readonly Value[]): Promise<void> {
  for (const [at, value] of values.entries()) await driver.write(group.device, group.tags[at]!, value, ALWAYS)
}

const ways: Readonly<Record<string, () => Promise<Way>>> = {
  'pymodbus over TCP': () => wayTcp('knows-masks'),
  'pymodbus over a serial line': () => waySerial('knows-masks'),
  'libmodbus over TCP': wayLibmodbus,
}
const absent = lacks('writes at real devices', PYTHON, PYMODBUS, ASYNC_SERIAL, SOCAT, MBPOLL, CC, LIBMODBUS)

describe.skipIf(absent)('at a real device', () => {
  test.each(Object.keys(ways))('%s: every type is written as it should stand, and read back', async (name) => {
    const { driver, registers } = await ways[name]!()
    let next = 0
    const tags = WRITES.map(([keys, , expected]): TagWritten => {
      const address = `holding:${next}`
      next += expected.split(' ').length
      return { keys: { address, ...keys, write: { readBack: true } } }
    })
    const group = groupOf(tags, { access: 'rw' })
    await writeAll(
      driver,
      group,
      WRITES.map(([, value]) => value),
    )
    expect((await readGroup(driver, group)).quality).toEqual(WRITES.map(() => 0))
    expect(driver.counters()).toMatchObject({ readBackDiffers: 0, unknownWrites: 0 })
    expect(await registers(next)).toBe(WRITES.map(([, , expected]) => expected).join(' '))
  })

  test.each(Object.keys(ways))('%s: parts of registers are written by function 22', async (name) => {
    const { driver, registers } = await ways[name]!()
    expect(await parts(driver, registers)).toEqual({ maskWrites: 4, guardedWrites: 1, illegalFunctions: 0 })
  })

  test.each([
    ['over TCP', wayTcp],
    ['over a serial line', waySerial],
  ] as const)('pymodbus without function 22 %s: they are read, changed and written', async (_, way) => {
    const { driver, registers } = await way('no-masks')
    expect(await parts(driver, registers)).toEqual({ maskWrites: 0, guardedWrites: 5, illegalFunctions: 1 })
  })

  /** The same parts of the same registers, by whatever way the device knows. */
  async function parts(driver: ModbusDriver, registers: Way['registers']): Promise<object> {
    const whole = groupOf([{ address: 'holding:0', type: 'uint16', count: 5 }], { access: 'rw' })
    await writeAll(driver, whole, [[0x0f0f, 0xaaaa, 0x1111, 0x2222, 0x3333]])
    const tags = [
      { address: '40001.15' },
      { address: '40001.0' },
      { address: 'holding:0', type: 'uint16', bits: '4-6' },
      { address: 'holding:1', type: 'int8', byte: 'high' },
      { address: 'holding:2', type: 'uint32', bits: '12-19' },
      { address: ['holding:4', 'holding:6'], type: 'uint32' },
    ]
    const group = groupOf(tags, { access: 'rw' })
    await writeAll(driver, group, [true, false, 5, -2, 0xff, 0x12345678])
    const { maskWrites, guardedWrites, illegalFunctions } = driver.counters() as Record<string, number>
    expect(await registers(7)).toBe('8f5e feaa 111f f222 1234 0000 5678')
    return { maskWrites, guardedWrites, illegalFunctions }
  }

  test('pymodbus: a register it does not have is refused, in words', async () => {
    const { driver } = await wayTcp('knows-masks')
    const group = groupOf([{ address: 'holding:5000', type: 'uint16' }], { access: 'rw' })
    const fault = await driver.write(group.device, group.tags[0]!, 1, ALWAYS).catch((thrown) => thrown)
    expect(fault).toBeInstanceOf(Rejected)
    expect(fault.message).toBe('d has no such address (exception 2)')
  })

  test('pymodbus: a broadcast reaches every unit of the line', async () => {
    const { driver } = await waySerial('knows-masks')
    expect(await driver.poke(['0', '40008', 'uint16', '4711'], ALWAYS)).toContain('sent; a broadcast is never answered')
    for (const unitId of [1, 2]) {
      const group = groupOf([{ address: '40008', type: 'uint16' }], { device: { unitId } })
      expect((await readGroup(driver, group)).values).toEqual([4711])
    }
  })
})

describe.skipIf(absent)('a gateway in front of a pymodbus device', () => {
  test('sets it up, keeps what was written in force, and lets go of it', async () => {
    const [folder, port] = [newFolder(), await freePort()]
    let server = await device('knows-masks', 'tcp', String(port))
    const file = join(folder, 'gateway.yaml')
    const configure = ({ unit = 'rpm', ramp = true }): void =>
      writeFileSync(
        file,
        `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 300ms } }
devices:
  drive:
    connection: plc
    setup: [{ address: "40050", type: uint16, value: 77, verify: true }]
    setupWrites: allow
    groups:
      main:
        every: 100ms
        tags:
          mode: { address: "40050", type: uint16 }
          speed: { address: "40001", type: uint16, scale: 0.1, access: rw, write: { refresh: 200ms, onStop: 0.5, readBack: true } }
          torque: { address: "40002", type: int16, access: rw, write: { expires: 1s, onStop: -1 } }
${ramp ? '          ramp: { address: "40003", type: int16, access: rw, write: { onStop: 3 } }' : ''}
          low: { address: "40010", type: int16, access: rw, write: { with: [high] } }
          high: { address: "40011", type: int16, access: rw, write: { with: [low] } }
      other: { every: 1s, tags: { count: { address: "40060", type: uint16, unit: "${unit}" } } }
log: { path: ${join(folder, 'log')} }
`,
      )
    configure({})
    const service = await keep(gateway(file))
    const driver = await overTcp(port)
    const addresses = ['40001', '40002', '40003', '40010', '40011', '40050']
    const seen = groupOf(addresses.map((address) => ({ address, type: 'int16' })))
    const holds = (what: string, ...expected: number[]): Promise<unknown> =>
      until(what, async () => {
        const { values, fault } = await readGroup(driver, seen)
        return fault === undefined && expected.every((value, at) => Number.isNaN(value) || values[at] === value)
      })
    const at = ['--config', file]
    const write = (...words: string[]) => fieldgate('write', ...words, ...at)

    await holds('the set-up', 0, 0, 0, 0, 0, 77)
    expect(await write('drive/main/speed', '120')).toMatchObject({ status: 0, stdout: 'drive/main: speed = 120\n' })
    expect(await write('drive/main/torque', '50', 'ramp', '9')).toMatchObject({ status: 0 })
    await holds('what was written', 1200, Number.NaN, 9)
    await holds('the value that is left after a second', 1200, -1, 9)

    const alone = await write('drive/main/low', '1')
    expect(alone).toMatchObject({ status: 1, stderr: expect.stringContaining('low is written together with high') })
    expect(await write('drive/main/low', '1', 'high', '2')).toMatchObject({ status: 0 })
    await holds('both', 1200, -1, 9, 1, 2)

    // A device that starts anew has forgotten everything: the set-up and what is refreshed come back, the rest does not.
    await ended(server)
    server = await device('knows-masks', 'tcp', String(port))
    await holds('what comes back', 1200, 0, 0, 0, 0, 77)

    configure({ unit: 'rps' })
    expect((await fieldgate('apply', ...at)).status).toBe(0)
    const overwrite = groupOf([{ address: '40001', type: 'uint16' }], { access: 'rw' })
    await driver.write(overwrite.device, overwrite.tags[0]!, 1, ALWAYS)
    await holds('it is still refreshed', 1200)
    configure({ unit: 'rps', ramp: false })
    expect((await fieldgate('apply', ...at)).status).toBe(0)
    await holds('a tag that is gone is let go of', 1200, 0, 3)

    await ended(service)
    await holds('the rest is let go of at the end', 5, 0, 3, 0, 0, 77)
  }, 60_000)

  test('that refuses its set-up is not read, and status says why', async () => {
    const [folder, port] = [newFolder(), await freePort()]
    await device('knows-masks', 'tcp', String(port))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port} } }
devices:
  drive:
    connection: plc
    setup: [{ address: "45000", type: uint16, value: 1 }]
    setupWrites: allow
    groups: { main: { every: 100ms, tags: { mode: { address: "40050", type: uint16, access: rw } } } }
  valve: { connection: plc, unitId: 2, groups: { main: { tags: { open: { address: "00001", access: w } } } } }
log: { path: ${join(folder, 'log')} }
`,
    )
    await keep(gateway(file))
    const said = await until('the reason', async () => {
      const { stdout } = await fieldgate('status', '--config', file)
      return stdout.includes('is not set up') && stdout
    })
    expect(said).toContain('45000 = 1: drive has no such address (exception 2)')
    expect(said).toMatch(/^BUS .*drive is not set up/m)
    expect(said).toMatch(/^valve .*only written, never read/m)
    expect((await fieldgate('write', 'valve/main/open', 'on', '--config', file)).status).toBe(0)
    const { stdout } = await fieldgate('values', '--config', file)
    expect(stdout).toContain('device not set up as configured')
    const refused = await fieldgate('write', 'drive/main/mode', '1', '--config', file)
    expect(refused).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('refused: not sent: drive is not set up'),
    })
  }, 30_000)
})
