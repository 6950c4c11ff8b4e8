/** What the configuration makes of a Modbus connection, device and tag: plain data, in wire terms, all defaults filled in. */
import type { Rs485Settings } from '../../../hal/contract.ts'
import type { Value } from '../../contracts/batch.ts'
import { type ListenAddress, parseListen } from './network/dial-in.ts'

export type Area = 'coil' | 'discrete' | 'input' | 'holding'

/** What is no area of registers: queues (FC24) and files of records (FC20). */
type Source = 'fifo' | 'file'

export type TypeName =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int48'
  | 'uint48'
  | 'int64'
  | 'uint64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'bcd16'
  | 'bcd32'
  | 'mod10k'
  | 'signmag16'
  | 'datetime'
  | 'string'
  | 'bytes'

/** What a device inherits from its connection unless it says otherwise. */
interface DevicePresets {
  /** Letters as they stand on the wire, A the most significant byte. */
  readonly order: string
  /** `one-based`: 40001 is wire address 0. */
  readonly digits: 'one-based' | 'zero-based'
  /** For one reply. */
  readonly timeoutMs: number
  /** Further attempts at a read; writes are never repeated. */
  readonly retries: number
  /** Most registers (1–125) and coils (1–2000) the device gives in one answer. */
  readonly maxRegisters: number
  readonly maxBits: number
  /** The widest hole, in registers or coils, that may be read along; 0: holes are never read. */
  readonly maxGap: number
}

interface AnyConnection extends DevicePresets {
  /** Silence between an answer and the next request. */
  readonly pauseMs: number
  /** Between connecting (or opening the port) and the first request. */
  readonly pauseAfterConnectMs: number
  /** `per-cycle`: closed as soon as nothing waits. */
  readonly connect: 'keep' | 'per-cycle'
  /** false: an answer that carries another unit id is accepted. */
  readonly checkUnit: boolean
}

export interface RtuSettings extends AnyConnection {
  readonly kind: 'rtu'
  readonly framing: 'rtu' | 'ascii'
  readonly port: string
  readonly baudRate: number
  readonly dataBits: 7 | 8
  readonly parity: 'none' | 'even' | 'odd'
  readonly stopBits: 1 | 2
  /** `listen`: another master asks, and nothing is ever sent. */
  readonly mode: 'master' | 'listen'
  /** `shared`: other masters ask on this line, too; it must have been silent for `quietMs` before a question. */
  readonly masters: 'sole' | 'shared'
  readonly quietMs: number
  /** Absent: as the board says. */
  readonly rs485?: Rs485Settings
}

export interface TcpSettings extends AnyConnection {
  readonly kind: 'tcp'
  readonly host: string
  /** Tried where the first cannot be reached. */
  readonly backupHost?: string | undefined
  readonly port: number
  /** The device dials in here, and no host is called. */
  readonly listen?: ListenAddress | undefined
  /** Requests that may be under way at once. */
  readonly inFlight: number
}

export interface RtuOverTcpSettings extends AnyConnection {
  readonly kind: 'rtu-over-tcp'
  readonly host: string
  /** Tried where the first cannot be reached. */
  readonly backupHost?: string | undefined
  readonly port: number
  /** The device dials in here, and no host is called. */
  readonly listen?: ListenAddress | undefined
}

export type ConnectionSettings = RtuSettings | TcpSettings | RtuOverTcpSettings

/** Wire addresses, both ends included. */
export interface AddressRange {
  readonly area: Area
  readonly from: number
  readonly to: number
}

/** `DevicePlan.settings` of a Modbus device. */
export interface DeviceSettings extends DevicePresets {
  /** 1–247 on a line, 0–255 over TCP. */
  readonly unitId: number
  /** Never read along to bridge a hole; a tag may still name them. */
  readonly noTouch: readonly AddressRange[]
  /** Written before it is read, in this order. */
  readonly setup: readonly SetupEntry[]
  /** The gateway may write to it by itself: its set-up, and what makes it drop records that were read. */
  readonly setupWrites: boolean
}

export interface SetupEntry {
  readonly settings: TagSettings
  /** Raw. */
  readonly value: Value
  /** `connect`: after each connecting; `return`: then, and when it answers again; `cycle`: then, and before each reading. */
  readonly when: 'connect' | 'return' | 'cycle'
  /** For people: `40010 = 5`. */
  readonly text: string
}

export type DatetimeLayout = 'unix' | 'unix-ms' | 'since-2000' | 'ymdhms' | 'iec870' | 'bcd'

