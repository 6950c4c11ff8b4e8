/** What the button is told by how long it is held. Pure: the caller feeds changes of the button and moments, and carries out what
 *  comes back.
 *
 *    1 s  5 s      10 s       15 s
 *    ├ locate ┼ set-up ┼ countdown ┤ factory reset       let go in the countdown: nothing happens
 *    ├ locate ┼ set-up ────────────────────────────┤ 30 s: stuck     where no reset is allowed
 */

export const HELD = { locate: 1000, setUp: 5000, countdown: 10_000, reset: 15_000, stuck: 30_000 } as const

export type Stage = 'too short' | 'locate' | 'set-up' | 'countdown' | 'factory-reset' | 'stuck'

export type Gesture = 'locate' | 'set-up' | 'factory-reset' | 'stuck'

/** `since`: monotonic; null: it is not pressed. `spent`: whatever it does until it is let go, nothing follows. */
export interface Hold {
  readonly since: number | null
  readonly spent: boolean
}

export const RELEASED: Hold = { since: null, spent: false }

export interface ButtonRules {
  readonly reset: boolean
}

/** For a button that is pressed when we first look at it: nobody can have meant that. */
export const STUCK_AT_START: Hold = { since: 0, spent: true }

function stageAt(heldMs: number, { reset }: ButtonRules): Stage {
  if (heldMs < HELD.locate) return 'too short'
  if (heldMs < HELD.setUp) return 'locate'
  if (reset) {
    if (heldMs < HELD.countdown) return 'set-up'
    return heldMs < HELD.reset ? 'countdown' : 'factory-reset'
  }
  return heldMs < HELD.stuck ? 'set-up' : 'stuck'
}

/** `stage`: what would follow if it were let go now; undefined: it is not held, or nothing would. */
export interface After {
  readonly hold: Hold
  readonly gesture?: Gesture
  readonly stage?: Stage
}

/** The button has changed, or not: what is seen twice is one. */
export function changed(hold: Hold, pressed: boolean, at: number, rules: ButtonRules): After {
  if (pressed)
    return hold.since === null ? { hold: { since: at, spent: false }, stage: 'too short' } : passed(hold, at, rules)
  if (hold.since === null || hold.spent) return { hold: RELEASED }
  const stage = stageAt(at - hold.since, rules)
  const acts = stage === 'locate' || stage === 'set-up' || stage === 'factory-reset'
  return { hold: RELEASED, ...(acts ? { gesture: stage } : {}) }
}

/** Time has passed. */
export function passed(hold: Hold, at: number, rules: ButtonRules): After {
  if (hold.since === null || hold.spent) return { hold }
  const stage = stageAt(at - hold.since, rules)
  if (stage === 'factory-reset' || stage === 'stuck') return { hold: { ...hold, spent: true }, gesture: stage }
  return { hold, stage }
}
