/** What `npm run image` made, and how QEMU is told to boot it. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FIRMWARE = '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'
/** Where the first partition, the FAT one for people, begins. */
const FIRST_PARTITION = '1M'

export interface Artefacts {
  readonly image: string
  readonly kernel: string
  readonly initrd: string
  readonly tree: string
  /** A file with what GRUB gives the kernel. */
  readonly cmdline: string
  /** The signed update; undefined: none was made. */
  readonly bundle?: string
}

export function artefacts(folder: string): Artefacts {
  const found = {
    image: join(folder, 'fieldgate-arm64.img'),
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.gz'),
    tree: join(folder, 'virt.dtb'),
    cmdline: join(folder, 'cmdline'),
  }
  for (const path of Object.values(found)) {
    if (!existsSync(path)) throw new Error(`${path} is not there: run "npm run image" first`)
  }
  const bundle = join(folder, 'fieldgate-arm64.raucb')
  return existsSync(bundle) ? { ...found, bundle } : found
}

/** A root shell of the test's own on a virtual port, handed in as QEMU hands in credentials (systemd.system-credentials(7)): the
 *  image itself has none. It is no terminal: nothing echoes, and no getty takes it. */
const SHELL = `[Unit]
Description=Shell of the test
DefaultDependencies=no
IgnoreOnIsolate=yes
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c 'port=$$(ls /dev/vport*p1) && exec /bin/sh <>"$$port" >&0 2>&0'
Restart=always
RestartSec=1
KillMode=process
`

export function shellCredentials(folder: string): string[] {
  const files = {
    // QEMU takes names of 55 characters.
    'systemd.extra-unit.h.service': SHELL,
    // What is mounted there pulls the shell in.
    'fstab.extra': 'tmpfs /run/harness tmpfs nofail,x-systemd.requires=h.service 0 0\n',
  }
  return Object.entries(files).flatMap(([name, text], at) => {
    const file = join(folder, `credential-${at}`)
    writeFileSync(file, text)
    return ['-fw_cfg', `name=opt/io.systemd.credentials/${name},file=${file}`]
  })
}

/** `firmware`: EDK2 and GRUB choose the slot, as on a box; `direct`: QEMU loads the kernel, which saves half a minute a boot. */
export function bootWords(way: 'firmware' | 'direct', parts: Artefacts): string[] {
  const tree = ['-machine', 'acpi=off', '-dtb', parts.tree]
  if (way === 'firmware') return [...tree, '-bios', FIRMWARE]
  const line = `${readFileSync(parts.cmdline, 'utf8').trim()} console=ttyAMA0`
  return [...tree, '-kernel', parts.kernel, '-initrd', parts.initrd, '-append', line]
}

/** The medium of a box: larger than the image, so that the first boot finds room for the second slot and the data. */
export function medium(image: string, to: string, mib: number): void {
  run('cp', '--sparse=always', image, to)
  run('truncate', '-s', `${mib}M`, to)
}

/** A stick: one FAT file system without a table of partitions. */
export function stick(path: string, { label, mib }: { readonly label: string; readonly mib: number }): string {
  rmSync(path, { force: true })
  run('truncate', '-s', `${mib}M`, path)
  run('mkfs.vfat', '-F', '32', '-n', label, path)
  return path
}

/** Puts a file into the FAT partition, as a person with a card reader does; `at`: the byte where another one begins. */
export function put(medium: string, from: string, to: string, at = FIRST_PARTITION): void {
  run('mcopy', '-o', '-i', `${medium}@@${at}`, from, `::${to}`)
}

/** undefined: there is no such file. */
export function get(medium: string, path: string, at = FIRST_PARTITION): string | undefined {
  const { status, stdout } = spawnSync('mtype', ['-i', `${medium}@@${at}`, `::${path}`], {
    encoding: 'utf8',
  })
  return status === 0 ? stdout : undefined
}

function run(program: string, ...words: string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { encoding: 'utf8' })
  if (error !== undefined) throw new Error(`${program} cannot be started: ${error.message}`)
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ended with ${status}: ${stderr}`)
}
