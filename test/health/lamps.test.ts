import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LedRole } from '../../hal/contract.ts'
import { SimulatedLed } from '../../hal/simulated/led.ts'
import { Reason } from '../../src/contracts/batch.ts'
import { Retryable } from '../../src/contracts/errors.ts'
import type { Light } from '../../src/contracts/report.ts'
import { rhythmOf } from '../../src/contracts/rhythm.ts'
import { Lamps } from '../../src/health/lamps.ts'
import { light, STATES, type StateId } from '../../src/health/language/states.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

const ALL = ['green', 'amber', 'red'] as const

function box(options: { blinks?: boolean; colours?: SimulatedLed['colours']; roles?: readonly LedRole[] } = {}) {
  const { blinks = false, colours = ALL, roles = ['SYS', 'BUS', 'NET', 'HA'] } = options
  const clock = new ManualClock()
  const leds = new Map(roles.map((role) => [role, new SimulatedLed({ colours, blinks })]))
  const said: string[] = []
  const say = (text: string): void => void said.push(text)
  const log = { debug: say, info: say, warn: say, error: say }
  const lamps = new Lamps({ clock, log, led: (role) => leds.get(role) })
  const show = (...ids: StateId[]): void => lamps.show(new Map(ids.map((id) => [light(id).role, light(id)])))
  return { clock, lamps, show, said, led: (role: LedRole) => leds.get(role)! }
}

/** What a lamp showed in each 10 ms. */
async function watch({ clock, led }: ReturnType<typeof box>, role: LedRole, ms: number): Promise<string> {
  let seen = ''
  for (let at = 0; at < ms; at += 10) {
    seen += led(role).shown === 'off' ? '.' : led(role).shown[0]
    await clock.advance(10)
  }
  return seen
}

const runs = (seen: string): string[] => seen.match(/(.)\1*/g)!.map((run) => `${run[0]}${run.length * 10}`)

describe('lamps', () => {
  it('do each the rhythm of its light', async () => {
    const one = box()
    one.show('sys.fine', 'bus.idle', 'net.down', 'ha.off')
    expect(runs(await watch(one, 'SYS', 6000))).toEqual(['g2700', '.300', 'g2700', '.300'])
    expect(runs(await watch(one, 'BUS', 4000))).toEqual(['g1000', '.1000', 'g1000', '.1000'])
    expect(await watch(one, 'HA', 1000)).toBe('.'.repeat(100))
  })

  it('show any light as its steps say, whichever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...(Object.keys(STATES) as StateId[])), fc.nat(5000), async (id, before) => {
        const one = box()
        await one.clock.advance(before)
        const given = light(id)
        one.lamps.show(new Map([[given.role, given]]))
        const steps = rhythmOf(given)
        const period = steps.reduce((sum, { ms }) => sum + ms, 0)
        const seen = await watch(one, given.role, period)
        const wanted = steps.map(({ colour, ms }) => (colour === 'off' ? '.' : colour[0]!).repeat(ms / 10)).join('')
        expect(seen).toBe(wanted)
      }),
      { numRuns: 60 },
    )
  })

  it('are told only what changes: an idle gateway writes some times a second', async () => {
    const one = box()
    one.show('sys.fine', 'bus.fine', 'net.fine', 'ha.off')
    await one.clock.advance(60_000)
    // Two a lamp each three seconds.
    expect(one.lamps.counters().lampWrites).toBeLessThanOrEqual(3 * 2 * 20 + 4)
  })

  it('go on undisturbed when the same light is shown again', async () => {
    const one = box()
    one.show('net.down')
    await one.clock.advance(500)
    const before = one.lamps.counters().lampWrites
    one.show('net.down')
    expect(one.lamps.counters().lampWrites).toBe(before)
  })
})

describe('the kernel', () => {
  it('is given what blinks red, and goes on with it by itself', async () => {
    const one = box({ blinks: true })
    one.show('net.credentials', 'bus.nobody')
    expect(one.led('NET').steps).toEqual(rhythmOf(light('net.credentials')))
    expect(one.led('BUS').steps).toEqual(rhythmOf(light('bus.nobody')))
    const before = one.lamps.counters().lampWrites
    await one.clock.advance(60_000)
    expect(one.lamps.counters().lampWrites).toBe(before)
  })

  it('is never given a rhythm with green or amber in it: a process that hangs must not look alive', async () => {
    for (const id of Object.keys(STATES) as StateId[]) {
      const one = box({ blinks: true })
      one.show(id)
      const steps = one.led(light(id).role).steps ?? []
      expect(
        steps.filter(({ colour }) => colour === 'green' || colour === 'amber'),
        id,
      ).toEqual([])
    }
  })

  it('is told to stop when the light changes', async () => {
    const one = box({ blinks: true })
    one.show('net.credentials')
    one.show('net.fine')
    expect(one.led('NET').steps).toBeUndefined()
    expect(one.led('NET').shown).toBe('green')
  })
})

