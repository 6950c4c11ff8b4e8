/** Modbus connections, devices and tags as the configuration makes them, for tests. */
import { BatchBuilder, type GroupRef, type Reason, type Value } from '../../../src/contracts/batch.ts'
import type { GroupPlan, Tag } from '../../../src/contracts/driver.ts'
import type { Mapping } from '../../../src/contracts/stage.ts'
import { modbusAscii, modbusRtu, modbusTcp } from '../../../src/southbound/modbus/schema/schema.ts'
import {
  type ConnectionSettings,
  connectionSettings,
  type TagSettings,
} from '../../../src/southbound/modbus/settings.ts'
import { compileDecoder } from '../../../src/southbound/modbus/values/registers.ts'
import { PLAIN } from '../../pipeline/plans.ts'

type Keys = Readonly<Record<string, unknown>>

export interface Written {
  readonly device?: Keys
  readonly connection?: Keys
  readonly noValueBits?: readonly bigint[]
  readonly access?: 'r' | 'rw' | 'w'
}

function parsed({ device = {}, connection = {} }: Written) {
  return {
    device: modbusTcp.device.parse(device),
    connection: modbusTcp.connection.parse({ host: 'plc', ...connection }),
  }
}

/** What the schema says of a tag: its settings, or its problems. */
export function resolve(tag: Keys, written: Written = {}) {
  const { device, connection } = parsed(written)
  const { noValueBits = [], access = 'r' } = written
  return modbusTcp.resolve(modbusTcp.tag.parse(tag), device, connection, { noValueBits, access })
}

export function settingsOf(tag: Keys, written: Written = {}): TagSettings {
  const found = resolve(tag, written)
  if ('problems' in found) throw new Error(found.problems.map(({ key, text }) => `${key}: ${text}`).join('; '))
  return found.settings as TagSettings
}

/** The sentences a tag's problems make. */
export function complaints(tag: Keys, written: Written = {}): readonly string[] {
  const found = resolve(tag, written)
  return 'problems' in found ? found.problems.map(({ key, text }) => `${key}: ${text}`) : []
}

export function tcp(keys: Keys = {}): ConnectionSettings {
  return connectionSettings(modbusTcp.connection.parse({ host: 'plc', ...keys }))
}

export function rtu(keys: Keys = {}): ConnectionSettings {
  return connectionSettings(modbusRtu.connection.parse({ port: 'rs485-1', ...keys }))
}

/** A line of Modbus ASCII. */
export function ascii(keys: Keys = {}): ConnectionSettings {
  return connectionSettings({ ...modbusAscii.connection.parse({ port: 'rs485-1', ...keys }), framing: 'ascii' })
}

export interface TagWritten {
  readonly keys: Keys
  readonly mapping?: Partial<Mapping>
}

/** A group of a device as it is planned, the tags in the given order. */
export function groupOf(tags: readonly (Keys | TagWritten)[], written: Written = {}): GroupPlan {
  const written_ = tags.map((tag): TagWritten => ('keys' in tag ? (tag as TagWritten) : { keys: tag }))
  return groupWith(
    written_.map(({ keys }) => settingsOf(keys, written)),
    written,
    written_.map(({ mapping }) => ({ ...PLAIN, ...mapping })),
  )
}

function groupWith(
  settings: readonly TagSettings[],
  written: Written = {},
  mappings: readonly Mapping[] = [],
): GroupPlan {
  const { device, connection } = parsed(written)
  const infos = settings.map((tag, index) => ({ name: `t${index}`, type: tag.format.type, kind: 'real' as const }))
  const ref: GroupRef = { id: 1, revision: 1, device: 'd', group: 'g', path: { gateway: 'gw' }, tags: infos }
  return {
    ref,
    device: {
      name: 'd',
      connection: 'c',
      path: { gateway: 'gw' },
      enabled: true,
      settings: modbusTcp.resolveDevice(device, connection),
    },
    everyMs: 1000,
    phaseMs: 0,
    priority: 0,
    tags: settings.map(
      (tag, index): Tag => ({
        index,
        info: infos[index]!,
        access: 'r',
        limits: null,
        mapping: mappings[index] ?? PLAIN,
        settings: tag,
      }),
    ),
  }
}

/** What one tag at the start of the answer makes of its registers. */
export function decoded(
  tag: Keys,
  bytes: readonly number[] | Uint8Array,
  written: Written = {},
): { value: Value; quality: Reason } {
  const group = groupOf([tag], written)
  const into = new BatchBuilder(group.ref)
  const settings = group.tags[0]!.settings as TagSettings
  // The answer stands somewhere in a longer frame.
  compileDecoder(group.tags, settings.address)(Uint8Array.of(0xee, 0xee, 0xee, ...bytes, 0xee), 3, into)
  return {
    value: into.quality[0] !== 0 ? null : (into.others?.get(0) ?? into.numbers[0]!),
    quality: into.quality[0] as Reason,
  }
}
