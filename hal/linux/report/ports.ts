/** The serial ports: those the board names, with rights, holder, low latency and direction; then those that nobody named. */
import { closeSync, constants, openSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { BoardDescription, PartReport, PortDescription } from '../../contract.ts'
import { noRights } from '../kernel/rights.ts'
import { holderOf } from '../serial/holder.ts'
import { findPort } from '../serial/ports.ts'
import { portsThere } from '../serial/ports-there.ts'
import { isEnabled, readRs485 } from '../serial/rs485.ts'
import { lineReport } from './chips.ts'
import { line, may, names } from './files.ts'
import { isOpenHere } from './openers.ts'
import type { Surroundings } from './surroundings.ts'

/** UPF_LOW_LATENCY of <linux/serial_core.h>. */
const LOW_LATENCY = 1 << 13
/** A driver that waits no longer than this waits for nothing worth the name. */
const SHORT_MS = 2

export async function portReports(board: BoardDescription, around: Surroundings): Promise<PartReport[]> {
  const named: PartReport[] = []
  const taken = new Set<string>()
  for (const [name, description] of Object.entries(board.ports)) {
    const report = await portReport(name, description, board, around)
    named.push(report)
    if (report.device !== null) taken.add(real(report.device))
  }
  return [...named, ...(await unnamed(taken, around))]
}

async function portReport(
  name: string,
  description: PortDescription,
  board: BoardDescription,
  around: Surroundings,
): Promise<PartReport> {
  const part = { part: 'port', name } as const
  let device: string
  try {
    device = findPort(name, board, around)
  } catch (thrown) {
    return { ...part, device: null, state: 'missing', text: (thrown as Error).message }
  }
  const file = real(device)
  const hint = description.text === undefined ? '' : ` (${description.text})`
  if (!may(file, 'both')) {
    return { ...part, device, state: 'refused', text: noRights(name, file, around).message }
  }
  if (isOpenHere(file)) return { ...part, device, state: 'found', text: `${device}, open${hint}` }
  const holder = await holderOf(file, around.root)
  if (holder?.fieldgate === true) {
    return { ...part, device, state: 'found', text: `${device}, open by ${holder.who.replace(/^another /, '')}${hint}` }
  }
  if (holder !== null) {
    return { ...part, device, state: 'in use', text: `${device} is in use by ${holder.who}: ${holder.remedy}` }
  }
  const direction = directionOf(description, file, around)
  const words = [device, direction.text, latencyText(file, around), description.text]
  return { ...part, device, state: direction.state, text: words.filter((word) => word !== undefined).join('; ') }
}

/** Who will switch the transmitter, and whether that can be. Nobody has the port: opening it for a moment changes nothing. */
function directionOf(
  { rs485 }: PortDescription,
  file: string,
  around: Surroundings,
): Pick<PartReport, 'state' | 'text'> {
  const mode = rs485?.mode ?? 'adapter'
  if (mode === 'adapter') return { state: 'found', text: 'the adapter switches its direction' }
  const kernel = mode === 'gpio' ? undefined : kernelDirection(file, around)
  if (kernel === 'broken') return { state: 'broken', text: 'it cannot be opened: is there hardware behind it?' }
  if (kernel !== undefined && kernel !== 'none') return { state: 'found', text: kernel }
  if (mode === 'kernel') {
    const text = 'its driver cannot switch the direction: say rs485: { mode: gpio, enable } or { mode: adapter }'
    return { state: 'broken', text }
  }
  if (rs485?.enable === undefined)
    return { state: 'found', text: 'the adapter switches its direction, as the driver cannot' }
  const enable = lineReport(rs485.enable, around)
  return { state: enable.state, text: `direction by ${enable.text}` }
}

function kernelDirection(file: string, { ioctl, known }: Surroundings): string {
  const before = known.get(file)
  if (before !== undefined) return before
  const told = askDirection(file, ioctl)
  // Asked once: opening a port moves its modem lines.
  if (told !== 'broken') known.set(file, told)
  return told
}

function askDirection(file: string, ioctl: Surroundings['ioctl']): string {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  } catch {
    return 'broken'
  }
  try {
    const found = readRs485(fd, ioctl)
    if (found === null) return 'none'
    return `the kernel switches its direction${isEnabled(found) ? ', and does already' : ''}`
  } finally {
    closeSync(fd)
  }
}

/** Told by sysfs, without opening the port. */
function latencyText(file: string, { root }: Surroundings): string | undefined {
  const folder = join(root, 'sys/class/tty', basename(file))
  const timer = line(join(folder, 'device/latency_timer'))
  if (timer !== undefined) {
    const slow = Number(timer) > SHORT_MS
    return slow ? `gives what it receives every ${timer} ms; Fieldgate asks for 1 ms when it opens it` : 'low latency'
  }
  const flags = line(join(folder, 'flags'))
  if (flags === undefined) return undefined
  return (Number(flags) & LOW_LATENCY) !== 0 ? 'low latency' : 'low latency is asked for when it is opened'
}

/** Ports with hardware that the board does not name, by the name that stays where they have one. Nobody misses them, whoever has
 *  them. */
async function unnamed(taken: ReadonlySet<string>, { root }: Surroundings): Promise<PartReport[]> {
  const folder = join(root, 'dev/serial/by-id')
  const stable = new Map(names(folder).map((name) => [real(join(folder, name)), name]))
  const reports: PartReport[] = []
  for (const found of portsThere(root)) {
    const [device = '', what] = /^(\S+)(?: (.*))?$/.exec(found)?.slice(1) ?? []
    const file = real(join(root, device))
    if (taken.has(file)) continue
    const name = stable.get(file)
    const holder = await holderOf(file, root)
    const use = holder === null ? `a connection may use it: port: ${name ?? device}` : `in use by ${holder.who}`
    const text = `${device}${what === undefined ? '' : ` ${what}`}, named by no port of the board; ${use}`
    reports.push({ part: 'port', name: name ?? basename(device), device, state: 'found', text })
  }
  return reports
}

function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