describe('a lamp without the colour', () => {
  it('shows the same rhythm in one that it has', async () => {
    const one = box({ colours: ['green'] })
    one.show('net.down', 'sys.cannot-run.limit')
    expect(runs(await watch(one, 'NET', 1600))).toEqual(['g1200', '.400'])
    // Steady green never is: it blinks as a fault does.
    expect(runs(await watch(one, 'SYS', 1000))).toEqual(['g150', '.250', 'g250', '.250', 'g100'])
  })

  it('shows amber as red rather than as green', async () => {
    const one = box({ colours: ['green', 'red'] })
    one.show('net.down')
    expect(one.led('NET').shown).toBe('red')
  })
})

describe('traffic', () => {
  it('makes short gaps in a light that says fine, some a second at most', async () => {
    const one = box()
    one.show('bus.fine')
    let seen = ''
    for (let at = 0; at < 2500; at += 10) {
      one.lamps.traffic('BUS')
      seen += one.led('BUS').shown === 'off' ? '.' : 'g'
      await one.clock.advance(10)
    }
    const gaps = seen.match(/\.+/g)!
    expect(gaps.length).toBeGreaterThan(4)
    expect(gaps.length).toBeLessThanOrEqual(7)
    for (const gap of gaps) expect(gap.length * 10).toBe(40)
  })

  it('shows in no other light, and not on a lamp that is not there', async () => {
    const one = box({ roles: ['SYS', 'BUS'] })
    one.show('bus.some-silent')
    one.lamps.traffic('BUS')
    one.lamps.traffic('NET')
    expect(one.led('BUS').shown).toBe('amber')
  })
})

describe('a lamp that fails', () => {
  it('is said once, tried again every ten seconds, and the others go on', async () => {
    const one = box()
    one.led('BUS').fault = '/sys/class/leds/bus:red/brightness: no such device: is the LED driver loaded?'
    one.show('sys.fine', 'bus.fine')
    await one.clock.advance(35_000)
    expect(one.said).toHaveLength(1)
    expect(one.said[0]).toContain('is the LED driver loaded?')
    expect(one.lamps.faults()).toEqual([expect.stringMatching(/^lamp BUS: /)])
    expect(one.lamps.counters().lampFailures).toBe(4)
    expect(await watch(one, 'SYS', 3000)).toContain('g')
    one.led('BUS').fault = undefined
    await one.clock.advance(10_000)
    expect(one.lamps.faults()).toEqual([])
    expect(one.said.at(-1)).toBe('lamp BUS works again')
    expect(await watch(one, 'BUS', 3000)).toContain('g')
  })

  it('is opened again too: a board may name what is not there yet', async () => {
    const clock = new ManualClock()
    const led = new SimulatedLed({ colours: ALL })
    let there = false
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const open = (role: LedRole): SimulatedLed | undefined => {
      if (role !== 'SYS') return undefined
      if (!there) throw new Retryable('there is no lamp fieldgate:green:sys', { reason: Reason.noConnection })
      return led
    }
    const lamps = new Lamps({ clock, log, led: open })
    expect(lamps.roles).toEqual(['SYS'])
    lamps.show(new Map([['SYS', light('sys.fine')]]))
    expect(lamps.faults()).toHaveLength(1)
    there = true
    await clock.advance(10_000)
    expect(lamps.faults()).toEqual([])
    expect(led.shown).toBe('green')
  })
})

describe('an overlay', () => {
  it('stands in place of the lights until it is taken away', async () => {
    const one = box()
    one.show('sys.fine', 'bus.fine')
    one.lamps.overlay(
      new Map([
        [
          'SYS',
          [
            { colour: 'red', ms: 100 },
            { colour: 'amber', ms: 100 },
          ],
        ],
      ]),
    )
    expect(runs(await watch(one, 'SYS', 400))).toEqual(['r100', 'a100', 'r100', 'a100'])
    one.lamps.overlay(undefined)
    expect(await watch(one, 'SYS', 1000)).toMatch(/^[g.]+$/)
  })
})

describe('a box without lamps', () => {
  it('needs no timer', async () => {
    const clock = new ManualClock()
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const lamps = new Lamps({ clock, log, led: () => undefined })
    lamps.show(new Map<LedRole, Light>([['SYS', light('sys.fine')]]))
    expect(lamps.roles).toEqual([])
    expect(clock.timers).toBe(0)
  })
})
