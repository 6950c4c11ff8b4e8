/** The field half alone: devices, the log's writing end, and the guarded door, which sinks of the other half reach over
 *  `command.sock`. */
import { join } from 'node:path'
import { sinkCommands } from '../../commands/remote-door.ts'
import type { Configuration } from '../../config/configuration.ts'
import { dropping } from '../../config/diff.ts'
import { Field } from '../../field.ts'
import type { FieldEnd } from '../../log/ends.ts'
import { openFieldEnd } from '../../log/log.ts'
import { boardOf } from './board.ts'
import { lampMethods, openBox, withBox } from './box.ts'
import { doorOf, lookingAt } from './field-sockets.ts'
import type { Half, HalfOptions } from './half.ts'
import { sinksSeen, uplinkSilent } from './sinks-seen.ts'

export async function openFieldHalf({ run, ...options }: HalfOptions): Promise<Half> {
  const { configuration, clock, log, ledger: health } = options
  const startedAt = clock.monotonic()
  const board = await boardOf(configuration.board, clock)
  const end = await openFieldEnd({ ...configuration.log, clock, log, health, headFile: join(run, 'head') })
  const field = await Field.open({ ...options, board, end })
  const box = openBox({ run, board, clock, log, ledger: health, configuration: () => field.configuration })
  /** What the other half has told, as it is stored with the places. */
  const seen = () => {
    const { sinks } = field.configuration
    const places = end.places()
    const now = clock.now()
    const away = uplinkSilent({ sinks, places, now, startedAt })
    return { sinks: sinksSeen({ sinks, places, now }), ...(away === undefined ? {} : { halfAway: away }) }
  }
  return {
    get configuration() {
      return field.configuration
    },
    start: async () => {
      box.start({
        facts: () => {
          const { sinks, ...away } = seen()
          return { ...field.facts(sinks), ...away }
        },
        traffic: () => ({ bus: field.exchanges, net: delivered(end) }),
        note: (text, facts) => field.audit(text, facts),
      })
      await field.start()
    },
    stop: async () => {
      const stopped = field.stop()
      box.refresh()
      await stopped
      await end.close()
      await box.stop()
    },
    reload: (after) => field.reload(after),
    consequences: (changes) =>
      dropping(changes, (sink) => end.places().find(({ reader }) => reader === sink)?.receipt.pending),
    report: (notices) => {
      const { sinks, ...away } = seen()
      return withBox(field.report(sinks, notices, { ...box.facts(), ...away }), box)
    },
    lights: () => box.lights(),
    watchdog: () => box.watchdog(),
    looks: lookingAt(field, clock),
    changes: lampMethods(box),
    sockets: () => ({
      ...doorOf(field, field.configuration),
      ...(takesCommands(field.configuration) ? { command: sinkCommands({ door: field.door, clock }) } : {}),
    }),
  }
}

/** Of what the sinks confirmed, as far as the log knows. */
function delivered(end: FieldEnd): number {
  return end.places().reduce((sum, { receipt }) => sum + receipt.delivered, 0)
}

function takesCommands({ sinks }: Configuration): boolean {
  return sinks.some(({ enabled, commands }) => enabled && commands !== 'none')
}
