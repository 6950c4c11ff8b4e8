/** The field half alone: devices, the log's writing end, and the guarded door, which sinks of the other half reach over
 *  `command.sock`. */
import { join } from 'node:path'
import { sinkCommands } from '../../commands/remote-door.ts'
import type { Configuration } from '../../config/configuration.ts'
import { dropping } from '../../config/diff.ts'
import { Field } from '../../field.ts'
import { openFieldEnd } from '../../log/log.ts'
import { boardOf } from './board.ts'
import { doorOf, lookingAt } from './field-sockets.ts'
import type { Half, HalfOptions } from './half.ts'
import { sinksSeen } from './sinks-seen.ts'

export async function openFieldHalf({ run, ...options }: HalfOptions): Promise<Half> {
  const { configuration, clock, log, ledger: health } = options
  const end = await openFieldEnd({ ...configuration.log, clock, log, health, headFile: join(run, 'head') })
  const board = await boardOf(configuration.board, clock)
  const field = await Field.open({ ...options, board, end })
  return {
    get configuration() {
      return field.configuration
    },
    start: () => field.start(),
    stop: async () => {
      await field.stop()
      await end.close()
    },
    reload: (after) => field.reload(after),
    consequences: (changes) =>
      dropping(changes, (sink) => end.places().find(({ reader }) => reader === sink)?.receipt.pending),
    report: (notices) => {
      const sinks = sinksSeen({ sinks: field.configuration.sinks, places: end.places(), now: clock.now() })
      return field.report(sinks, notices)
    },
    watchdog: () => board.watchdog(),
    looks: lookingAt(field, clock),
    changes: {},
    sockets: () => ({
      ...doorOf(field, field.configuration),
      ...(takesCommands(field.configuration) ? { command: sinkCommands({ door: field.door, clock }) } : {}),
    }),
  }
}

function takesCommands({ sinks }: Configuration): boolean {
  return sinks.some(({ enabled, commands }) => enabled && commands !== 'none')
}
