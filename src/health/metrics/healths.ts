/** What each process of a gateway says of the progress that its parts make. */
import type { GatewayReport, HealthReport, ProcessReport } from '../../contracts/report.ts'

/** Of each process that told. */
export function healthsOf({
  health,
  processes = [],
}: GatewayReport): readonly { readonly side: ProcessReport['side']; readonly health: HealthReport }[] {
  const apart = processes.flatMap(({ side, health: own }) => (own === undefined ? [] : [{ side, health: own }]))
  if (apart.length > 0 || health === undefined) return apart
  return [{ side: processes[0]?.side ?? 'both', health }]
}
