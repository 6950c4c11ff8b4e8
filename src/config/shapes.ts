/** The keys that every gateway file has, whatever its drivers and sinks: one schema a section. */
import { z } from 'zod'
import { durationPattern, parseDuration, parseSize, sizePattern } from '../contracts/units.ts'
import { isPort, LISTEN, listenOf } from './listen.ts'

export const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/
export const LONGEST_NAME = 128

/** Milliseconds. YAML reads a bare 0 as a number: it means the same. */
export const duration = (from = 0) =>
  z
    .union(
      [
        z
          .string()
          .regex(new RegExp(durationPattern))
          .transform((text) => parseDuration(text)!),
        z.literal(0),
      ],
      { error: 'expected a duration such as 250ms, 1s, 5m or 1h' },
    )
    .refine((ms) => ms >= from, { error: `expected at least ${from}ms` })

const size = (from: number, least: string) =>
  z
    .string({ error: 'expected a size such as 64KiB or 4GiB' })
    .regex(new RegExp(sizePattern), { error: 'expected a size such as 64KiB or 4GiB', abort: true })
    .refine((text) => parseSize(text)! >= from, { error: `expected at least ${least}` })
    .transform((text) => parseSize(text)!)

const number = z.number({ error: 'expected a number' })
export const text = z.string({ error: 'expected a text' })
const pair = (what: string) =>
  z
    .tuple([number, number], { error: `expected ${what}, such as [0, 100]` })
    .refine(([low, high]) => low < high, { error: 'expected the lower end first' })

const level = text
  .max(LONGEST_NAME, { error: `expected at most ${LONGEST_NAME} characters` })
  .regex(NAME, { error: 'expected a name of letters, digits, "_", "-" and "."' })

export const gatewayShape = z.object({
  id: level.optional().meta({ description: 'The gateway’s own name. Default: the host’s.' }),
  enterprise: level.optional().meta({ description: 'ISA-95 path, level by level; each may be left out.' }),
  site: level.optional().meta({ description: 'See enterprise.' }),
  area: level.optional().meta({ description: 'See enterprise.' }),
  line: level.optional().meta({ description: 'See enterprise.' }),
})

const deadband = z.union(
  [
    number.min(0, { error: 'expected 0 or more' }).transform((absolute) => ({ absolute })),
    z
      .string()
      .regex(/^\d+(\.\d+)?\s*%$/)
      .transform((written) => ({ percent: Number.parseFloat(written) })),
  ],
  { error: 'expected a number, or a share such as "2%"' },
)

const report = z.enum(['always', 'change'], { error: 'expected always or change' })

export const groupShape = z.object({
  every: duration(1).prefault('1s').meta({ description: 'How often the group is read.' }),
  phase: duration().prefault('0').meta({ description: 'Shifts the group’s slots against those of other groups.' }),
  priority: z
    .int({ error: 'expected a whole number' })
    .default(0)
    .meta({ description: 'Of groups that are due together the higher goes first.' }),
  report: report.optional().meta({
    description:
      '`always`: every reading; `change`: only tags whose value or quality changed. For all tags of the group.',
  }),
  heartbeat: duration(1)
    .optional()
    .meta({ description: 'With `report: change`: repeat unchanged values at the latest after this. Default 10m.' }),
  deadband: deadband.optional().meta({ description: 'For all tags of the group that have none of their own.' }),
  tags: z.unknown().meta({
    description: 'A map of tags, or `{ file: tags.csv }`: a table with one row a tag and the tags’ keys as columns.',
  }),
  coherent: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .meta({ description: 'true: all tags of the group are read in one request, so that they are of one moment.' }),
  timeFrom: text.optional().meta({
    description:
      'A datetime tag of the group: its value, the device’s own clock, is the time of the group’s readings. A time that cannot be true (before 2000, more than a day ahead) is not taken, and said.',
  }),
})

const sentinel = z.union([z.number(), z.string().regex(/^(0[xX][0-9a-fA-F]+|[-+]?\d+(\.\d+)?|nan|none)$/i)], {
  error: 'expected a number, bits such as 0x8000, nan, or none',
})

