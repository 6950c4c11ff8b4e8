/** What the service says, as JSON lines on stderr for the journal: `{"level", "time", "msg", …}`. */
import { pino } from 'pino'
import type { Logger } from '../../contracts/component.ts'

export function journal(): Logger {
  const level = process.env.FIELDGATE_LOG ?? 'info'
  const lines = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  )
  return {
    debug: (text, facts = {}) => lines.debug(facts, text),
    info: (text, facts = {}) => lines.info(facts, text),
    warn: (text, facts = {}) => lines.warn(facts, text),
    error: (text, facts = {}) => lines.error(facts, text),
  }
}
