import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Station } from '../../../hal/simulated/station.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { modbusRtuOverTcp } from '../../../src/southbound/modbus/schema/schema.ts'
import { connectionSettings } from '../../../src/southbound/modbus/settings.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { freePort } from '../../peers/processes.ts'
import { tcp } from './configured.ts'
import { driverOf, filled, readGroup, registers } from './rig.ts'
import { adu, goodAnswer, type Question, registersOf, SlaveSocket } from './slave-socket.ts'

const open: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** Turns of the event loop, until something holds; `each` moves time. */
async function until(holds: () => boolean, each: () => unknown = () => {}): Promise<void> {
  for (let turn = 0; turn < 100_000 && !holds(); turn++) {
    await each()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(holds()).toBe(true)
}

const fine = (driver: ModbusDriver) => () => driver.state().condition === 'fine'

describe('a backup host', () => {
  const from = (mark: number) => (question: Question) => {
    const [address, quantity] = [question.pdu.readUInt16BE(1), question.pdu.readUInt16BE(3)]
    question.socket.write(adu(question.transaction, question.unit, registersOf(mark, address, quantity)))
  }

  async function two() {
    const port = await freePort()
    const clock = new ManualClock()
    const driver = driverOf(tcp({ host: '127.0.0.1', backupHost: '127.0.0.2', port, timeout: '1s' }), { clock })
    open.push(() => driver.stop())
    const host = async (number: 1 | 2, answer = from(number)) => {
      const slave = await SlaveSocket.listen(answer, { host: `127.0.0.${number}`, port })
      open.push(() => slave.close())
      return slave
    }
    return { clock, driver, host }
  }

  test('is used when the first refuses, and said', async () => {
    const { clock, driver, host } = await two()
    await host(2)
    await driver.start()
    await until(fine(driver), () => clock.advance(10))
    expect(clock.monotonic()).toBeLessThan(1000)
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([2000])
    expect(driver.state().text).toMatch(/127\.0\.0\.2:\d+ \(the backup of 127\.0\.0\.1\)/)
  })

  test('is used when the first falls silent, and the first when the backup is gone', async () => {
    const { clock, driver, host } = await two()
    const first = await host(1)
    const second = await host(2)
    await driver.start()
    await until(fine(driver))
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([1000])
    first.answer = () => {}
    for (let miss = 0; miss < 3; miss++) {
      const read = readGroup(driver, registers(1, 0, 1))
      let over = false
      void read.then(() => (over = true))
      await until(
        () => over,
        () => clock.advance(50),
      )
    }
    await until(
      () => second.accepted > 0 && fine(driver)(),
      () => clock.advance(10),
    )
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([2000])
    first.answer = from(1)
    await second.close()
    await until(() => !fine(driver)())
    await until(fine(driver), () => clock.advance(10))
    expect((await readGroup(driver, registers(1, 0, 1))).values).toEqual([1000])
  })

  test('both gone: they are tried in turn, less and less often', async () => {
    const { clock, driver } = await two()
    await driver.start()
    const attempts = () => driver.counters().connectFailures!
    await until(
      () => attempts() >= 2,
      () => clock.advance(10),
    )
    await until(
      () => attempts() >= 12,
      () => clock.advance(100),
    )
    expect(clock.monotonic()).toBeGreaterThan(10_000)
    expect(driver.state()).toMatchObject({ condition: 'fault', text: expect.stringContaining('refuses') })
  })
})

describe('a device that dials in', () => {
  /** Calls, and answers what it is asked: register n of unit u holds 1000 × u + n. */
  async function dial(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1')
    open.push(() => socket.destroy())
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('connect', resolve))
    return socket
  }

  function answering(socket: Socket): void {
    socket.on('data', (bytes) => {
      const question = {
        transaction: bytes.readUInt16BE(0),
        unit: bytes[6]!,
        pdu: bytes.subarray(7),
        socket,
        number: 0,
      }
      socket.write(goodAnswer(question))
    })
  }

  async function waiting() {
    const port = await freePort()
    const clock = new ManualClock()
    const driver = driverOf(tcp({ host: undefined, listen: `127.0.0.1:${port}`, timeout: '1s' }), { clock })
    await driver.start()
    open.push(() => driver.stop())
    expect(driver.state()).toMatchObject({
      condition: 'waiting',
      text: expect.stringContaining(`dial in on 127.0.0.1:${port}`),
    })
    return { port, clock, driver }
  }

  test('is asked over the connection it made', async () => {
    const { port, driver } = await waiting()
    expect((await readGroup(driver, registers(7, 0, 1))).fault).toMatchObject({
      message: expect.stringContaining('waiting for the device to dial in'),
    })
    answering(await dial(port))
    await until(fine(driver))
    expect((await readGroup(driver, registers(7, 3, 2))).values).toEqual([7003, 7004])
  })

  test('again, while its old connection still stands: the latest counts', async () => {
    const { port, driver } = await waiting()
    const dead = await dial(port)
    await until(fine(driver))
    answering(await dial(port))
    await until(() => dead.destroyed || driver.counters().replacedCalls === 1)
    await until(fine(driver))
    expect((await readGroup(driver, registers(7, 0, 1))).values).toEqual([7000])
    expect(driver.counters()).toMatchObject({ connects: 2, replacedCalls: 1 })
  })

  test('and hangs up, may call again', async () => {
    const { port, driver } = await waiting()
    const first = await dial(port)
    await until(fine(driver))
    first.destroy()
    await until(() => driver.state().condition === 'waiting')
    answering(await dial(port))
    await until(fine(driver))
    expect((await readGroup(driver, registers(7, 0, 1))).values).toEqual([7000])
  })

  test('where another program listens: that is said, and tried again', async () => {
    const other = await SlaveSocket.listen()
    const clock = new ManualClock()
    const driver = driverOf(tcp({ host: undefined, listen: `127.0.0.1:${other.port}` }), { clock })
    open.push(() => driver.stop())
    await driver.start()
    await until(() => driver.state().condition === 'fault')
    expect(driver.state().text).toMatch(/another program listens there/)
    const { port } = other
    await other.close()
    await until(
      () => driver.state().condition === 'waiting',
      () => clock.advance(100),
    )
    answering(await dial(port))
    await until(fine(driver))
  })

  test('with RTU frames, as a converter behind a modem does', async () => {
    const port = await freePort()
    const clock = new ManualClock()
    const settings = connectionSettings(modbusRtuOverTcp.connection.parse({ listen: `127.0.0.1:${port}` }))
    const driver = driverOf(settings, { clock })
    open.push(() => driver.stop())
    await driver.start()
    await until(() => /dial in/.test(driver.state().text))
    const station = new Station({ unit: 3, memory: filled(3) })
    const call = async (): Promise<Socket> => {
      const socket = await dial(port)
      socket.on('data', (frame) => {
        const answer = station.hear(frame)
        if (answer !== null) socket.write(answer.frame)
      })
      return socket
    }
    const first = await call()
    await until(fine(driver), () => clock.advance(50))
    expect((await readGroup(driver, registers(3, 5, 2))).values).toEqual([3005, 3006])
    await call()
    await until(() => first.destroyed)
    await until(fine(driver), () => clock.advance(50))
    expect((await readGroup(driver, registers(3, 5, 2))).values).toEqual([3005, 3006])
    expect(driver.counters().replacedCalls).toBe(1)
  })
})
