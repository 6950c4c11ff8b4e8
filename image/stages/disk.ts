/** The disk as it is flashed: a table of partitions, two FAT file systems and the root, put together without mounting anything. */
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Archive } from '../debian.ts'
import { bytesOf, DISK, EPOCH, UNPACKED } from '../layout.ts'
import { hashOf, run, step } from '../step.ts'
import type { Kernel } from './kernel.ts'

const BOOT = join(import.meta.dirname, '../boot')

export interface Disk {
  readonly archive: Archive
  /** The boot partition of slot A. */
  readonly boot: string
  readonly squashfs: string
}

export interface Boot {
  readonly archive: Archive
  readonly kernel: Kernel
  readonly initrd: string
}

/** A FAT file system of this size in `file`, with what stands in `tree`. */
function fat(file: string, tree: string, { mib, label, serial }: { mib: number; label: string; serial: string }): void {
  writeFileSync(file, '')
  truncateSync(file, bytesOf(mib))
  const env = { SOURCE_DATE_EPOCH: String(EPOCH), MTOOLS_SKIP_CHECK: '1', TZ: 'UTC' }
  run('mkfs.vfat', ['-F', '32', '-s', '1', '-n', label, '-i', serial, '--invariant', file], { env })
  run('find', [tree, '-exec', 'touch', '-h', '-d', `@${EPOCH}`, '{}', '+'])
  const names = readdirSync(tree)
    .sort()
    .map((name) => join(tree, name))
  run('mcopy', ['-s', '-m', '-Q', '-i', file, ...names, '::'], { env })
}

/** GRUB's environment block: 1024 bytes, filled with #. */
function environmentBlock(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([key, value]) => `${key}=${value}\n`)
  return `# GRUB Environment Block\n${lines.join('')}`.padEnd(1024, '#')
}

/** The boot partition of a slot, as a file: the same for A and B, since each finds its own number. */
export function bootPartition({ archive, kernel, initrd }: Boot): string {
  const folder = step({
    name: 'boot',
    from: {
      kernel: kernel.folder,
      initrd,
      pi: archive.version(UNPACKED.piFirmware),
      boot: hashOf(BOOT),
      code: hashOf(import.meta.filename),
    },
    make: (made) => {
      const tree = join(made, 'tree')
      mkdirSync(tree)
      copyFileSync(join(kernel.folder, 'vmlinuz'), join(tree, 'vmlinuz'))
      copyFileSync(initrd, join(tree, 'initrd.gz'))
      cpSync(join(kernel.folder, 'dtb'), join(tree, 'dtb'), { recursive: true })
      firmware(archive, made, tree, kernel)
      fat(join(made, 'boot.vfat'), tree, { mib: DISK.partitions[1].mib, label: 'BOOT', serial: '5eedb007' })
      rmSync(tree, { recursive: true })
    },
  })
  return join(folder, 'boot.vfat')
}

/** What a Raspberry Pi's own loader reads: its firmware, config.txt, and the device trees beside the kernel. Untested on a real Pi. */
function firmware(archive: Archive, made: string, tree: string, kernel: Kernel): void {
  if (archive.version(UNPACKED.piFirmware) === '') return
  const [deb] = archive.download(made, [UNPACKED.piFirmware])
  run('dpkg-deb', ['-x', deb!, join(made, 'pi')])
  const from = join(made, 'pi/usr/lib/raspi-firmware')
  for (const name of ['bootcode.bin', 'start.elf', 'fixup.dat', 'start4.elf', 'fixup4.dat'])
    copyFileSync(join(from, name), join(tree, name))
  for (const name of readdirSync(join(kernel.folder, 'dtb/broadcom'))) {
    copyFileSync(join(kernel.folder, 'dtb/broadcom', name), join(tree, name))
  }
  for (const name of ['config.txt', 'cmdline.txt']) copyFileSync(join(BOOT, 'pi', name), join(tree, name))
  rmSync(join(made, 'pi'), { recursive: true })
  rmSync(deb!)
}

/** The first partition: GRUB, its count of tries, and the folder where set-up is put. */
function firstPartition(archive: Archive, made: string, file: string): void {
  const tree = join(made, 'first')
  mkdirSync(join(tree, 'EFI/BOOT'), { recursive: true })
  mkdirSync(join(tree, 'EFI/debian'), { recursive: true })
  mkdirSync(join(tree, 'fieldgate'))
  const [deb] = archive.download(made, [UNPACKED.grub])
  run('dpkg-deb', ['-x', deb!, join(made, 'grub')])
  copyFileSync(join(made, 'grub/usr/lib/grub/arm64-efi/monolithic/grubaa64.efi'), join(tree, 'EFI/BOOT/BOOTAA64.EFI'))
  copyFileSync(join(BOOT, 'grub.cfg'), join(tree, 'EFI/debian/grub.cfg'))
  copyFileSync(join(BOOT, 'pi/autoboot.txt'), join(tree, 'autoboot.txt'))
  copyFileSync(join(BOOT, 'how-to.txt'), join(tree, 'fieldgate/how-to.txt'))
  writeFileSync(join(tree, 'grubenv'), environmentBlock({ ORDER: 'A B', A_OK: '1', A_TRY: '0', B_OK: '0', B_TRY: '0' }))
  fat(file, tree, { mib: DISK.partitions[0].mib, label: 'GWCONF', serial: '5eedc0f1' })
  for (const name of ['first', 'grub']) rmSync(join(made, name), { recursive: true })
  rmSync(deb!)
}

export function disk(parts: Disk): string {
  const { boot } = parts
  const folder = step({
    name: 'disk',
    from: {
      boot,
      squashfs: parts.squashfs,
      grub: parts.archive.version(UNPACKED.grub),
      files: hashOf(BOOT),
      DISK,
      code: hashOf(import.meta.filename),
    },
    make: (made) => {
      const image = join(made, 'fieldgate-arm64.img')
      const first = join(made, 'first.vfat')
      firstPartition(parts.archive, made, first)
      const contents = [first, boot, parts.squashfs]
      let start: number = DISK.startMib
      const rows = DISK.partitions.map(({ label, type, guid, mib }) => {
        const row = `start=${start}MiB, size=${mib}MiB, type=${type}, uuid=${guid}, name=${label}`
        start += mib
        return row
      })
      writeFileSync(image, '')
      truncateSync(image, bytesOf(start + 1))
      run('sfdisk', ['--quiet', image], { input: `label: gpt\nlabel-id: ${DISK.guid}\n${rows.join('\n')}\n` })
      let at: number = DISK.startMib
      for (const [index, file] of contents.entries()) {
        const { mib, label } = DISK.partitions[index]!
        if (statSync(file).size > bytesOf(mib)) throw new Error(`${label} has ${mib} MiB, and its content does not fit`)
        run('dd', [`if=${file}`, `of=${image}`, 'bs=1M', `seek=${at}`, 'conv=notrunc,sparse', 'status=none'])
        at += mib
      }
      rmSync(first)
    },
  })
  return join(folder, 'fieldgate-arm64.img')
}
