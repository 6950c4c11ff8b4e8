/** Both halves in this process. */
import { Gateway } from '../../gateway.ts'
import { boardOf } from './board.ts'
import { doorOf, lookingAt } from './field-sockets.ts'
import type { Half, HalfOptions } from './half.ts'
import { retrying } from './retrying.ts'

export async function openBoth(options: HalfOptions): Promise<Half> {
  const board = await boardOf(options.configuration.board, options.clock)
  const gateway = await Gateway.open({ ...options, board })
  return {
    get configuration() {
      return gateway.configuration
    },
    start: () => gateway.start(),
    stop: () => gateway.stop(),
    reload: (after) => gateway.reload(after),
    consequences: (changes) => gateway.consequences(changes),
    report: (notices) => gateway.report(notices),
    watchdog: () => board.watchdog(),
    looks: lookingAt(gateway.field, options.clock),
    changes: retrying((sink, positions) => gateway.retry(sink, positions)),
    sockets: () => doorOf(gateway.field, gateway.configuration),
  }
}
