/** A Linux box of which nothing more is known than its device files. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports } from '../contract.ts'
import { LinuxSerialPort, unavailable } from './serial.ts'

/** Where a name that is no path is looked for, first one first. */
const PLACES = ['dev/serial/by-id', 'dev/serial/by-path', 'dev']

/** `FIELDGATE_PORT_RS485_1=/dev/ttyAMA0` says which device `rs485-1` is. */
export function portVariable(name: string): string {
  return `FIELDGATE_PORT_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
}

export function openBoard(
  name: string,
  options: { readonly env?: Readonly<Record<string, string | undefined>>; readonly root?: string } = {},
): Ports {
  const { env = process.env, root = '/' } = options
  const find = (port: string): string => {
    if (port.startsWith('/')) return port
    const told = env[portVariable(port)]
    if (told !== undefined && told !== '') return told
    const candidates = PLACES.map((place) => join(root, place, port))
    const found = candidates.find((candidate) => existsSync(candidate))
    if (found !== undefined) return found
    throw unavailable(
      `there is no serial port ${port}: neither ${candidates[0]} nor ${candidates.at(-1)} is there, and ${portVariable(port)} is not set`,
    )
  }
  return {
    name,
    serial: (port) => new LinuxSerialPort({ name: port, find: () => find(port) }),
  }
}
