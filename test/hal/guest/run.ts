/** Boots the kernel and the root of the built image (`npm run image`) in QEMU and runs `verify.ts` there. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const tree = resolve(import.meta.dirname, '../../..')
const cache = join(tree, 'node_modules/.cache/fieldgate-image')
const newest = (pattern: string): string => {
  const [found] = globSync(pattern, { cwd: cache }).toSorted()
  if (found === undefined) throw new Error(`there is no ${pattern} in ${cache}: run npm run image first`)
  return join(cache, found)
}

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-guest-'))
try {
  const initrd = join(folder, 'initrd')
  mkdirSync(initrd)
  const shell = (program: string): void =>
    void execFileSync('sh', ['-ec', program], { stdio: ['ignore', 'ignore', 'inherit'] })
  shell(`cd ${initrd} && zcat ${newest('initrd-*/initrd.cpio.gz')} | cpio --quiet -idm`)
  cpSync(join(import.meta.dirname, 'init'), join(initrd, 'init'))
  shell(`cd ${initrd} && chmod 755 init && find . | cpio --quiet -o -H newc | gzip -1 > ${folder}/initrd.gz`)
  const copied = join(folder, 'tree')
  for (const part of ['hal', 'src/contracts', 'test/hal/guest', 'package.json']) {
    cpSync(join(tree, part), join(copied, part), { recursive: true })
  }
  symlinkSync('/usr/lib/fieldgate/node_modules', join(copied, 'node_modules'))
  shell(`mksquashfs ${copied} ${folder}/tree.squashfs -quiet -noappend -comp gzip`)
  const overlay = join(import.meta.dirname, 'mixing.dtso')
  shell(`dtc -q -@ -I dts -O dtb -o ${folder}/mixing.dtbo ${overlay}`)
  shell(`fdtoverlay -i ${newest('virt-*/virt.dtb')} -o ${folder}/virt.dtb ${folder}/mixing.dtbo`)
  const disk = (file: string): string[] => ['-drive', `file=${file},if=virtio,format=raw,readonly=on`]
  const child = spawn(
    'qemu-system-aarch64',
    [
      ...['-M', 'virt,acpi=off', '-cpu', 'cortex-a72', '-smp', '2', '-m', '1024', '-display', 'none', '-nodefaults'],
      ...['-serial', 'stdio', '-no-reboot', '-device', 'i6300esb', '-action', 'watchdog=reset'],
      ...['-dtb', `${folder}/virt.dtb`, '-kernel', newest('kernel-*/vmlinuz'), '-initrd', `${folder}/initrd.gz`],
      ...['-append', 'console=ttyAMA0 quiet panic=1 VERIFY_WORDS=--bite'],
      ...disk(newest('slot-*/root.squashfs')),
      ...disk(`${folder}/tree.squashfs`),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
    process.stdout.write(chunk)
  })
  await new Promise((done) => child.once('exit', done))
  const bitten = /all \d+ held[\s\S]*no longer fed/.test(said) && !/verify ended/.test(said)
  console.log(bitten ? 'the watchdog reset the guest' : 'not everything held')
  process.exitCode = bitten ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}
