/** Functions 20, 22, 23, 24 and 43/14 against other people's devices: pymodbus over TCP and a serial line, libmodbus over TCP. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Asking } from '../../src/southbound/modbus/asking.ts'
import { identify } from '../../src/southbound/modbus/diagnosis/identification.ts'
import type { Ask } from '../../src/southbound/modbus/frames/pdu.ts'
import { openLink } from '../../src/southbound/modbus/open-link.ts'
import { modbusRtu, modbusTcp } from '../../src/southbound/modbus/schema/schema.ts'
import { type ConnectionSettings, connectionSettings } from '../../src/southbound/modbus/settings.ts'
import { Tally } from '../../src/southbound/modbus/tally.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { genericBoard } from '../hal/linux/generic.ts'
import { ALWAYS } from '../southbound/modbus/rig.ts'
import { freePort, started, until } from './processes.ts'
import {
  ASYNC_SERIAL,
  CC,
  cable,
  keep,
  LIBMODBUS,
  lacks,
  newFolder,
  PYMODBUS,
  PYTHON,
  SOCAT,
  stopAfterwards,
} from './workshop.ts'

function ask(keys: Partial<Ask>): Ask {
  return { device: 'peer', unit: 1, function: 3, address: 0, quantity: 1, timeoutMs: 1000, ...keys }
}

class Client {
  readonly tally = new Tally()
  readonly asking: Asking

  constructor(settings: ConnectionSettings) {
    const clock = new SystemClock()
    const link = openLink({ settings, clock, board: genericBoard(), tally: this.tally, random: Math.random })
    stopAfterwards(link)
    this.asking = new Asking({ link, clock, tally: this.tally })
    link.start()
  }

  /** The registers of the answer, or the exception. */
  async read(question: Ask, payload: Uint8Array | null = null): Promise<number[] | number> {
    const registers: number[] = []
    const device = this.asking.device(question)
    const take = (bytes: Uint8Array, offset: number, length: number): void => {
      for (let at = 0; at < length; at += 2) registers.push((bytes[offset + at]! << 8) | bytes[offset + at + 1]!)
    }
    const code = await this.asking.once(question, payload, device, take, ALWAYS)
    return code === 0 ? registers : code
  }

  ready(): Promise<unknown> {
    return until('the first answer', () => this.read(ask({})).catch(() => false))
  }
}

async function device(encoding: string, ...words: string[]): Promise<void> {
  const script = new URL('functions-device.py', import.meta.url).pathname
  await keep(started(PYTHON, [script, encoding, ...words], /ready/))
}

const ways: Readonly<Record<string, (encoding: string) => Promise<Client>>> = {
  async 'over TCP'(encoding) {
    const port = await freePort()
    await device(encoding, 'tcp', String(port))
    return new Client(connectionSettings(modbusTcp.connection.parse({ host: '127.0.0.1', port })))
  },
  async 'over a serial line'(encoding) {
    const [near, far] = await cable()
    await device(encoding, 'rtu', far, '19200')
    return new Client(connectionSettings(modbusRtu.connection.parse({ port: near, baudRate: 19_200 })))
  },
}

const words = (...values: number[]): Uint8Array =>
  Uint8Array.from(values.flatMap((value) => [value >> 8, value & 0xff]))

describe.skipIf(lacks('pymodbus devices', PYTHON, PYMODBUS, ASYNC_SERIAL, SOCAT))('a pymodbus device', () => {
  test.each(Object.keys(ways))('%s: files, queues, masks and read-write', async (name) => {
    const client = await ways[name]!('standard')
    await client.ready()
    expect(await client.read(ask({ function: 20, file: 4, address: 100, quantity: 3 }))).toEqual([300, 303, 306])
    const most = (await client.read(ask({ function: 20, file: 4, address: 0, quantity: 121 }))) as number[]
    expect([most.length, most.at(-1)]).toEqual([121, 360])
    expect(await client.read(ask({ function: 20, file: 5, quantity: 1 }))).toBe(2)
    expect(await client.read(ask({ function: 24, address: 1246, quantity: 31 }))).toEqual([440, 4740])
    expect(await client.read(ask({ function: 24, address: 7, quantity: 31 }))).toEqual([])
    expect(await client.read(ask({ function: 24, address: 8, quantity: 31 }))).toHaveLength(31)
    expect(await client.read(ask({ function: 24, address: 9, quantity: 31 }))).toBe(2)
    await client.asking.write(ask({ function: 22, address: 0x55 }), words(0xf0, 0x05), ALWAYS)
    expect(await client.read(ask({ address: 0x55 }))).toEqual([(0x55 & 0xf0) | (0x05 & ~0xf0)])
    const readWrite = ask({ function: 23, address: 9, quantity: 4, writeAddress: 10 })
    expect(await client.read(readWrite, words(1000, 1001))).toEqual([9, 1000, 1001, 12])
    const { timeouts, garbageBytes, wrongLengths } = client.tally
    expect({ garbageBytes, wrongLengths, timeouts: timeouts < 20 }).toEqual({
      garbageBytes: 0,
      wrongLengths: 0,
      timeouts: true,
    })
  })

  test.each(Object.keys(ways))('%s: it identifies itself, its long objects in several answers', async (name) => {
    const client = await ways[name]!('standard')
    await client.ready()
    const about = { device: 'peer', unit: 1, timeoutMs: 1000, retries: 1, signal: ALWAYS, extended: true }
    const identity = await identify({ asking: client.asking, ...about })
    expect(identity).toMatchObject({ vendor: 'Acme Instruments', version: 'V1.2', productName: 'Power Meter 5' })
    expect([identity!.objects.get(0x80), identity!.objects.get(0x81)]).toEqual(['board 4', 'x'.repeat(200)])
  })

  test('over TCP: answers whose inner lengths contradict each other are refused, whoever sends them', async () => {
    const client = await ways['over TCP']!('as-shipped')
    await client.ready()
    const queue = client.read(ask({ function: 24, address: 1246, quantity: 31 }))
    await expect(queue).rejects.toThrow('unit 1 answered with lengths that contradict each other')
    await expect(client.read(ask({ function: 20, file: 4, quantity: 2 }))).rejects.toThrow(/unit 1 answered with/)
    expect(client.tally.wrongLengths).toBe(2)
  })
})

describe.skipIf(lacks('libmodbus devices', CC, LIBMODBUS))('a libmodbus device', () => {
  test('masks registers and reads what it was written', async () => {
    const program = join(newFolder(), 'server')
    const source = new URL('../bench/libmodbus-server.c', import.meta.url).pathname
    await promisify(execFile)(CC, ['-O1', '-o', program, source, '-I/usr/include/modbus', '-lmodbus'])
    const port = await freePort()
    await keep(started(program, [String(port)], /ready/))
    const client = new Client(connectionSettings(modbusTcp.connection.parse({ host: '127.0.0.1', port })))
    await client.ready()
    await client.asking.write(ask({ function: 22, address: 0x155 }), words(0xff0f, 0x00a0), ALWAYS)
    expect(await client.read(ask({ address: 0x155 }))).toEqual([0x1a5])
    const written = Array.from({ length: 121 }, (_, at) => 40_000 + at)
    const readWrite = ask({ function: 23, address: 500, quantity: 125, writeAddress: 500 })
    expect(await client.read(readWrite, words(...written))).toEqual([...written, 621, 622, 623, 624])
    expect(await client.read(ask({ function: 24, address: 1, quantity: 31 }))).toBe(1)
  })
})
