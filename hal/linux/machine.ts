/** What the kernel tells of the box itself: heat, supply, storage, network. Small files, read as they are; what is not there is left
 *  out. */
import { readdir, readFile, readlink, realpath, statfs } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Machine, NetworkLink, StorageReport } from '../contract.ts'

export interface MachineOptions {
  /** Folders whose storage matters. */
  readonly paths: readonly string[]
  /** What stands for `/`. */
  readonly root?: string
  /** Where being in memory is no fault; absent: the system's folder for what is temporary. */
  readonly temporary?: string
  /** By interface; absent: as the kernel has them now. */
  readonly addresses?: Readonly<Record<string, readonly { readonly address: string }[] | undefined>>
}

/** include/uapi/linux/if_arp.h */
const ARPHRD_LOOPBACK = 772

/** Raspberry Pi firmware, `get_throttled`: bits 0 to 3 are now, 16 to 19 since the start. */
const THROTTLED = {
  underVoltage: 1 << 0,
  capped: 1 << 1,
  throttled: 1 << 2,
  hot: 1 << 3,
  underVoltageBefore: 1 << 16,
} as const

export async function readMachine({
  paths,
  root = '/',
  temporary = tmpdir(),
  addresses = networkInterfaces(),
}: MachineOptions): Promise<Machine> {
  const [heat, supply, storages, links] = await Promise.all([
    heatOf(root),
    supplyOf(root),
    storagesOf(paths, { root, temporary }),
    linksOf(root, addresses),
  ])
  return { ...heat, ...supply, storages, links }
}

/** Documentation/driver-api/thermal/sysfs-api.rst: thousandths of a degree. */
async function heatOf(root: string): Promise<Pick<Machine, 'celsius' | 'tripCelsius'>> {
  const folder = join(root, 'sys/class/thermal')
  const zones = (await entriesOf(folder)).filter((name) => name.startsWith('thermal_zone'))
  let hottest: Pick<Machine, 'celsius' | 'tripCelsius'> = {}
  for (const zone of zones) {
    const celsius = thousandths(await textOf(join(folder, zone, 'temp')))
    if (celsius === undefined || celsius <= (hottest.celsius ?? -273)) continue
    const trip = await passiveTrip(join(folder, zone))
    hottest = { celsius, ...(trip === undefined ? {} : { tripCelsius: trip }) }
  }
  return hottest
}

/** The first point at which the kernel slows the box down. */
async function passiveTrip(zone: string): Promise<number | undefined> {
  const types = (await entriesOf(zone)).filter((name) => /^trip_point_\d+_type$/.test(name))
  const found: number[] = []
  for (const type of types) {
    const kind = await textOf(join(zone, type))
    if (kind !== 'passive' && kind !== 'hot') continue
    const celsius = thousandths(await textOf(join(zone, type.replace('_type', '_temp'))))
    if (celsius !== undefined && celsius > 0) found.push(celsius)
  }
  return found.length === 0 ? undefined : Math.min(...found)
}

async function supplyOf(root: string): Promise<Pick<Machine, 'throttled'>> {
  const text = await textOf(join(root, 'sys/devices/platform/soc/soc:firmware/get_throttled'))
  const bits = text === undefined ? Number.NaN : Number.parseInt(text, 16)
  if (Number.isNaN(bits)) return {}
  if ((bits & (THROTTLED.underVoltage | THROTTLED.underVoltageBefore)) !== 0) return { throttled: 'voltage' }
  return (bits & (THROTTLED.capped | THROTTLED.throttled | THROTTLED.hot)) === 0 ? {} : { throttled: 'heat' }
}

interface Looking {
  readonly root: string
  readonly temporary: string
}

async function storagesOf(paths: readonly string[], looking: Looking): Promise<readonly StorageReport[]> {
  const mounts = mountsIn((await textOf(join(looking.root, 'proc/self/mountinfo'))) ?? '')
  const found = await Promise.all([...new Set(paths)].map((path) => storageOf(path, looking, mounts)))
  // Folders of one file system are told once.
  const seen = new Set<string>()
  return found.flatMap((one) => {
    if (one === undefined || seen.has(one.on)) return []
    seen.add(one.on)
    return [one.storage]
  })
}

