/** The processes of the gateway, and the components that their watchdogs see. */
import type { ProcessReport } from '../../../contracts/report.ts'
import type { Seen } from '../families.ts'
import { healthsOf } from '../healths.ts'
import { each, flag, type Gauge, seconds, stateOf } from './gauge.ts'

const running = each<ProcessReport>(
  ['side'],
  ({ report }) => report.processes ?? [],
  ({ side }) => ({ side }),
)
const healths = ({ report }: Seen) => healthsOf(report)
const standings = (seen: Seen) =>
  healths(seen).flatMap(({ side, health }) => health.components.map((one) => ({ side, ...one })))
const component = each(['side', 'component'], standings, ({ side, name }) => ({ side, component: name }))

export const PROCESSES: readonly Gauge[] = [
  running('fieldgate_process_start_time_seconds', 'When this process of the gateway was started.', ({ startedAt }) =>
    seconds(startedAt),
  ),
  running('fieldgate_process_cpu_seconds_total', 'Processor time that it used.', ({ cpuMs }) => seconds(cpuMs), {
    type: 'counter',
  }),
  running('fieldgate_process_resident_memory_bytes', 'Memory that it holds.', ({ residentBytes }) => residentBytes),
  running('fieldgate_process_heap_bytes', 'Memory in use by its objects.', ({ heapBytes }) => heapBytes),
  each(['side'], healths, ({ side }) => ({ side }))(
    'fieldgate_process_longest_stall_seconds',
    'The longest time in which the process did nothing else.',
    ({ health }) => seconds(health.longestStallMs),
  ),
  stateOf(
    'fieldgate_process_watchdog_state',
    '1: the watchdog of the process is in this condition; waiting: nobody watches it.',
    ['side'],
    (seen) => healths(seen).map(({ side, health }) => ({ side, state: health.watchdog.state })),
    ({ side }) => ({ side }),
  ),

  component(
    'fieldgate_component_stalled',
    '1: the component makes no progress although it should: the watchdog is not fed, the process will be restarted.',
    ({ stalled }) => flag(stalled),
  ),
  component(
    'fieldgate_component_last_progress_age_seconds',
    'Time since the component made progress; 0 while it has nothing to do.',
    ({ ageMs }) => seconds(ageMs),
  ),
  component('fieldgate_component_allowance_seconds', 'The longest such time that is in order.', ({ allowanceMs }) =>
    seconds(allowanceMs),
  ),
]
