/** The keys of the blueprint's connections, devices and tags. */
import { z } from 'zod'
import type { ValueKind } from '../../contracts/batch.ts'
import { durationPattern, parseDuration } from '../../contracts/units.ts'
import type { BlueprintDevice, BlueprintTag } from './protocol.ts'

const duration = z
  .string({ error: 'expected a duration such as 500ms or 2s' })
  .regex(new RegExp(durationPattern), { error: 'expected a duration such as 500ms or 2s', abort: true })
  .transform((text) => parseDuration(text)!)

const connection = z.object({
  host: z.string().min(1).meta({ description: 'Name or IP address of the server.' }),
  port: z.int().min(1).max(65535).meta({ description: 'TCP port of the server.' }),
  timeout: duration.prefault('2s').meta({ description: 'How long to wait for a connection, and for one answer.' }),
})

const device = z.object({
  station: z.int().min(0).max(9999).meta({ description: 'The number of the station.' }),
})

const tag = z.object({
  address: z
    .string()
    .regex(/^[^\s=]+$/, { error: 'expected a name without spaces or "="' })
    .meta({ description: "The value's name in the station." }),
  type: z.enum(['number', 'bool', 'string']).default('number').meta({ description: 'What the text is read as.' }),
})

const kinds: Readonly<Record<z.output<typeof tag>['type'], ValueKind>> = {
  number: 'real',
  bool: 'boolean',
  string: 'text',
}

/** What `createBlueprintDriver` is given as settings. */
export type BlueprintConnection = z.output<typeof connection>

export const blueprintSchema = {
  connection,
  device,
  tag,
  /** Joins a tag with its device and connection; here there is nothing to inherit. */
  resolve(
    parsed: unknown,
    _device: unknown,
    _connection: unknown,
    common: { readonly noValueBits: readonly bigint[] },
  ) {
    const { address, type } = parsed as z.output<typeof tag>
    if (common.noValueBits.length > 0) {
      return {
        problems: [{ key: 'noValue', text: 'hex in noValue compares bits; this driver reads text, write a number' }],
      }
    }
    const settings: BlueprintTag = { name: address, type }
    return { settings, kind: kinds[type], type }
  },
  resolveDevice(parsed: unknown, _connection: unknown): BlueprintDevice {
    return { station: (parsed as z.output<typeof device>).station }
  },
}
