/** The keys of Modbus connections, devices and tags. */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { BoardDescription, Rs485Settings } from '../../../../hal/contract.ts'
import type { Value, ValueKind } from '../../../contracts/batch.ts'
import type { Upkeep } from '../../../contracts/driver.ts'
import { durationPattern, parseDuration } from '../../../contracts/units.ts'
import { parseListen } from '../network/dial-in.ts'
import { type DeviceSettings, LIMITS, type TagSettings } from '../settings.ts'
import { orderProblem } from '../values/registers-order.ts'
import { LAYOUTS, TYPE_NAMES } from '../values/types.ts'
import { type Digits, parseRange } from './address.ts'
import { type GroupMember, groupProblems } from './schema-group.ts'
import { resolveDevice, resolveTag } from './schema-resolve.ts'
import { lineProblem, rs485Shape } from './schema-rs485.ts'
import { togetherProblem } from './schema-write.ts'

function elsewhere(sentence: string) {
  return z.never({ error: sentence }).optional().meta({ description: sentence })
}

/** A reply cannot come sooner. */
const SHORTEST = 1

const DURATION = 'expected a duration such as 250ms, 1s or 5m'

/** Milliseconds. YAML reads a bare 0 as a number: it means the same. */
const duration = (from = 0) =>
  z
    .union(
      [
        z
          .string()
          .regex(new RegExp(durationPattern))
          .transform((text) => parseDuration(text)!),
        z.literal(0),
      ],
      { error: DURATION },
    )
    .refine((ms) => ms >= from, { error: `expected at least ${from}ms` })

const whole = (from: number, to: number) =>
  z
    .int({ error: `expected a whole number from ${from} to ${to}` })
    .min(from, { error: `expected ${from} to ${to}` })
    .max(to, { error: `expected ${from} to ${to}` })

const order = z.string().superRefine((text, context) => {
  const problem = orderProblem(text)
  if (problem !== null) context.addIssue({ code: 'custom', message: problem, input: text })
})

const digits = z.enum(['one-based', 'zero-based'] satisfies Digits[])

/** Keys a connection presets and a device may set again. */
const texts = {
  order:
    'Bytes as they stand on the wire, A the most significant: ABCD, CDAB, BADC or DCBA for values of any width, or the letters of one width in any sequence.',
  digits:
    '`one-based`: 40001 is wire address 0; `zero-based`: 40001 is wire address 1. `holding:0` and `HR1` are not concerned.',
  timeout: 'How long to wait for one reply.',
  retries: 'Further attempts at a read that failed; a write is never repeated.',
  maxRegisters: `The most registers one request may ask for, up to ${LIMITS.readRegisters}.`,
  maxBits: `The most coils or discrete inputs one request may ask for, up to ${LIMITS.readBits}.`,
  maxGap:
    'The widest hole between tags, in registers or coils, that may be read along where this saves wire time. 0: holes are never read.',
}

const presets = (timeout: string) => ({
  order: order.default('ABCD').meta({ description: texts.order }),
  digits: digits.default('one-based').meta({ description: texts.digits }),
  timeout: duration(SHORTEST).prefault(timeout).meta({ description: texts.timeout }),
  retries: whole(0, 10).default(1).meta({ description: texts.retries }),
  maxRegisters: whole(1, LIMITS.readRegisters).default(LIMITS.readRegisters).meta({ description: texts.maxRegisters }),
  maxBits: whole(1, LIMITS.readBits).default(LIMITS.readBits).meta({ description: texts.maxBits }),
  maxGap: whole(0, LIMITS.readBits).default(0).meta({ description: texts.maxGap }),
})

const anyConnection = {
  pause: duration().prefault('0').meta({ description: 'Silence kept between a reply and the next request.' }),
  pauseAfterConnect: duration()
    .prefault('0')
    .meta({ description: 'Silence kept between connecting and the first request.' }),
  connect: z
    .enum(['keep', 'per-cycle'])
    .default('keep')
    .meta({ description: '`per-cycle`: connected for each cycle and closed after it, for devices that want it.' }),
}

const oneAtATime = elsewhere('inFlight belongs to modbus-tcp: a serial wire carries one request at a time')

