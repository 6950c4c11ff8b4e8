/** The lamps of the board and those of the kernel: there, writable, and what drives them now. */
import { join } from 'node:path'
import type { BoardDescription, LampAddress, LedRole, PartReport } from '../../contract.ts'
import { noRights } from '../kernel/rights.ts'
import { lineReport } from './chips.ts'
import { line, may, names, worst } from './files.ts'
import type { Surroundings } from './surroundings.ts'

const FOLDER = 'sys/class/leds'
/** Keyboards bring lamps that are none of the box. */
const KEYBOARD = /^input\d+::/

export function lampReports(board: BoardDescription, around: Surroundings): PartReport[] {
  const roles = Object.entries(board.leds) as [LedRole, BoardDescription['leds'][LedRole] & object][]
  const named = new Set(
    roles.flatMap(([, lamp]) => Object.values(lamp).flatMap((address) => ('led' in address ? [address.led] : []))),
  )
  const others = names(join(around.root, FOLDER)).filter((name) => !named.has(name) && !KEYBOARD.test(name))
  return [
    ...roles.map(([role, lamp]) => roleReport(role, lamp, around)),
    ...others.map(
      (name): PartReport => ({
        part: 'led',
        name,
        device: `/${FOLDER}/${name}`,
        state: 'found',
        text: `no role has it; ${triggerText(name, around)}. To use it: leds: { SYS: { green: { led: "${name}" } } }`,
      }),
    ),
  ]
}

function roleReport(role: LedRole, lamp: Readonly<Record<string, LampAddress>>, around: Surroundings): PartReport {
  const colours = Object.entries(lamp).map(([colour, address]) => {
    const one: LampReport = 'led' in address ? kernelLamp(address.led, around) : lineReport(address.gpio, around)
    return { colour, ...one }
  })
  // What is wrong with both in the same words is said once.
  const texts = new Map<string, string[]>()
  for (const { colour, what, text } of colours) {
    texts.set(text, [...(texts.get(text) ?? []), what === undefined ? colour : `${colour} ${what}`])
  }
  const said = [...texts].map(([text, which]) => `${which.join(' and ')} ${text}`.trim())
  return {
    part: 'led',
    name: role,
    device: colours[0]?.device ?? null,
    state: worst(colours.map(({ state }) => state)),
    text: said.join('; '),
  }
}

interface LampReport extends Pick<PartReport, 'device' | 'state' | 'text'> {
  /** The lamp, where the text is about it and does not name it. */
  readonly what?: string
}

function kernelLamp(name: string, around: Surroundings): LampReport {
  const folder = join(around.root, FOLDER, name)
  const device = `/${FOLDER}/${name}`
  const brightness = join(folder, 'brightness')
  if (line(brightness) === undefined) {
    const there = names(join(around.root, FOLDER)).filter((one) => !KEYBOARD.test(one))
    const instead =
      there.length === 0
        ? 'this kernel has no lamps at all: load the driver (leds-gpio), or leave the lamp out of the board file'
        : `there are ${there.join(', ')}: correct the board file`
    return { device: null, state: 'missing', what: name, text: `not there; ${instead}` }
  }
  if (!may(brightness, 'write')) {
    return { device, state: 'refused', text: noRights(`the lamp ${name}`, brightness, around).message }
  }
  return { device, state: 'found', what: name, text: `(${triggerText(name, around)})` }
}

/** `none [timer] heartbeat`: the one in brackets drives it. */
function triggerText(name: string, { root }: Surroundings): string {
  const folder = join(root, FOLDER, name)
  const triggers = line(join(folder, 'trigger')) ?? ''
  const current = /\[(.+?)\]/.exec(triggers)?.[1] ?? 'none'
  const brightness = line(join(folder, 'brightness')) ?? '?'
  const repeats = /(^|[\s[])pattern([\s\]]|$)/.test(triggers)
    ? ''
    : /(^|[\s[])timer([\s\]]|$)/.test(triggers)
      ? ', even blinking only'
      : ', no blinking by the kernel'
  return current === 'none' ? `brightness ${brightness}${repeats}` : `driven by ${current}${repeats}`
}
