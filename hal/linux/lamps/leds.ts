/** A lamp of the board: one or more lamps of the kernel or bare lines, together one Led. Red and green together are amber where
 *  there is no amber lamp. */
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import type { Colour, LampAddress, Led, LedDescription, LedRole, LedStep, LineAddress } from '../../contract.ts'
import { openOutput } from '../gpio/output.ts'
import type { Box } from '../kernel/box.ts'
import { type Beat, KernelLamp, type Way } from './kernel-lamp.ts'

type Lit = Exclude<Colour, 'off'>

/** On or off, and blinking by the kernel alone. */
interface Lamp {
  /** Those it takes part in. */
  readonly colours: ReadonlySet<Colour>
  /** One that mixes: which of them comes with the next light. */
  readonly tint?: (colour: Lit) => void
  set(on: boolean): void
  way(beats: readonly Beat[], exact: boolean): Way
  blink(beats: readonly Beat[], way: 'timer' | 'pattern'): boolean
  close(): void
}

/** Throws ConfigurationFault (no such lamp, chip or line, no rights) or Retryable (busy). */
export function openLed({
  role,
  description,
  ...box
}: { readonly role: LedRole; readonly description: LedDescription } & Box): Led {
  const addresses = Object.entries(description) as [Lit, LampAddress][]
  const places = new Set(addresses.map(([, address]) => JSON.stringify(address)))
  if (places.size === 0) throw new ConfigurationFault(`the lamp ${role} of the board has no colour: name one`)
  const colours = addresses.map(([colour]) => colour)
  const lamps: Lamp[] = []
  try {
    if (places.size === 1 && colours.length > 1) return new LinuxLed([oneForAll(role, addresses[0]![1], colours, box)])
    if (places.size < colours.length) throw sharing(role)
    const mixed = colours.includes('red') && colours.includes('green') && !colours.includes('amber')
    for (const [colour, address] of addresses) {
      const own = new Set<Colour>(mixed ? [colour, 'amber'] : [colour])
      lamps.push('led' in address ? kernelLamp(address.led, own, box) : bareLine(address.gpio, own, box))
    }
    return new LinuxLed(lamps)
  } catch (thrown) {
    for (const lamp of lamps) lamp.close()
    throw thrown
  }
}

function kernelLamp(name: string, colours: ReadonlySet<Colour>, box: Box): Lamp {
  const lamp = new KernelLamp({ name, ...box })
  return {
    colours,
    // A lamp that mixes and is asked for one colour only.
    ...(lamp.tints === undefined ? {} : { tint: (colour: Lit) => lamp.tint(mixture(colour, lamp.tints!)) }),
    set: (on) => lamp.set(on),
    way: (beats, exact) => lamp.way(beats, exact),
    blink: (beats, way) => lamp.blink(beats, way),
    close: () => lamp.close(),
  }
}

function bareLine(address: LineAddress, colours: ReadonlySet<Colour>, box: Box): Lamp {
  const line = openOutput(address, box)
  return {
    colours,
    set: (on) => line.set(on),
    way: (beats) => (beats.length < 2 ? 'steady' : undefined),
    blink: () => false,
    close() {
      try {
        line.set(false)
      } finally {
        line.close()
      }
    },
  }
}

/** Several colours at one place: a lamp that mixes (Documentation/ABI/testing/sysfs-class-led-multicolor). */
function oneForAll(role: LedRole, address: LampAddress, colours: readonly Lit[], box: Box): Lamp {
  if ('gpio' in address) throw sharing(role)
  const all = new Set<Colour>(colours)
  if (all.has('red') && all.has('green')) all.add('amber')
  const lamp = kernelLamp(address.led, all, box)
  if (lamp.tint !== undefined) return lamp
  lamp.close()
  throw sharing(role)
}

function sharing(role: LedRole): ConfigurationFault {
  return new ConfigurationFault(
    `the lamp ${role} of the board names one lamp for several colours, which only a multicolor lamp can show: correct the board file`,
  )
}

/** Shares of red, green and the like. Green looks brighter than red. */
function mixture(colour: Lit, tints: readonly string[]): number[] {
  if (tints.includes(colour)) return tints.map((tint) => (tint === colour ? 1 : 0))
  return tints.map((tint) => (tint === 'red' ? 1 : tint === 'green' ? 0.4 : 0))
}

class LinuxLed implements Led {
  readonly colours: readonly Colour[]
  readonly #lamps: readonly Lamp[]
  /** What it does, to go back to. */
  #now: () => void = () => {}

  constructor(lamps: readonly Lamp[]) {
    this.#lamps = lamps
    this.colours = (['green', 'amber', 'red'] as const).filter((colour) =>
      lamps.some((lamp) => lamp.colours.has(colour)),
    )
  }

  show(colour: Colour): void {
    this.#now = () => this.show(colour)
    // Out before on: no moment of a third colour.
    for (const lamp of this.#lamps) if (!lamp.colours.has(colour)) lamp.set(false)
    for (const lamp of this.#lamps) {
      if (!lamp.colours.has(colour)) continue
      if (colour !== 'off') lamp.tint?.(colour)
      lamp.set(true)
    }
  }

  blink(steps: readonly LedStep[]): boolean {
    const parts = this.#lamps.map((lamp) => ({ lamp, beats: beatsOf(steps, lamp), colour: tintOf(steps, lamp) }))
    // Lamps that blink at different times keep their distance only if each begins where it should.
    const rhythms = new Set(
      parts.map(({ beats }) => JSON.stringify(beats)).filter((_, at) => parts[at]!.beats.length > 1),
    )
    const exact = rhythms.size > 1
    const ways = parts.map(({ lamp, beats, colour }) => (colour === null ? undefined : lamp.way(beats, exact)))
    if (ways.includes(undefined)) return false
    for (const [index, { lamp, beats, colour }] of parts.entries()) {
      const way = ways[index]!
      if (colour) lamp.tint?.(colour)
      if (way === 'steady') lamp.set(beats[0]?.on ?? false)
      else if (!lamp.blink(beats, way)) {
        this.#now()
        return false
      }
    }
    this.#now = () => void this.blink(steps)
    return true
  }

  close(): void {
    for (const lamp of this.#lamps) lamp.close()
  }
}

/** When this lamp of several is on. Neighbours that are alike are one beat. */
function beatsOf(steps: readonly LedStep[], lamp: Lamp): Beat[] {
  const beats: { on: boolean; ms: number }[] = []
  for (const { colour, ms } of steps) {
    const on = lamp.colours.has(colour)
    const last = beats.at(-1)
    if (last?.on === on) last.ms += ms
    else beats.push({ on, ms })
  }
  return beats
}

/** The one colour of a lamp that mixes; null: the steps want several, which no trigger can. */
function tintOf(steps: readonly LedStep[], lamp: Lamp): Lit | undefined | null {
  if (lamp.tint === undefined) return undefined
  const lit = [...new Set(steps.map(({ colour }) => colour).filter((colour) => lamp.colours.has(colour)))] as Lit[]
  return lit.length > 1 ? null : lit[0]
}