const checkUnit = z
  .boolean()
  .default(true)
  .meta({ description: 'false: a reply that carries another unit id is accepted, as some TCP devices send it.' })

const remote = {
  masters: elsewhere('masters belongs to a serial line: a network carries each master by itself'),
  quiet: elsewhere('quiet belongs to a serial line'),
  rs485: elsewhere('rs485 belongs to a serial line: the converter switches its transmitter by itself'),
  mode: elsewhere('mode belongs to a serial line: on a network nobody hears what others say'),
  host: z
    .string()
    .min(1, { error: 'expected a host name or an address' })
    .optional()
    .meta({ description: 'Name or IP address of the device or gateway.' }),
  port: whole(1, 65535).default(502).meta({ description: 'TCP port.' }),
  backupHost: z.string().min(1, { error: 'expected a host name or an address' }).optional().meta({
    description:
      'Stands in for the host, on the same port, when that cannot be reached or does not answer; it stays in use until it fails itself.',
  }),
  listen: z
    .string()
    .refine((text) => parseListen(text) !== null, {
      error: 'expected a port to wait on, such as ":502" or "192.0.2.1:502"',
    })
    .optional()
    .meta({
      description:
        'In place of host: the device dials in on this address, and is asked over the connection it made. Its latest call counts.',
    }),
}

const line = {
  port: z.string({ error: 'expected the name of a port, such as rs485-1 or /dev/ttyUSB0' }).min(1).meta({
    description: "The board's name of the port (rs485-1), a device file, or a stable /dev/serial/by-id name.",
  }),
  baudRate: whole(50, 4_000_000).default(9600).meta({ description: 'Bits a second.' }),
  dataBits: z
    .literal(8, { error: 'Modbus RTU needs 8 data bits; 7 belong to modbus-ascii' })
    .default(8)
    .meta({ description: 'Data bits of a character: RTU has 8, ASCII 7 or 8.' }),
  parity: z.enum(['none', 'even', 'odd']).default('none').meta({ description: 'Parity bit of a character.' }),
  stopBits: z
    .literal([1, 2], { error: 'expected 1 or 2' })
    .default(1)
    .meta({ description: 'Stop bits of a character.' }),
  masters: z.enum(['sole', 'shared'], { error: 'expected sole or shared' }).default('sole').meta({
    description:
      '`sole`: this gateway is the only master on the wire; when it hears another it writes nothing and raises an alarm. `shared`: other masters are expected, and it listens before it talks.',
  }),
  quiet: duration(SHORTEST)
    .prefault('50ms')
    .meta({ description: 'With masters: shared, how long the line must have been silent before a question.' }),
  mode: z.enum(['master', 'listen'], { error: 'expected master or listen' }).default('master').meta({
    description:
      '`listen`: another master asks on this line. What it reads and writes is listened to, nothing is ever sent, and a value that was not heard for three intervals of its group (at least the timeout) is bad.',
  }),
  rs485: rs485Shape(duration()).optional().meta({
    description:
      'Who switches the transmitter of a port that does not do it by itself. Default: as the board says, else nobody: most USB adapters switch by themselves.',
  }),
}

const device = (unit: { readonly from: number; readonly to: number; readonly preset?: number }, meaning: string) => {
  const id = whole(unit.from, unit.to)
  return z.object({
    unitId: (unit.preset === undefined ? id : id.default(unit.preset)).meta({ description: meaning }),
    order: order.optional().meta({ description: `${texts.order} Default: the connection's.` }),
    digits: digits.optional().meta({ description: `${texts.digits} Default: the connection's.` }),
    timeout: duration(SHORTEST)
      .optional()
      .meta({ description: `${texts.timeout} Default: the connection's.` }),
    retries: whole(0, 10)
      .optional()
      .meta({ description: `${texts.retries} Default: the connection's.` }),
    maxRegisters: whole(1, LIMITS.readRegisters)
      .optional()
      .meta({ description: `${texts.maxRegisters} Default: the connection's.` }),
    maxBits: whole(1, LIMITS.readBits)
      .optional()
      .meta({ description: `${texts.maxBits} Default: the connection's.` }),
    maxGap: whole(0, LIMITS.readBits)
      .optional()
      .meta({ description: `${texts.maxGap} Default: the connection's.` }),
    noTouch: z.array(z.string().superRefine(checkRange)).optional().meta({
      description: 'Ranges such as "holding:100-120" that are never read to bridge a hole; a tag may still name them.',
    }),
    setup: z.array(setupEntry, { error: 'expected a list of { address, type, value }' }).optional().meta({
      description:
        'What is written to the device before it is read or written, in this order: a list of `{ address, type, value, when, verify }`, with `value` as it stands in the registers. `when`: `connect`, after each connecting; `return` (default), then and when the device answers again after silence; `cycle`, then and before each reading of a group. `verify: true` reads it back. A device that refuses is not read until it was set up. Needs `setupWrites: allow`.',
    }),
    setupWrites: z
      .literal('allow', { error: 'expected allow' })
      .optional()
      .meta({ description: '`allow`: the gateway may write what `setup` says by itself.' }),
  })
}

