/** The four LEDs on a terminal: lit or dark at a moment, the rhythm drawn, and both in words, since colour is never alone. */
import type { Light } from '../../contracts/report.ts'
import { rhythmOf, stepAt } from '../../contracts/rhythm.ts'
import { fixed, harmless, type Ink, ink, type Style, width, wrap } from './text.ts'

/** Whether the LED is lit at this moment of a clock that never steps. */
export function lit(light: Light, atMs: number): boolean {
  return stepAt(rhythmOf(light), atMs).colour !== 'off'
}

/** One period drawn in `columns` cells: `▇▇▇▇▇▇▇▇▇▁`. */
export function trace(light: Light, columns: number): string {
  if (light.colour === 'off') return '▁'.repeat(columns)
  const period = rhythmOf(light).reduce((sum, { ms }) => sum + ms, 0)
  let drawn = ''
  for (let cell = 0; cell < columns; cell++) {
    // The dark share of a cell decides: a short gap must not vanish between two samples.
    let dark = 0
    for (let sample = 0; sample < 16; sample++) {
      if (!lit(light, ((cell + (sample + 0.5) / 16) / columns) * period)) dark++
    }
    drawn += dark >= 8 ? '▁' : '▇'
  }
  return drawn
}

/** Colour and rhythm in words: `green, a short gap`. */
export function spoken(light: Light): string {
  if (light.colour === 'off' || light.pattern === 'off') return 'off'
  switch (light.pattern) {
    case 'gap':
      return `${light.colour}, short gaps`
    case 'blink':
      return `${light.colour}, blinking`
    case 'double':
      return `${light.colour}, double blink`
    case 'long-on':
      return `${light.colour}, long on`
    case 'steady':
      return `${light.colour}, steady`
    case 'code':
      return `${light.colour}, code ${(light.code ?? []).join('.')}`
  }
}

/** A light each: the lamp as it is at this moment, its rhythm, both in words, and its sentence. A sentence that asks for
 *  something is given `most` lines, so that its end, which says what to do, is not cut off. */
export function lights(
  all: readonly Light[],
  options: { readonly atMs: number; readonly columns: number; readonly style: Style; readonly most: number },
): string[] {
  const { atMs, columns, style, most } = options
  const said = Math.max(0, ...all.map((light) => width(spoken(light))))
  const room = Math.max(10, columns - (LEAD + said + 1))
  return all.flatMap((light) => {
    const on = lit(light, atMs)
    const colour: Ink = light.colour === 'off' ? 'dim' : light.colour
    const lamp = ink(on ? '●' : '○', on ? colour : 'dim', style)
    const rhythm = ink(trace(light, TRACE), colour, style)
    const calm = light.colour === 'off' || light.pattern === 'gap'
    const sentence = wrap(harmless(light.text), room, '')
    const shown = calm ? 1 : most
    const lines =
      sentence.length <= shown ? sentence : [...sentence.slice(0, shown - 1), sentence.slice(shown - 1).join(' ')]
    return lines.map((line, at) => {
      const lead =
        at === 0
          ? `${lamp} ${fixed(light.role, 3)} ${rhythm} ${fixed(spoken(light), said)} `
          : ' '.repeat(LEAD + said + 1)
      return fixed(lead + line, columns).trimEnd()
    })
  })
}

const TRACE = 8
/** Lamp, role and rhythm, with the spaces after each. */
const LEAD = 2 + 4 + TRACE + 1
