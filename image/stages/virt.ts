/** The device tree of QEMU's virt machine, with the box's chip, lamps and button added to what QEMU itself says of it. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { hashOf, run, step } from '../step.ts'

const OVERLAY = join(import.meta.dirname, '../virt.dtso')

/** What the tree holds of the machine: the number of cores. Memory, initrd and command line QEMU puts in when it starts. */
const CORES = 2

export function virt(): string {
  const folder = step({
    name: 'virt',
    from: { overlay: hashOf(OVERLAY), qemu: run('qemu-system-aarch64', ['--version']).split('\n')[0], CORES },
    make: (made) => {
      const path = (name: string): string => join(made, name)
      const machine = `virt,acpi=off,dumpdtb=${path('machine.dtb')}`
      run('qemu-system-aarch64', [
        '-M',
        machine,
        '-cpu',
        'cortex-a72',
        '-smp',
        String(CORES),
        '-m',
        '1024',
        '-display',
        'none',
      ])
      run('dtc', ['-q', '-@', '-I', 'dts', '-O', 'dtb', '-o', path('virt.dtbo'), OVERLAY])
      run('fdtoverlay', ['-i', path('machine.dtb'), '-o', path('virt.dtb'), path('virt.dtbo')])
      for (const name of ['machine.dtb', 'virt.dtbo']) rmSync(path(name))
    },
  })
  return join(folder, 'virt.dtb')
}
