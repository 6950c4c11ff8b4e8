/** `node good.ts`: calls the slot that runs good once all of the gateway makes progress, and leaves a new one that does not: the boot
 *  loader then starts the other. A slot that was good before is never left for what happens to it later. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { put } from './medium.ts'

/** So long it must be green without a break. */
const PROOF_MS = 60_000
const PATIENCE_MS = 10 * 60_000
const BETWEEN_MS = 15_000

const ID = '/usr/lib/fieldgate-image/id'
const PROVED = '/data/proved'

interface Status {
  readonly halves?: readonly { readonly half: string; readonly running: boolean; readonly text: string }[]
  readonly processes?: readonly {
    readonly side: string
    readonly health?: { readonly components: readonly { readonly name: string; readonly stalled: boolean }[] }
  }[]
}

/** What is not as it should be, in words; empty: green. A device or a broker that is silent is no fault of the slot. */
export function faultsOf(status: Status): readonly string[] {
  const sides = status.processes ?? []
  return [
    ...(status.halves ?? []).flatMap(({ half, running, text }) => (running ? [] : [`${half} half: ${text}`])),
    ...(sides.some(({ health }) => health !== undefined) ? [] : ['nothing watches over the gateway']),
    ...sides
      .flatMap(({ health }) => health?.components ?? [])
      .flatMap(({ name, stalled }) => (stalled ? [`${name} is stuck`] : [])),
  ]
}

function look(): readonly string[] {
  const { status, stdout } = spawnSync('/usr/bin/fieldgate', ['status', '--json'], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (status !== 0) return ['the gateway does not answer']
  try {
    return faultsOf(JSON.parse(stdout) as Status)
  } catch {
    return ['the gateway answers what nobody understands']
  }
}

const rauc = (...words: string[]): boolean => spawnSync('/usr/bin/rauc', words, { stdio: 'inherit' }).status === 0

async function judge(): Promise<void> {
  const image = readFileSync(ID, 'utf8').trim()
  const proved = existsSync(PROVED) ? readFileSync(PROVED, 'utf8').split('\n') : []
  const began = performance.now()
  let green: number | undefined
  for (;;) {
    const faults = look()
    const now = performance.now()
    green = faults.length === 0 ? (green ?? now) : undefined
    if (green !== undefined && now - green >= PROOF_MS) break
    if (now - began >= PATIENCE_MS) {
      const why = faults.join('; ')
      if (proved.includes(image)) {
        console.log(`<4>After ten minutes not all is well: ${why}. This slot was good before and is kept.`)
      } else {
        console.log(`<2>This slot is new and was not well within ten minutes: ${why}. The other slot is started.`)
        if (rauc('status', 'mark-bad', 'booted')) spawnSync('systemctl', ['reboot'])
      }
      return
    }
    await wait(BETWEEN_MS)
  }
  if (!rauc('status', 'mark-good', 'booted'))
    console.log('<4>The boot loader could not be told that this slot is good.')
  else console.log('<5>This slot is good.')
  if (!proved.includes(image))
    put(PROVED, `${[...proved.slice(-9), image].filter((one) => one !== '').join('\n')}\n`, 0o644)
}

if (import.meta.main) await judge()
