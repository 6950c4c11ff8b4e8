import { createServer, type Server, type Socket } from 'node:net'
import { AsciiStation } from '../../../hal/simulated/ascii.ts'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { type Memory, RegisterMap, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import type { Clock } from '../../../src/contracts/clock.ts'
import { modbusRtuOverTcp } from '../../../src/southbound/modbus/schema/schema.ts'
import { type ConnectionSettings, connectionSettings } from '../../../src/southbound/modbus/settings.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { type DriverFixture, driverSuite } from '../../contracts/driver-suite.ts'
import { ascii, groupOf, rtu, tcp } from './configured.ts'
import { driverOf } from './rig.ts'

const TIMEOUT_MS = 100
const keys = { timeout: `${TIMEOUT_MS}ms`, retries: 0 }
const written = { device: { unitId: 3, ...keys } }

/** Registers 0 to 9; 9 can be read and not written. */
function memory(): Memory {
  const map = new RegisterMap().set('holding', 0, 7, 0x41c8, 0, 3, 4, 5, 6, 7, 8, 9)
  return {
    read: (area, address, quantity) => map.read(area, address, quantity),
    write: (area, address, values) => (address === 9 ? 2 : map.write(area, address, values)),
  }
}

function bench(settings: ConnectionSettings, clock: Clock, board?: SimulatedBoard) {
  const good = groupOf(
    [
      { address: 'holding:0', type: 'uint16' },
      { address: 'holding:1', type: 'float32' },
      { address: 'holding:9', type: 'uint16' },
    ],
    written,
  )
  const mixed = groupOf(
    [8, 9, 10, 11].map((at) => ({ address: `holding:${at}`, type: 'uint16' })),
    written,
  )
  return {
    driver: driverOf(settings, board === undefined ? { clock } : { clock, board }),
    good,
    values: [7, 25, 9],
    mixed,
    mixedGood: [0, 1],
    timeoutMs: TIMEOUT_MS,
    write: { index: 1, value: -2.5, refused: { index: 2, value: 1 } },
  }
}

const line = (framing: 'rtu' | 'ascii'): DriverFixture => ({
  async make({ clock, peer }) {
    // Of its own: what is still on the wire when the driver has stopped is not the driver's.
    const wire = new SimulatedWire({ clock: new SystemClock(), baudRate: 115_200 })
    const station = new Station({ unit: 3, memory: memory(), turnaroundMs: 1 })
    station.silent = peer === 'silent'
    wire.attach(framing === 'ascii' ? new AsciiStation(station) : station)
    if (peer === 'absent') wire.unplug()
    const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
    return {
      ...bench((framing === 'ascii' ? ascii : rtu)({ baudRate: 115_200, ...keys }), clock, board),
      appear: async () => wire.plug(),
      dispose: async () => {},
    }
  },
})

/** A device at a socket: `answer` turns what came into what goes back. */
function socketFixture(
  settings: (port: number) => ConnectionSettings,
  answer: (station: Station, bytes: Buffer) => Uint8Array | null,
): DriverFixture {
  return {
    async make({ clock, peer }) {
      const station = new Station({ unit: 3, memory: memory() })
      const sockets = new Set<Socket>()
      const server: Server = createServer((socket) => {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => sockets.delete(socket))
        socket.on('data', (bytes) => {
          const reply = peer === 'silent' ? null : answer(station, bytes)
          if (reply !== null) socket.write(reply)
        })
      })
      const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
      const close = () => new Promise<unknown>((resolve) => server.close(resolve))
      await listen(0)
      const { port } = server.address() as { port: number }
      if (peer === 'absent') await close()
      return {
        ...bench(settings(port), clock),
        appear: () => listen(port),
        async dispose() {
          for (const socket of sockets) socket.destroy()
          await close()
        },
      }
    },
  }
}

driverSuite('Modbus RTU', line('rtu'))

driverSuite('Modbus ASCII', line('ascii'))

driverSuite(
  'Modbus TCP',
  socketFixture(
    (port) => tcp({ host: '127.0.0.1', port, ...keys }),
    (station, bytes) => {
      const reply = station.hear(seal(bytes[6]!, bytes.subarray(7)))
      if (reply === null) return null
      const header = Buffer.from(bytes.subarray(0, 7))
      header.writeUInt16BE(reply.frame.length - 2, 4)
      return Buffer.concat([header, reply.frame.subarray(1, -2)])
    },
  ),
)

driverSuite(
  'Modbus RTU over TCP',
  socketFixture(
    (port) => connectionSettings(modbusRtuOverTcp.connection.parse({ host: '127.0.0.1', port, ...keys })),
    (station, bytes) => station.hear(bytes)?.frame ?? null,
  ),
)
