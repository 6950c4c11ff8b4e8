/** A light on one lamp, whatever colours that lamp has. */
import type { Colour, Led, LedStep } from '../../hal/contract.ts'
import type { Light } from '../contracts/report.ts'
import { rhythmOf } from '../contracts/rhythm.ts'

/** What a lamp shows that has not the colour: the rhythm says the same. */
const INSTEAD: Readonly<Record<Exclude<Colour, 'off'>, readonly Colour[]>> = {
  red: ['red', 'amber', 'green'],
  amber: ['amber', 'red', 'green'],
  green: ['green', 'amber', 'red'],
}

function colourOn(led: Led, colour: Colour): Colour {
  if (colour === 'off') return 'off'
  return INSTEAD[colour].find((each) => led.colours.includes(each)) ?? 'off'
}

/** Steady green never is, also where green is all a lamp has: it blinks as a fault does. */
export function stepsOn(led: Led, steps: readonly LedStep[]): readonly LedStep[] {
  const shown = steps.map(({ colour, ms }) => ({ colour: colourOn(led, colour), ms }))
  return shown.length === 1 && shown[0]!.colour === 'green'
    ? rhythmOf({ colour: 'red', pattern: 'blink' }).map((step) => ({ ...step, colour: colourOn(led, step.colour) }))
    : shown
}

/** For a process that ends now: the kernel goes on with it, and where it cannot the lamp stays lit, or dark if it has but green.
 *  Throws Retryable. */
export function leave(led: Led, light: Light): void {
  const steps = stepsOn(led, rhythmOf(light))
  if (steps.length > 1 && led.blink(steps)) return
  const { colour } = steps[0]!
  led.show(colour === 'green' ? 'off' : colour)
}
