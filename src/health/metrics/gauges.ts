/** Every metric that is no counter of a report: its name, its sentence, and where it stands in the report. Seconds, bytes and
 *  ratios; moments are Unix seconds. */
import type { ClockQuality } from '../../contracts/clock.ts'
import type { Condition, State } from '../../contracts/component.ts'
import type {
  ConnectionReport,
  DeviceReport,
  Light,
  LogReport,
  ProcessReport,
  SinkReport,
} from '../../contracts/report.ts'
import type { Sample, Seen } from './families.ts'
import { healthsOf } from './healths.ts'

interface Gauge {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly labels: readonly string[]
  /** Only where each device is asked for. */
  readonly devices?: true
  readonly samples: (seen: Seen) => Iterable<Sample>
}

type Text = Readonly<Record<string, string>>
/** null or undefined: there is nothing to tell. */
type Value = number | null | undefined

const CONDITIONS: readonly Condition[] = ['fine', 'waiting', 'degraded', 'fault', 'refused']
const QUALITIES: readonly ClockQuality[] = ['synced', 'holdover', 'unsynced']
const COLOURS: readonly Light['colour'][] = ['off', 'green', 'amber', 'red']

const seconds = (ms: Value): Value => (ms == null ? ms : ms / 1000)
const flag = (is: boolean): number => (is ? 1 : 0)

function sample(labels: Text, value: Value): readonly Sample[] {
  return value == null ? [] : [{ labels, value }]
}

/** One series a thing, made from the things of one kind. */
function each<T>(label: readonly string[], find: (seen: Seen) => readonly T[], labelsOf: (one: T) => Text) {
  return (
    name: string,
    help: string,
    value: (one: T, seen: Seen) => Value,
    more: { readonly type?: 'counter'; readonly devices?: true } = {},
  ): Gauge => ({
    name,
    type: more.type ?? 'gauge',
    help,
    labels: label,
    ...(more.devices === undefined ? {} : { devices: more.devices }),
    samples: (seen) => find(seen).flatMap((one) => sample(labelsOf(one), value(one, seen))),
  })
}

/** One series for each condition of each thing, 1 for the one it is in. */
function stateOf<T extends { readonly state: State }>(
  name: string,
  help: string,
  label: readonly string[],
  find: (seen: Seen) => readonly T[],
  labelsOf: (one: T) => Text,
): Gauge {
  return {
    name,
    type: 'gauge',
    help,
    labels: [...label, 'condition'],
    samples: (seen) =>
      find(seen).flatMap((one) =>
        CONDITIONS.map((condition) => ({
          labels: { ...labelsOf(one), condition },
          value: flag(one.state.condition === condition),
        })),
      ),
  }
}

const gateway = (name: string, help: string, value: (seen: Seen) => Value): Gauge => ({
  name,
  type: 'gauge',
  help,
  labels: [],
  samples: (seen) => sample({}, value(seen)),
})

const connections = ({ report }: Seen) => report.connections
const connectionLabels = ({ name }: ConnectionReport): Text => ({ connection: name })
const connection = each(['connection'], connections, connectionLabels)
const device = each<DeviceReport>(
  ['connection', 'device'],
  ({ report }) => report.devices,
  ({ name, connection: on }) => ({ connection: on, device: name }),
)
const sinks = ({ report }: Seen) => report.sinks
const sinkLabels = ({ name }: SinkReport): Text => ({ sink: name })
const sink = each(['sink'], sinks, sinkLabels)
const logs = ({ report }: Seen): readonly LogReport[] => (report.log === null ? [] : [report.log])
const log = each([], logs, () => ({}))
const running = each<ProcessReport>(
  ['side'],
  ({ report }) => report.processes ?? [],
  ({ side }) => ({ side }),
)
const healths = ({ report }: Seen) => healthsOf(report)
const standings = (seen: Seen) =>
  healths(seen).flatMap(({ side, health }) => health.components.map((one) => ({ side, ...one })))
const component = each(['side', 'component'], standings, ({ side, name }) => ({ side, component: name }))
const light = ({ report }: Seen) => report.lights
const storage = each(
  ['path'],
  ({ report }) => report.machine?.storages ?? [],
  ({ path }) => ({ path }),
)
const link = each(
  ['interface'],
  ({ report }) => report.machine?.links ?? [],
  ({ name }) => ({ interface: name }),
)

/** Devices of this connection that are read or written. */
function own({ report }: Seen, { name }: ConnectionReport): readonly DeviceReport[] {
  return report.devices.filter((one) => one.connection === name && one.enabled)
}

