/** The sockets of a running gateway: one that only looks, one that transmits on demand, one that changes the configuration. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SocketServer, textFrom, writesFrom } from '../../commands/socket.ts'
import type { Change } from '../../config/diff.ts'
import type { Problem } from '../../config/problems.ts'
import { rowsOf } from '../../console/terminal/rows.ts'
import type { Batch } from '../../contracts/batch.ts'
import { tagAt } from '../../contracts/batch.ts'
import type { Clock } from '../../contracts/clock.ts'
import { Rejected, sentence } from '../../contracts/errors.ts'
import type { GatewayReport } from '../../contracts/report.ts'
import type { Field } from '../../field.ts'
import { type Around, diagnosed, errandMethods } from './errands.ts'
import { has, wordsOf } from './given.ts'
import { traceMethods } from './trace.ts'

/** What `plan` and `apply` answer. */
export type Outcome =
  | { readonly ok: true; readonly revision: string; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export interface SurfacesOptions {
  readonly directory: string
  readonly field: Field
  readonly clock: Clock
  readonly report: () => GatewayReport
  readonly plan: (file: string) => Promise<Outcome>
  readonly apply: (file: string) => Promise<Outcome>
  /** Stands around each exchange by hand, alone on its connection. */
  readonly around?: Around
}

export interface Surfaces {
  /** Opens or shuts the door, as the configuration in force says. */
  door(open: boolean): Promise<void>
  stop(): Promise<void>
}

export async function openSurfaces(options: SurfacesOptions): Promise<Surfaces> {
  const { directory, field, clock, around = (_, work) => work() } = options
  await mkdir(directory, { recursive: true })

  const stored = (batch: Batch): boolean => field.stored(batch.group)
  const inspect = new SocketServer({
    path: join(directory, 'inspect.sock'),
    mode: 0o660,
    methods: {
      status: async () => options.report(),
      values: async (given) => {
        const wanted = pathOf(given)
        return [...field.live.all()].flatMap((batch) => wanted(rowsOf(batch, clock.now(), stored(batch)), batch))
      },
      follow: (given, call) => {
        const wanted = pathOf(given)
        return new Promise((resolve) => {
          const leave = field.live.watch((batch) => {
            const rows = wanted(rowsOf(batch, clock.now(), stored(batch)), batch)
            if (rows.length > 0) void call.send(rows)
          })
          call.signal.addEventListener('abort', () => resolve(leave()), { once: true })
        })
      },
      plan: (given) => options.plan(textFrom(given, 'file')),
      ...traceMethods({ field, clock }),
      why: (given, call) => diagnosed({ field, around, given, call, mayAsk: false }),
    },
  })
  const control = new SocketServer({
    path: join(directory, 'control.sock'),
    mode: 0o660,
    methods: { apply: (given) => options.apply(textFrom(given, 'file')) },
  })
  const openDoor = (): SocketServer =>
    new SocketServer({
      path: join(directory, 'door.sock'),
      mode: 0o660,
      methods: {
        write: async (given, call) => {
          if (has(given, 'connection')) {
            const { driver, lane } = field.connection(textFrom(given, 'connection'))
            if (driver.poke === undefined) throw new Rejected('this connection’s driver has no writes by hand')
            const words = wordsOf(given)
            const what = `by hand: ${textFrom(given, 'connection')} ${words.join(' ')}`
            const said = await lane
              .submit((ending) => driver.poke!(words, AbortSignal.any([call.signal, ending])))
              .catch((thrown) => {
                field.audit(`${what}: ${sentence(thrown)}`)
                throw thrown
              })
            field.audit(`${what}: ${said}`)
            return { id: '', outcome: 'done', text: said }
          }
          const [device, group, writes] = [
            textFrom(given, 'device'),
            textFrom(given, 'group'),
            writesFrom((given as { writes?: unknown }).writes),
          ]
          const command = { id: '', by: 'console', device, group, writes }
          return field.door.submit(command, call.signal)
        },
        read: (given, call) => {
          const { driver, lane } = field.connection(textFrom(given, 'connection'))
          if (driver.peek === undefined) throw new Rejected('this connection’s driver has no reads by hand')
          const words = wordsOf(given)
          return lane.submit((ending) =>
            around(textFrom(given, 'connection'), () => driver.peek!(words, AbortSignal.any([call.signal, ending]))),
          )
        },
        ...errandMethods({ field, around }),
      },
    })

  let door: SocketServer | undefined
  await inspect.start()
  await control.start()
  return {
    async door(open) {
      if (open === (door !== undefined)) return
      if (open) {
        door = openDoor()
        await door.start()
      } else {
        await door?.stop()
        door = undefined
      }
    },
    async stop() {
      await Promise.all([inspect.stop(), control.stop(), door?.stop()])
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
