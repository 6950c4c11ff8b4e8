/** How likely a reading is what the device's maker meant, judged by its value alone: bytes that were put there as something
 *  else rarely make a small number, a float of everyday size or a text. Pure. */

import type { TypeName } from '../settings.ts'
import type { Element } from './registers-element.ts'
import { TYPES } from './types.ts'

/** From here on a reading is worth marking. */
const PLAUSIBLE = 0.25
const MOST_MARKED = 4
/** Values of measurements and set points. */
const EVERYDAY = [0.01, 1e6] as const
/** Of everyday values, as a power of ten. */
const MIDDLE = 1.5
const CONCEIVABLE = [1e-6, 1e10] as const
const YEARS_AROUND_NOW = 10
const YEAR_MS = 365.25 * 86_400_000

/** 0: not at all, 1: hardly anything else. `now`: UTC milliseconds, for what looks like a time. */
export function plausibility(type: TypeName, value: Element, now: number): number {
  if (typeof value === 'string') return type === 'datetime' ? near(value, now) : printable(value)
  if (type === 'bcd16' || type === 'bcd32') return decimal(Number(value), type === 'bcd16' ? 4 : 8)
  if (type === 'float32' || type === 'float64' || type === 'float16') return real(Number(value), type)
  if (typeof value !== 'number' && typeof value !== 'bigint') return 0
  return small(BigInt(value), 8 * (TYPES[type].bytes ?? 2))
}

/** The likeliest first, few; of readings that say the same the first. */
export function mostPlausible(
  readings: readonly { readonly name: string; readonly text: string; readonly score: number }[],
): readonly string[] {
  const seen = new Set<string>()
  const found: string[] = []
  for (const { name, text, score } of readings.toSorted((a, b) => b.score - a.score)) {
    if (score < PLAUSIBLE || found.length === MOST_MARKED) break
    if (seen.has(text)) continue
    seen.add(text)
    found.push(name)
  }
  return found
}

/** Most numbers are small: what matters is how much of its room a number leaves empty. */
function small(value: bigint, width: number): number {
  // All bits alike say nothing of how many belong together.
  if (value === 0n || value === -1n) return width === 16 ? PLAUSIBLE : 0
  const magnitude = value < 0n ? -value : value
  return Math.max(0, 1 - magnitude.toString(2).length / width)
}

function real(value: number, type: TypeName): number {
  const magnitude = Math.abs(value)
  if (type === 'float16') return magnitude >= EVERYDAY[0] ? 0.3 : 0
  if (magnitude >= EVERYDAY[0] && magnitude < EVERYDAY[1]) {
    const best = type === 'float64' ? 0.97 : 0.9
    return (
      best - 0.03 * Math.abs(Math.log10(magnitude) - MIDDLE) + (isShort(magnitude) ? 0.06 : 0) - (value < 0 ? 0.03 : 0)
    )
  }
  return magnitude >= CONCEIVABLE[0] && magnitude < CONCEIVABLE[1] ? 0.4 : 0
}

/** Devices round: few decimal digits are no chance. */
function isShort(magnitude: number): boolean {
  return (
    magnitude
      .toPrecision(7)
      .replace(/\D/g, '')
      .replace(/^0+|0+$/g, '').length <= 6
  )
}

/** The more decimal digits, the less it is chance that none of them is above nine. */
function decimal(value: number, most: number): number {
  const digits = String(value).replace(/0+$/, '').length
  // Of four digits it is chance too often.
  return most === 8 && digits > 4 ? 0.3 + 0.05 * digits : 0
}

function printable(text: string): number {
  if (text.length < 2 || /[^ -~]/.test(text)) return 0
  const ordinary = text.replace(/[^A-Za-z0-9 .:_/-]/g, '').length / text.length
  return ordinary < 0.75 ? 0 : Math.min(0.99, 0.15 * text.length)
}

function near(text: string, now: number): number {
  const years = Math.abs(Date.parse(text) - now) / YEAR_MS
  return years < 1 ? 0.98 : years < YEARS_AROUND_NOW ? 0.7 : 0
}
