/** Both halves in this process. */
import { Gateway } from '../../gateway.ts'
import { boardOf } from './board.ts'
import { lampMethods, openBox, withBox } from './box.ts'
import { doorOf, lookingAt } from './field-sockets.ts'
import type { Half, HalfOptions } from './half.ts'
import { retrying } from './retrying.ts'

export async function openBoth(options: HalfOptions): Promise<Half> {
  const { run, configuration, clock, log } = options
  const board = await boardOf(configuration.board, clock)
  const gateway = await Gateway.open({ ...options, board })
  const box = openBox({ run, board, clock, log, ledger: options.ledger, configuration: () => gateway.configuration })
  return {
    get configuration() {
      return gateway.configuration
    },
    start: async () => {
      box.start({
        facts: () => gateway.facts(),
        traffic: () => gateway.traffic,
        note: (text, facts) => gateway.field.audit(text, facts),
      })
      await gateway.start()
    },
    stop: async () => {
      const stopped = gateway.stop()
      box.refresh()
      await stopped
      await box.stop()
    },
    reload: (after) => gateway.reload(after),
    consequences: (changes) => gateway.consequences(changes),
    report: (notices) => withBox(gateway.report(notices, box.facts()), box),
    lights: () => box.lights(),
    watchdog: () => box.watchdog(),
    looks: lookingAt(gateway.field, clock),
    changes: { ...retrying((sink, positions) => gateway.retry(sink, positions)), ...lampMethods(box) },
    sockets: () => doorOf(gateway.field, gateway.configuration),
  }
}
