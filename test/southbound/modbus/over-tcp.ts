/** A serial converter of the test's own: RTU frames on a socket, answered by stations after a delay. Its serial side is one
 *  wire: what was asked over a connection that is gone is still answered, one after the other, to whoever is connected then. */
import { createServer, type Socket } from 'node:net'
import { Station } from '../../../hal/simulated/station.ts'
import type { Clock } from '../../../src/contracts/clock.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { modbusRtuOverTcp } from '../../../src/southbound/modbus/schema/schema.ts'
import { connectionSettings } from '../../../src/southbound/modbus/settings.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { driverOf, filled } from './rig.ts'

export interface Converter {
  readonly driver: ModbusDriver
  readonly stations: readonly Station[]
  readonly sockets: ReadonlySet<Socket>
  delayMs: () => number
  close(): Promise<void>
}

export async function rtuOverTcp(
  options: { clock?: Clock; stations?: readonly Station[]; delayMs?: () => number; keys?: object } = {},
): Promise<Converter> {
  const clock = options.clock ?? new SystemClock()
  const stations = options.stations ?? [3, 4].map((unit) => new Station({ unit, memory: filled(unit) }))
  const sockets = new Set<Socket>()
  const freeAt = new Map<Station, number>()
  let present: Socket | undefined
  const server = createServer((socket) => {
    present = socket
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (frame) => {
      for (const station of stations) {
        const answer = station.hear(frame)
        if (answer === null) continue
        const now = clock.monotonic()
        const at = Math.max(now, freeAt.get(station) ?? 0) + converter.delayMs()
        freeAt.set(station, at)
        clock.after(at - now, () => present?.destroyed || present?.write(answer.frame))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const keys = { host: '127.0.0.1', port, timeout: '50ms', ...options.keys }
  const driver = driverOf(connectionSettings(modbusRtuOverTcp.connection.parse(keys)), { clock })
  const converter: Converter = {
    driver,
    stations,
    sockets,
    delayMs: options.delayMs ?? (() => 0),
    async close() {
      await driver.stop()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  await driver.start()
  return converter
}
