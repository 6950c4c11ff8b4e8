/** What each process of a gateway says of the progress that its parts make. */
import type { GatewayReport, HealthReport, ProcessReport } from '../../contracts/report.ts'

/** Of each process that told. */
export function healthsOf({
  processes = [],
}: GatewayReport): readonly { readonly side: ProcessReport['side']; readonly health: HealthReport }[] {
  return processes.flatMap(({ side, health }) => (health === undefined ? [] : [{ side, health }]))
}
