/** Time as the rooms see it. Only `time/` reads a real clock or sets a real timer. */

export type Stop = () => void

/** How far the wall clock can be trusted: set by a source, was set earlier in this boot, or never. */
export type ClockQuality = 'synced' | 'holdover' | 'unsynced'

/** One moment, as it is stored: enough to order it, and to correct its wall time later. */
export interface Instant {
  /** UTC, milliseconds. */
  readonly wall: number
  /** Milliseconds on the clock that never steps; comparable only within one `boot`. */
  readonly monotonic: number
  readonly boot: string
  /** `corrected`: taken before the clock was set, and dated when it was set later in the same boot. `device`: the wall time
   *  is what the device's own clock showed, and is not the gateway's to correct. */
  readonly clock: ClockQuality | 'device' | 'corrected'
}

export interface Clock {
  /** UTC, whole milliseconds; may step. For stamps only. While the clock is not set it is not before any moment that is known
   *  to have been. */
  wall(): number
  /** Milliseconds, fractional, never steps. For timeouts, schedules and leases. */
  monotonic(): number
  /** Changes at each boot of the box. */
  readonly boot: string
  quality(): ClockQuality
  /** When whoever keeps the system's clock was last asked with an outcome, monotonic; absent: nobody is asked. */
  readonly askedAt?: number
  now(): Instant
  /** The last moment that an earlier run stored under a set clock: an unset clock goes on from there. */
  recall(stored: Instant): void
  /** Resolves after `ms`; rejects with the signal's reason when aborted. Leaves no listener behind. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Runs once after `ms` unless stopped. */
  after(ms: number, run: () => void): Stop
  /** Runs each `ms` without drift until stopped. */
  every(ms: number, run: () => void): Stop
}
