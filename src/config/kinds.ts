/** What a driver or a sink tells the configuration about its own keys. `catalog.ts` hands these in. */
import type { z } from 'zod'
import type { BoardDescription } from '../../hal/contract.ts'
import type { GroupRef, Value, ValueKind } from '../contracts/batch.ts'
import type { Tag, Upkeep } from '../contracts/driver.ts'
import type { SinkConfiguration } from './configuration.ts'

/** A fault found while a tag's settings were resolved: `key` is the tag's key it belongs to. */
export interface SettingsProblem {
  readonly key: string
  /** What is wrong and what was expected, as one sentence. */
  readonly text: string
}

export interface ResolvedTag {
  /** Plain data, cloneable between processes: what the driver finds again in `Tag.settings`. */
  readonly settings: unknown
  /** What the raw value is before any mapping. */
  readonly kind: ValueKind
  /** For people and sinks: `int16`, `string`. */
  readonly type: string
  /** Each value stands for itself: one that equals the last is no repetition of it. */
  readonly events?: true
  /** What goes with its writes and follows them, where the tag says so. */
  readonly upkeep?: Upkeep | undefined
}

export interface DriverKindSchema {
  /** Keys of a connection beside `driver`. Descriptions (`.meta`) become the reference page. */
  readonly connection: z.ZodObject
  /** Keys of a device that are the driver's (unit id, order, limits, …). */
  readonly device: z.ZodObject
  /** Keys of a tag that are the driver's (address, type, order, bits, …). */
  readonly tag: z.ZodObject
  /** A folder of device profiles that come with the driver. */
  readonly profiles?: string
  /** Joins a tag with what its device and connection preset. Arguments are what the three schemas above parsed.
   *  `noValueBits`: sentinels that were written in hex, which compare bits and are therefore the driver's. `access`: what is
   *  wrong with a tag may depend on whether it is read, written or both. */
  resolve(
    tag: unknown,
    device: unknown,
    connection: unknown,
    common: { readonly noValueBits: readonly bigint[]; readonly access: 'r' | 'rw' | 'w' },
  ): ResolvedTag | { readonly problems: readonly SettingsProblem[] }
  /** What is wrong with tags of one group that are right by themselves; `key` is the group's. `device`: from `resolveDevice`.
   *  A driver without it cannot read a group coherently. */
  groupProblems?(
    tags: readonly { readonly name: string; readonly settings: unknown }[],
    group: { readonly coherent: boolean },
    device: unknown,
  ): readonly SettingsProblem[]
  /** Why these cannot be written in one request; null: they can. A value of null: any. */
  writable?(writes: readonly { readonly settings: unknown; readonly value: Value }[]): string | null
  /** Keys of a device by which its owner agrees to something: a profile cannot do that for them. */
  readonly consents?: readonly string[]
  /** The key that makes the gateway write to a device by itself, nobody commanding it; null: none does. `device`: from
   *  `resolveDevice`. */
  selfWrites?(device: unknown): string | null
  /** The serial port that a connection needs for itself, as the file calls it; null: none. */
  port?(connection: unknown): string | null
  /** What is wrong with a connection on this board; `key` is the connection's. */
  boardProblems?(connection: unknown, board: BoardDescription): readonly SettingsProblem[]
  /** Settings of one device joined with its connection's presets; becomes `DevicePlan.settings`. */
  resolveDevice(device: unknown, connection: unknown): unknown
}

export interface SinkKindSchema {
  /** Keys of a sink beside the common ones. */
  readonly settings: z.ZodObject
  /** Keys that are right by themselves and contradict each other; `settings` as the schema parsed them. */
  problems?(settings: unknown): readonly SettingsProblem[]
}

/** Tags that would share one name at a sink which renames them: a sentence each, naming both. */
export type Collisions = (sink: SinkConfiguration, groups: readonly GroupRef[]) => readonly string[]

export interface Kinds {
  /** Engineering units to raw; throws Rejected. Absent: what is to be written is not checked. */
  readonly invert?: ((tag: Tag, value: Value) => Value) | undefined
  readonly drivers: Readonly<Record<string, DriverKindSchema>>
  readonly sinks: Readonly<Record<string, SinkKindSchema>>
  readonly collisions: Collisions
  /** Absent: only `generic` and files are known. */
  readonly boards?: {
    /** The folder of boards that are shipped, their hats in `hats/`. */
    readonly shipped: string
    /** What the box calls itself. */
    readonly model: string | null
    /** What its device tree says it is compatible with, most like it first. */
    readonly compatible?: readonly string[]
  }
}
