/** The writing end of a log in a process of its own, on orders of the process that started it. */
import type { Batch, GroupRef } from '../../src/contracts/batch.ts'
import { sentence } from '../../src/contracts/errors.ts'
import type { Entry, EventNote } from '../../src/contracts/log.ts'
import type { FieldEnd } from '../../src/log/ends.ts'
import { type FieldEndOptions, openFieldEnd } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { Said } from './batches.ts'

export type Order =
  | { readonly do: 'open'; readonly options: Omit<FieldEndOptions, 'clock' | 'log'> }
  | { readonly do: 'append'; readonly batch: Batch }
  | { readonly do: 'note'; readonly event: EventNote }
  | { readonly do: 'adopt'; readonly entry: Entry }
  | { readonly do: 'configure'; readonly groups: readonly GroupRef[]; readonly readers: readonly string[] }
  | { readonly do: 'report' | 'places' | 'flush' | 'close' | 'said' }

const said = new Said()
const groups = new Map<string, GroupRef>()
let end: FieldEnd | undefined

/** Groups arrive as copies: one object for all that are equal. */
function interned(group: GroupRef): GroupRef {
  const name = JSON.stringify(group)
  const known = groups.get(name) ?? group
  groups.set(name, known)
  return known
}

async function obey(order: Order): Promise<unknown> {
  if (order.do === 'open') {
    end = await openFieldEnd({ ...order.options, clock: new SystemClock(), log: said })
    return end.reader.stream
  }
  if (order.do === 'said') return said.lines
  if (end === undefined) throw new Error('not open')
  switch (order.do) {
    case 'append':
      return end.writer.append({ ...order.batch, group: interned(order.batch.group) })
    case 'note':
      return end.writer.note(order.event)
    case 'adopt':
      return end.writer.adopt(order.entry)
    case 'configure':
      return end.configure({ groups: order.groups.map(interned), readers: order.readers })
    case 'report':
      return end.report()
    case 'places':
      return end.places()
    case 'flush':
      return end.flush()
    case 'close':
      return end.close()
  }
}

process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (value) => process.send!({ id, value }),
    (thrown) => process.send!({ id, thrown: sentence(thrown), remedy: (thrown as { remedy?: string }).remedy }),
  )
})
process.on('disconnect', () => process.exit())
