/** What went wrong with a serial port, and what to do, in one sentence. */
import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { basename, join } from 'node:path'
import { Retryable } from '../../src/contracts/errors.ts'
import { hasHardware, portsThere } from './ports-there.ts'

/** `Reason.noConnection`: this folder knows the fault classes, not the batch. */
const NO_CONNECTION = 11
/** Read and write for the group. */
const GROUP_RW = 0o060

export function unavailable(text: string, cause?: unknown): Retryable {
  return new Retryable(text, { reason: NO_CONNECTION, cause })
}

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

/** Which right is missing, and the command that gives it. */
function forbidden(where: string, device: string, root: string): string {
  const user = userInfo().username
  const says = `${where} may not be opened by user ${user}`
  let file: { readonly mode: number; readonly gid: number }
  try {
    file = statSync(device)
  } catch {
    return `${says}: add it to group dialout`
  }
  const { name, members } = groupOf(file.gid, root)
  const mode = (file.mode & 0o777).toString(8)
  if ((file.mode & GROUP_RW) !== GROUP_RW) {
    return `${says}: group ${name} has no right to it (mode ${mode}); "sudo chgrp dialout ${device} && sudo chmod 660 ${device}", and a udev rule that keeps it so`
  }
  if (process.getgroups?.().includes(file.gid) || process.getuid?.() === 0) {
    return `${says} although its mode allows it: the service's unit keeps it away; "sudo systemctl edit fieldgate-field", then [Service] DeviceAllow=${device} rw`
  }
  if (members.includes(user)) return `${says}: it was added to group ${name} after the service had started; restart it`
  return `${says}: it belongs to group ${name}; "sudo usermod -aG ${name} ${user}", then restart the service`
}

/** /etc/group: `dialout:x:20:one,other`. */
function groupOf(gid: number, root: string): { readonly name: string; readonly members: readonly string[] } {
  try {
    const lines = readFileSync(join(root, 'etc/group'), 'utf8').split('\n')
    const found = lines.map((line) => line.split(':')).find((fields) => Number(fields[2]) === gid && fields.length > 3)
    if (found !== undefined) return { name: found[0]!, members: found[3]!.split(',') }
  } catch {
    // Without the file a group is its number.
  }
  return { name: String(gid), members: [] }
}