function checkRange(text: string, context: z.core.$RefinementCtx<string>): void {
  // Which digits hold is known only beside the connection; what neither reading accepts is wrong.
  const counted = parseRange(text, 'one-based')
  if (!('problem' in counted) || !('problem' in parseRange(text, 'zero-based'))) return
  context.addIssue({ code: 'custom', message: counted.problem, input: text })
}

const address = z.union([z.string(), z.number()], { error: 'expected an address such as "40001" or holding:0' })

const write = z
  .object({
    function: z.enum(['auto', 'single', 'multiple', 'mask']).default('auto').meta({
      description:
        '`auto`: function 5 or 6 for one coil or register, 15 or 16 for more, 22 for a part of a register where the device knows it; `single`: 5 or 6; `multiple`: 15 or 16 always; `mask`: 22 always.',
    }),
    readBack: z
      .union(
        [
          z.boolean(),
          duration().refine((ms) => ms <= 2000, { error: 'expected at most 2s: the line waits meanwhile' }),
        ],
        {
          error: 'expected true, false or a duration such as 100ms',
        },
      )
      .optional()
      .meta({
        description:
          'true: what was written is read back and compared; a difference makes the write fail. A duration: so long after the confirmation, at most 2s.',
      }),
    refresh: duration(100).optional().meta({
      description:
        'The last value is written again so often, until another write, `expires`, or a restart: for devices that fall back when nobody tells them. Not kept over a restart.',
    }),
    expires: duration(100).optional().meta({
      description:
        'How long a write holds: it is refused rather than sent later than that, and without another write `refresh` ends then and `onStop` is written.',
    }),
    onStop: z
      .union([z.number(), z.boolean(), z.string(), z.array(z.union([z.number(), z.boolean(), z.string()]))], {
        error: 'expected a value in the units of the tag',
      })
      .optional()
      .meta({
        description:
          'The value to leave behind, of a tag that was written: when `expires` has passed, when the gateway stops in an orderly way, and when the tag goes away or changes in the configuration.',
      }),
    with: z.array(z.string(), { error: 'expected a list of tags' }).min(1, { error: 'name a tag' }).optional().meta({
      description:
        'Tags of the same group, with registers that follow each other, that are written in one request with this one; a command that names this tag must name them all.',
    }),
  })
  .strict()

const drain = z.union(
  [
    z.boolean(),
    z.strictObject({
      most: whole(1, 100).optional(),
      acknowledge: z
        .strictObject({ address, value: z.union([whole(0, 65_535), z.literal('count')]).default(1) })
        .optional(),
    }),
  ],
  { error: 'expected true, or { most, acknowledge: { address, value } }' },
)