async function storageOf(
  path: string,
  { root, temporary }: Looking,
  mounts: readonly Mount[],
): Promise<{ readonly on: string; readonly storage: StorageReport } | undefined> {
  try {
    const { bsize, bavail, blocks } = await statfs(path)
    const whole = await realpath(path)
    const mount = mountOf(whole, mounts)
    const lifeUsed = mount === undefined ? undefined : await lifeOf(mount.device, root)
    const storage = {
      path,
      readOnly: mount?.readOnly ?? false,
      inMemory: !whole.startsWith(`${temporary}/`) && isInMemory(mount, mounts),
      freeBytes: bsize * bavail,
      totalBytes: bsize * blocks,
      ...(lifeUsed === undefined ? {} : { lifeUsed }),
    }
    return { on: mount === undefined ? path : `${mount.device} ${mount.at}`, storage }
  } catch {
    // Whoever needs the folder says that it is not there.
    return undefined
  }
}

function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.filter(({ at }) => at === '/' || path === at || path.startsWith(`${at}/`)).at(-1)
}

/** Whether what is written there is lost with the power: a tmpfs, or an overlay that writes to one. */
function isInMemory(mount: Mount | undefined, mounts: readonly Mount[]): boolean {
  const upper = mount?.upper === undefined ? undefined : mountOf(mount.upper, mounts)
  return mount?.type === 'tmpfs' || upper?.type === 'tmpfs'
}

interface Mount {
  readonly at: string
  /** `major:minor` */
  readonly device: string
  readonly type: string
  readonly readOnly: boolean
  /** Of an overlay: the folder that takes what is written. */
  readonly upper?: string
}

/** proc_pid_mountinfo(5), the innermost last. Read-only is the file system, which is what a fault leaves behind; a mount's own options are
 *  how systemd confines a service (ProtectSystem=strict). */
function mountsIn(text: string): readonly Mount[] {
  const mounts = text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const fields = before.split(' ')
    const [, , device, , at] = fields
    if (device === undefined || at === undefined) return []
    const [type = '', , settings = ''] = after.split(' ')
    const own = settings.split(',')
    const upper = own.find((one) => one.startsWith('upperdir='))?.slice('upperdir='.length)
    return [
      {
        at: at.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
        device,
        type,
        readOnly: own.includes('ro'),
        ...(upper === undefined ? {} : { upper }),
      },
    ]
  })
  return mounts.sort((one, other) => one.at.length - other.at.length)
}

/** JESD84-B51, EXT_CSD 268 and 269: tenths of the life used, 0x0b beyond it; 0 says nothing. The disk is above its partitions. */
async function lifeOf(device: string, root: string): Promise<number | undefined> {
  const link = await readlink(join(root, 'sys/dev/block', device)).catch(() => undefined)
  if (link === undefined) return undefined
  const block = join(root, 'sys/dev/block', link)
  for (const folder of [join(block, 'device'), join(block, '../device')]) {
    const text = await textOf(join(folder, 'life_time'))
    const tenths = (text?.split(/\s+/) ?? []).map(Number).filter((tenth) => tenth > 0)
    if (tenths.length > 0) return Math.min(1, Math.max(...tenths) / 10)
  }
  return undefined
}

async function linksOf(
  root: string,
  addresses: NonNullable<MachineOptions['addresses']>,
): Promise<readonly NetworkLink[]> {
  const folder = join(root, 'sys/class/net')
  const links: NetworkLink[] = []
  for (const name of [...(await entriesOf(folder))].sort()) {
    const type = await textOf(join(folder, name, 'type'))
    if (type === undefined || Number(type) === ARPHRD_LOOPBACK) continue
    // Reading it fails with EINVAL while the interface is down.
    const carrier = (await textOf(join(folder, name, 'carrier'))) === '1'
    const usable = (addresses[name] ?? []).filter(({ address }) => !/^(fe80:|169\.254\.)/i.test(address))
    // A bridge that is in use counts, and what the kernel keeps ready for nobody does not.
    const isHardware = (await readlink(join(folder, name, 'device')).catch(() => undefined)) !== undefined
    if (isHardware || usable.length > 0) links.push({ name, carrier, addresses: usable.length })
  }
  return links
}

function thousandths(text: string | undefined): number | undefined {
  const value = text === undefined ? Number.NaN : Number(text)
  return Number.isFinite(value) ? value / 1000 : undefined
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}

async function entriesOf(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => [])
}
