/** Both halves in this process. */
import { openBoard } from '../../../hal/linux/board.ts'
import { Gateway } from '../../gateway.ts'
import { doorOf, lookingAt } from './field-sockets.ts'
import type { Half, HalfOptions } from './half.ts'
import { retrying } from './retrying.ts'

export async function openBoth(options: HalfOptions): Promise<Half> {
  const gateway = await Gateway.open({ ...options, board: openBoard(options.configuration.board) })
  return {
    get configuration() {
      return gateway.configuration
    },
    start: () => gateway.start(),
    stop: () => gateway.stop(),
    reload: (after) => gateway.reload(after),
    consequences: (changes) => gateway.consequences(changes),
    report: (notices) => gateway.report(notices),
    looks: lookingAt(gateway.field, options.clock),
    changes: retrying((sink, positions) => gateway.retry(sink, positions)),
    sockets: () => doorOf(gateway.field, gateway.configuration),
  }
}