export const tagShape = z.object({
  access: z
    .enum(['r', 'rw', 'w'], { error: 'expected r, rw or w' })
    .default('r')
    .meta({ description: '`r`: read; `rw`: read and written; `w`: written, never read.' }),
  limits: pair('two numbers').optional().meta({ description: 'What may be written, in engineering units.' }),
  scale: number
    .refine((given) => given !== 0, { error: 'a scale of 0 makes every value the offset' })
    .optional()
    .meta({ description: 'value = raw × scale + offset. Default 1.' }),
  offset: number.optional().meta({ description: 'See scale. Default 0.' }),
  range: z
    .tuple([number, number, number, number], {
      error: 'expected [raw0, raw1, value0, value1], such as [0, 27648, 0, 100]',
    })
    .refine(([low, high]) => low !== high, { error: 'the two raw numbers must differ' })
    .optional()
    .meta({
      description: '[raw0, raw1, value0, value1]: the line through these two points, in place of scale and offset.',
    }),
  clamp: z
    .union([pair('two numbers'), z.boolean()], { error: 'expected two numbers such as [0, 100], or true with range' })
    .optional()
    .meta({ description: 'A value outside is set to the nearer end. `true` with `range`: to the ends of the range.' }),
  precision: z
    .int({ error: 'expected a whole number of decimals' })
    .min(0, { error: 'expected 0 to 12' })
    .max(12, { error: 'expected 0 to 12' })
    .optional()
    .meta({ description: 'Decimals to round to.' }),
  unit: text.optional().meta({ description: 'The unit of the value, such as °C.' }),
  labels: z
    .record(z.string(), z.union([text, number, z.boolean()]).transform(String))
    .optional()
    .meta({ description: 'Context for whoever receives it.' }),
  enum: z
    .record(
      z.string().regex(/^(-?\d+|0[xX][0-9a-fA-F]+)$/, { error: 'expected a whole number as the key' }),
      z.union([text, number, z.boolean()]).transform(String),
      { error: 'expected a map such as { 0: off, 1: on }' },
    )
    .optional()
    .meta({ description: 'Raw number to state: { 0: off, 1: on }.' }),
  unknown: z
    .enum(['keep', 'bad'], { error: 'expected keep or bad' })
    .default('keep')
    .meta({ description: 'A number that `enum` does not list stays a number, or is bad.' }),
  noValue: z
    .union([sentinel, z.array(sentinel)], {
      error: 'expected a number, bits such as 0x8000, nan, none, or a list of these',
    })
    .optional()
    .meta({
      description:
        'What the device sends for "no reading": a decimal compares raw numbers, hexadecimal compares bits. NaN and infinities always are, unless `none`.',
    }),
  counter: z
    .union(
      [
        z.literal(true),
        z.strictObject({
          wrap: number.positive({ error: 'expected a number above 0' }).optional(),
          maxStep: number.positive({ error: 'expected a number above 0' }).optional(),
        }),
      ],
      { error: 'expected { wrap, maxStep } or true' },
    )
    .optional()
    .meta({
      description:
        '{ wrap, maxStep } in raw numbers: a rolling counter becomes a total that survives wrap-arounds and restarts. A larger step than maxStep is a reset and an event.',
    }),
  deadband: deadband.optional().meta({
    description: 'Report when the value has moved so far from what was reported last: a number, or "2%" of it.',
  }),
  report: report.optional().meta({ description: 'As for the group.' }),
  heartbeat: duration(1).optional().meta({ description: 'As for the group.' }),
  scaleFrom: z
    .strictObject(
      { tag: text, as: z.enum(['pow10', 'factor'], { error: 'expected pow10 or factor' }).default('pow10') },
      { error: 'expected { tag, as: pow10|factor }' },
    )
    .optional()
    .meta({
      description: '{ tag, as: pow10|factor }: another tag of the group scales this one; both are read in one request.',
    }),
  fields: z.unknown().optional().meta({
    description: '{ run: { bits: 0 }, mode: { bits: "4-6" } }: several tags of one word, by their own names.',
  }),
})

const pattern = text.regex(/^[A-Za-z0-9_.*-]+(\/[A-Za-z0-9_.*-]+){0,2}$/, {
  error: 'expected a pattern device/group/tag with "*", such as oven/*/temperature, or oven/fast, or oven',
})
const patterns = z.union([pattern.transform((one) => [one]), z.array(pattern)])

