/** What becomes of SIGHUP: the service's own file is applied anew, as `apply` does it. */
import { isatty } from 'node:tty'
import { formatProblems } from '../../config/problems.ts'
import type { Logger } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import type { Applying } from './applying.ts'

/** SIGHUP, which is `systemctl reload`. Where a person looks on, it is the terminal that was closed, and ends the service. */
export function onHangUp(reload: () => Promise<void>): () => void {
  if (isatty(0) || isatty(2)) return () => {}
  let [runs, again] = [false, false]
  // One that comes during another is for a file that may have changed since: it is read once more.
  const hear = async (): Promise<void> => {
    again = true
    if (runs) return
    runs = true
    while (again) {
      again = false
      await reload()
    }
    runs = false
  }
  process.on('SIGHUP', hear)
  return () => process.off('SIGHUP', hear)
}

/** Never rejects: what stands against the file is told in the journal, and nothing changes. */
export async function applyAgain(applying: Applying, { file, log }: { file: string; log: Logger }): Promise<void> {
  try {
    const outcome = await applying.again()
    if (outcome.ok) return
    log.error(`${file} is not valid, what was in force stays in force; run "fieldgate check"`, {
      event: 'configuration.refused',
      problems: outcome.problems.length,
    })
    for (const problem of outcome.problems) log.error(formatProblems([problem]))
  } catch (thrown) {
    log.error(`${file} is not applied: ${sentence(thrown)}`, { event: 'configuration.refused' })
  }
}
