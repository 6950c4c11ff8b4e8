/** What all lamps do together, in place of the lights: so that the box is found, that its lamps are tried, and that whoever holds
 *  the button sees what letting go would do. Pure. */
import type { Colour, LedRole, LedStep } from '../../hal/contract.ts'
import { HELD, type Stage } from './gestures.ts'

type Show = ReadonlyMap<LedRole, readonly LedStep[]>

const CHASE_MS = 200
const TEST_MS = 1000
/** Colours of the lamp test, once through. */
const TESTED: readonly Colour[] = ['green', 'amber', 'red', 'off']

export const LAMP_TEST_MS = 2 * TEST_MS * TESTED.length
export const LOCATE_MS = 60_000

/** A point of light that runs along the lamps. */
export function chase(roles: readonly LedRole[]): Show {
  const all = Math.max(2, roles.length)
  return each(roles, (at) => [
    ...(at === 0 ? [] : [{ colour: 'off' as const, ms: at * CHASE_MS }]),
    { colour: 'green', ms: CHASE_MS },
    ...(at === all - 1 ? [] : [{ colour: 'off' as const, ms: (all - 1 - at) * CHASE_MS }]),
  ])
}

export function lampTest(roles: readonly LedRole[]): Show {
  return each(roles, () => TESTED.map((colour) => ({ colour, ms: TEST_MS })))
}

/** While the button is held; undefined: the lights as they are. */
export function holding(roles: readonly LedRole[], stage: Stage, heldMs: number): Show | undefined {
  switch (stage) {
    case 'locate':
      return chase(roles)
    case 'set-up':
      return each(roles, () => blinking('amber', 250))
    case 'countdown': {
      // The lamps go out one after the other, the last with the end.
      const left = Math.ceil((roles.length * (HELD.reset - heldMs)) / (HELD.reset - HELD.countdown))
      return each(roles, (at) => (at < left ? blinking('red', 100) : [{ colour: 'off', ms: 1000 }]))
    }
    case 'factory-reset':
      return each(roles, () => [{ colour: 'red', ms: 1000 }])
    default:
      return undefined
  }
}

function blinking(colour: Colour, ms: number): readonly LedStep[] {
  return [
    { colour, ms },
    { colour: 'off', ms },
  ]
}

function each(roles: readonly LedRole[], steps: (at: number) => readonly LedStep[]): Show {
  return new Map(roles.map((role, at) => [role, steps(at)]))
}
