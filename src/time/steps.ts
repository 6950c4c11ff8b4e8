/** Watches the wall clock against the one that never steps, and says when it was set and how far its time can be trusted. */
import type { Clock, ClockQuality, Instant, Stop } from '../contracts/clock.ts'

/** Slewing is no step: the kernel slews the monotonic clock along (clock_gettime(2)), and a leap second that a server smears over
 *  a day is 0.01 ms a second. */
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

export interface Watch {
  readonly clock: Clock
  /** Moments that an earlier run stored: a clock that was set between that and this run has stepped, too. */
  readonly stored?: Iterable<Instant>
  readonly note: (note: ClockNote) => void
}

export function watchSteps({ clock, stored = [], note }: Watch): Stop {
  let { clock: quality, wall, monotonic } = latestOf(stored, clock.boot) ?? clock.now()
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

/** The latest moment of this boot whose wall time is what the clock showed when it was set. */
function latestOf(stored: Iterable<Instant>, boot: string): Instant | undefined {
  let latest: Instant | undefined
  for (const at of stored) {
    const isSet = at.clock === 'synced' || at.clock === 'holdover'
    if (at.boot === boot && isSet && at.monotonic >= (latest?.monotonic ?? 0)) latest = at
  }
  return latest
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
