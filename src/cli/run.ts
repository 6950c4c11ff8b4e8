/** `fieldgate run`: the service. */
import { join } from 'node:path'
import { pino } from 'pino'
import { diff } from '../config/diff.ts'
import { formatProblems } from '../config/problems.ts'
import { socketDirectory } from '../config/sockets.ts'
import type { Logger } from '../contracts/component.ts'
import { ConfigurationFault } from '../contracts/errors.ts'
import { Gateway } from '../gateway.ts'
import { type Command, Exit } from './command.ts'
import { choose, keep } from './run/active.ts'
import { loadApart } from './run/loading.ts'
import { type Outcome, openSurfaces } from './run/surfaces.ts'
import { version } from './version.ts'

export const command: Command = async ({ file, json, screen, clock, signal }) => {
  const start = await choose({ file })
  if (!start.ok) {
    if (json) screen.document({ ok: false, problems: start.problems })
    else screen.complain(formatProblems(start.problems))
    return Exit.configuration
  }
  const log = logger()
  let notices = start.notices
  for (const notice of notices) log.warn(notice)

  const board = (await import('../../hal/linux/board.ts')).openBoard(start.configuration.board)
  const gateway = await Gateway.open({ configuration: start.configuration, clock, board, log, version: version() })
  const plan = async (next: string): Promise<Outcome> => {
    const loaded = await loadApart({ file: next })
    if (!loaded.ok) return loaded
    const changes = gateway.consequences(diff(gateway.configuration, loaded.configuration))
    return { ok: true, revision: loaded.configuration.source.sha256, changes }
  }
  let turn: Promise<unknown> = Promise.resolve()
  const apply = async (next: string): Promise<Outcome> => {
    const loaded = await loadApart({ file: next })
    if (!loaded.ok) return loaded
    const { configuration } = loaded
    const changes = gateway.consequences(diff(gateway.configuration, configuration))
    const stay = changes.filter((change) => change.change === 'restarted' && change.component === 'log')
    if (stay.length > 0) {
      throw new ConfigurationFault('the log’s place cannot change while it runs: restart the service with this file')
    }
    await keep({ configuration, file })
    await gateway.reload(configuration)
    await surfaces.door(doorOpen(configuration))
    notices = loaded.notices
    log.info('configuration applied', { revision: configuration.source.sha256, file: next })
    return { ok: true, revision: configuration.source.sha256, changes }
  }
  const surfaces = await openSurfaces({
    directory: socketDirectory(start.configuration),
    gateway,
    clock,
    notices: () => notices,
    plan,
    // One at a time: two people at two consoles must not build half of each.
    apply: (next) => {
      const mine = turn.then(() => apply(next))
      turn = mine.catch(() => undefined)
      return mine
    },
  })
  try {
    await gateway.start()
    await keep({ configuration: gateway.configuration, file })
    await surfaces.door(doorOpen(gateway.configuration))
    log.info('running', { gateway: gateway.configuration.gateway.gateway, file })
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    log.info('stopping')
  } finally {
    await surfaces.stop()
    await gateway.stop()
  }
  log.info('stopped')
  return Exit.done
}
