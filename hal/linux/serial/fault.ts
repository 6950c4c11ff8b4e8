/** What went wrong with a serial port, and what to do, in one sentence. */
import { basename } from 'node:path'
import { missingRight, userName } from '../kernel/rights.ts'
import { hasHardware, portsThere } from './ports-there.ts'

/** What a port is called: by the name it was asked for, and the file. */
export function whereOf(name: string, path: string): string {
  return name === path ? path : `${name} (${path})`
}

/** What the kernel said of a port that was open. */
export function explain(error: Error, where: string): string {
  const { message } = error
  if (/disconnected|input\/output|EIO|bad file descriptor|no such device|ENODEV|ENXIO/i.test(message)) {
    return `${where} was unplugged or failed`
  }
  return `${where}: ${message.replace(/^Error:?\s*/, '')}`
}

/** Why it cannot be opened; null: because somebody else has it. `device`: the file, links followed. */
export function explainOpening(error: Error, where: string, device: string, root = '/'): string | null {
  const { message } = error
  if (/no such file|ENOENT|no such device|ENODEV|ENXIO/i.test(message)) return missing(where, root)
  if (/permission denied|EACCES|operation not permitted|EPERM/i.test(message)) return forbidden(where, device, root)
  if (/lock|busy|EBUSY|temporarily unavailable/i.test(message)) return null
  if (/inappropriate ioctl|ENOTTY/i.test(message)) return `${where} is no serial port`
  if (/input\/output|EIO/i.test(message) && !hasHardware(basename(device), root)) {
    return `${where} has no hardware behind it.${others(root)}`
  }
  return explain(error, where)
}

function missing(where: string, root = '/'): string {
  return `${where} is not there: is the adapter plugged in?${others(root)}`
}

function others(root: string): string {
  const there = portsThere(root)
  return there.length === 0 ? '' : ` There is ${there.slice(0, 8).join(', ')}`
}

function forbidden(where: string, device: string, root: string): string {
  return `${where} may not be opened by user ${userName()}${missingRight(device, root, 'dialout')}`
}
