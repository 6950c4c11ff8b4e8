/** Which device file a port's name means: as the environment says, as the board says, or as udev has it. */
import { existsSync, globSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { BoardDescription } from '../../contract.ts'
import { unavailable } from '../../fault.ts'

/** Where a name that is no path is looked for, first one first. */
const PLACES = ['dev/serial/by-id', 'dev/serial/by-path', 'dev']

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly root: string
}

/** `FIELDGATE_PORT_RS485_1=/dev/ttyAMA0` says which device `rs485-1` is. */
export function portVariable(name: string): string {
  return `FIELDGATE_PORT_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
}

/** Throws Retryable, naming every place that was looked at. */
export function findPort(name: string, board: BoardDescription, { env, root }: Surroundings): string {
  if (name.startsWith('/')) return name
  const told = env[portVariable(name)]
  if (told !== undefined && told !== '') return told
  const described = board.ports[name]
  if (described !== undefined) {
    for (const device of described.devices) {
      const found = namesOf(device).flatMap((path) => existing(join(root, path)))[0]
      if (found !== undefined) return found
    }
    throw unavailable(
      `${name} is not there: board ${board.name} says ${described.devices.join(' or ')}, and there is no such device${described.text === undefined ? '' : ` (${described.text})`}`,
    )
  }
  const candidates = PLACES.map((place) => join(root, place, name))
  const found = candidates.find((candidate) => existsSync(candidate))
  if (found !== undefined) return found
  const named = Object.keys(board.ports)
  const known = named.length === 0 ? '' : `; board ${board.name} has ${named.join(', ')}`
  throw unavailable(
    `there is no serial port ${name}: neither ${candidates[0]} nor ${candidates.at(-1)} is there, and ${portVariable(name)} is not set${known}`,
  )
}

/** A name without a folder is a stable one. */
function namesOf(device: string): string[] {
  return isAbsolute(device) ? [device] : PLACES.map((place) => join(place, device))
}

function existing(path: string): string[] {
  if (!/[*?[]/.test(path)) return existsSync(path) ? [path] : []
  // ttyUSB2 comes before ttyUSB10.
  return globSync(path).sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
}
