/** Moments as people and programs write them. */
import { parseDuration } from '../contracts/units.ts'

/** ISO 8601 in UTC with milliseconds; a moment beyond what that can say is given as its milliseconds. */
export function isoOf(wall: number): string {
  const date = new Date(wall)
  return Number.isNaN(date.getTime()) ? `${wall} ms` : date.toISOString()
}

const ISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/

/** UTC ms of `2026-01-31T08:00:00Z`, of the same without `Z` (then it is local time) or without the time (local midnight), or of
 *  `2h`, that long before `now`; undefined: it is neither. */
export function momentIn(text: string, now: number): number | undefined {
  const ago = parseDuration(text)
  if (ago !== undefined) return now - ago
  if (!ISO.test(text)) return undefined
  const wall = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'))
  return Number.isNaN(wall) ? undefined : wall
}
