/** What every Board does, whatever is behind it. */
import { expect, test } from 'vitest'
import type { Board, Colour, LedRole } from '../../hal/contract.ts'
import { Retryable } from '../../src/contracts/errors.ts'

const ROLES: readonly LedRole[] = ['SYS', 'BUS', 'NET', 'HA']

/** A board that has the lamps SYS (green and red) and BUS, no HA, and what can be seen and done from outside. */
export interface Bench {
  readonly board: Board
  /** What the lamp shows, seen from outside; undefined: as it was found. */
  shown(role: LedRole): Colour | undefined
  /** Absent: its button cannot be pressed here. */
  press?(pressed: boolean): void
  /** Waits or moves time, until something holds. */
  until(holds: () => boolean): Promise<void>
  close(): Promise<void>
}

export function boardSuite(make: () => Promise<Bench>): void {
  const withBench = async (run: (bench: Bench) => Promise<void> | void): Promise<void> => {
    const bench = await make()
    try {
      await run(bench)
    } finally {
      await bench.close()
    }
  }

  test('a lamp shows each of its colours, and off', () =>
    withBench(({ board, shown }) => {
      const lamp = board.led('SYS')!
      expect(lamp.colours).toEqual(expect.arrayContaining(['green', 'red']))
      for (const colour of ['green', 'red', 'off', 'red', 'green'] as const) {
        lamp.show(colour)
        expect(shown('SYS')).toBe(colour)
      }
    }))

  test('a lamp is one: who asks again is given the same, and each role has its own', () =>
    withBench(({ board, shown }) => {
      expect(board.led('SYS')).toBe(board.led('SYS'))
      board.led('SYS')!.show('red')
      board.led('BUS')!.show('green')
      expect([shown('SYS'), shown('BUS')]).toEqual(['red', 'green'])
    }))

  test('a role without a lamp is none, and no fault', () =>
    withBench(({ board }) => {
      expect(board.led('HA')).toBeUndefined()
    }))

  test('lamps are given back when the board is closed', () =>
    withBench(async ({ board, shown }) => {
      for (const role of ROLES) board.led(role)?.show('red')
      await board.close()
      expect([shown('SYS'), shown('BUS')]).toEqual([undefined, undefined])
    }))

  test('a press and a release are heard, in order, until nobody listens', () =>
    withBench(async ({ board, press, until }) => {
      const button = board.button()
      if (press === undefined) return expect(button).toBeUndefined()
      const heard: [boolean, number][] = []
      const stop = button!.onChange((pressed, at) => heard.push([pressed, at]))
      press(true)
      await until(() => heard.length === 1)
      expect(button!.pressed).toBe(true)
      press(false)
      await until(() => heard.length === 2)
      expect(heard.map(([pressed]) => pressed)).toEqual([true, false])
      expect(heard[1]![1]).toBeGreaterThanOrEqual(heard[0]![1])
      stop()
      press(true)
      expect(heard).toHaveLength(2)
    }))

  test('a port that is not there is refused when it is opened, not before', () =>
    withBench(async ({ board }) => {
      const port = board.serial('nowhere-7')
      const fault = await port
        .open({ baudRate: 9600, dataBits: 8, parity: 'none', stopBits: 1 })
        .catch((thrown: unknown) => thrown)
      expect(fault).toBeInstanceOf(Retryable)
      expect((fault as Error).message).toContain('nowhere-7')
    }))

  test('it describes its lamps by their roles, each with a state and a sentence, and changes nothing by it', () =>
    withBench(async ({ board, shown }) => {
      board.led('SYS')!.show('green')
      const { parts, title } = await board.describe()
      expect(title).not.toBe('')
      const lamps = parts.filter(({ part }) => part === 'led').map(({ name }) => name)
      expect(lamps).toEqual(expect.arrayContaining(['SYS', 'BUS']))
      for (const { text, state } of parts) expect([text.length > 0, state.length > 0]).toEqual([true, true])
      expect([shown('SYS'), shown('BUS')]).toEqual(['green', undefined])
    }))
}
