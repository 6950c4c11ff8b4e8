import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Light } from '../../src/contracts/report.ts'
import { rhythmOf, stepAt } from '../../src/contracts/rhythm.ts'
import { STATES, type StateId, stateOf } from '../../src/health/language/states.ts'

type Look = Pick<Light, 'colour' | 'pattern' | 'code'>

const lookOf = (id: string, connection = 1): Look => {
  const { colour, pattern, code } = stateOf(id as StateId)
  return { colour, pattern, ...(code && { code: code.map((number) => (number === 'n' ? connection : number)) }) }
}

const LOOKS = Object.keys(STATES).flatMap((id) =>
  id.startsWith('bus.')
    ? [1, 2, 9].map((connection) => ({ id, look: lookOf(id, connection) }))
    : [{ id, look: lookOf(id) }],
)

/** Without colour: what is left for whoever sees none. */
const beats = (look: Look): readonly (readonly [lit: boolean, ms: number])[] =>
  rhythmOf(look).map(({ colour, ms }) => [colour !== 'off', ms])

/** A person tells two stretches of time apart when one is half as long again as the other. */
function isTold(one: Look, other: Look): boolean {
  const [here, there] = [beats(one), beats(other)]
  if (here.length !== there.length) return true
  return here.some(([lit, ms], at) => {
    const [otherLit, otherMs] = there[at]!
    return lit !== otherLit || Math.max(ms, otherMs) >= 1.5 * Math.min(ms, otherMs)
  })
}

describe('the rhythm of a light', () => {
  it('is the documented one', () => {
    const said = (look: Look): string =>
      beats(look)
        .map(([lit, ms]) => `${lit ? '+' : '-'}${ms}`)
        .join(' ')
    expect(said({ colour: 'green', pattern: 'gap' })).toBe('+2700 -300')
    expect(said({ colour: 'green', pattern: 'blink' })).toBe('+1000 -1000')
    expect(said({ colour: 'green', pattern: 'double' })).toBe('+1050 -150 +150 -150')
    expect(said({ colour: 'amber', pattern: 'long-on' })).toBe('+1200 -400')
    expect(said({ colour: 'red', pattern: 'blink' })).toBe('+250 -250')
    expect(said({ colour: 'red', pattern: 'double' })).toBe('+150 -150 +150 -1050')
    expect(said({ colour: 'red', pattern: 'steady' })).toBe('+1000')
    expect(said({ colour: 'red', pattern: 'code', code: [2, 1] })).toBe(
      '+100 -100 +100 -100 +100 -100 +100 -1100 +300 -300 +300 -1200 +300 -2400',
    )
    expect(said({ colour: 'amber', pattern: 'code', code: [2] })).toBe('+1200 -400 +1200 -1200 +300 -300 +300 -2400')
    expect(said({ colour: 'green', pattern: 'code', code: [1] })).toBe('+1000 -1000 +300 -2400')
    expect(said({ colour: 'off', pattern: 'off' })).toBe('-1000')
  })

  it('says without colour what the colour says: no two states of a role that look different share one', () => {
    for (const one of LOOKS) {
      for (const other of LOOKS) {
        const same = JSON.stringify(one.look) === JSON.stringify(other.look)
        if (same) continue
        expect(isTold(one.look, other.look), `${one.id} and ${other.id}`).toBe(true)
      }
    }
  })

  it('is never steady green, and what is fine goes dark by the process', () => {
    for (const { look } of LOOKS) {
      if (look.colour !== 'red') expect(look.pattern).not.toBe('steady')
      if (look.colour === 'green') expect(rhythmOf(look).some(({ colour }) => colour === 'off')).toBe(true)
    }
  })

  it('lights a working lamp longer than one that waits, and that longer than one that fails', () => {
    const share = (look: Look): number => {
      const all = beats(look)
      const total = all.reduce((sum, [, ms]) => sum + ms, 0)
      return all.reduce((sum, [lit, ms]) => sum + (lit ? ms : 0), 0) / total
    }
    const shares = [
      share({ colour: 'green', pattern: 'gap' }),
      share({ colour: 'amber', pattern: 'long-on' }),
      share({ colour: 'green', pattern: 'blink' }),
      share({ colour: 'red', pattern: 'double' }),
    ]
    expect(shares).toEqual([...shares].sort((one, other) => other - one))
  })

  it('is at each moment in one of its steps, and says how long that lasts', () => {
    fc.assert(
      fc.property(fc.constantFrom(...LOOKS), fc.nat(1e9), ({ look }, quarters) => {
        const atMs = quarters / 4
        const steps = rhythmOf(look)
        const { colour, leftMs } = stepAt(steps, atMs)
        expect(leftMs).toBeGreaterThan(0)
        expect(leftMs).toBeLessThanOrEqual(Math.max(...steps.map(({ ms }) => ms)))
        const before = stepAt(steps, atMs + leftMs / 2)
        expect(before.colour).toBe(colour)
      }),
    )
  })
})
