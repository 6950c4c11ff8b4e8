/** What the box itself says: kernel, time, disks, network, units. */
import { readFileSync } from 'node:fs'
import { unreadable } from '../../config/substitution.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { Part } from './parts.ts'
import { said } from './programs.ts'

const JOURNAL_LINES = 3000
const KERNEL_LINES = 500

/** Never the environment of a unit, nor the command lines of processes: secrets stand there. */
const UNIT_FACTS = [
  'Id',
  'LoadState',
  'UnitFileState',
  'ActiveState',
  'SubState',
  'Result',
  'StatusText',
  'MainPID',
  'ExecMainStartTimestamp',
  'ExecMainExitTimestamp',
  'ExecMainCode',
  'ExecMainStatus',
  'NRestarts',
  'MemoryCurrent',
  'MemoryPeak',
  'CPUUsageNSec',
  'WatchdogUSec',
  'WatchdogTimestamp',
]

export const FACTS: readonly Part[] = [
  { name: 'system/uname.txt', make: () => said('uname', '-a') },
  { name: 'system/os-release.txt', make: () => content('/etc/os-release') },
  { name: 'system/uptime.txt', make: () => said('uptime') },
  { name: 'system/clock.txt', make: () => said('timedatectl') },
  { name: 'system/memory.txt', make: () => content('/proc/meminfo') },
  { name: 'system/pressure.txt', make: pressure },
  { name: 'system/disks.txt', make: () => said('df', '-hT') },
  { name: 'system/inodes.txt', make: () => said('df', '-i') },
  { name: 'system/mounts.txt', make: () => content('/proc/mounts') },
  { name: 'system/block-devices.txt', make: () => said('lsblk', '-o', 'NAME,SIZE,TYPE,MODEL,RO,MOUNTPOINTS') },
  { name: 'system/addresses.txt', make: () => said('ip', '-s', 'address') },
  { name: 'system/routes.txt', make: () => said('ip', 'route') },
  { name: 'system/resolver.txt', make: () => content('/etc/resolv.conf') },
  { name: 'system/serial-ports.txt', make: () => said('ls', '-lR', '/dev/serial') },
  { name: 'system/units.txt', make: () => said('systemctl', 'show', 'fieldgate*', '-p', UNIT_FACTS.join(',')) },
  { name: 'system/failed-units.txt', make: () => said('systemctl', '--failed', '--no-pager', '--plain') },
  {
    name: 'system/kernel.txt',
    keep: 'end',
    make: async () => (await said('dmesg')).split('\n').slice(-KERNEL_LINES).join('\n'),
  },
  {
    name: 'journal.txt',
    keep: 'end',
    make: () => said('journalctl', '--no-pager', '--output=short-iso', `--lines=${JOURNAL_LINES}`, '--unit=fieldgate*'),
  },
]

async function pressure(): Promise<string> {
  const kinds = ['cpu', 'memory', 'io']
  return [
    await content('/proc/loadavg'),
    ...(await Promise.all(kinds.map((kind) => content(`/proc/pressure/${kind}`)))),
  ]
    .map((text, at) => (at === 0 ? text : `${kinds[at - 1]}\n${text}`))
    .join('\n')
}

async function content(path: string): Promise<string> {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Rejected(`${path} ${unreadable(cause)}`)
  }
}
