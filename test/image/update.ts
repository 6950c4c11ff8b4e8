/** An update from a stick, and the way back when its slot does not start. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { put, stick } from './artefacts.ts'
import type { Box } from './box.ts'
import type { Figures, Flowing } from './transcript.ts'

const SLOT = `grep -o 'fieldgate.slot=.' /proc/cmdline | cut -d= -f2`

/** The slot is called good once the gateway makes progress in it: its tries are back at 0. */
async function isGood(box: Box, slot: 'A' | 'B'): Promise<void> {
  await box.guest.until(`slot ${slot} to be called good`, 240_000, async () => {
    const { output } = await box.guest.ask('sleep 5; grub-editenv /gwconf/grubenv list', 60_000)
    return new RegExp(`${slot}_TRY=0`).test(output) || undefined
  })
}

export async function updated(
  box: Box,
  { bundle, flowing }: { readonly bundle: string; readonly flowing: Flowing },
): Promise<Figures> {
  await box.shutDown()
  await box.on('firmware')
  await box.ready(240_000)
  const medium = stick(`${box.medium}.update`, { label: 'UPDATE', mib: 512 })
  put(medium, bundle, 'update.raucb', '0')
  box.guest.plug(medium)
  await box.guest.do('until [ -e /dev/disk/by-label/UPDATE ]; do sleep 1; done', 60_000)
  await box.guest.do('mkdir -p /run/stick && mount -o ro /dev/disk/by-label/UPDATE /run/stick')
  const from = performance.now()
  await box.guest.do('rauc install /run/stick/update.raucb', 600_000)
  const installed = Math.round((performance.now() - from) / 1000)
  await flowing(3, 90_000)
  await box.guest.do('umount /run/stick')
  box.guest.unplug()
  const resets = box.guest.events.filter(({ event }) => event === 'RESET').length
  await box.guest.ask('systemctl reboot', 20_000).catch(() => undefined)
  await box.guest.until(
    'the restart',
    120_000,
    () => box.guest.events.filter(({ event }) => event === 'RESET').length > resets || undefined,
  )
  await box.ready(240_000)
  const slot = await box.guest.do(SLOT)
  if (slot !== 'b') throw new Error(`it started slot ${slot}`)
  await isGood(box, 'B')
  return { 'seconds to install': installed, slot }
}

/** The byte of the disk at which a partition begins. */
function startOf(medium: string, name: string): number {
  const { stdout } = spawnSync('sfdisk', ['--json', medium], { encoding: 'utf8' })
  const { partitions } = (JSON.parse(stdout) as { partitiontable: { partitions: { name?: string; start: number }[] } })
    .partitiontable
  const found = partitions.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no partition ${name}`)
  return found.start * 512
}

export async function rolledBack(box: Box, { flowing }: { readonly flowing: Flowing }): Promise<Figures> {
  await box.shutDown()
  const medium = openSync(box.medium, 'r+')
  writeSync(medium, Buffer.alloc(1 << 20), 0, 1 << 20, startOf(box.medium, 'root-b'))
  closeSync(medium)
  await box.on('firmware')
  await box.ready(400_000)
  const seconds = Math.round(box.secondsOn())
  const slot = await box.guest.do(SLOT)
  if (slot !== 'a') throw new Error(`it started slot ${slot}`)
  await flowing(3, 90_000)
  await isGood(box, 'A')
  const starts = box.guest.events.filter(({ event }) => event === 'RESET').length
  if (starts !== 3) throw new Error(`the damaged slot was tried ${starts} times`)
  return { slot, 'starts that failed': starts, 'seconds to values': seconds }
}
