/** The log, and the sinks that read it. */
import type { LogReport, SinkReport } from '../../../contracts/report.ts'
import type { Seen } from '../families.ts'
import { each, type Gauge, seconds, stateOf, type Text } from './gauge.ts'

const sinks = ({ report }: Seen) => report.sinks
const sinkLabels = ({ name }: SinkReport): Text => ({ sink: name })
const sink = each(['sink'], sinks, sinkLabels)
const logs = ({ report }: Seen): readonly LogReport[] => (report.log === null ? [] : [report.log])
const log = each([], logs, () => ({}))

export const LOG: readonly Gauge[] = [
  stateOf('fieldgate_sink_state', '1: the sink is in this condition.', ['sink'], sinks, sinkLabels),
  {
    name: 'fieldgate_sink_info',
    type: 'gauge',
    help: 'Always 1: the type of the sink.',
    labels: ['sink', 'type'],
    samples: (seen) => sinks(seen).map(({ name, type }) => ({ labels: { sink: name, type }, value: 1 })),
  },
  sink(
    'fieldgate_sink_pending_entries',
    'Records that are stored and not confirmed by the far side yet.',
    ({ receipt }) => receipt?.pending,
  ),
  sink(
    'fieldgate_sink_quarantined_entries',
    'Records kept aside because the far side refuses them: see "fieldgate log status".',
    ({ receipt }) => receipt?.quarantined,
  ),
  sink(
    'fieldgate_sink_delivered_entries_total',
    'Records that the far side confirmed.',
    ({ receipt }) => receipt?.delivered,
    { type: 'counter' },
  ),
  sink(
    'fieldgate_sink_filtered_entries_total',
    'Records that this sink does not want.',
    ({ receipt }) => receipt?.filtered,
    { type: 'counter' },
  ),
  sink(
    'fieldgate_sink_evicted_entries_total',
    'Records that were deleted before this sink had them: they are lost for it.',
    ({ receipt }) => receipt?.evicted,
    { type: 'counter' },
  ),
  sink(
    'fieldgate_sink_oldest_pending_timestamp_seconds',
    'When the oldest record was acquired that is not confirmed; absent: none is waiting.',
    ({ oldest }) => seconds(oldest),
  ),
  sink(
    'fieldgate_sink_oldest_pending_age_seconds',
    'How old the oldest record is that is not confirmed; 0: none is waiting.',
    ({ oldest }, { report }) => (oldest === null ? 0 : Math.max(0, report.at - oldest) / 1000),
  ),

  stateOf('fieldgate_log_state', '1: the log is in this condition.', [], logs, () => ({})),
  {
    name: 'fieldgate_log_info',
    type: 'gauge',
    help: 'Always 1: the stream of the log, and what gives way when it is full.',
    labels: ['stream', 'evict'],
    samples: (seen) => logs(seen).map(({ stream, evict }) => ({ labels: { stream, evict }, value: 1 })),
  },
  log('fieldgate_log_head_epoch', 'Epoch of the newest record.', ({ head }) => head.epoch),
  log('fieldgate_log_head_seq', 'Number of the newest record.', ({ head }) => head.seq),
  log('fieldgate_log_size_bytes', 'What the log takes on the disk.', ({ bytes }) => bytes),
  log('fieldgate_log_quota_bytes', 'What the configuration allows it to take.', ({ quotaBytes }) => quotaBytes),
  log(
    'fieldgate_log_limit_bytes',
    'What it can take: the quota, or less where the disk has less to give.',
    ({ limitBytes }) => limitBytes,
  ),
  log('fieldgate_log_files', 'Files of the log.', ({ segments }) => segments),
  log(
    'fieldgate_log_incoming_entries_per_second',
    'Records that came in over the last minute.',
    ({ perSecond }) => perSecond.entries,
  ),
  log(
    'fieldgate_log_incoming_bytes_per_second',
    'How fast the log grew over the last minute.',
    ({ perSecond }) => perSecond.bytes,
  ),
  log(
    'fieldgate_log_full_in_seconds',
    'When the log is full if nothing is confirmed from now on; +Inf: never.',
    ({ fullInMs }) => (fullInMs === null ? Number.POSITIVE_INFINITY : fullInMs / 1000),
  ),
]
