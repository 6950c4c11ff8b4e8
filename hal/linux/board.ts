/** The board as its description has it, on this Linux. What cannot be had says so when it is asked for; the rest works. */
import { release } from 'node:os'
import type { Clock } from '../../src/contracts/clock.ts'
import type { Board, BoardDescription } from '../contract.ts'
import { modelOf } from './model.ts'
import { findPort } from './ports.ts'
import { LinuxSerialPort } from './serial.ts'

export function openBoard(options: {
  readonly description: BoardDescription
  readonly clock: Pick<Clock, 'monotonic'>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What stands for `/`. */
  readonly root?: string
}): Board {
  const { description, env = process.env, root = '/' } = options
  return {
    name: description.name,
    serial: (name) =>
      new LinuxSerialPort({
        name,
        find: () => findPort(name, description, { env, root }),
        rs485: description.ports[name]?.rs485,
        root,
      }),
    led: () => undefined,
    button: () => undefined,
    watchdog: () => undefined,
    describe: async () => {
      const { name, title } = description
      return { board: name, title, model: modelOf(root), kernel: release(), parts: [] }
    },
    close: async () => {},
  }
}
