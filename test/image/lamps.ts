/** What the lamps really did: the lines of the simulated GPIO chip, read inside the box every few milliseconds. */
import type { Guest } from './guest.ts'

/** By `hal/boards/virt.yaml`: lines 0–7 are green and red of each role, line 8 the button, low when pressed. */
const ROLES = ['SYS', 'BUS', 'NET', 'HA'] as const
const BUTTON = 8

export type Role = (typeof ROLES)[number]
export interface Shown {
  readonly colour: 'off' | 'green' | 'red' | 'amber'
  readonly ms: number
}

const SAMPLER = `
const { openSync, readSync, readdirSync, existsSync } = require('fs')
const base = '/sys/devices/platform'
const folder = readdirSync(base).flatMap((device) => {
  try { return readdirSync(base + '/' + device).filter((name) => name.startsWith('gpiochip')).map((name) => base + '/' + device + '/' + name) } catch { return [] }
}).find((path) => existsSync(path + '/sim_gpio0'))
if (!folder) { console.log('no simulated chip'); process.exit(1) }
const lines = Array.from({ length: 8 }, (_, line) => openSync(folder + '/sim_gpio' + line + '/value', 'r'))
const byte = Buffer.alloc(1)
const look = () => lines.reduce((mask, fd, line) => { readSync(fd, byte, 0, 1, 0); return mask | ((byte[0] & 1) << line) }, 0)
const from = performance.now(), until = from + Number(process.argv[2])
let last = -1
const out = []
const tick = () => {
  const at = performance.now(), mask = look()
  if (mask !== last) { out.push([Math.round(at - from), mask]); last = mask }
  if (at < until) setTimeout(tick, 5)
  else { out.push([Math.round(at - from), last]); console.log(JSON.stringify(out)) }
}
tick()
`

export class Lamps {
  readonly #guest: Guest
  readonly #node: string

  static async in(guest: Guest, node: string): Promise<Lamps> {
    const text = Buffer.from(SAMPLER).toString('base64')
    await guest.do(`mkdir -p /run/harness && echo ${text} | base64 -d > /run/harness/lamps.cjs`)
    return new Lamps(guest, node)
  }

  private constructor(guest: Guest, node: string) {
    this.#guest = guest
    this.#node = node
  }

  /** What each lamp showed, one after the other, over so many milliseconds of the box. */
  async watch(ms: number): Promise<Readonly<Record<Role, readonly Shown[]>>> {
    const said = await this.#guest.do(`${this.#node} /run/harness/lamps.cjs ${ms}`, 20_000 + 3 * ms)
    const changes = JSON.parse(said.slice(said.indexOf('['))) as [at: number, mask: number][]
    const shown: Record<Role, Shown[]> = { SYS: [], BUS: [], NET: [], HA: [] }
    for (const [at, role] of ROLES.entries()) {
      for (let n = 0; n + 1 < changes.length; n++) {
        const colour = (['off', 'green', 'red', 'amber'] as const)[(changes[n]![1] >> (2 * at)) & 3]!
        const took = changes[n + 1]![0] - changes[n]![0]
        const last = shown[role].at(-1)
        if (last?.colour === colour) shown[role][shown[role].length - 1] = { colour, ms: last.ms + took }
        else shown[role].push({ colour, ms: took })
      }
    }
    return shown
  }

  /** Pulls the button's line as a finger does. */
  async press(ms: number): Promise<void> {
    const pull = `$(ls -d /sys/devices/platform/*/gpiochip*/sim_gpio${BUTTON})/pull`
    await this.#guest.do(`echo pull-down > ${pull}; sleep ${ms / 1000}; echo pull-up > ${pull}`, 20_000 + ms)
  }
}

/** The share of the time in which a lamp was lit in a colour, 0–1. */
export function share(shown: readonly Shown[], colour: Shown['colour']): number {
  const all = shown.reduce((sum, { ms }) => sum + ms, 0)
  return all === 0 ? 0 : shown.reduce((sum, step) => sum + (step.colour === colour ? step.ms : 0), 0) / all
}

/** As a person would write it down: `green 2800, off 200, …`. */
export function written(shown: readonly Shown[], most = 12): string {
  return shown
    .slice(0, most)
    .map(({ colour, ms }) => `${colour} ${ms}`)
    .join(' ')
}
