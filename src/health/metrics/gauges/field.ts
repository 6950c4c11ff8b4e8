/** Connections and devices. */
import type { ConnectionReport, DeviceReport } from '../../../contracts/report.ts'
import type { Seen } from '../families.ts'
import { each, flag, type Gauge, seconds, stateOf, type Text } from './gauge.ts'

const connections = ({ report }: Seen) => report.connections
const connectionLabels = ({ name }: ConnectionReport): Text => ({ connection: name })
const connection = each(['connection'], connections, connectionLabels)
const device = each<DeviceReport>(
  ['connection', 'device'],
  ({ report }) => report.devices,
  ({ name, connection: on }) => ({ connection: on, device: name }),
)

/** Devices of this connection that are read or written. */
function own({ report }: Seen, { name }: ConnectionReport): readonly DeviceReport[] {
  return report.devices.filter((one) => one.connection === name && one.enabled)
}

export const FIELD: readonly Gauge[] = [
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
]
