/** The rhythm of a light: what a lamp does in which milliseconds, over and over. Colour is never alone: no two colours share a
 *  rhythm, and the more of the time a lamp is lit the better things are, steady red apart. Pure. */
import type { Light } from './report.ts'

export interface RhythmStep {
  readonly colour: Light['colour']
  readonly ms: number
}

/** Lit and dark in turn, milliseconds. */
type Beats = readonly number[]

/** Made by the process: a lamp that stays lit tells that nobody makes the gaps any more. */
const FINE: Beats = [2700, 300]
const WAITING: Beats = [1000, 1000]
const DEGRADED: Beats = [1200, 400]
const FAULT: Beats = [250, 250]
const TWICE: Beats = [150, 150, 150, 1050]
/** The same turned over: lit but for two winks. */
const TWICE_DARK: Beats = [1050, 150, 150, 150]

/** What comes before the numbers of a code says in rhythm what the colour says: fast for red, long on for amber, slow for green. */
const BEFORE_CODE: Readonly<Record<Light['colour'], Beats>> = {
  red: [100, 100, 100, 100, 100, 100, 100, 1100],
  amber: [1200, 400, 1200, 1200],
  green: [1000, 1000],
  off: [],
}
const BLINK_MS = 300
const BETWEEN_NUMBERS_MS = 1200
const AFTER_CODE_MS = 2400

/** Never empty. */
export function rhythmOf({
  colour,
  pattern,
  code = [],
}: Pick<Light, 'colour' | 'pattern' | 'code'>): readonly RhythmStep[] {
  if (colour === 'off' || pattern === 'off') return [{ colour: 'off', ms: 1000 }]
  if (pattern === 'steady') return [{ colour, ms: 1000 }]
  const beats = pattern === 'code' ? codeBeats(colour, code) : beatsOf(colour, pattern)
  return beats.map((ms, at) => ({ colour: at % 2 === 0 ? colour : 'off', ms }))
}

/** The step at this moment of a clock that never steps, and how long it still lasts. */
export function stepAt(
  steps: readonly RhythmStep[],
  atMs: number,
): { readonly colour: Light['colour']; readonly leftMs: number } {
  let within = atMs % steps.reduce((sum, { ms }) => sum + ms, 0)
  for (const { colour, ms } of steps) {
    if (within < ms) return { colour, leftMs: ms - within }
    within -= ms
  }
  return { colour: steps[0]!.colour, leftMs: steps[0]!.ms }
}

function beatsOf(colour: Light['colour'], pattern: 'gap' | 'blink' | 'double' | 'long-on'): Beats {
  switch (pattern) {
    case 'gap':
      return FINE
    case 'blink':
      return colour === 'red' ? FAULT : WAITING
    case 'double':
      return colour === 'red' ? TWICE : TWICE_DARK
    case 'long-on':
      return DEGRADED
  }
}

function codeBeats(colour: Light['colour'], numbers: readonly number[]): Beats {
  const beats = [...BEFORE_CODE[colour]]
  for (const [at, number] of numbers.entries()) {
    for (let blink = 1; blink <= number; blink++) {
      const last = at < numbers.length - 1 ? BETWEEN_NUMBERS_MS : AFTER_CODE_MS
      beats.push(BLINK_MS, blink < number ? BLINK_MS : last)
    }
  }
  return beats
}