export const GAUGES: readonly Gauge[] = [
  {
    name: 'fieldgate_build_info',
    type: 'gauge',
    help: 'Always 1: the version that runs.',
    labels: ['version'],
    samples: ({ report }) => [{ labels: { version: report.version }, value: 1 }],
  },
  {
    name: 'fieldgate_configuration_info',
    type: 'gauge',
    help: 'Always 1: the name of the gateway and the revision of the configuration in force.',
    labels: ['gateway', 'revision'],
    samples: ({ report: { gateway: name, revision } }) => [{ labels: { gateway: name, revision }, value: 1 }],
  },
  gateway('fieldgate_start_time_seconds', 'When the gateway was started.', ({ report }) => seconds(report.startedAt)),
  gateway('fieldgate_time_seconds', 'What the clock of the gateway shows.', ({ report }) => seconds(report.at)),
  {
    name: 'fieldgate_clock_quality',
    type: 'gauge',
    help: '1: the clock of the box is of this quality; holdover: it was set earlier in this boot; unsynced: never, and moments are guesses.',
    labels: ['quality'],
    samples: ({ report: { clock } }) =>
      clock === undefined
        ? []
        : QUALITIES.map((quality) => ({ labels: { quality }, value: flag(clock.quality === quality) })),
  },
  {
    name: 'fieldgate_boot_info',
    type: 'gauge',
    help: 'Always 1: which boot of the box it is.',
    labels: ['boot'],
    samples: ({ report: { clock } }) => (clock === undefined ? [] : [{ labels: { boot: clock.boot }, value: 1 }]),
  },
  gateway(
    'fieldgate_notices',
    'Sentences about the configuration in force, such as a file that cannot be read: see "fieldgate status".',
    ({ report }) => report.notices.length,
  ),
  {
    name: 'fieldgate_half_running',
    type: 'gauge',
    help: '1: this process of the gateway answers. Only where it runs as several.',
    labels: ['half'],
    samples: ({ report }) =>
      (report.halves ?? []).map(({ half, running: is }) => ({ labels: { half }, value: flag(is) })),
  },
  {
    name: 'fieldgate_light_colour',
    type: 'gauge',
    help: '1: this light has this colour. What it means and what to do: "fieldgate status".',
    labels: ['role', 'colour'],
    samples: (seen) =>
      light(seen).flatMap(({ role, colour: has }) =>
        COLOURS.map((colour) => ({ labels: { role, colour }, value: flag(colour === has) })),
      ),
  },
  {
    name: 'fieldgate_light_info',
    type: 'gauge',
    help: 'Always 1: the state that this light shows, its rhythm, and its blink code where it has one.',
    labels: ['role', 'state', 'pattern', 'code'],
    samples: (seen) =>
      light(seen).map(({ role, id, pattern, code = [] }) => ({
        labels: { role, state: id, pattern, code: code.join('.') },
        value: 1,
      })),
  },
  gateway(
    'fieldgate_box_temperature_celsius',
    'Of the hottest part of the box.',
    ({ report }) => report.machine?.celsius,
  ),
  gateway(
    'fieldgate_box_trip_temperature_celsius',
    'Where the kernel begins to slow the box down.',
    ({ report }) => report.machine?.tripCelsius,
  ),
  gateway(
    'fieldgate_box_throttled',
    '1: the processor runs slower than it could, for heat or for want of voltage.',
    ({ report: { machine } }) => (machine === undefined ? null : flag(machine.throttled !== undefined)),
  ),
  storage('fieldgate_storage_free_bytes', 'What is left of the file system under this folder.', (one) => one.freeBytes),
  storage('fieldgate_storage_size_bytes', 'Of the file system under this folder.', (one) => one.totalBytes),
  storage('fieldgate_storage_read_only', '1: nothing can be stored under this folder.', (one) => flag(one.readOnly)),
  storage(
    'fieldgate_storage_life_used_ratio',
    'How much of its life the flash memory under this folder has used up, by its own account.',
    (one) => one.lifeUsed,
  ),
  link('fieldgate_link_carrier', '1: the network interface has a link.', (one) => flag(one.carrier)),
  link(
    'fieldgate_link_addresses',
    'Addresses of the network interface that reach beyond its own segment.',
    (one) => one.addresses,
  ),

  stateOf(
    'fieldgate_connection_state',
    '1: the connection is in this condition.',
    ['connection'],
    connections,
    connectionLabels,
  ),
  {
    name: 'fieldgate_connection_info',
    type: 'gauge',
    help: 'Always 1: the driver of the connection.',
    labels: ['connection', 'driver'],
    samples: (seen) =>
      connections(seen).map(({ name, driver }) => ({ labels: { connection: name, driver }, value: 1 })),
  },
  connection(
    'fieldgate_connection_load_ratio',
    'Share of the last ten seconds in which the wire was in use.',
    ({ load }) => load,
  ),
  connection(
    'fieldgate_connection_budget_ratio',
    'Share of its time that the connection needs for all it is to read; above 1 it cannot keep its intervals.',
    ({ budget }) => budget?.load,
  ),
  connection(
    'fieldgate_connection_response_median_seconds',
    'Half of the answers came within this.',
    ({ responseMs }) => seconds(responseMs.p50),
  ),
  connection('fieldgate_connection_response_p95_seconds', 'Of 100 answers 95 came within this.', ({ responseMs }) =>
    seconds(responseMs.p95),
  ),
  connection('fieldgate_connection_devices', 'Devices that are to be read.', ({ devices }) => devices),
  connection('fieldgate_connection_devices_answering', 'Devices that answer.', ({ answering }) => answering),
  connection(
    'fieldgate_connection_devices_in_trouble',
    'Devices that answer and are not read all the same: see "fieldgate status".',
    (one, seen) => own(seen, one).filter(({ trouble }) => trouble !== undefined).length,
  ),
  connection('fieldgate_connection_groups', 'Groups that are configured.', (one, seen) =>
    own(seen, one).reduce((sum, { groups }) => sum + groups, 0),
  ),
  connection('fieldgate_connection_tags', 'Tags that are configured.', (one, seen) =>
    own(seen, one).reduce((sum, { tags }) => sum + tags, 0),
  ),

  device('fieldgate_device_enabled', '1: the device is read; 0: it is switched off.', ({ enabled }) => flag(enabled), {
    devices: true,
  }),
  device(
    'fieldgate_device_answers',
    '1: the device answers; absent: it was not asked yet.',
    ({ answers }) => (answers === null ? null : flag(answers)),
    { devices: true },
  ),
  device(
    'fieldgate_device_last_answer_timestamp_seconds',
    'When the device answered last; absent: never.',
    ({ ageMs }, { report }) => (ageMs === null ? null : (report.at - ageMs) / 1000),
    { devices: true },
  ),

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
