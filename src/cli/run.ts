/** `fieldgate run`: the service. */
import { flushCompileCache } from 'node:module'
import { openBoard } from '../../hal/linux/board.ts'
import type { Configuration } from '../config/configuration.ts'
import { diff } from '../config/diff.ts'
import { formatProblems } from '../config/problems.ts'
import { socketDirectory } from '../config/sockets.ts'
import { ConfigurationFault } from '../contracts/errors.ts'
import { Gateway } from '../gateway.ts'
import { type Command, Exit } from './command.ts'
import { choose, keep } from './run/active.ts'
import { journal } from './run/journal.ts'
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
  const log = journal()
  let notices = start.notices
  for (const notice of notices) log.warn(notice)

  const board = openBoard(start.configuration.board)
  const gateway = await Gateway.open({ configuration: start.configuration, clock, board, log, version: version() })
  const prepared = async (
    next: string,
  ): Promise<{ loaded: Awaited<ReturnType<typeof loadApart>>; outcome: Outcome }> => {
    const loaded = await loadApart({ file: next })
    if (!loaded.ok) return { loaded, outcome: loaded }
    const changes = gateway.consequences(diff(gateway.configuration, loaded.configuration))
    return { loaded, outcome: { ok: true, revision: loaded.configuration.source.sha256, changes } }
  }
  const apply = async (next: string): Promise<Outcome> => {
    const { loaded, outcome } = await prepared(next)
    if (!loaded.ok || !outcome.ok) return outcome
    const { configuration } = loaded
    if (configuration.log.path !== gateway.configuration.log.path) {
      throw new ConfigurationFault('log.path cannot change while the service runs: restart it with this file')
    }
    await keep({ configuration, file })
    await gateway.reload(configuration)
    await surfaces.door(isOpen(configuration))
    notices = loaded.notices
    log.info('configuration applied', { revision: configuration.source.sha256, file: next })
    return outcome
  }
  let turn: Promise<unknown> = Promise.resolve()
  const surfaces = await openSurfaces({
    directory: socketDirectory(start.configuration.log.path),
    field: gateway.field,
    clock,
    report: () => gateway.report(notices),
    plan: async (next) => (await prepared(next)).outcome,
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
    await surfaces.door(isOpen(gateway.configuration))
    // A service that is killed later still leaves its next start the compiled code.
    flushCompileCache()
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

/** A gateway that is one-way has no door, not a locked one. */
function isOpen({ oneWay }: Configuration): boolean {
  return !oneWay
}