export const sinkShape = z.object({
  enabled: z
    .boolean({ error: 'expected true or false' })
    .default(true)
    .meta({ description: 'false: nothing is sent; its place in the log is kept.' }),
  include: patterns.prefault([]).meta({
    description: 'Patterns device/group/tag with `*`; a shorter one covers all below it. Default: everything.',
  }),
  exclude: patterns.prefault([]).meta({ description: 'Left out again.' }),
  rename: z
    .record(pattern, level)
    .prefault({})
    .meta({ description: '{ device/group/tag: name }, also for a device or device/group.' }),
  deadband: deadband
    .optional()
    .meta({ description: 'This sink is sent a tag when its value has moved so far from what it was sent last.' }),
  minInterval: duration().prefault('0').meta({ description: 'This sink is sent a group at most so often.' }),
  replay: z
    .union(
      [
        z.literal('in-order'),
        z
          .string()
          .regex(/^\d+(\.\d+)?\s*%$/)
          .transform((share) => Number.parseFloat(share) / 100),
      ],
      { error: 'expected in-order, or a share such as 30%' },
    )
    .default('in-order')
    .meta({
      description:
        'When the other side returns: `in-order`, the backlog first; or a share such as 30%, live first and the backlog beside it for that part of the time the sink takes, less while live values are late.',
    }),
  from: z.enum(['now', 'oldest'], { error: 'expected now or oldest' }).default('now').meta({
    description:
      'Where a new sink begins: with what is stored from its first configuration on, or with the oldest record there is.',
  }),
  commands: z
    .union([z.enum(['none', 'all']), z.array(pattern)], {
      error: 'expected none, all, or a list of patterns device/group/tag',
    })
    .optional()
    .meta({
      description:
        'Which tags this sink may write: none (default), all, or patterns. When every sink says none, the gateway is one-way.',
    }),
  bigint: z
    .enum(['number', 'string'], { error: 'expected number or string' })
    .default('number')
    .meta({ description: 'How integers beyond 2^53 are sent.' }),
})

export const logShape = z.object({
  path: text
    .min(1, { error: 'expected a folder' })
    .default('/var/lib/fieldgate/log')
    .meta({ description: 'The log’s folder, relative to this file.' }),
  quota: size(2 ** 20, '1MiB')
    .prefault('4GiB')
    .meta({ description: 'The most the log may take on disk.' }),
  commitEvery: duration().prefault('200ms').meta({
    description:
      'How long batches may wait to be committed together, and be lost with the power; 0 commits as soon as the last commit ended. Each commit writes about 35 kB to the disk, confirmations included, however little it holds: a gateway whose groups come one after the other writes some 16 GB a day at 200ms, 5 GB at 1s, 1 GB at 5s. SD cards wear out within a year or two at 200ms: give them 1s or more.',
  }),
  evict: z
    .enum(['oldest', 'newest'], { error: 'expected oldest or newest' })
    .default('oldest')
    .meta({ description: 'What gives way when the log is full. Either leaves a gap entry.' }),
})

export const watchdogShape = z.object({
  hardware: z.boolean({ error: 'expected true or false' }).default(false).meta({
    description:
      'true: the service arms the board’s own watchdog and feeds it while everything makes progress; a box that hangs, or whose service ends without being stopped, is reset. For boxes without systemd: where systemd watches the service, it is systemd that holds the watchdog (RuntimeWatchdogSec), and this does nothing, except for the watchdog of a Revolution Pi Connect.',
  }),
})

export const deviceShape = z.object({
  connection: text.meta({ description: 'The connection it is reached by.' }),
  profile: text.optional().meta({
    description:
      'A kind of device by name: keys, groups and tags from profiles/NAME.yaml beside this file, or from a profile that is shipped; keys here override.',
  }),
  enabled: z.boolean({ error: 'expected true or false' }).default(true).meta({ description: 'false: never asked.' }),
  labels: z
    .record(z.string(), z.union([text, number, z.boolean()]).transform(String))
    .optional()
    .meta({ description: 'Context for whoever receives it.' }),
  groups: z.unknown().optional().meta({ description: 'What is read together, by name.' }),
})

/** Keys of a profile beside those of a device. */
export const profileShape = z.object({
  title: text.optional().meta({ description: 'What it is for, in a few words.' }),
  manufacturer: text.optional().meta({ description: 'Who makes the device.' }),
  models: z.array(text, { error: 'expected a list of names' }).optional().meta({
    description: 'The models whose registers are like this.',
  }),
  source: text.optional().meta({
    description: 'The document the registers are taken from: name, number and revision.',
  }),
})

const LISTEN_EXPECTED = 'expected an address and a port such as "127.0.0.1:8080", or off'

export const consoleShape = z.object({
  listen: z
    .union([z.literal('off'), z.literal(false), z.string().regex(LISTEN, { error: LISTEN_EXPECTED })], {
      error: LISTEN_EXPECTED,
    })
    .transform(listenOf)
    .refine((listen) => listen === null || isPort(listen), { error: 'expected a port from 1 to 65535' })
    .optional()
    .meta({
      description:
        'Where metrics, health and status are told over HTTP, an address and a port, or off. Default: 127.0.0.1:8080, only for programs of this box; where the gateway is one-way: off. There are no passwords yet: another address is open to whoever reaches it.',
    }),
})

export const fileKeys = [
  'gateway',
  'board',
  'connections',
  'devices',
  'sinks',
  'log',
  'watchdog',
  'console',
  'redundancy',
] as const
