/** The initrd: busybox, the drivers of the disks, and a script that finds the slot and lays memory over it. */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Archive } from '../debian.ts'
import { EPOCH, UNPACKED } from '../layout.ts'
import { hashOf, run, step } from '../step.ts'
import type { Kernel } from './kernel.ts'

const INIT = join(import.meta.dirname, '../initrd/init')

/** What stands between the kernel and the slot on any of the boards: virtio, SD and eMMC, USB, NVMe; and the two file systems. */
const MODULES = [
  'virtio_mmio',
  'virtio_blk',
  'virtio_scsi',
  'sd_mod',
  'sdhci-iproc',
  'sdhci-brcmstb',
  'sdhci_am654',
  'bcm2835',
  'sdhci-pci',
  'pcie-brcmstb',
  'xhci-pci',
  'xhci-plat-hcd',
  'dwc2',
  'dwc3',
  'usb-storage',
  'uas',
  'nvme',
  'reset-raspberrypi',
  'clk-raspberrypi',
  'gpio-regulator',
  'rp1_pci',
  'squashfs',
  'overlay',
]

/** The lines of a text file, without the empty ones. */
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')

/** The paths of these modules and of all they need, each after its needs. */
function withNeeds(folder: string, names: readonly string[]): string[] {
  const needs = new Map(
    lines(readFileSync(join(folder, 'modules.dep'), 'utf8')).map((line) => {
      const [path, rest] = line.split(':')
      return [
        path!,
        rest!
          .trim()
          .split(' ')
          .filter((word) => word !== ''),
      ] as const
    }),
  )
  const nameOf = (path: string): string =>
    basename(path)
      .replace(/\.ko.*$/, '')
      .replaceAll('-', '_')
  const wanted = new Set(names.map((name) => name.replaceAll('-', '_')))
  const taken: string[] = []
  for (const [path, before] of needs) {
    if (!wanted.has(nameOf(path))) continue
    for (const one of [...[...before].reverse(), path]) if (!taken.includes(one)) taken.push(one)
  }
  return taken
}

export function initrd(archive: Archive, kernel: Kernel): string {
  const folder = step({
    name: 'initrd',
    from: { init: hashOf(INIT), kernel: kernel.folder, busybox: archive.version(UNPACKED.busybox), MODULES, EPOCH },
    make: (made) => {
      const tree = join(made, 'tree')
      for (const name of ['bin', 'dev', 'proc', 'sys', 'root', 'slot', 'over', 'modules']) {
        mkdirSync(join(tree, name), { recursive: true })
      }
      const [deb] = archive.download(made, [UNPACKED.busybox])
      run('dpkg-deb', ['-x', deb!, join(made, 'busybox')])
      copyFileSync(join(made, 'busybox/usr/bin/busybox'), join(tree, 'bin/busybox'))
      const modules = join(kernel.folder, 'lib/modules', kernel.release)
      const order: string[] = []
      for (const path of withNeeds(modules, MODULES)) {
        const plain = basename(path).replace(/\.xz$/, '')
        cpSync(join(modules, path), join(tree, 'modules', basename(path)))
        if (path.endsWith('.xz')) run('xz', ['-d', basename(path)], { cwd: join(tree, 'modules') })
        order.push(plain)
      }
      writeFileSync(join(tree, 'modules/order'), `${order.join('\n')}\n`)
      copyFileSync(INIT, join(tree, 'init'))
      chmodSync(join(tree, 'init'), 0o755)
      run('find', [tree, '-exec', 'touch', '-h', '-d', `@${EPOCH}`, '{}', '+'])
      const archived = join(made, 'initrd.cpio')
      run(
        'bash',
        [
          '-c',
          `find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc --reproducible --owner=+0:+0 --quiet > ${archived}`,
        ],
        {
          cwd: tree,
        },
      )
      run('gzip', ['-9n', archived])
      for (const name of ['tree', 'busybox']) rmSync(join(made, name), { recursive: true })
      if (existsSync(deb!)) rmSync(deb!)
    },
  })
  return join(folder, 'initrd.cpio.gz')
}
