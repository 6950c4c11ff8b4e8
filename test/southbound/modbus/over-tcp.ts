/** A serial converter of the test's own: RTU frames on a socket, answered by two stations after a delay. Its serial side is
 *  one wire: what was asked over a connection that is gone is still answered, to whoever is connected then. */
import { createServer, type Socket } from 'node:net'
import { Station } from '../../../hal/simulated/station.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { modbusRtuOverTcp } from '../../../src/southbound/modbus/schema.ts'
import { connectionSettings } from '../../../src/southbound/modbus/settings.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { driverOf, filled } from './rig.ts'

export interface Converter {
  readonly driver: ModbusDriver
  delayMs: () => number
  close(): Promise<void>
}

export async function rtuOverTcp(): Promise<Converter> {
  const clock = new SystemClock()
  const stations = [3, 4].map((unit) => new Station({ unit, memory: filled(unit) }))
  const sockets = new Set<Socket>()
  let present: Socket | undefined
  const server = createServer((socket) => {
    present = socket
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (frame) => {
      for (const station of stations) {
        const answer = station.hear(frame)
        if (answer !== null) clock.after(converter.delayMs(), () => present?.destroyed || present?.write(answer.frame))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const settings = connectionSettings(modbusRtuOverTcp.connection.parse({ host: '127.0.0.1', port, timeout: '50ms' }))
  const driver = driverOf(settings, { clock })
  const converter: Converter = {
    driver,
    delayMs: () => 0,
    async close() {
      await driver.stop()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  await driver.start()
  return converter
}
