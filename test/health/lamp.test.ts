import { describe, expect, it } from 'vitest'
import { SimulatedLed } from '../../hal/simulated/led.ts'
import { rhythmOf } from '../../src/contracts/rhythm.ts'
import { leave } from '../../src/health/lamp.ts'
import { light } from '../../src/health/language/states.ts'

describe('a lamp of a service that ends', () => {
  it('is left to the kernel with its rhythm', () => {
    const led = new SimulatedLed({ colours: ['green', 'red'], blinks: true })
    leave(led, light('sys.failed.crash'))
    expect(led.steps).toEqual(rhythmOf(light('sys.failed.crash')))
  })

  it('stays lit in red where the kernel does not blink', () => {
    const led = new SimulatedLed({ colours: ['green', 'red'] })
    leave(led, light('sys.failed.crash'))
    expect(led.shown).toBe('red')
  })

  it('is steady red or dark when that is what it shows', () => {
    const led = new SimulatedLed({ colours: ['red'], blinks: true })
    leave(led, light('sys.cannot-run.limit'))
    expect([led.shown, led.steps]).toEqual(['red', undefined])
    leave(led, light('bus.off'))
    expect(led.shown).toBe('off')
  })

  it('is never steady green, also where it has no other colour', () => {
    const blinking = new SimulatedLed({ colours: ['green'], blinks: true })
    leave(blinking, light('sys.cannot-run.limit'))
    expect(blinking.steps?.map(({ colour }) => colour)).toEqual(['green', 'off'])
    const still = new SimulatedLed({ colours: ['green'] })
    leave(still, light('sys.cannot-run.limit'))
    expect(still.shown).toBe('off')
  })
})
