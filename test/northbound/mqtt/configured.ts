/** An MQTT sink as a configuration makes it, and batches for it. */
import type { Batch, GroupRef, Isa95Path, TagInfo, Value } from '../../../src/contracts/batch.ts'
import type { Clock } from '../../../src/contracts/clock.ts'
import type { CommandDoor } from '../../../src/contracts/command.ts'
import type { BatchEntry } from '../../../src/contracts/log.ts'
import type { LiveValues } from '../../../src/contracts/report.ts'
import { mqttSchema } from '../../../src/northbound/mqtt/schema.ts'
import { createMqttSink, type MqttSink } from '../../../src/northbound/mqtt/sink.ts'

export const STREAM = '00112233aabbccdd'
export const PATH: Isa95Path = { gateway: 'gw-01', enterprise: 'acme', site: 'ulm', line: 'press' }

export interface Said {
  readonly level: string
  readonly text: string
}

export interface ConfiguredSink {
  readonly sink: MqttSink
  readonly said: Said[]
}

export function configuredSink(options: {
  clock: Clock
  keys: Record<string, unknown>
  door?: CommandDoor
  live?: readonly Batch[]
  path?: Isa95Path
}): ConfiguredSink {
  const said: Said[] = []
  const say = (level: string) => (text: string) => void said.push({ level, text })
  const batches = options.live ?? []
  const live: LiveValues = {
    get: (device, group) => batches.find((batch) => batch.group.device === device && batch.group.group === group),
    all: () => batches,
    answers: () => true,
    watch: () => () => {},
  }
  const sink = createMqttSink({
    settings: mqttSchema.settings.parse(options.keys),
    bigint: 'number',
    surroundings: {
      name: 'emqx',
      clock: options.clock,
      log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      path: options.path ?? PATH,
      stream: STREAM,
      door: options.door ?? null,
      live,
    },
  })
  return { sink, said }
}

let groups = 0

export function groupOf(
  tags: readonly (Partial<TagInfo> & { name: string })[],
  rest: Partial<GroupRef> = {},
): GroupRef {
  return {
    id: ++groups,
    revision: 1,
    device: 'plc7',
    group: 'fast',
    path: PATH,
    tags: tags.map((tag) => ({ type: 'int16', kind: 'integer', ...tag })),
    ...rest,
  }
}

export function batchOf(group: GroupRef, values: readonly Value[], rest: Partial<Batch> = {}): Batch {
  const others = new Map<number, Value>()
  const numbers = Float64Array.from(values, (value, entry) => {
    if (typeof value === 'number') return value
    if (typeof value === 'boolean') return Number(value)
    if (value !== null) others.set(entry, value)
    return Number.NaN
  })
  return {
    group,
    at: { wall: 1_700_000_000_123, monotonic: 5, boot: 'b', clock: 'synced' },
    tags: null,
    numbers,
    others: others.size === 0 ? null : others,
    quality: null,
    carry: null,
    ...rest,
  }
}

export function entryOf(seq: number, batch: Batch): BatchEntry {
  return { kind: 'batch', position: { epoch: 1, seq }, batch }
}
