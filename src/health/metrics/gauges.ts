/** Every metric that is no counter of a report: its name, its sentence, and where it stands in the report. Seconds, bytes and
 *  ratios; moments are Unix seconds. */
import { BOX } from './gauges/box.ts'
import { FIELD } from './gauges/field.ts'
import type { Gauge } from './gauges/gauge.ts'
import { LOG } from './gauges/log.ts'
import { PROCESSES } from './gauges/processes.ts'

export const GAUGES: readonly Gauge[] = [...BOX, ...FIELD, ...LOG, ...PROCESSES]
