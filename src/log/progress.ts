/** What of the log is expected to make progress, and within which time. A disk that refuses is no hang: what it says is told. */
import type { HealthLedger, Line } from '../contracts/health.ts'

/** The kernel gives a disk that does not answer 30 s and repeats the command five times (Documentation/scsi/scsi_eh.rst): then it
 *  fails, and that is told. Cards that tidy up keep a sync waiting for seconds, not minutes. */
const DISK_MS = 180_000
/** A look at files that are mapped, several times a second. Below it only the timer can have gone. */
const LOOKS_MS = 60_000

export interface LogLines {
  /** Due while something waits to be stored. */
  readonly writing: Line
  /** Due while files are being deleted. */
  readonly deleting: Line
}

export function logLines(health: HealthLedger, { commitEveryMs }: { readonly commitEveryMs: number }): LogLines {
  return {
    writing: idle(health, 'log: writing', commitEveryMs + DISK_MS),
    deleting: idle(health, 'log: deleting', DISK_MS),
  }
}

/** Due while a confirmation waits to be stored. */
export function confirmingLine(health: HealthLedger, { commitEveryMs }: { readonly commitEveryMs: number }): Line {
  return idle(health, 'log: confirmations', commitEveryMs + DISK_MS)
}

/** Due always: it looks at what another process writes. */
export function followingLine(health: HealthLedger, what: string): Line {
  const line = health.enrol({ name: `log: ${what}`, allowanceMs: LOOKS_MS })
  line.report({ condition: 'fine', text: 'looks at what the other half writes' })
  return line
}

function idle(health: HealthLedger, name: string, allowanceMs: number): Line {
  const line = health.enrol({ name, allowanceMs })
  line.report({ condition: 'fine', text: 'as the disk lets it' })
  line.idle()
  return line
}
