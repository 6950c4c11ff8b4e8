/** What nobody caught. The state of the process is unknown then, so it ends at once: what was committed is on the disk, and
 *  whoever supervises it starts it again. */
import type { Logger } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import { Exit } from '../command.ts'

/** One line with the reason; a rejection that nobody handled comes here, too. A watchdog in hardware stays armed. */
export function endOnCrash(log: Logger): () => void {
  const crash = (thrown: unknown, origin: string): void => {
    log.error(`the service ends, for something went wrong that nobody expected: ${sentence(thrown)}`, {
      event: 'service.crashed',
      origin,
      stack: thrown instanceof Error ? thrown.stack : undefined,
    })
    process.exit(Exit.failed)
  }
  process.on('uncaughtException', crash)
  return () => process.off('uncaughtException', crash)
}
