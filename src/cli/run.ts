/** `fieldgate run`: the service, as one process or as one of its two halves. */
import { flushCompileCache } from 'node:module'
import { notifier } from '../../hal/linux/kernel/notify.ts'
import { textFrom } from '../commands/socket.ts'
import { formatProblems } from '../config/problems.ts'
import { logPathOf, socketDirectory } from '../config/sockets.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import type { GatewayReport } from '../contracts/report.ts'
import { vitals } from '../health/vitals.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { choose, keep, type Start } from './run/active.ts'
import { Applying } from './run/applying.ts'
import { endOnCrash } from './run/crash.ts'
import { doorGroup } from './run/door-group.ts'
import { folderOf, type Half, type HalfOptions, othersRevision, type Side } from './run/half.ts'
import { applyAgain, onHangUp } from './run/hang-up.ts'
import { journal } from './run/journal.ts'
import { Loader } from './run/loading.ts'
import { Surfaces } from './run/surfaces.ts'
import { Watch, worst } from './run/watch.ts'
import { version } from './version.ts'

type Open = (options: HalfOptions) => Half | Promise<Half>

/** Only what runs is loaded. */
const OPEN: Readonly<Record<Side, () => Promise<Open>>> = {
  both: async () => (await import('./run/both.ts')).openBoth,
  field: async () => (await import('./run/field-half.ts')).openFieldHalf,
  uplink: async () => {
    const { UplinkHalf } = await import('./run/uplink-half.ts')
    return (options) => new UplinkHalf(options)
  },
}

export const command: Command = async (invocation) => {
  const { json, options, screen, clock } = invocation
  if (options.side === 'console') return (await import('./run/console-side.ts')).runConsole(invocation)
  const side = (options.side ?? 'both') as Side
  if (options.side !== undefined && side !== 'field' && side !== 'uplink') {
    const error = `there is no side "${side}": there are field, uplink and console; without --side all run in one process`
    screen.complain(`fieldgate: ${error}`)
    if (json) screen.document({ ok: false, error, status: Exit.usage })
    return Exit.usage
  }
  const log = journal({ identifier: side === 'both' ? 'fieldgate' : `fieldgate-${side}` })
  const calm = endOnCrash(log)
  const watch = new Watch({ clock, log, notifier: notifier(process.env), lost: () => log.lost() })
  try {
    return await serve(invocation, { side, log, watch })
  } finally {
    watch.end()
    calm()
  }
}

/** The other process reads the configuration while this one loads its code: a box has more than one core, and waits for its
 *  first poll. */
async function begin(side: Side, file: string, clock: Clock): Promise<[Start, Open]> {
  using loader = new Loader()
  const others = await othersRevision(side, socketDirectory(logPathOf(file)), clock)
  return await Promise.all([choose({ file, loader, ...(others === undefined ? {} : { others }) }), OPEN[side]()])
}

async function serve(
  { file, json, screen, clock, signal }: Invocation,
  { side, log, watch }: { readonly side: Side; readonly log: Logger; readonly watch: Watch },
): Promise<Exit> {
  const { ledger } = watch
  const startedAt = clock.monotonic()
  ledger.step('reading the configuration')
  // The halves are two users of one group: what one makes, the other may open.
  if (side !== 'both') process.umask(0o007)
  const [start, open] = await begin(side, file, clock)
  if (!start.ok) {
    if (json) screen.document({ ok: false, problems: start.problems })
    else screen.complain(formatProblems(start.problems))
    return Exit.configuration
  }
  let notices = start.notices
  for (const notice of notices) log.warn(notice)

  const { configuration } = start
  const run = socketDirectory(configuration.log.path)
  ledger.step('opening the log')
  const half = await open({ configuration, clock, log, version: version(), ledger, run, signal })
  const status = async () => ({
    ...half.report(notices),
    processes: [{ ...vitals(side, { clock, startedAt }), counters: surfaces.counters(), health: watch.report() }],
  })
  // Halves that run apart are told of by the console's process.
  const endpoint =
    side === 'both'
      ? (await import('./run/pages.ts')).openEndpoint({
          clock,
          log,
          health: ledger,
          report: status as () => Promise<GatewayReport>,
        })
      : undefined
  const surfaces = new Surfaces({ folder: folderOf(side, run), group: doorGroup() })
  const applying = new Applying({
    clock,
    log,
    file,
    side,
    inForce: () => half.configuration,
    consequences: (changes) => half.consequences(changes),
    reload: (after) => watch.reloading(() => half.reload(after)),
    applied: async (said) => {
      notices = said
      await surfaces.show({ ...always, ...half.sockets() })
      await endpoint?.configure(half.configuration.console.listen)
    },
  })
  const always = {
    inspect: {
      status,
      console: async () => half.configuration.console,
      revision: async () => ({ revision: half.configuration.source.sha256 }),
      plan: (given: unknown) => applying.plan(textFrom(given, 'file')),
      ...half.looks,
    },
    control: { ...applying.methods(), ...half.changes },
  }
  const hangUp = onHangUp(() => watch.reloading(() => applyAgain(applying, { file, log })))
  try {
    await surfaces.show(always)
    await half.start()
    if (start.isActive === undefined) await keep({ configuration: half.configuration, file, side })
    await surfaces.show({ ...always, ...half.sockets() })
    await endpoint?.configure(configuration.console.listen)
    // A service that is killed later still leaves its next start the compiled code.
    flushCompileCache()
    log.info('running', { gateway: configuration.gateway.gateway, file, ...(side === 'both' ? {} : { side }) })
    watch.running({
      status: () => worst(half),
      areOpen: () => surfaces.areOpen,
      hardware: configuration.watchdog.hardware ? () => half.watchdog?.() : undefined,
      systemdCannot: configuration.board.watchdog?.toggle !== undefined,
    })
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    log.info('stopping')
  } catch (thrown) {
    // It was told to end while it still waited for something.
    if (!signal.aborted || thrown !== signal.reason) throw thrown
  } finally {
    hangUp()
    watch.stopping()
    applying.stop()
    await endpoint?.stop()
    await surfaces.stop()
    await half.stop()
  }
  log.info('stopped')
  return Exit.done
}
