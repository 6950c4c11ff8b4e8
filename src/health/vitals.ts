/** What this process takes of the machine. */
import type { Clock } from '../contracts/clock.ts'
import type { ProcessReport } from '../contracts/report.ts'

/** `startedAt`: monotonic. */
export function vitals(side: ProcessReport['side'], options: { clock: Clock; startedAt: number }): ProcessReport {
  const { clock, startedAt } = options
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const { wall, monotonic } = clock.now()
  return {
    side,
    startedAt: Math.round(wall - (monotonic - startedAt)),
    cpuMs: (user + system) / 1000,
    residentBytes: rss,
    heapBytes: heapUsed,
  }
}
