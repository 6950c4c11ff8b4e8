import { describe, expect, it } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { boardSuite } from '../../contracts/board-suite.ts'

describe('a simulated board', () => {
  boardSuite(async () => {
    const clock = new ManualClock()
    const board = new SimulatedBoard({ clock, lamps: { SYS: ['green', 'amber', 'red'], BUS: ['green', 'red'] } })
    return {
      board,
      shown: (role) => {
        const lamp = board.lamps[role]
        return lamp === undefined || lamp.closed || lamp.told.length === 0 ? undefined : lamp.shown
      },
      press: (pressed) => (pressed ? board.key!.press() : board.key!.release()),
      until: async (holds) => expect(holds()).toBe(true),
      close: () => board.close(),
    }
  })

  it('bites when its watchdog is not fed, not when it is, and not when it is disarmed', async () => {
    const clock = new ManualClock()
    const board = new SimulatedBoard({ clock, watchdogMs: 10_000 })
    expect(board.dog).toBeUndefined()
    const watchdog = board.watchdog()!
    for (let second = 0; second < 30; second += 5) {
      await clock.advance(5000)
      watchdog.feed()
    }
    expect([board.dog?.bitten, board.dog?.fed]).toEqual([0, 6])
    watchdog.disarm()
    await clock.advance(60_000)
    expect([board.dog?.bitten, board.dog?.armed]).toEqual([0, false])

    const other = new SimulatedBoard({ clock, watchdogMs: 10_000 })
    other.watchdog()
    await clock.advance(10_001)
    expect(other.dog?.bitten).toBe(1)
  })

  it('has lamps that fail when they are told to, and the others do not', () => {
    const board = new SimulatedBoard({})
    board.lamps.SYS!.fault = 'the lamp SYS: EIO'
    expect(() => board.led('SYS')!.show('red')).toThrow('the lamp SYS: EIO')
    board.led('BUS')!.show('green')
    expect(board.lamps.BUS!.shown).toBe('green')
  })

  it('has neither button nor watchdog without a clock', () => {
    const board = new SimulatedBoard({})
    expect([board.button(), board.watchdog()]).toEqual([undefined, undefined])
  })
})
