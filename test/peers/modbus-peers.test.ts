/** Our Modbus client against other people's devices, and other people's clients as a second opinion of what stands there. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Reason } from '../../src/contracts/batch.ts'
import { ModbusDriver } from '../../src/southbound/modbus/driver.ts'
import { modbusAscii, modbusRtu, modbusRtuOverTcp, modbusTcp } from '../../src/southbound/modbus/schema/schema.ts'
import { type ConnectionSettings, connectionSettings } from '../../src/southbound/modbus/settings.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { genericBoard } from '../hal/linux/generic.ts'
import { groupOf } from '../southbound/modbus/configured.ts'
import { ALWAYS, type Outcome, readGroup, SILENT } from '../southbound/modbus/rig.ts'
import { freePort, started, until } from './processes.ts'
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
async function connected(settings: ConnectionSettings): Promise<ModbusDriver> {
  const board = genericBoard()
  const driver = new ModbusDriver({ name: 'peer', settings, clock: new SystemClock(), log: SILENT, board })
  stopAfterwards(driver)
  await driver.start()
  await until('the connection', () => driver.state().condition === 'fine')
  await until('the first answer', async () => {
    return (await readGroup(driver, groupOf([{ address: 'holding:0', type: 'uint16' }]))).fault === undefined
  })
  return driver
}

/** What stands in the pymodbus device, as its own builder put it there. */
interface Table {
  readonly table: readonly {
    readonly type: string
    readonly order: string
    readonly address: number
    readonly length?: number
    readonly value: string
  }[]
  /** The first register that is nobody's. */
  readonly free: number
}

interface Way {
  readonly driver: ModbusDriver
  readonly table: Table
  /** How mbpoll gets there; null: it cannot. */
  readonly mbpoll: readonly string[] | null
}

async function python(...words: string[]): Promise<Table> {
  const file = join(newFolder(), 'table.json')
  const script = new URL('modbus-device.py', import.meta.url).pathname
  await keep(started(PYTHON, [script, file, ...words], /ready/))
  return JSON.parse(readFileSync(file, 'utf8'))
}

const ways: Readonly<Record<string, () => Promise<Way>>> = {
  async 'over TCP'() {
    const port = await freePort()
    const table = await python('tcp', String(port))
    const parsed = modbusTcp.connection.parse({ host: '127.0.0.1', port, inFlight: 4 })
    const driver = await connected(connectionSettings(parsed))
    return { driver, table, mbpoll: ['-m', 'tcp', '-p', String(port), '127.0.0.1'] }
  },
  async 'over a serial line'() {
    const [near, far] = await cable()
    const table = await python('rtu', far, '19200')
    const driver = await connected(connectionSettings(modbusRtu.connection.parse({ port: near, baudRate: 19_200 })))
    return { driver, table, mbpoll: ['-m', 'rtu', '-b', '19200', '-P', 'none', near] }
  },
  async 'over a line of ASCII'() {
    const [near, far] = await cable()
    const table = await python('ascii', far, '19200')
    const parsed = modbusAscii.connection.parse({ port: near, baudRate: 19_200 })
    const driver = await connected(connectionSettings({ ...parsed, framing: 'ascii' }))
    return { driver, table, mbpoll: null }
  },
  async 'through a converter'() {
    const port = await freePort()
    const table = await python('rtu-over-tcp', String(port))
    const driver = await connected(connectionSettings(modbusRtuOverTcp.connection.parse({ host: '127.0.0.1', port })))
    return { driver, table, mbpoll: null }
  },
}

function tagOf({ type, order, address, length }: Table['table'][number]) {
  return { address: `holding:${address}`, type, order, ...(length === undefined ? {} : { length }) }
}

function texts({ values }: Outcome): string[] {
  return values.map((value) => (typeof value === 'string' ? value.replace(/\0+$/, '') : String(value)))
}

/** The values mbpoll prints, one a line. */
async function mbpoll(way: readonly string[], ...words: string[]): Promise<string[]> {
  const options = way.slice(0, -1)
  const { stdout } = await run(MBPOLL, [...options, '-1', '-0', '-a', '1', ...words, way.at(-1)!])
  return [...stdout.matchAll(/^\[\d+\]:\s+(\S+)/gm)].map((match) => match[1]!)
}

