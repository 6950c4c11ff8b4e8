/** The lamps of the box, by rhythms. One timer for all of them, set for the next step of any. Green and amber are made here: a
 *  process that hangs or is gone leaves no rhythm that looks fine. Red that blinks is the kernel's where it can, so that it goes on
 *  whatever becomes of us. */
import type { Colour, Led, LedRole, LedStep } from '../../hal/contract.ts'
import type { Clock, Stop } from '../contracts/clock.ts'
import type { Counters, Logger } from '../contracts/component.ts'
import { sentence } from '../contracts/errors.ts'
import type { Light } from '../contracts/report.ts'
import { rhythmOf, stepAt } from '../contracts/rhythm.ts'
import { stepsOn } from './lamp.ts'
import { ROLES } from './language/fold.ts'

/** A lamp that failed is tried again after this. */
const AGAIN_MS = 10_000
/** An exchange or a delivery makes a lamp that says "fine" go dark for so long, and not again before. */
const TRAFFIC_GAP_MS = 40
const TRAFFIC_EVERY_MS = 400
/** A step's end is never waited for in less: clocks count in fractions. */
const SHORTEST_MS = 2

interface Lamp {
  readonly role: LedRole
  readonly open: () => Led | undefined
  led: Led | undefined
  /** What it is to do, over and over. */
  steps: readonly LedStep[]
  /** Each rhythm begins with the light, so that it is seen at once. */
  since: number
  /** Whether traffic shows. */
  fine: boolean
  byKernel: boolean
  /** undefined: not known, so that the next step is told whatever it is. */
  shown: Colour | undefined
  darkUntil: number
  gapAfter: number
  fault: string | undefined
  tryAt: number
}

export interface LampsOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'after'>
  readonly log: Logger
  /** undefined: the box has none for this role. May throw: what the board names is not there, or not ours. */
  readonly led: (role: LedRole) => Led | undefined
}

export class Lamps {
  /** Those that the board has, also while they fail. */
  readonly roles: readonly LedRole[]
  readonly #clock: LampsOptions['clock']
  readonly #log: Logger
  readonly #lamps: readonly Lamp[]
  #over: ReadonlyMap<LedRole, readonly LedStep[]> | undefined
  #lights: ReadonlyMap<LedRole, Light> = new Map()
  #timer: Stop | undefined
  #writes = 0
  #failures = 0

  constructor({ clock, log, led }: LampsOptions) {
    this.#clock = clock
    this.#log = log
    const lamps: Lamp[] = []
    for (const role of ROLES) {
      const lamp: Lamp = {
        role,
        open: () => led(role),
        led: undefined,
        steps: DARK,
        since: 0,
        fine: false,
        byKernel: false,
        shown: undefined,
        darkUntil: 0,
        gapAfter: 0,
        fault: undefined,
        tryAt: 0,
      }
      if (this.#isThere(lamp)) lamps.push(lamp)
    }
    this.#lamps = lamps
    this.roles = lamps.map(({ role }) => role)
  }

  /** From now on, until told otherwise. */
  show(lights: ReadonlyMap<LedRole, Light>): void {
    this.#lights = lights
    this.#plan()
  }

  /** In place of the lights: for finding the box, for a test of the lamps. undefined: the lights again. */
  overlay(steps: ReadonlyMap<LedRole, readonly LedStep[]> | undefined): void {
    this.#over = steps
    this.#plan()
  }

  /** Something passed: a lamp that says "fine" has a short gap. */
  traffic(role: LedRole): void {
    const lamp = this.#lamps.find((each) => each.role === role)
    const now = this.#clock.monotonic()
    if (lamp === undefined || !lamp.fine || lamp.fault !== undefined || now < lamp.gapAfter) return
    lamp.darkUntil = now + TRAFFIC_GAP_MS
    lamp.gapAfter = now + TRAFFIC_EVERY_MS
    this.#step()
  }

  /** A sentence for each lamp that does not do what it is told. */
  faults(): readonly string[] {
    return this.#lamps.flatMap(({ role, fault }) => (fault === undefined ? [] : [`lamp ${role}: ${fault}`]))
  }

  counters(): Counters {
    return { lampWrites: this.#writes, lampFailures: this.#failures }
  }

  /** The lamps stay the board's to give back. */
  stop(): void {
    this.#timer?.()
    this.#timer = undefined
  }

  #plan(): void {
    const now = this.#clock.monotonic()
    for (const lamp of this.#lamps) {
      const light = this.#lights.get(lamp.role)
      const steps = this.#over?.get(lamp.role) ?? (light === undefined ? DARK : rhythmOf(light))
      lamp.fine = this.#over === undefined && light?.pattern === 'gap'
      if (isSame(steps, lamp.steps)) continue
      lamp.steps = steps
      lamp.since = now
      lamp.byKernel = false
      lamp.darkUntil = 0
      lamp.shown = undefined
    }
    this.#step()
  }

  /** Tells each lamp what it is to show now, and comes back for the next change. */
  #step(): void {
    this.#timer?.()
    const now = this.#clock.monotonic()
    const waits = this.#lamps.map((lamp) => this.#drive(lamp, now))
    const least = Math.min(...waits)
    this.#timer = least === Infinity ? undefined : this.#clock.after(Math.max(SHORTEST_MS, least), () => this.#step())
  }

