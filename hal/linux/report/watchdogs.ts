/** The timers that reset the box: which there are, who holds them, and whether one of them was why the box started. */
import { basename, join } from 'node:path'
import type { BoardDescription, PartReport } from '../../contract.ts'
import { isThere, line, may, names } from './files.ts'
import { openersOf } from './openers.ts'
import type { Surroundings } from './surroundings.ts'

const FOLDER = 'sys/class/watchdog'
/** WDIOF_… of <linux/watchdog.h>: what `bootstatus` tells of the last start. */
const CAUSES: readonly (readonly [flag: number, text: string])[] = [
  [0x20, 'the last start was a reset by this watchdog'],
  [0x10, 'the last start followed a loss of voltage'],
  [0x01, 'the last start followed overheating'],
]

export async function watchdogReports(board: BoardDescription, around: Surroundings): Promise<PartReport[]> {
  const described = board.watchdog
  const device = described?.device
  // /dev/watchdog is the first of them by another name.
  const alias = device === '/dev/watchdog' ? '/dev/watchdog0' : device
  const own = described === undefined ? [] : [await report(described, alias!, around)]
  const others = names(join(around.root, FOLDER)).filter((name) => `/dev/${name}` !== alias)
  return [
    ...own,
    ...others.map(
      (name): PartReport => ({
        part: 'watchdog',
        name,
        device: `/dev/${name}`,
        state: 'found',
        text: `the board names another; ${facts(name, around)}`,
      }),
    ),
  ]
}

async function report(
  { device, timeoutMs, toggle }: NonNullable<BoardDescription['watchdog']>,
  alias: string,
  around: Surroundings,
): Promise<PartReport> {
  const path = join(around.root, device)
  const part = { part: 'watchdog', name: 'watchdog', device } as const
  if (!isThere(path)) {
    const known = names(join(around.root, FOLDER))
    if (toggle === undefined && known.includes(basename(alias))) return { ...part, ...unseen(device, alias, around) }
    const there = known.map((name) => `/dev/${name}`)
    const instead =
      toggle !== undefined
        ? 'load the module piControl'
        : there.length > 0
          ? `there is ${there.join(', ')}: correct the board file`
          : 'load its driver (on a PC often iTCO_wdt, else softdog)'
    return { ...part, device: null, state: 'missing', text: `${device} is not there: ${instead}` }
  }
  if (toggle !== undefined) {
    const opens = may(path, 'both')
    const text = opens
      ? `fed by changing bit ${toggle.bit} of ${toggle.variable}, at least every ${timeoutMs / 1000} s; it bites only without the bridge from WD to 0 V`
      : `${device} may not be opened by this user: give it the right to`
    return { ...part, state: opens ? 'found' : 'refused', text }
  }
  const known = facts(basename(alias), around)
  const holders = await openersOf(path, around.root)
  const state = line(join(around.root, FOLDER, basename(alias), 'state'))
  const [holder] = holders
  if (holder?.pid === 1) return { ...part, state: 'found', text: `held by systemd, as it should be; ${known}` }
  if (holder?.own === true)
    return { ...part, state: 'found', text: `held by Fieldgate, process ${holder.pid}; ${known}` }
  if (holder !== undefined) {
    const text = `held by ${holder.name} (process ${holder.pid}), so that nobody else can arm it: stop it; ${known}`
    return { ...part, state: 'in use', text }
  }
  // Only root sees the open files of others; what the kernel tells everybody is whether it runs.
  if (state === 'active') return { ...part, state: 'found', text: `armed, most likely by systemd; ${known}` }
  if (state === undefined && isThere(join(around.root, 'run/systemd/system'))) {
    return {
      ...part,
      state: 'found',
      text: `whether systemd holds it (RuntimeWatchdogSec=) this kernel does not tell; ${known}`,
    }
  }
  if (!may(path, 'write')) {
    const by = 'let systemd hold it (RuntimeWatchdogSec= in /etc/systemd/system.conf), or give this user the right to'
    return {
      ...part,
      state: 'refused',
      text: `armed by nobody, and ${device} may not be opened by this user: ${by}; ${known}`,
    }
  }
  return { ...part, state: 'found', text: `armed by nobody yet; ${known}` }
}

/** The kernel has it, and its file is not to be seen: whether it runs sysfs tells all the same. */
function unseen(device: string, alias: string, around: Surroundings): Pick<PartReport, 'device' | 'state' | 'text'> {
  const known = facts(basename(alias), around)
  const why = `its file ${device} is not to be seen from here (PrivateDevices= of the unit, or udev has not made it yet)`
  const state = line(join(around.root, FOLDER, basename(alias), 'state'))
  const armed = state === 'active' || (state === undefined && isThere(join(around.root, 'run/systemd/system')))
  return armed
    ? { device, state: 'found', text: `${state === 'active' ? 'armed' : 'perhaps armed'} by systemd; ${why}; ${known}` }
    : { device: null, state: 'missing', text: `the kernel has it, armed by nobody, and ${why}; ${known}` }
}

function facts(name: string, { root }: Surroundings): string {
  const folder = join(root, FOLDER, name)
  const timeout = line(join(folder, 'timeout'))
  const left = line(join(folder, 'nowayout')) === '1' ? 'once armed it stays so' : undefined
  const bits = Number(line(join(folder, 'bootstatus')) ?? 0)
  const [, cause] = CAUSES.find(([flag]) => (bits & flag) !== 0) ?? []
  const words = [line(join(folder, 'identity')), timeout && `${timeout} s`, left, cause]
  return words.filter((word) => word !== undefined && word !== '').join(', ') || 'nothing more is known of it'
}
