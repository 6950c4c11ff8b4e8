/** What `inspect.sock` shows of live values: those of now, and as they come. */
import { textFrom } from '../../commands/socket.ts'
import { rowsOf } from '../../console/terminal/rows.ts'
import { type Batch, tagAt } from '../../contracts/batch.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { LiveValues } from '../../contracts/report.ts'
import { has } from './given.ts'
import type { Methods } from './surfaces.ts'

export function valueMethods(options: {
  readonly live: LiveValues
  /** Whether a batch is in the log, or on its way there. */
  readonly stored: (batch: Batch) => boolean
  readonly clock: Clock
}): Methods {
  const { live, stored, clock } = options
  return {
    values: async (given) => {
      const wanted = pathOf(given)
      return [...live.all()].flatMap((batch) => wanted(rowsOf(batch, clock.now(), stored(batch)), batch))
    },
    follow: (given, call) => {
      const wanted = pathOf(given)
      return new Promise((resolve) => {
        const leave = live.watch((batch) => {
          const rows = wanted(rowsOf(batch, clock.now(), stored(batch)), batch)
          if (rows.length > 0) void call.send(rows)
        })
        call.signal.addEventListener('abort', () => resolve(leave()), { once: true })
      })
    },
  }
}

/** Keeps the rows under `DEVICE[/GROUP[/TAG]]`. */
function pathOf(given: unknown) {
  const path = has(given, 'path') ? textFrom(given, 'path') : ''
  const [device = '', group = '', tag = ''] = path.split('/')
  return (rows: ReturnType<typeof rowsOf>, batch: Batch): ReturnType<typeof rowsOf> => {
    if (device !== '' && batch.group.device !== device) return []
    if (group !== '' && batch.group.group !== group) return []
    return tag === '' ? rows : rows.filter((_, entry) => batch.group.tags[tagAt(batch, entry)]!.name === tag)
  }
}
