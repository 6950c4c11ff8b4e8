/** What a configuration file becomes: plain data, complete, defaults filled in. Cloneable between processes. */
import type { BoardDescription } from '../../hal/contract.ts'
import type { Isa95Path } from '../contracts/batch.ts'
import type { DevicePlan, GroupPlan } from '../contracts/driver.ts'

export interface ConnectionConfiguration {
  readonly name: string
  /** A name in the catalog. */
  readonly driver: string
  /** As the driver's schema parsed them. */
  readonly settings: unknown
}

export interface SinkConfiguration {
  readonly name: string
  readonly type: string
  readonly enabled: boolean
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly rename: Readonly<Record<string, string>>
  readonly deadband: { readonly absolute: number } | { readonly percent: number } | null
  readonly minIntervalMs: number
  /** A number is the backlog's share of what the sink takes, 0–1. */
  readonly replay: 'in-order' | number
  readonly from: 'now' | 'oldest'
  readonly commands: 'none' | 'all' | readonly string[]
  readonly bigint: 'number' | 'string'
  /** As the sink's schema parsed them. */
  readonly settings: unknown
}

export interface LogConfiguration {
  /** Absolute. */
  readonly path: string
  readonly quotaBytes: number
  readonly commitEveryMs: number
  readonly evict: 'oldest' | 'newest'
}

export interface ConsoleConfiguration {
  /** null: it is not reached over HTTP. `host` empty: on every address. */
  readonly listen: { readonly host: string; readonly port: number } | null
}

export interface Configuration {
  readonly gateway: Isa95Path
  readonly board: BoardDescription
  readonly connections: readonly ConnectionConfiguration[]
  readonly devices: readonly DevicePlan[]
  readonly groups: readonly GroupPlan[]
  readonly sinks: readonly SinkConfiguration[]
  readonly log: LogConfiguration
  readonly console: ConsoleConfiguration
  /** Whether the service arms the watchdog of the board. */
  readonly watchdog: { readonly hardware: boolean }
  /** The file says `commands: none` for every sink: nothing passes south. */
  readonly oneWay: boolean
  readonly source: { readonly file: string; readonly sha256: string }
  /** The file's text, `${…}` as they stand, with the tables and profiles it names behind it: loads as the same configuration. */
  readonly frozen: string
}