const tag = z.object({
  address: z
    .union([address, z.array(address).min(1)], { error: 'expected an address such as "40001", or a list of them' })
    .meta({
      description:
        'Where the value is: "40001", "400001", holding:0, HR1, a bit "40001.3"; a list joins words that are apart, high first. `fifo:1234`: what a queue holds (function 24); `file:1/0/10`: ten registers from record 0 of file 1 (function 20).',
    }),
  type: z.enum(TYPE_NAMES).optional().meta({
    description: 'What the registers hold. Coils, discrete inputs and single bits are bool without being told.',
  }),
  byte: z.enum(['high', 'low']).optional().meta({
    description:
      'Which half of a register an 8-bit type is (default low), or each character of a string that has a register to itself.',
  }),
  order: order.optional().meta({
    description: `${texts.order} Default: the device's; strings, bytes and dates made of fields follow only an order of their own.`,
  }),
  bits: z
    .union([z.int().min(0), z.string().regex(/^\s*\d+\s*(-\s*\d+\s*)?$/)], {
      error: 'expected a bit such as 3, or bits such as "4-6"',
    })
    .optional()
    .meta({
      description:
        'A bit, or bits "4-6", of the integer that type names, 0 the least significant after order. One bit is a boolean.',
    }),
  length: whole(1, 250)
    .optional()
    .meta({ description: 'Bytes of a string or of bytes, mod10k (4, 6, 8) or datetime.' }),
  count: whole(1, LIMITS.readBits).optional().meta({ description: 'Makes the value an array of so many elements.' }),
  charset: z
    .enum(['utf8', 'latin1'])
    .optional()
    .meta({ description: 'How the bytes of a string are characters; utf8 unless told.' }),
  layout: z
    .enum(Object.keys(LAYOUTS) as [keyof typeof LAYOUTS, ...(keyof typeof LAYOUTS)[]])
    .optional()
    .meta({
      description:
        'How a datetime is laid out. `unix`: seconds since 1970 in 4 or 8 bytes; `unix-ms`: milliseconds in 8; `since-2000`: seconds since 2000 in 4; `ymdhms`: six registers year, month, day, hour, minute, second, with length 6 one byte each; `iec870`: four registers of IEC 60870-5-4 type 081; `bcd`: bytes YY MM DD hh mm ss in BCD, with length 8 as Siemens DATE_AND_TIME.',
    }),
  timezone: z.string().optional().meta({
    description:
      "What the device's clock shows: UTC (default), a name such as Europe/Berlin, or an offset such as +01:00. The value is always UTC.",
  }),
  write: write.optional().meta({
    description: 'How writes are sent and what follows them.',
  }),
  drain: drain.optional().meta({
    description:
      'For a queue or a file that gives each record once. `true`: reading drops what was read, and it is read until it is empty. `{ acknowledge: { address, value } }`: the device drops what was read when this is written, in the next cycle, once the batch has gone on (needs `setupWrites: allow` at the device); `value: count` writes how many registers were read. `most`: reads in one cycle. The value is the list of all records in order, reported whenever there was one.',
  }),
})

const setupEntry = tag
  .pick({
    address: true,
    type: true,
    byte: true,
    order: true,
    bits: true,
    length: true,
    count: true,
    charset: true,
    layout: true,
    timezone: true,
  })
  .extend({
    value: z
      .union([z.number(), z.boolean(), z.string(), z.array(z.union([z.number(), z.boolean()]))], {
        error: 'expected the value as it stands in the registers',
      })
      .meta({ description: 'As it stands in the registers; whole numbers beyond 2^53 in quotes.' }),
    when: z
      .enum(['connect', 'return', 'cycle'], { error: 'expected connect, return or cycle' })
      .default('return')
      .meta({ description: 'On which occasion.' }),
    verify: z.boolean().default(false).meta({ description: 'true: read back and compared.' }),
  })
  .strict()

export type ParsedTag = z.output<typeof tag>
export type ParsedDevice = z.output<ReturnType<typeof device>>

/** A device is called, or it calls. */
function checkWay(
  given: { host?: string | undefined; backupHost?: string | undefined; listen?: string | undefined; connect: string },
  context: z.core.$RefinementCtx,
): void {
  const { host, backupHost, listen, connect } = given
  const problem = (key: string, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message, input: given })
  if (listen === undefined) {
    if (host === undefined)
      problem('host', 'expected the name or address of the device, or listen: ":502" if it dials in')
    if (host !== undefined && host === backupHost)
      problem('backupHost', 'it is the host itself: name another, or leave it out')
    return
  }
  if (host !== undefined) problem('host', 'the device dials in (listen): leave host or listen out')
  else if (backupHost !== undefined) problem('backupHost', 'the device dials in (listen): no host is called')
  if (connect === 'per-cycle')
    problem('connect', 'the device dials in (listen): only it can make the connection, use keep')
}

