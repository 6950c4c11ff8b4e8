import { describe, expect, it } from 'vitest'
import { complaints } from './loading.ts'

const file = (connections: string, board = 'generic'): string => `
board: ${board}
connections:
${connections.replace(/^/gm, '  ')}
devices: {}
`
const said = async (connections: string, board?: string) =>
  (await complaints(file(connections, board))).map((one) => one.replace(/^\S+ /, ''))

const OURS =
  '{ name: generic, chip: header, ports: { rs485-1: { devices: [/dev/ttyS1], rs485: { mode: auto, enable: { line: 4 } } } } }'

describe('the transmitter of a port', () => {
  it('is switched by a line that the connection or the board names', async () => {
    const connection = (rs485: string) => `bus: { driver: modbus-rtu, port: rs485-1, rs485: ${rs485} }`
    expect(await said(connection('{ mode: gpio }'))).toEqual([
      'connections.bus.rs485: mode gpio needs the line that enables the transmitter, and board generic names none for this port: add enable: { chip: …, line: … }',
    ])
    expect(await said(connection('{ mode: gpio, enable: { chip: header, line: 17 } }'))).toEqual([])
    expect(await said(connection('{ mode: gpio }'), OURS)).toEqual([])
    expect(await said(connection('{ mode: auto }'))).toEqual([])
    expect(await said(connection('{ mode: kernel, enable: { chip: header, line: 17 } }'))).toEqual([
      expect.stringMatching(/^connections\.bus\.rs485\.enable: enable belongs to mode gpio or auto/),
    ])
  })
})

describe('a wire', () => {
  it('is one connection', async () => {
    const two = (first: string, second: string) =>
      `one: { driver: modbus-rtu, port: ${first} }\ntwo: { driver: modbus-rtu, port: ${second} }`
    expect(await said(two('rs485-1', 'rs485-2'))).toEqual([])
    expect(await said(two('rs485-1', 'rs485-1'))).toEqual([
      'connections.two.port: rs485-1 is the port of connection one already: a wire is one connection, put the devices of both on one',
    ])
    const network = 'one: { driver: modbus-tcp, host: a }\ntwo: { driver: modbus-tcp, host: a }'
    expect(await said(network)).toEqual([])
  })
})
