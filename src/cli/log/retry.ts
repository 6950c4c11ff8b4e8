/** `fieldgate log retry SINK [POSITION…]`: the running gateway tries once more what a sink refused. */
import type { Position } from '../../contracts/log.ts'
import { type Command, Exit } from '../command.ts'
import { usageError } from '../log.ts'
import { withDeliverer } from '../running.ts'

export const command: Command = async (invocation) => {
  const { words, json, screen } = invocation
  const [sink, ...given] = words
  if (sink === undefined) return usageError(invocation, '"log retry" takes the name of a sink')
  const positions: Position[] = []
  for (const text of given) {
    const [, epoch, seq] = /^(\d+)[:/](\d+)$/.exec(text) ?? []
    if (seq === undefined) return usageError(invocation, `"${text}" is not a position: write EPOCH:SEQ, such as 1:4711`)
    positions.push({ epoch: Number(epoch), seq: Number(seq) })
  }
  const wanted = positions.length === 0 ? { sink } : { sink, positions }
  const { retried } = (await withDeliverer(invocation, (gateway) => gateway.call('retry', wanted))) as {
    readonly retried: number
  }
  const missing = positions.length - retried
  const failed = positions.length > 0 && missing > 0
  if (json) screen.document({ ok: !failed, sink, retried })
  else {
    screen.print(
      retried === 0 ? `nothing is in quarantine of ${sink}` : `${records(retried)} of ${sink} tried once more`,
    )
    if (failed) screen.complain(`fieldgate: ${missing} of these positions are not in quarantine of ${sink}`)
  }
  return failed ? Exit.failed : Exit.done
}

function records(count: number): string {
  return count === 1 ? '1 record is' : `${count} records are`
}
