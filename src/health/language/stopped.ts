/** What the lights show of a service that has ended, from what systemd tells its ExecStopPost command (systemd.exec(5):
 *  SERVICE_RESULT, EXIT_CODE, EXIT_STATUS) and the unit that OnFailure starts (the same with MONITOR_ before it). Pure. */
import type { Light } from '../../contracts/report.ts'
import { light, type StateId } from './states.ts'

/** Exit status of a service whose configuration is not valid. */
const CONFIGURATION = '3'
/** systemd.exec(5): the statuses with which systemd says that it could not start the program. */
const NOT_STARTED = { from: 200, to: 245 } as const

const RESULTS: Readonly<Record<string, StateId>> = {
  success: 'sys.off',
  'exec-condition': 'sys.off',
  protocol: 'sys.failed.late',
  timeout: 'sys.failed.late',
  'exit-code': 'sys.failed.error',
  signal: 'sys.failed.crash',
  'core-dump': 'sys.failed.crash',
  watchdog: 'sys.failed.hung',
  'oom-kill': 'sys.failed.memory',
  'start-limit-hit': 'sys.cannot-run.limit',
  resources: 'sys.failed.environment',
}

/** SYS; the other lamps are dark. */
export function stopped(env: Readonly<Record<string, string | undefined>>): Light {
  const given = env.MONITOR_SERVICE_RESULT !== undefined
  const result = (given ? env.MONITOR_SERVICE_RESULT : env.SERVICE_RESULT) ?? 'success'
  const status = (given ? env.MONITOR_EXIT_STATUS : env.EXIT_STATUS) ?? ''
  const id = stateIn(result, status)
  // systemd starts another unit for a failure only when it has given the service up.
  const final = given && id !== 'sys.off' && id !== 'sys.cannot-run.configuration' ? 'sys.cannot-run.limit' : id
  return light(final)
}

function stateIn(result: string, status: string): StateId {
  // Given up or not, that is what somebody can do something about.
  if ((result === 'exit-code' || result === 'start-limit-hit') && status === CONFIGURATION) {
    return 'sys.cannot-run.configuration'
  }
  const number = Number(status)
  if (result === 'exit-code' && number >= NOT_STARTED.from && number <= NOT_STARTED.to) return 'sys.failed.environment'
  return RESULTS[result] ?? 'sys.failed.error'
}
