import { expect, it } from 'vitest'
import { isoOf, momentIn } from '../../src/time/written.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
/** Minutes that local time is behind UTC then, whatever zone this runs in. */
const behind = (year: number, month: number, day: number, hour = 0) =>
  new Date(year, month, day, hour).getTimezoneOffset() * 60_000

it('a moment is read as it is written', () => {
  expect(momentIn('2026-01-31T08:30:00Z', NOW)).toBe(Date.UTC(2026, 0, 31, 8, 30))
  expect(momentIn('2026-01-31T08:30:00.250+01:00', NOW)).toBe(Date.UTC(2026, 0, 31, 7, 30, 0, 250))
  expect(momentIn('2026-01-31 08:30', NOW)).toBe(Date.UTC(2026, 0, 31, 8, 30) + behind(2026, 0, 31, 8))
  expect(momentIn('2026-07-31', NOW)).toBe(Date.UTC(2026, 6, 31) + behind(2026, 6, 31))
  expect(isoOf(Date.UTC(2026, 0, 31, 8, 30))).toBe('2026-01-31T08:30:00.000Z')
  expect(isoOf(Number.NaN)).toBe('NaN ms')
})

it('or as so long ago', () => {
  expect(momentIn('2h', NOW)).toBe(NOW - 7_200_000)
  expect(momentIn('1.5d', NOW)).toBe(NOW - 129_600_000)
  expect(momentIn('0', NOW)).toBe(NOW)
})

it('and anything else is no moment', () => {
  for (const text of ['', 'yesterday', '2026', '2026-13-01', '2026-01-31T25:00Z', '-2h', '31.01.2026', '2026-01-31T08'])
    expect(momentIn(text, NOW), text).toBe(undefined)
})
