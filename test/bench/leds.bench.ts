/** `leds`: what the lamps cost the loop: one change of a lamp through its files on a tmpfs, all four at work with traffic, and
 *  the lights worked out anew for 10,000 devices. The reference writes one byte to one open file. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Led, LedRole } from '../../hal/contract.ts'
import { openLed } from '../../hal/linux/lamps/leds.ts'
import { Lamps } from '../../src/health/lamps.ts'
import type { DeviceFacts } from '../../src/health/language/facts.ts'
import { light } from '../../src/health/language/states.ts'
import { lights } from '../../src/health/leds.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { median, round } from './rounds.ts'

const LIMIT_MS = 1
const ROLES: readonly LedRole[] = ['SYS', 'BUS', 'NET', 'HA']
const COLOURS = ['green', 'amber', 'red'] as const

export async function run({ small }: { small: boolean }) {
  const root = mkdtempSync('/dev/shm/fieldgate-leds-')
  try {
    const leds = new Map(ROLES.map((role) => [role, lamp(root, role)]))
    const changes = costOfChange(leds.get('SYS')!, small ? 500 : 20_000)
    const reference = costOfWrite(join(root, 'one'), small ? 500 : 20_000)
    const atWork = await costOfWork(leds, small ? 500 : 10_000)
    const looks = costOfLook(small ? 5 : 101)
    return {
      bench: 'leds',
      target: `a change of a lamp keeps the loop for less than ${LIMIT_MS} ms, the slowest of a hundred too`,
      verdict: changes.p99Ms < LIMIT_MS ? ('met' as const) : ('missed' as const),
      changes,
      reference,
      atWork,
      looks,
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function lamp(root: string, role: LedRole): Led {
  const description: Record<string, { led: string }> = {}
  for (const colour of COLOURS) {
    const led = `${colour}:${role.toLowerCase()}`
    const folder = join(root, 'sys/class/leds', led)
    mkdirSync(folder, { recursive: true })
    const files = { brightness: '0', max_brightness: '1', trigger: '[none] timer pattern' }
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), `${text}\n`)
    description[colour] = { led }
  }
  return openLed({ role, description, root })
}

function costOfChange(led: Led, times: number) {
  const took: number[] = []
  for (let at = 0; at < times; at++) {
    const from = performance.now()
    led.show(COLOURS[at % 3]!)
    took.push(performance.now() - from)
  }
  return figures(took)
}

function costOfWrite(file: string, times: number) {
  const fd = openSync(file, 'w')
  const took: number[] = []
  for (let at = 0; at < times; at++) {
    const from = performance.now()
    writeSync(fd, at % 2 === 0 ? '1' : '0', 0)
    took.push(performance.now() - from)
  }
  closeSync(fd)
  return figures(took)
}

/** All four fine, with as much traffic as is shown. */
async function costOfWork(leds: ReadonlyMap<LedRole, Led>, ms: number) {
  const clock = new SystemClock()
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const lamps = new Lamps({ clock, log, led: (role) => leds.get(role) })
  lamps.show(
    new Map((['sys.fine', 'bus.fine', 'net.fine', 'ha.active'] as const).map((id) => [light(id).role, light(id)])),
  )
  const stop = clock.every(100, () => {
    for (const role of ROLES) lamps.traffic(role)
  })
  const before = process.cpuUsage()
  await clock.sleep(ms, new AbortController().signal)
  const { user, system } = process.cpuUsage(before)
  stop()
  lamps.stop()
  return {
    seconds: ms / 1000,
    changesPerSecond: round((lamps.counters().lampWrites! * 1000) / ms, 1),
    cpuPercent: round(((user + system) / 1000 / ms) * 100),
  }
}

function costOfLook(times: number) {
  const fine = { condition: 'fine', text: 'open' } as const
  const connections = Array.from({ length: 100 }, (_, at) => ({ name: `c${at}`, state: fine }))
  const names = Array.from({ length: 10_000 }, (_, at) => `d${at}`)
  /** As the gateway does it: one object for all of them. */
  function* devices(): Iterable<DeviceFacts> {
    const facts = { name: '', connection: '', enabled: true, answers: true, text: 'answers', groups: 1 }
    for (const [at, name] of names.entries()) {
      facts.name = name
      facts.connection = connections[at % 100]!.name
      facts.answers = at % 50 !== 0
      yield facts
    }
  }
  const sinks = [{ name: 'emqx', state: fine, receipt: null }]
  const took: number[] = []
  for (let at = 0; at < times; at++) {
    const from = performance.now()
    lights({ connections, devices: devices(), sinks, log: { state: fine, bytes: 1, quotaBytes: 100 } })
    took.push(performance.now() - from)
  }
  return { devices: 10_000, perSecond: 1, ...figures(took) }
}

function figures(took: readonly number[]) {
  const sorted = [...took].sort((one, other) => one - other)
  return {
    times: took.length,
    medianMs: round(median(took), 4),
    p99Ms: round(sorted[Math.floor(sorted.length * 0.99)]!, 4),
    mostMs: round(sorted.at(-1)!, 3),
  }
}
