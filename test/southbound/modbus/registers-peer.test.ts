/** Decoding against modbus-serial: one server's registers, read by its client and decoded by us. */
import { createServer } from 'node:net'
import ModbusRTU from 'modbus-serial'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchBuilder } from '../../../src/contracts/batch.ts'
import { compileDecoder } from '../../../src/southbound/modbus/values/registers.ts'
import { groupOf } from './configured.ts'

const registers = Array.from({ length: 125 }, (_, index) => (index * 0x9e37 + 0x1234) & 0xffff)
const coils = Array.from({ length: 200 }, (_, index) => (index * 7) % 3 === 0)

describe('the same answer, read by modbus-serial', () => {
  let server: ModbusRTU.ServerTCP
  const client = new ModbusRTU.default()

  beforeAll(async () => {
    const port = await freePort()
    const vector = {
      getHoldingRegister: (address: number) => registers[address]!,
      getCoil: (address: number) => coils[address]!,
    }
    server = new ModbusRTU.ServerTCP(vector, { host: '127.0.0.1', port, unitID: 1 })
    await new Promise<void>((resolve) => server.on('initialized', () => resolve()))
    await client.connectTCP('127.0.0.1', { port })
    client.setID(1)
  })

  afterAll(async () => {
    await new Promise<void>((resolve) => client.close(() => resolve()))
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })

  it('has the same registers', async () => {
    const answer = await client.readHoldingRegisters(0, 125)
    expect(read('uint16', 1, 125, answer.buffer)).toEqual(answer.data)
  })

  it.each([
    ['int16', 1, (buffer: Buffer, at: number) => buffer.readInt16BE(at)],
    ['int32', 2, (buffer: Buffer, at: number) => buffer.readInt32BE(at)],
    ['uint32', 2, (buffer: Buffer, at: number) => buffer.readUInt32BE(at)],
    ['float32', 2, (buffer: Buffer, at: number) => buffer.readFloatBE(at)],
    ['float64', 4, (buffer: Buffer, at: number) => buffer.readDoubleBE(at)],
    ['uint48', 3, (buffer: Buffer, at: number) => buffer.readUIntBE(at, 6)],
    ['int48', 3, (buffer: Buffer, at: number) => buffer.readIntBE(at, 6)],
  ])('has the same %s', async (type, units, plain) => {
    const { buffer } = await client.readHoldingRegisters(0, 120)
    const expected = Array.from({ length: 120 / units }, (_, index) => plain(buffer, index * units * 2))
    expect(read(type, units, 120, buffer)).toEqual(expected)
  })

  it('has the same coils', async () => {
    const { buffer, data } = await client.readCoils(0, 200)
    const group = groupOf(coils.map((_, address) => ({ address: `coil:${address}` })))
    const into = new BatchBuilder(group.ref)
    compileDecoder(group.tags, 0)(buffer, 0, into)
    expect([...into.numbers]).toEqual(data.slice(0, 200).map(Number))
  })
})

function read(type: string, units: number, quantity: number, buffer: Buffer): number[] {
  const group = groupOf(
    Array.from({ length: quantity / units }, (_, index) => ({ address: `holding:${index * units}`, type })),
  )
  const into = new BatchBuilder(group.ref)
  compileDecoder(group.tags, 0)(buffer, 0, into)
  return [...into.numbers]
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return port
}
