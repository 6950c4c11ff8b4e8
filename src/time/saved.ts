/** What the box itself remembers of time while it is off: the latest moment it saved, and whether a battery keeps its clock. */
import { readFileSync, statSync } from 'node:fs'

/** No time before this is true: the software is younger. */
export const EARLIEST = Date.UTC(2026, 0, 1)

/** How far a battery clock, which counts seconds and drifts, may be from the system's clock that was set from it. */
const AGREES_MS = 300_000

/** Files whose time of change is the image's build (systemd 254), and the last time timesyncd knew. */
const TOUCHED = ['/usr/lib/clock-epoch', '/var/lib/systemd/timesync/clock']
/** `2026-11-21 09:17:01`, UTC: written by fake-hwclock hourly and on the way down. */
const WRITTEN = '/etc/fake-hwclock.data'
/** Seconds since 1970 that the battery clock shows. */
const BATTERY = '/sys/class/rtc/rtc0/since_epoch'

/** UTC ms; the earliest when nothing was saved. `root`: where the system's files are. */
export function savedTime(root = ''): number {
  const times = [EARLIEST, ...TOUCHED.map((path) => statSync(root + path, { throwIfNoEntry: false })?.mtimeMs ?? 0)]
  const written = Date.parse(
    `${textOf(root + WRITTEN)
      .trim()
      .replace(' ', 'T')}Z`,
  )
  if (!Number.isNaN(written)) times.push(written)
  return Math.max(...times)
}

/** Whether a clock with a battery shows what the system's clock shows, UTC ms. */
export function batteryAgrees(system: number, root = ''): boolean {
  const shown = Number.parseInt(textOf(root + BATTERY), 10) * 1000
  return Math.abs(shown - system) <= AGREES_MS
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
