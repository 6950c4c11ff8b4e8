import { describe, expect, it } from 'vitest'
import type { LedRole } from '../../hal/contract.ts'
import { stepAt } from '../../src/contracts/rhythm.ts'
import { chase, holding, lampTest } from '../../src/health/shows.ts'

const FOUR: readonly LedRole[] = ['SYS', 'BUS', 'NET', 'HA']

/** What each lamp shows at a moment. */
function at(show: ReturnType<typeof chase>, ms: number): string {
  return [...show.values()].map((steps) => stepAt(steps, ms).colour[0]!.replace('o', '.')).join('')
}

describe('a show of all lamps', () => {
  it('runs along them to find the box, one lit at a time', () => {
    const seen = [0, 200, 400, 600, 800].map((ms) => at(chase(FOUR), ms + 50))
    expect(seen).toEqual(['g...', '.g..', '..g.', '...g', 'g...'])
  })

  it('blinks where there is one lamp only', () => {
    expect([50, 250, 450].map((ms) => at(chase(['SYS']), ms))).toEqual(['g', '.', 'g'])
  })

  it('tries every colour on every lamp', () => {
    expect([500, 1500, 2500, 3500].map((ms) => at(lampTest(FOUR), ms))).toEqual(['gggg', 'aaaa', 'rrrr', '....'])
  })

  it('tells whoever holds the button what letting go does', () => {
    expect(holding(FOUR, 'too short', 500)).toBeUndefined()
    expect(at(holding(FOUR, 'locate', 1000)!, 50)).toBe('g...')
    expect(at(holding(FOUR, 'set-up', 5000)!, 0)).toBe('aaaa')
    expect([10_000, 11_250, 12_500, 13_750, 14_999].map((held) => at(holding(FOUR, 'countdown', held)!, 0))).toEqual([
      'rrrr',
      'rrr.',
      'rr..',
      'r...',
      'r...',
    ])
    expect(at(holding(FOUR, 'factory-reset', 15_000)!, 0)).toBe('rrrr')
    expect(holding(FOUR, 'stuck', 40_000)).toBeUndefined()
  })
})
