/** The gateway as a whole, its lights, and the box it runs on. */
import type { ClockQuality } from '../../../contracts/clock.ts'
import type { Light } from '../../../contracts/report.ts'
import type { Seen } from '../families.ts'
import { each, flag, type Gauge, seconds } from './gauge.ts'

const QUALITIES: readonly ClockQuality[] = ['synced', 'holdover', 'unsynced']
const COLOURS: readonly Light['colour'][] = ['off', 'green', 'amber', 'red']

const gateway = each(
  [],
  (seen) => [seen],
  () => ({}),
)
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

export const BOX: readonly Gauge[] = [
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
]
