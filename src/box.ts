/** The box around the gateway: its lamps show what the gateway says of itself, its button is heard, and what is known of the board
 *  and the machine comes into the lights.
 *
 *    gateway ─► facts ─► language ─► lamps             button ─► gestures ─► locate, set-up, factory reset
 *    board, machine ─────┘
 */
import type { Board, Watchdog } from '../hal/contract.ts'
import type { Stop } from './contracts/clock.ts'
import type { Counters } from './contracts/component.ts'
import { sentence } from './contracts/errors.ts'
import { type Line, unwatched } from './contracts/health.ts'
import type { Light } from './contracts/report.ts'
import type { ButtonRules, Gesture } from './health/gestures.ts'
import { HeldButton } from './health/held-button.ts'
import { Inspection, type InspectionOptions } from './health/inspection.ts'
import { Lamps } from './health/lamps.ts'
import type { BoxFacts, GatewayFacts } from './health/language/facts.ts'
import { fold } from './health/language/fold.ts'
import { lights } from './health/leds.ts'
import { LightJournal } from './health/light-journal.ts'
import { chase, holding, LAMP_TEST_MS, LOCATE_MS, lampTest } from './health/shows.ts'

/** The lights are worked out anew this often. */
const LOOK_MS = 1000
/** Traffic is looked for this often. */
const TRAFFIC_MS = 200
/** A button that could not be had is asked for again this often. */
const BUTTON_MS = 60_000
/** A set-up that was begun is shown for so long. */
const SET_UP_SHOWN_MS = 20_000
/** Lamps are shown anew each second: below this only the timer can have gone. */
const LAMPS_ALLOWANCE_MS = 60_000

/** What runs in the box, as far as its lamps show it. */
export interface Inhabitant {
  facts(): GatewayFacts & Pick<BoxFacts, 'halfAway' | 'pair'>
  /** Counts that rise with each exchange south and each delivery north. Asked often. */
  traffic(): { readonly bus: number; readonly net: number }
  /** What somebody did at the box, for the log. */
  note(text: string, facts: Readonly<Record<string, string | number | boolean>>): void
}

export interface BoxOptions extends InspectionOptions {
  readonly board: Board
  readonly button: ButtonRules
  /** Carries out what the button asks for. `text`: what became of it; `begun`: others go on with it. */
  readonly act: (gesture: 'set-up' | 'factory-reset') => Promise<{ readonly begun: boolean; readonly text: string }>
  /** Asked each second; absent: never. */
  readonly isUpdating?: () => boolean
}

export class Box {
  readonly #options: BoxOptions
  readonly #lamps: Lamps
  readonly #stops: Stop[] = []
  readonly #inspection: Inspection
  readonly #journal: LightJournal
  #line: Line | undefined
  #inhabitant: Inhabitant | undefined
  readonly #button: HeldButton
  #watchdogFault: string | undefined
  /** A show that runs until its end: locate, or the test. */
  #show: 'locate' | 'lamp test' | undefined
  #showEnds: Stop | undefined
  /** What the button asked for is being begun, and then shown for a while. */
  #acting = false
  #settingUp = false
  #settle: Stop | undefined
  #traffic = { bus: 0, net: 0 }
  readonly #counts = { locates: 0, setUps: 0, factoryResets: 0, buttonFaults: 0 }