  /** Returns how long nothing changes on this lamp. */
  #drive(lamp: Lamp, now: number): number {
    if (lamp.fault !== undefined && now < lamp.tryAt) return lamp.tryAt - now
    try {
      lamp.led ??= lamp.open()
      const { led } = lamp
      if (led === undefined) return Infinity
      const wait = this.#tell(lamp, led, now)
      if (lamp.fault !== undefined) this.#log.info(`lamp ${lamp.role} works again`)
      lamp.fault = undefined
      return wait
    } catch (thrown) {
      this.#failed(lamp, thrown, now)
      return AGAIN_MS
    }
  }

  #tell(lamp: Lamp, led: Led, now: number): number {
    if (lamp.byKernel) return Infinity
    const steps = stepsOn(led, lamp.steps)
    const isLasting = lamp.steps.every(({ colour }) => colour === 'red' || colour === 'off')
    if (lamp.shown === undefined && isLasting && steps.length > 1 && led.blink(steps)) {
      this.#writes++
      lamp.byKernel = true
      return Infinity
    }
    const isDark = now < lamp.darkUntil
    const step = stepAt(steps, now - lamp.since)
    const colour = isDark ? 'off' : step.colour
    if (colour !== lamp.shown) {
      led.show(colour)
      this.#writes++
      lamp.shown = colour
    }
    if (steps.length === 1 && !isDark) return Infinity
    return isDark ? Math.min(step.leftMs, lamp.darkUntil - now) : step.leftMs
  }

  #failed(lamp: Lamp, thrown: unknown, now: number): void {
    this.#failures++
    const text = sentence(thrown)
    if (lamp.fault !== text) {
      this.#log.warn(`lamp ${lamp.role}: ${text}; "fieldgate status" tells what it would show; tried again by itself`)
    }
    lamp.fault = text
    lamp.tryAt = now + AGAIN_MS
    lamp.shown = undefined
  }

  #isThere(lamp: Lamp): boolean {
    try {
      lamp.led = lamp.open()
      return lamp.led !== undefined
    } catch (thrown) {
      this.#failed(lamp, thrown, this.#clock.monotonic())
      return true
    }
  }
}

const DARK: readonly LedStep[] = [{ colour: 'off', ms: 1000 }]

function isSame(one: readonly LedStep[], other: readonly LedStep[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ colour, ms }, at) => other[at]!.colour === colour && other[at]!.ms === ms)
  )
}