/** How the bytes of a value are to be read. Tags that are alike share one object. */
export interface Format {
  readonly type: TypeName
  /** For each byte of an element, the most significant first: where it stands among the bytes on the wire. For strings and
   *  bytes: the pattern that repeats. */
  readonly permutation: readonly number[]
  /** Which half of a register an 8-bit type is, or each character of a string; null: the type fills its registers. */
  readonly byte: 'high' | 'low' | null
  /** Both ends included, 0 the least significant; one bit reads as a boolean when `single`. */
  readonly bits: { readonly from: number; readonly to: number; readonly single: boolean } | null
  /** Bytes of one element as the type counts them (characters of a string). */
  readonly length: number
  /** Registers (or coils) of one element. */
  readonly units: number
  /** Elements; null: the value is no array. */
  readonly count: number | null
  /** Bit patterns that mean "no reading". */
  readonly noValueBits: readonly bigint[]
  readonly charset: 'latin1' | 'utf8'
  readonly layout: DatetimeLayout | null
  /** IANA name, `UTC` or an offset such as `+02:00`: what a device's wall clock shows. */
  readonly timezone: string
}

/** How a queue or a file is emptied. */
export interface Drain {
  /** Most reads in one cycle. */
  readonly most: number
  /** The write that makes the device drop what was read; null: reading drops it. `count`: so many registers. */
  readonly acknowledge: {
    readonly function: 5 | 6
    readonly address: number
    readonly value: number | 'count'
  } | null
}

/** `Tag.settings` of a Modbus tag. */
export interface TagSettings {
  readonly area: Area | Source
  /** Wire address of the lowest register or coil; of a queue; the first record of a file. */
  readonly address: number
  /** From `address` to the last register or coil the value uses, both included. */
  readonly span: number
  /** Wire addresses of words that stand apart, the most significant first; null: they follow each other. */
  readonly words: readonly number[] | null
  readonly format: Format
  readonly write: 'auto' | 'single' | 'multiple' | 'mask'
  /** How long after its confirmation a write is read back and compared; null: not at all. */
  readonly readBackMs: number | null
  /** The number of a file of records. */
  readonly file?: number
  readonly drain?: Drain
}

/** Modbus application protocol V1.1b3: what one request may carry. */
export const LIMITS = {
  readRegisters: 125,
  readBits: 2000,
  writeRegisters: 123,
  writeBits: 1968,
  /** FC23. */
  writeWithRead: 121,
  /** FC24. */
  readFifo: 31,
  /** FC20, of one file. */
  readRecord: 121,
  addresses: 65536,
} as const

/** A connection as the schema parsed it, durations in milliseconds under the keys of the file. */
type Parsed = Omit<DevicePresets, 'timeoutMs'> & {
  readonly timeout: number
  readonly pause: number
  readonly pauseAfterConnect: number
  readonly connect: 'keep' | 'per-cycle'
  readonly port: string | number
} & Partial<
    Pick<RtuSettings, 'baudRate' | 'dataBits' | 'parity' | 'stopBits' | 'mode' | 'masters' | 'framing' | 'rs485'>
  > & {
    readonly quiet?: number
  } & Partial<Pick<TcpSettings, 'host' | 'backupHost' | 'inFlight' | 'checkUnit'>> & { readonly listen?: string }

/** The settings of a connection from what its schema parsed: a baud rate makes it a line, `inFlight` Modbus TCP. What is
 *  settings already stays as it is. */
export function connectionSettings(parsed: unknown): ConnectionSettings {
  if ('kind' in (parsed as object)) return parsed as ConnectionSettings
  const {
    port,
    host,
    backupHost,
    listen,
    baudRate,
    dataBits,
    parity,
    stopBits,
    framing,
    mode,
    masters,
    quiet,
    rs485,
    inFlight,
    checkUnit,
    timeout,
    pause,
    pauseAfterConnect,
    ...rest
  } = parsed as Parsed
  const any: AnyConnection = {
    order: rest.order,
    digits: rest.digits,
    retries: rest.retries,
    maxRegisters: rest.maxRegisters,
    maxBits: rest.maxBits,
    maxGap: rest.maxGap,
    connect: rest.connect,
    timeoutMs: timeout,
    pauseMs: pause,
    pauseAfterConnectMs: pauseAfterConnect,
    checkUnit: checkUnit ?? true,
  }
  if (baudRate !== undefined) {
    return {
      ...any,
      kind: 'rtu',
      framing: framing ?? 'rtu',
      port: port as string,
      baudRate,
      dataBits: dataBits!,
      parity: parity!,
      stopBits: stopBits!,
      mode: mode!,
      masters: masters!,
      quietMs: quiet!,
      ...(rs485 !== undefined && { rs485 }),
    }
  }
  const remote = {
    host: host ?? '',
    backupHost,
    port: port as number,
    listen: listen === undefined ? undefined : parseListen(listen)!,
  }
  return inFlight === undefined
    ? { ...any, ...remote, kind: 'rtu-over-tcp' }
    : { ...any, ...remote, kind: 'tcp', inFlight }
}
