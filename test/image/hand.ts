/** What a person does at the box: a stick, and the button held long. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { get, put, stick } from './artefacts.ts'
import type { Box } from './box.ts'
import type { Figures, Flowing } from './transcript.ts'

const STREAM = 'cat /var/lib/fieldgate/log/log.json'
const SERVICE = 'systemctl show -P MainPID fieldgate-field'
const PROVISION = `journalctl -b -t fieldgate-image -o cat --no-pager`

/** A stick is not taken by a box that is set up, until its button is held for five seconds. */
export async function setUpByStick(box: Box, { flowing }: { readonly flowing: Flowing }): Promise<Figures> {
  const medium = stick(`${box.medium}.stick`, { label: 'FIELDGATE', mib: 64 })
  spawnSync('mmd', ['-i', medium, '::fieldgate'])
  const file = `${medium}.yaml`
  writeFileSync(file, box.plant.configuration({ board: '{ name: virt, button: { reset: allowed } }' }))
  put(medium, file, 'fieldgate/gateway.yaml', '0')
  const service = await box.guest.do(SERVICE)
  box.guest.plug(medium)
  const refused = await box.guest.until('the stick to be refused', 60_000, async () =>
    (await box.guest.ask(PROVISION)).output.split('\n').find((line) => line.includes('is not taken')),
  )
  const lamps = await box.lamps()
  await lamps.press(6000)
  await box.guest.until('the stick to be taken', 120_000, async () => {
    await box.guest.ask('sleep 2')
    return get(medium, 'fieldgate/report.txt', '0')?.includes('Taken') || undefined
  })
  await box.guest.do('grep -q "reset: allowed" /etc/fieldgate/gateway.yaml')
  // Another board takes effect when the service is restarted, and nobody else would do it.
  await box.guest.until('the service to be restarted', 120_000, async () => {
    const { output } = await box.guest.ask(`sleep 2; ${SERVICE}`, 60_000)
    return (/^[1-9]/.test(output) && output.trim() !== service) || undefined
  })
  await box.ready()
  const { output } = await box.guest.ask('fieldgate plan --config /etc/fieldgate/gateway.yaml', 60_000)
  if (!/^nothing changes/m.test(output)) throw new Error(`it is not in force: ${output}`)
  await flowing(3, 90_000)
  await box.guest.do('while grep -q /run/fieldgate-image/set-up /proc/mounts; do sleep 1; done', 60_000)
  box.guest.unplug()
  return { refused, report: get(medium, 'fieldgate/report.txt', '0')!.trim().split('\n').slice(1, 3).join(' ') }
}

/** Fifteen seconds: everything is as it came, and the box can be set up anew. */
export async function factoryReset(box: Box, { flowing }: { readonly flowing: Flowing }): Promise<Figures> {
  const { guest } = box
  const stream = await guest.do(STREAM)
  const resets = guest.events.filter(({ event }) => event === 'RESET').length
  const lamps = await box.lamps()
  // The box does not wait for the finger: it is gone before this would answer.
  void lamps.press(17_000).catch(() => undefined)
  await guest.until(
    'the restart',
    180_000,
    () => guest.events.filter(({ event }) => event === 'RESET').length > resets || undefined,
  )
  await guest.awake(150_000)
  await guest.do('cmp /etc/fieldgate/gateway.yaml /usr/share/fieldgate/gateway.yaml')
  await guest.do('test ! -e /data/set-up && test ! -e /data/hostname')
  const { output: after } = await guest.ask(STREAM)
  if (after.trim() === stream) throw new Error('the log is the one from before')
  const left = await guest.do('find /etc/fieldgate -maxdepth 1 -mindepth 1 -printf "%f "')
  await box.shutDown()
  box.provision()
  await box.on('direct')
  await box.ready(240_000)
  await flowing(3, 90_000)
  return { 'left in /etc/fieldgate': left }
}
