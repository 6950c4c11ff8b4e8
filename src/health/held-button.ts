/** The button of the box as somebody holds it: what letting go would do while it is held, and what they asked for in the end. */
import type { Button, Unsubscribe } from '../../hal/contract.ts'
import type { Clock, Stop } from '../contracts/clock.ts'
import { sentence } from '../contracts/errors.ts'
import {
  type After,
  type ButtonRules,
  changed,
  type Gesture,
  passed,
  RELEASED,
  STUCK_AT_START,
  type Stage,
} from './gestures.ts'

/** While it is held it is looked at this often. */
const LOOK_MS = 50

export interface HeldButtonOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'every'>
  readonly rules: ButtonRules
  /** undefined: the box has none. May throw: what the board names is not there, busy or not ours. */
  readonly open: () => Button | undefined
  /** What letting go would do now; null: it is not held, or nothing would. */
  readonly show: (held: { readonly stage: Stage; readonly ms: number } | null) => void
  readonly asked: (gesture: Exclude<Gesture, 'stuck'>) => void
  /** What stands against the button, once. */
  readonly fault: (text: string) => void
}

export class HeldButton {
  readonly #options: HeldButtonOptions
  #button: Button | undefined
  #off: Unsubscribe | undefined
  #hold = RELEASED
  #looking: Stop | undefined
  #fault: string | undefined

  constructor(options: HeldButtonOptions) {
    this.#options = options
  }

  /** A sentence; undefined: nothing stands against it. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** Listens from now on; called again, it tries again what could not be had. */
  listen(): void {
    if (this.#button !== undefined) return
    const { open, rules } = this.#options
    try {
      this.#button = open()
      this.#fault = undefined
    } catch (thrown) {
      this.#failed(`button: ${sentence(thrown)}`)
    }
    const button = this.#button
    if (button === undefined) return
    if (button.pressed) {
      this.#hold = STUCK_AT_START
      this.#failed('the button was held or stuck when the service started: it is ignored until it is let go')
    }
    this.#off = button.onChange((pressed, at) => this.#took(changed(this.#hold, pressed, at, rules), at))
  }

  stop(): void {
    this.#looking?.()
    this.#off?.()
    this.#button?.close()
  }

  #took({ hold, gesture, stage }: After, at: number): void {
    const { clock, rules, show, asked } = this.#options
    if (hold.since === null) this.#fault = undefined
    this.#hold = hold
    if (hold.since !== null && !hold.spent) {
      this.#looking ??= clock.every(LOOK_MS, () => {
        const now = clock.monotonic()
        this.#took(passed(this.#hold, now, rules), now)
      })
    } else {
      this.#looking?.()
      this.#looking = undefined
    }
    show(stage === undefined || hold.since === null ? null : { stage, ms: at - hold.since })
    if (gesture === 'stuck') {
      this.#failed('the button is held for more than 30 s: it is ignored until it is let go, is it stuck?')
    } else if (gesture !== undefined) asked(gesture)
  }

  #failed(text: string): void {
    if (text === this.#fault) return
    this.#fault = text
    this.#options.fault(text)
  }
}