describe.skipIf(lacks('pymodbus devices', PYTHON, PYMODBUS, ASYNC_SERIAL, SOCAT))('a pymodbus device', () => {
  test.each(Object.keys(ways))('%s: every type in every order is read as its own builder wrote it', async (name) => {
    const { driver, table } = await ways[name]!()
    const outcome = await readGroup(driver, groupOf(table.table.map(tagOf)))
    expect(outcome.fault).toBeUndefined()
    expect(table.table).toHaveLength(37)
    for (const [at, entry] of table.table.entries()) {
      const what = `${entry.type} ${entry.order} at ${entry.address}`
      expect([what, outcome.quality[at]]).toEqual([what, Reason.good])
      const got = outcome.values[at]!
      if (entry.type === 'float32') expect(Math.fround(Number(entry.value))).toBe(got)
      else expect([what, texts(outcome)[at]]).toEqual([what, entry.value])
    }
  })

  test.each(Object.keys(ways))('%s: coils, inputs and what was written are read back', async (name) => {
    const { driver, table } = await ways[name]!()
    const bits = await readGroup(driver, groupOf(Array.from({ length: 40 }, (_, at) => ({ address: `coil:${at}` }))))
    expect(bits.values).toEqual(Array.from({ length: 40 }, (_, at) => (at % 3 === 0 ? 1 : 0)))
    const inputs = await readGroup(
      driver,
      groupOf(Array.from({ length: 125 }, (_, at) => ({ address: `input:${at}`, type: 'uint16' }))),
    )
    expect(inputs.values).toEqual(Array.from({ length: 125 }, (_, at) => at * 7))
    const group = groupOf([
      { address: `holding:${table.free}`, type: 'int16' },
      { address: `holding:${table.free + 1}`, type: 'float32', order: 'CDAB' },
      { address: `holding:${table.free + 3}`, type: 'string', length: 10 },
      { address: 'coil:1' },
      { address: 'coil:4', count: 3 },
    ])
    const values = [-7, 0.5, 'Straße 9', true, [true, true, false]] as const
    for (const [at, value] of values.entries()) await driver.write(group.device, group.tags[at]!, value, ALWAYS)
    const back = await readGroup(driver, group)
    expect(back.values).toEqual([-7, 0.5, 'Straße 9', 1, [true, true, false]])
  })

  test.each(Object.keys(ways))('%s: a register it does not have costs the others nothing', async (name) => {
    const { driver } = await ways[name]!()
    const outcome = await readGroup(
      driver,
      groupOf([398, 399, 400].map((at) => ({ address: `holding:${at}`, type: 'uint16' }))),
    )
    expect(outcome.quality).toEqual([Reason.good, Reason.good, Reason.illegalAddress])
  })

  test.skipIf(lacks('mbpoll', MBPOLL)).each(['over TCP', 'over a serial line'])(
    '%s: mbpoll sees the same',
    async (name) => {
      const { driver, table, mbpoll: way } = await ways[name]!()
      const group = groupOf([{ address: `holding:${table.free}`, type: 'float32' }])
      await driver.write(group.device, group.tags[0]!, 1.5, ALWAYS)
      const ours = await readGroup(
        driver,
        groupOf(Array.from({ length: 90 }, (_, at) => ({ address: `holding:${at}`, type: 'uint16' }))),
      )
      const hex = ours.values.map((value) => `0x${Number(value).toString(16).padStart(4, '0').toUpperCase()}`)
      await driver.stop()
      expect(await mbpoll(way!, '-t', '4:hex', '-r', '0', '-c', '90')).toEqual(hex)
      expect(await mbpoll(way!, '-t', '4:float', '-B', '-r', String(table.free), '-c', '1')).toEqual(['1.5'])
    },
  )
})

describe.skipIf(lacks('libmodbus devices', CC, LIBMODBUS))('a libmodbus device', () => {
  async function device(): Promise<number> {
    const program = join(newFolder(), 'server')
    const source = new URL('../bench/libmodbus-server.c', import.meta.url).pathname
    await run(CC, ['-O1', '-o', program, source, '-I/usr/include/modbus', '-lmodbus'])
    const port = await freePort()
    await keep(started(program, [String(port)], /ready/))
    return port
  }

  test('gives registers, coils and exceptions as it should, several requests at once', async () => {
    const port = await device()
    const parsed = modbusTcp.connection.parse({ host: '127.0.0.1', port, inFlight: 8 })
    const driver = await connected(connectionSettings(parsed))
    const starts = Array.from({ length: 64 }, (_, at) => at * 130)
    const reads = starts.map((from) =>
      readGroup(
        driver,
        groupOf(Array.from({ length: 125 }, (_, at) => ({ address: `holding:${from + at}`, type: 'uint16' }))),
      ),
    )
    for (const [at, { values }] of (await Promise.all(reads)).entries()) {
      expect(values).toEqual(Array.from({ length: 125 }, (_, register) => starts[at]! + register))
    }
    const edge = await readGroup(
      driver,
      groupOf([9999, 10_000].map((at) => ({ address: `input:${at}`, type: 'uint16' }))),
    )
    expect(edge.quality).toEqual([Reason.good, Reason.illegalAddress])
    const group = groupOf([{ address: 'holding:50', type: 'uint64' }])
    await driver.write(group.device, group.tags[0]!, 2n ** 63n + 1n, ALWAYS)
    expect((await readGroup(driver, group)).values).toEqual([2n ** 63n + 1n])
    if (existsSync(MBPOLL)) {
      const way = ['-m', 'tcp', '-p', String(port), '127.0.0.1']
      expect(await mbpoll(way, '-t', '4:hex', '-r', '50', '-c', '4')).toEqual(['0x8000', '0x0000', '0x0000', '0x0001'])
    }
  })
})