const rtuConnection = z.object({
  ...line,
  ...presets('1s'),
  ...anyConnection,
  inFlight: oneAtATime,
  checkUnit: elsewhere(
    'checkUnit belongs to TCP: on a wire with several devices a reply from another unit is another device',
  ),
})
const asciiConnection = rtuConnection.extend({
  dataBits: z
    .literal([7, 8], { error: 'expected 7 or 8' })
    .default(8)
    .meta({ description: 'Data bits of a character: RTU has 8, ASCII 7 or 8.' }),
})
const tcpConnection = z
  .object({
    ...remote,
    ...presets('3s'),
    ...anyConnection,
    checkUnit,
    inFlight: whole(1, 64)
      .default(1)
      .meta({ description: 'Requests that may be under way at once, where the device answers more than one.' }),
  })
  .superRefine(checkWay)
const rtuOverTcpConnection = z
  .object({
    ...remote,
    ...presets('3s'),
    ...anyConnection,
    checkUnit,
    inFlight: oneAtATime,
  })
  .superRefine(checkWay)

export type ParsedConnection =
  | z.output<typeof rtuConnection>
  | z.output<typeof asciiConnection>
  | z.output<typeof tcpConnection>
  | z.output<typeof rtuOverTcpConnection>

interface Joined {
  readonly settings: unknown
  readonly kind: ValueKind
  readonly type: string
  readonly events?: true
  readonly upkeep?: Upkeep | undefined
}

interface SettingsProblem {
  readonly key: string
  readonly text: string
}
type Problems = { readonly problems: readonly SettingsProblem[] }

function joined(connection: z.ZodObject, ofDevice: z.ZodObject) {
  return {
    connection,
    device: ofDevice,
    tag,
    profiles: fileURLToPath(new URL('../profiles/', import.meta.url)),
    resolve: (
      ofTag: unknown,
      device: unknown,
      wire: unknown,
      common: { readonly noValueBits: readonly bigint[]; readonly access: 'r' | 'rw' | 'w' },
    ): Joined | Problems => resolveTag(ofTag as ParsedTag, device as ParsedDevice, wire as ParsedConnection, common),
    groupProblems: (tags: readonly GroupMember[], group: { readonly coherent: boolean }, device: unknown) =>
      groupProblems(tags, group, device as DeviceSettings),
    writable: (writes: readonly { readonly settings: unknown; readonly value: Value }[]): string | null =>
      togetherProblem(writes as readonly { readonly settings: TagSettings; readonly value: Value }[]),
    consents: ['setupWrites'],
    selfWrites: (device: unknown): string | null => {
      const { setup, setupWrites } = device as DeviceSettings
      if (setup.length > 0) return 'setup'
      return setupWrites ? 'setupWrites' : null
    },
    resolveDevice: (device: unknown, wire: unknown): unknown =>
      resolveDevice(device as ParsedDevice, wire as ParsedConnection),
  }
}

const lineUnit = device(
  { from: 0, to: 247 },
  'The unit (slave) address on the wire, 1 to 247. 0: a broadcast, which all devices carry out and none answers.',
)

const onLine = {
  port: (connection: unknown): string => (connection as { readonly port: string }).port,
  boardProblems: (connection: unknown, board: BoardDescription): readonly SettingsProblem[] => {
    const { port, rs485 } = connection as { readonly port: string; readonly rs485?: Rs485Settings }
    const text = rs485 && lineProblem(rs485, board.ports[port]?.rs485, board.name)
    return text === undefined ? [] : [{ key: 'rs485', text }]
  },
}

export const modbusRtu = { ...joined(rtuConnection, lineUnit), ...onLine }
export const modbusAscii = { ...joined(asciiConnection, lineUnit), ...onLine }
export const modbusTcp = joined(
  tcpConnection,
  device({ from: 0, to: 255, preset: 1 }, 'The unit id, 0 to 255; behind a gateway it tells the devices apart.'),
)
export const modbusRtuOverTcp = joined(rtuOverTcpConnection, lineUnit)
