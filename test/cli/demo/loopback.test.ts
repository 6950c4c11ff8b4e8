import modbus from 'modbus-serial'
import { connectAsync } from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'
import { Broker } from '../../../src/cli/demo/broker.ts'
import { conveyor } from '../../../src/cli/demo/plant/conveyor.ts'
import { freePorts, TcpDevice } from '../../../src/cli/demo/plant/tcp-device.ts'

const endings: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

async function client(port: number, unit: number): Promise<InstanceType<typeof modbus.default>> {
  const master = new modbus.default()
  await master.connectTCP('127.0.0.1', { port })
  master.setID(unit)
  endings.push(async () => master.close(() => {}))
  return master
}

describe('a device of the plant on Modbus TCP', () => {
  it('answers another client, refuses what it does not have, and takes writes', async () => {
    const [port] = await freePorts(1)
    const device = new TcpDevice(conveyor('conveyor', 3), port!)
    await device.on()
    endings.push(() => device.off())
    const master = await client(port!, 3)
    expect((await master.readHoldingRegisters(0, 7)).data.slice(5)).toEqual([0, 1])
    expect((await master.readHoldingRegisters(5, 2)).data).toEqual([0, 2])
    await expect(master.readHoldingRegisters(100, 2)).rejects.toMatchObject({ modbusCode: 2 })
    await master.writeRegister(0, 300)
    expect((await master.readHoldingRegisters(0, 1)).data).toEqual([300])
    await expect(master.writeRegister(0, 9000)).rejects.toMatchObject({ modbusCode: 3 })
  })

  it('refuses connections while it is dead, and goes on with its numbers when it is back', async () => {
    const [port] = await freePorts(1)
    const device = new TcpDevice(conveyor('conveyor', 3), port!)
    endings.push(() => device.off())
    await device.on()
    await (await client(port!, 3)).readHoldingRegisters(5, 2)
    await device.off()
    expect(device.powered).toBe(false)
    await expect(new modbus.default().connectTCP('127.0.0.1', { port: port! })).rejects.toThrow(/ECONNREFUSED/)
    await device.on()
    expect((await (await client(port!, 3)).readHoldingRegisters(5, 2)).data).toEqual([0, 2])
  })
})

describe('the demo’s broker', () => {
  it('confirms what arrives and counts it by the devices’ own numbers', async () => {
    const broker = await opened()
    const publisher = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 4, reconnectPeriod: 0 })
    endings.push(() => publisher.endAsync(true))
    for (const sequence of [1, 2, 2, 4]) {
      const message = { timestamp: 1, node: 'press', group: 'cycle', values: { sequence }, errors: {}, metas: {} }
      await publisher.publishAsync('/neuron/broker/press/cycle', JSON.stringify(message), { qos: 1 })
    }
    await publisher.publishAsync('else', 'not JSON', { qos: 1 })
    expect(broker.messages).toBe(5)
    const tally = broker.tally('press', 'cycle')
    expect([tally.missing(4), tally.repeated]).toEqual([1, 1])
  })

  it('cuts every connection when the cable is pulled, and takes new ones when it is back', async () => {
    const broker = await opened()
    const url = `mqtt://127.0.0.1:${broker.port}`
    const publisher = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 })
    const cut = new Promise((resolve) => publisher.once('close', () => resolve('cut')))
    await broker.pull()
    expect(await cut).toBe('cut')
    expect(broker.clients).toBe(0)
    await expect(connectAsync(url, { reconnectPeriod: 0, connectTimeout: 2000 })).rejects.toThrow()
    await broker.plug()
    const again = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 })
    await again.endAsync(true)
  })

  async function opened(): Promise<Broker> {
    const [port] = await freePorts(1)
    const broker = await Broker.open(port!)
    await broker.plug()
    endings.push(() => broker.close())
    return broker
  }
})
