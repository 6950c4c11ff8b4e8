import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readMachine } from '../../../hal/linux/machine.ts'

/** A root with these files. */
function tree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'fieldgate-machine-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
  return root
}

const read = (files: Readonly<Record<string, string>>, addresses = {}) =>
  readMachine({ paths: [], root: tree(files), addresses })

describe('the machine', () => {
  it('says nothing of what its kernel does not tell', async () => {
    expect(await read({})).toEqual({ storages: [], links: [] })
  })

  it('is as hot as its hottest zone, whose first trip point is where the kernel slows it down', async () => {
    const machine = await read({
      'sys/class/thermal/thermal_zone0/temp': '48312',
      'sys/class/thermal/thermal_zone1/temp': '71500',
      'sys/class/thermal/thermal_zone1/trip_point_0_type': 'critical',
      'sys/class/thermal/thermal_zone1/trip_point_0_temp': '110000',
      'sys/class/thermal/thermal_zone1/trip_point_1_type': 'passive',
      'sys/class/thermal/thermal_zone1/trip_point_1_temp': '85000',
      'sys/class/thermal/cooling_device0/type': 'Processor',
    })
    expect(machine).toMatchObject({ celsius: 71.5, tripCelsius: 85 })
  })

  it('reads what a Raspberry Pi says of its supply, and of heat when the supply is well', async () => {
    const file = 'sys/devices/platform/soc/soc:firmware/get_throttled'
    expect((await read({ [file]: '0' })).throttled).toBeUndefined()
    expect((await read({ [file]: '50005' })).throttled).toBe('voltage')
    expect((await read({ [file]: '10000' })).throttled).toBe('voltage')
    expect((await read({ [file]: '8' })).throttled).toBe('heat')
    expect((await read({ [file]: 'nonsense' })).throttled).toBeUndefined()
  })

  it('tells of each link whether a cable is in and whether others reach it', async () => {
    const root = tree({
      'sys/class/net/lo/type': '772',
      'sys/class/net/lo/carrier': '1',
      'sys/class/net/eth0/type': '1',
      'sys/class/net/eth0/carrier': '1',
      'sys/class/net/eth1/type': '1',
      'sys/class/net/wlan0/type': '1',
      'sys/class/net/wlan0/carrier': '0',
      'sys/class/net/ifb0/type': '1',
      'sys/class/net/br0/type': '1',
      'sys/class/net/br0/carrier': '1',
    })
    for (const name of ['eth0', 'eth1', 'wlan0'])
      symlinkSync('../../../somewhere', join(root, `sys/class/net/${name}/device`))
    const addresses = {
      eth0: [{ address: '192.168.1.10' }, { address: 'fe80::1' }],
      wlan0: [{ address: '169.254.3.4' }],
      br0: [{ address: '10.0.0.1' }],
    }
    const machine = await readMachine({ paths: [], root, addresses })
    expect(machine.links).toEqual([
      { name: 'br0', carrier: true, addresses: 1 },
      { name: 'eth0', carrier: true, addresses: 1 },
      { name: 'eth1', carrier: false, addresses: 0 },
      { name: 'wlan0', carrier: false, addresses: 0 },
    ])
  })

  it('knows the storage under folders, each once: its room, whether it can be written, and how worn it is', async () => {
    const root = tree({
      'data/log/file': '',
      'sys/devices/mmc0/mmc0:0001/life_time': '0x03 0x09',
      'sys/devices/mmc0/block/mmcblk0/mmcblk0p3/partition': '3',
    })
    const path = join(root, 'data/log')
    symlinkSync('../../mmc0:0001', join(root, 'sys/devices/mmc0/block/mmcblk0/device'))
    mkdirSync(join(root, 'sys/dev/block'), { recursive: true })
    symlinkSync('../../devices/mmc0/block/mmcblk0/mmcblk0p3', join(root, 'sys/dev/block/179:3'))
    mkdirSync(join(root, 'proc/self'), { recursive: true })
    const mounted = (type: string, options: string, more = ''): void =>
      writeFileSync(
        join(root, 'proc/self/mountinfo'),
        `21 1 179:2 / / rw,relatime - ext4 /dev/root rw\n22 21 179:3 / ${join(root, 'data')} ro,noatime - ${type} /dev/mmcblk0p3 ${options}\n${more}`,
      )
    mounted('ext4', 'rw')
    const [storage, ...others] = (await readMachine({ paths: [path, join(root, 'data')], root })).storages
    expect(others).toEqual([])
    expect(storage).toMatchObject({ path, readOnly: false, inMemory: false, lifeUsed: 0.9 })
    expect(storage!.totalBytes).toBeGreaterThan(storage!.freeBytes)
    mounted('ext4', 'ro,errors=remount-ro')
    expect((await readMachine({ paths: [path], root })).storages[0]).toMatchObject({ readOnly: true, inMemory: false })
  })

  it('tells that what is stored would be lost without power: in memory, or in an overlay that writes there', async () => {
    const root = tree({ 'data/log/file': '', 'over/upper/file': '' })
    const path = join(root, 'data/log')
    const inMemory = async (type: string, more: string): Promise<boolean> => {
      mkdirSync(join(root, 'proc/self'), { recursive: true })
      const rows = [
        '21 1 179:2 / / rw - ext4 /dev/root rw',
        `22 21 0:33 / ${join(root, 'data')} rw - ${type} none rw${more}`,
      ]
      rows.push(`23 21 0:34 / ${join(root, 'over')} rw - tmpfs none rw`)
      writeFileSync(join(root, 'proc/self/mountinfo'), `${rows.join('\n')}\n`)
      return (await readMachine({ paths: [path], root, temporary: '/nonexistent' })).storages[0]!.inMemory
    }
    expect(await inMemory('tmpfs', ',size=1024k')).toBe(true)
    expect(await inMemory('overlay', `,lowerdir=/slot,upperdir=${join(root, 'over/upper')},workdir=/work`)).toBe(true)
    expect(await inMemory('overlay', ',lowerdir=/slot,upperdir=/elsewhere,workdir=/work')).toBe(false)
    expect(await inMemory('ext4', '')).toBe(false)
  })

  it('leaves out a folder that is not there', async () => {
    expect((await readMachine({ paths: ['/nonexistent/log'] })).storages).toEqual([])
  })

  it('is read on this host as it is', async () => {
    const machine = await readMachine({ paths: [tmpdir()] })
    expect(machine.storages).toHaveLength(1)
    expect(machine.links.every(({ name }) => name !== 'lo')).toBe(true)
  })
})
