import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  changed,
  type Gesture,
  type Hold,
  passed,
  RELEASED,
  STUCK_AT_START,
  type Stage,
} from '../../src/health/gestures.ts'

/** Held so long, looked at each 100 ms, then let go: what was done, and when. */
function held(ms: number, reset = true, start: Hold = RELEASED): { gestures: string[]; stages: Stage[] } {
  const rules = { reset }
  const gestures: string[] = []
  const stages = new Set<Stage>()
  let { hold, stage } = changed(start, true, 1000, rules)
  for (let at = 100; at <= ms; at += 100) {
    const after = passed(hold, 1000 + at, rules)
    if (after.gesture !== undefined) gestures.push(`${after.gesture} held`)
    stage = after.stage
    if (stage !== undefined) stages.add(stage)
    hold = after.hold
  }
  const end = changed(hold, false, 1000 + ms, rules)
  if (end.gesture !== undefined) gestures.push(end.gesture)
  expect(end.hold).toEqual(RELEASED)
  return { gestures, stages: [...stages] }
}

describe('the button', () => {
  it('does nothing when it is held for less than a second', () => {
    expect(held(50).gestures).toEqual([])
    expect(held(999).gestures).toEqual([])
  })

  it('locates from one second on, sets up from five on, when it is let go', () => {
    expect(held(1000).gestures).toEqual(['locate'])
    expect(held(4900).gestures).toEqual(['locate'])
    expect(held(5000).gestures).toEqual(['set-up'])
    expect(held(9900).gestures).toEqual(['set-up'])
  })

  it('counts down from ten to fifteen seconds, and letting go then undoes it', () => {
    expect(held(10_000).gestures).toEqual([])
    expect(held(14_900)).toEqual({ gestures: [], stages: ['too short', 'locate', 'set-up', 'countdown'] })
  })

  it('resets at fifteen seconds, once, and letting go then does nothing more', () => {
    expect(held(15_000).gestures).toEqual(['factory-reset held'])
    expect(held(60_000).gestures).toEqual(['factory-reset held'])
  })

  it('never resets where that is not allowed: it sets up, and after thirty seconds counts as stuck', () => {
    expect(held(15_000, false).gestures).toEqual(['set-up'])
    expect(held(29_900, false)).toEqual({ gestures: ['set-up'], stages: ['too short', 'locate', 'set-up'] })
    expect(held(30_000, false).gestures).toEqual(['stuck held'])
  })

  it('that is pressed when the box starts is ignored until it is let go', () => {
    const rules = { reset: true }
    expect(passed(STUCK_AT_START, 1e6, rules)).toEqual({ hold: STUCK_AT_START })
    const after = changed(STUCK_AT_START, false, 1e6, rules)
    expect(after).toEqual({ hold: RELEASED })
    expect(held(2000, true, after.hold).gestures).toEqual(['locate'])
  })

  it('that bounces is one press for as long as the level comes again, and none where it is let go between', () => {
    const rules = { reset: true }
    let { hold } = changed(RELEASED, true, 0, rules)
    hold = changed(hold, true, 3, rules).hold
    hold = changed(hold, true, 700, rules).hold
    expect(changed(hold, false, 1200, rules).gesture).toBe('locate')
    expect(changed(changed(RELEASED, false, 0, rules).hold, false, 5, rules)).toEqual({ hold: RELEASED })
  })

  it('resets only after fifteen seconds without being let go, whatever happens to it', () => {
    const event = fc.record({ wait: fc.nat(6000), pressed: fc.option(fc.boolean(), { nil: undefined }) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.boolean(), (events, reset) => {
        let hold = RELEASED
        let at = 0
        let downSince: number | null = null
        for (const { wait, pressed } of events) {
          at += wait
          const after: { hold: Hold; gesture?: Gesture } =
            pressed === undefined ? passed(hold, at, { reset }) : changed(hold, pressed, at, { reset })
          if (pressed === true) downSince ??= at
          if (after.gesture === 'factory-reset') {
            expect(reset).toBe(true)
            expect(downSince).not.toBeNull()
            expect(at - downSince!).toBeGreaterThanOrEqual(15_000)
          }
          if (pressed === false) downSince = null
          hold = after.hold
        }
      }),
    )
  })
})