  constructor(options: BoxOptions) {
    this.#options = options
    const { board, clock, log, button: rules } = options
    this.#inspection = new Inspection(options)
    this.#journal = new LightJournal(options)
    this.#lamps = new Lamps({ clock, log, led: (role) => board.led(role) })
    this.#button = new HeldButton({
      clock,
      rules,
      open: () => board.button(),
      show: (held) => this.#overlay(held === null ? undefined : holding(this.#lamps.roles, held.stage, held.ms)),
      asked: (gesture) => void this.#perform(gesture),
      fault: (text) => {
        this.#counts.buttonFaults++
        log.warn(text)
        this.refresh()
      },
    })
  }

  /** From now on the lamps show how it is. */
  start(inhabitant: Inhabitant): void {
    const { clock } = this.#options
    this.#inhabitant = inhabitant
    this.#enrol()
    this.#traffic = { ...inhabitant.traffic() }
    this.refresh()
    this.#button.listen()
    this.#stops.push(
      clock.every(LOOK_MS, () => {
        this.refresh()
        this.#line?.progress()
      }),
      clock.every(BUTTON_MS, () => this.#button.listen()),
    )
    if (this.#lamps.roles.length > 0) this.#stops.push(clock.every(TRAFFIC_MS, () => this.#lookForTraffic()))
    this.#inspection.start()
  }

  /** The lamps keep what they show until the board takes them back. */
  async stop(): Promise<void> {
    this.#inhabitant = undefined
    for (const stop of this.#stops.splice(0)) stop()
    this.#settle?.()
    this.#showEnds?.()
    this.#lamps.stop()
    this.#button.stop()
    this.#line?.leave()
    this.#inspection.stop()
    await this.#options.board.close()
  }

  #enrol(): void {
    const { health = unwatched } = this.#options
    this.#line = health.enrol({ name: 'lamps', allowanceMs: LAMPS_ALLOWANCE_MS })
    this.#line.report({ condition: 'fine', text: 'are shown anew each second' })
  }

  /** Of the board, armed as soon as it is asked for; what stands against that is shown, too. Throws as the board does. */
  watchdog(): Watchdog | undefined {
    const tried = <T>(act: () => T): T => {
      try {
        const done = act()
        this.#watchdogFault = undefined
        return done
      } catch (thrown) {
        this.#watchdogFault = `watchdog: ${sentence(thrown)}`
        throw thrown
      }
    }
    const watchdog = tried(() => this.#options.board.watchdog())
    if (watchdog === undefined) {
      this.#watchdogFault =
        'watchdog: the board has none that the service could arm; take watchdog: out of the gateway file'
      return undefined
    }
    return { timeoutMs: watchdog.timeoutMs, feed: () => tried(() => watchdog.feed()), disarm: () => watchdog.disarm() }
  }

  /** What is known of the box, for the report. */
  facts(): BoxFacts {
    const own = [this.#button.fault, this.#watchdogFault]
    const faults = [...this.#lamps.faults(), ...own.filter((text) => text !== undefined)]
    return {
      ...this.#inspection.facts(),
      faults,
      setUp: this.#settingUp,
      updating: this.#options.isUpdating?.() ?? false,
    }
  }

  /** The lamps are told what is to be shown now. */
  refresh(): void {
    if (this.#inhabitant === undefined) return
    const found = this.lights()
    this.#journal.look(found)
    if (this.#lamps.roles.length > 0) this.#lamps.show(fold(found, this.#lamps.roles))
  }

  /** What the lamps would show, each with its sentence, also where there are none. */
  lights(): readonly Light[] {
    return this.#inhabitant === undefined ? [] : lights({ ...this.#inhabitant.facts(), ...this.facts() })
  }

  /** All lamps run after each other for a minute, so that somebody in front of many boxes finds this one. `on`: false: no more. */
  locate(on = true): string {
    const { roles } = this.#lamps
    if (roles.length === 0) return 'this box has no lamps'
    if (on) {
      this.#counts.locates++
      this.#begin('locate', LOCATE_MS)
    } else this.#end()
    return on ? `the lamps run for ${LOCATE_MS / 1000} s` : 'the lamps show how the gateway is'
  }

  testLamps(): string {
    if (this.#lamps.roles.length === 0) return 'this box has no lamps'
    this.#begin('lamp test', LAMP_TEST_MS)
    return `${this.#lamps.roles.join(', ')} show green, amber, red and nothing, twice, in ${LAMP_TEST_MS / 1000} s`
  }

  counters(): Counters {
    return { ...this.#lamps.counters(), ...this.#counts }
  }

  // ── shows ────────────────────────────────────────────────────────────────────────────────────

  #begin(show: 'locate' | 'lamp test', ms: number): void {
    this.#showEnds?.()
    this.#show = show
    this.#showEnds = this.#options.clock.after(ms, () => this.#end())
    this.#overlay()
  }

  #end(): void {
    this.#showEnds?.()
    this.#show = undefined
    this.#overlay()
  }

  /** Whoever holds the button comes first. */
  #overlay(held?: ReturnType<typeof holding>): void {
    const { roles } = this.#lamps
    const running = this.#show === 'locate' ? chase(roles) : this.#show === 'lamp test' ? lampTest(roles) : undefined
    this.#lamps.overlay(held ?? running)
  }

  #lookForTraffic(): void {
    const { bus, net } = this.#inhabitant!.traffic()
    if (bus !== this.#traffic.bus) this.#lamps.traffic('BUS')
    if (net !== this.#traffic.net) this.#lamps.traffic('NET')
    this.#traffic = { bus, net }
  }

  // ── button ───────────────────────────────────────────────────────────────────────────────────

  async #perform(gesture: 'locate' | 'set-up' | 'factory-reset'): Promise<void> {
    if (gesture === 'locate') return this.#tell(gesture, this.locate())
    if (this.#acting) return
    if (gesture === 'set-up') this.#counts.setUps++
    else this.#counts.factoryResets++
    const { act, clock } = this.#options
    this.#acting = true
    this.#settle?.()
    this.#settingUp = true
    this.refresh()
    this.#inhabitant?.note(`${gesture} asked for at the button`, { by: 'button' })
    const { begun, text } = await act(gesture).catch((thrown) => ({ begun: false, text: sentence(thrown) }))
    this.#acting = false
    this.#tell(gesture, text)
    // Who goes on with it is not asked; whoever stands there sees that the box has understood.
    if (begun && this.#inhabitant !== undefined) this.#settle = clock.after(SET_UP_SHOWN_MS, () => this.#settled())
    else this.#settled()
  }

  #settled(): void {
    this.#settingUp = false
    this.refresh()
  }

  #tell(gesture: Gesture, text: string): void {
    this.#options.log.info(`button, ${gesture}: ${text}`)
    this.#inhabitant?.note(`button, ${gesture}: ${text}`, { by: 'button' })
  }
}
