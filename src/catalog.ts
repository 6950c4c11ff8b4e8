/** The one list of drivers and sinks: a new one is one folder and one line. */
import { fileURLToPath } from 'node:url'
import type { Ports } from '../hal/contract.ts'
import { compatibleOf, modelOf } from '../hal/linux/model.ts'
import type { DriverKindSchema, Kinds, SinkKindSchema } from './config/kinds.ts'
import type { Clock } from './contracts/clock.ts'
import type { Logger } from './contracts/component.ts'
import type { Driver, Notebook } from './contracts/driver.ts'
import type { Sink, SinkSurroundings } from './contracts/sink.ts'
import { invert } from './pipeline/invert.ts'
import { Selection } from './pipeline/selection.ts'

/** What every driver is given. */
export interface DriverSurroundings {
  /** The connection's name. */
  readonly name: string
  /** As the driver's schema parsed them. */
  readonly settings: unknown
  readonly clock: Clock
  readonly log: Logger
  readonly board: Ports
  /** Absent: nothing is kept over a restart. */
  readonly notebook?: Notebook
}

interface DriverKind {
  readonly schema: () => Promise<DriverKindSchema>
  readonly load: () => Promise<(surroundings: DriverSurroundings) => Driver>
}

interface SinkKind {
  readonly schema: () => Promise<SinkKindSchema>
  readonly load: () => Promise<
    (options: { settings: unknown; bigint: 'number' | 'string'; surroundings: SinkSurroundings }) => Sink
  >
}

// Schemas and implementations load apart and only when they are asked for: a running gateway keeps no schema in memory, and
// no protocol that its configuration does not name.
const modbusSchemas = () => import('./southbound/modbus/schema/schema.ts')
const modbus: DriverKind['load'] = async () => (await import('./southbound/modbus/driver.ts')).createModbusDriver

export const drivers: Readonly<Record<string, DriverKind>> = {
  'modbus-rtu': { schema: async () => (await modbusSchemas()).modbusRtu, load: modbus },
  'modbus-ascii': {
    schema: async () => (await modbusSchemas()).modbusAscii,
    load: async () => (await import('./southbound/modbus/driver.ts')).createModbusAsciiDriver,
  },
  'modbus-tcp': { schema: async () => (await modbusSchemas()).modbusTcp, load: modbus },
  'modbus-rtu-over-tcp': { schema: async () => (await modbusSchemas()).modbusRtuOverTcp, load: modbus },
  blueprint: {
    schema: async () => (await import('./southbound/blueprint/schema.ts')).blueprintSchema,
    load: async () => (await import('./southbound/blueprint/driver.ts')).createBlueprintDriver,
  },
}

export const sinks: Readonly<Record<string, SinkKind>> = {
  mqtt: {
    schema: async () => (await import('./northbound/mqtt/schema.ts')).mqttSchema,
    load: async () => (await import('./northbound/mqtt/sink.ts')).createMqttSink,
  },
}

/** All schemas, as the configuration is handed them. */
export async function kinds(): Promise<Kinds> {
  const schemas = async <S>(list: Readonly<Record<string, { readonly schema: () => Promise<S> }>>) =>
    Object.fromEntries(
      await Promise.all(Object.entries(list).map(async ([name, kind]) => [name, await kind.schema()] as const)),
    )
  return {
    drivers: await schemas(drivers),
    sinks: await schemas(sinks),
    invert,
    collisions: (sink, groups) => new Selection(sink).collisions(groups),
    boards: boards(),
  }
}

/** Where the shipped boards are, and what this box calls itself. */
export function boards(): NonNullable<Kinds['boards']> {
  const shipped = fileURLToPath(new URL('../hal/boards', import.meta.url))
  return { shipped, model: modelOf(), compatible: compatibleOf() }
}
