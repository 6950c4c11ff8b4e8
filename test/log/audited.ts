/** The audit of a log's folder, whether its gateway runs or not, for whatever test has just done something to it. */
import { deepEqual } from 'node:assert/strict'
import { openArchive } from '../../src/log/archive.ts'
import { type AuditReport, audit } from '../../src/log/audit.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { Said } from './batches.ts'

/** `configured`: undefined: every reader there ever was. */
export async function audited(path: string, configured?: readonly string[]): Promise<AuditReport> {
  const clock = new SystemClock()
  const archive = openArchive({ path, clock, log: new Said() })
  try {
    return await audit({ archive, configured, pause: () => clock.sleep(0, new AbortController().signal) })
  } finally {
    await archive.close()
  }
}

/** Every receipt adds up, and everything it speaks of is there. */
export async function expectAudited(path: string, configured?: readonly string[]): Promise<AuditReport> {
  const report = await audited(path, configured)
  deepEqual(report.differences, [])
  return report
}
