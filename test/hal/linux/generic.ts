/** A board of which nothing is known, for tests that open a port by its device file. */
import type { BoardDescription } from '../../../hal/contract.ts'
import { openBoard } from '../../../hal/linux/board.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'

const GENERIC: BoardDescription = { name: 'generic', title: 'Linux box', models: [], ports: {}, leds: {} }

export function genericBoard(options: Partial<Parameters<typeof openBoard>[0]> = {}) {
  return openBoard({ description: GENERIC, clock: new SystemClock(), ...options })
}
