/** `npm run image`: the flashable image for arm64, and the parts that QEMU boots directly, in dist/image. Run as root. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Archive } from './debian.ts'
import { PACKAGES, UNPACKED } from './layout.ts'
import { bundle, updateKey } from './stages/bundle.ts'
import { bootPartition, disk } from './stages/disk.ts'
import { initrd as makeInitrd } from './stages/initrd.ts'
import { kernel as makeKernel } from './stages/kernel.ts'
import { root as makeRoot } from './stages/root.ts'
import { slot } from './stages/slot.ts'
import { virt } from './stages/virt.ts'
import { CACHE, OUTPUT, REPOSITORY, run } from './step.ts'

const { values } = parseArgs({
  options: {
    bundle: { type: 'boolean', default: false },
  },
})

const began = performance.now()
const archive = new Archive()
archive.update()
archive.look([...PACKAGES, ...Object.values(UNPACKED).flat()])
const root = makeRoot(archive)
const kernel = makeKernel(archive)
const initrd = makeInitrd(archive, kernel)
const key = updateKey()
const deb = fieldgate()
const squashfs = slot({ archive, root, kernel, deb, certificate: key.certificate })
const boot = bootPartition({ archive, kernel, initrd })
const image = disk({ archive, boot, squashfs })
const tree = virt()

mkdirSync(OUTPUT, { recursive: true })
const results: readonly (readonly [from: string, name: string])[] = [
  [join(kernel.folder, 'vmlinuz'), 'vmlinuz'],
  [initrd, 'initrd.gz'],
  [squashfs, 'root.squashfs'],
  [tree, 'virt.dtb'],
  [image, 'fieldgate-arm64.img'],
]
for (const [from, name] of results) {
  // A machine that runs from the last result keeps what it has open.
  run('cp', ['--sparse=always', from, join(OUTPUT, `${name}.new`)])
  renameSync(join(OUTPUT, `${name}.new`), join(OUTPUT, name))
}
// For whoever boots kernel, initrd and tree directly: what grub.cfg says besides the console.
const words = /^set words="(.*)"$/m.exec(readFileSync(join(import.meta.dirname, 'boot/grub.cfg'), 'utf8'))?.[1] ?? ''
writeFileSync(join(OUTPUT, 'cmdline'), `ro panic=10 ${words} fieldgate.slot=a rauc.slot=A\n`)
const shown = results.map(([, name]) => name)
// The root is compressed already: more than this takes long and gains little.
const packed = 'fieldgate-arm64.img.zst'
run('zstd', ['-q', '-f', '-T0', '-9', join(OUTPUT, 'fieldgate-arm64.img'), '-o', join(OUTPUT, packed)])
shown.push(packed)
if (values.bundle) {
  const version = basename(deb).split('_')[1]!
  bundle({ key, boot, squashfs, version, output: join(OUTPUT, 'fieldgate-arm64.raucb') })
  shown.push('fieldgate-arm64.raucb')
}
for (const name of shown) {
  const { size, blocks } = statSync(join(OUTPUT, name))
  console.log(
    `${(size / 1e6).toFixed(1).padStart(8)} MB ${((blocks * 512) / 1e6).toFixed(1).padStart(8)} MB on disk  dist/image/${name}`,
  )
}
console.log(`kernel ${kernel.release}; ${((performance.now() - began) / 1000).toFixed(0)} s`)

/** Fieldgate's own package, built from this checkout: the same sources give the same bytes. */
function fieldgate(): string {
  const folder = join(CACHE, 'deb')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const script = join(REPOSITORY, 'scripts/package.ts')
  run(process.execPath, [script, '--arch', 'arm64', '--fast', '--output', folder], { cwd: REPOSITORY })
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.deb'))!)
}
