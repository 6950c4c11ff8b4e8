/** Watches the wall clock against the one that never steps, and says when it was set and how far its time can be trusted. */
import type { Clock, ClockQuality, Instant, Stop } from '../contracts/clock.ts'

/** A clock that is slewed (adjtime: 0.5 ms a second, chrony: up to 83, a leap second smeared over a day: 0.01) never gains so
 *  much from one look to the next. */
const STEP_MS = 1000
const LOOK_MS = 1000

export interface ClockNote {
  readonly at: Instant
  readonly name: 'clock.stepped' | 'clock.quality'
  readonly text: string
  readonly facts: Readonly<Record<string, string | number>>
}

const MEANING: Readonly<Record<ClockQuality, string>> = {
  synced: 'the clock is set: times are certain from here on',
  holdover: 'the clock has lost its source and runs on by itself',
  unsynced: 'the clock is not set: times are uncertain until a time server answers',
}

export function watchSteps(options: { readonly clock: Clock; readonly note: (note: ClockNote) => void }): Stop {
  const { clock, note } = options
  let { clock: quality, wall, monotonic } = clock.now()
  return clock.every(LOOK_MS, () => {
    const at = clock.now()
    const byMs = Math.round(at.wall - wall - (at.monotonic - monotonic))
    if (Math.abs(byMs) > STEP_MS) note({ at, name: 'clock.stepped', text: stepText(byMs), facts: { byMs } })
    if (at.clock !== quality) {
      note({ at, name: 'clock.quality', text: MEANING[clock.quality()], facts: { from: quality, to: at.clock } })
    }
    ;({ clock: quality, wall, monotonic } = at)
  })
}

function stepText(byMs: number): string {
  const seconds = Math.abs(byMs) / 1000
  const [amount, unit] =
    seconds < 120
      ? [seconds, 'seconds']
      : seconds < 7200
        ? [seconds / 60, 'minutes']
        : seconds < 172_800
          ? [seconds / 3600, 'hours']
          : [seconds / 86_400, 'days']
  return `the clock was set ${byMs > 0 ? 'forwards' : 'back'} by ${amount.toFixed(1)} ${unit}`
}
