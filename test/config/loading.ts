/** A configuration from a text, with the drivers of the catalog and a sink of the test's own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Configuration } from '../../src/config/configuration.ts'
import type { Kinds } from '../../src/config/kinds.ts'
import { type Loaded, load } from '../../src/config/load.ts'
import { invert } from '../../src/pipeline/invert.ts'
import { Selection } from '../../src/pipeline/selection.ts'
import { blueprintSchema } from '../../src/southbound/blueprint/schema.ts'
import { modbusRtu, modbusTcp } from '../../src/southbound/modbus/schema/schema.ts'

const KINDS: Kinds = {
  invert,
  drivers: { 'modbus-rtu': modbusRtu, 'modbus-tcp': modbusTcp, blueprint: blueprintSchema },
  sinks: {
    mqtt: {
      settings: z.object({
        url: z.string(),
        password: z.string().optional(),
        qos: z.literal([0, 1, 2]).default(1),
        tls: z.object({ ca: z.string().optional(), verify: z.boolean().default(true) }).optional(),
      }),
    },
  },
  collisions: (sink, groups) => new Selection(sink).collisions(groups),
}

/** `files`: what stands beside it, by relative path. */
export async function loadText(
  text: string | Uint8Array,
  options: {
    env?: NodeJS.ProcessEnv
    files?: Readonly<Record<string, string | Uint8Array>>
    /** Called while the file is there. */
    look?: (file: string) => void
  } = {},
): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-config-'))
  try {
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, text)
    for (const [name, content] of Object.entries(options.files ?? {})) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), content)
    }
    options.look?.(file)
    return await load({ file, kinds: KINDS, env: options.env ?? {} })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export async function valid(...given: Parameters<typeof loadText>): Promise<Configuration> {
  const loaded = await loadText(...given)
  if (!loaded.ok) throw new Error(loaded.problems.map(({ line, text }) => `${line}: ${text}`).join('\n'))
  return loaded.configuration
}

/** `line:column path: text` of every problem, in order. */
export async function complaints(...given: Parameters<typeof loadText>): Promise<string[]> {
  const loaded = await loadText(...given)
  return loaded.ok ? [] : loaded.problems.map(({ line, column, path, text }) => `${line}:${column} ${path}: ${text}`)
}

/** A file with one tag of these keys, on line 8. */
export function withTag(keys: string, group = ''): string {
  return `connections:
  plc: { driver: modbus-tcp, host: 127.0.0.1 }
devices:
  d:
    connection: plc
    groups:
      g: { ${group === '' ? '' : `${group}, `}tags: {
        t: { ${keys} },
        exponent: { address: "40100", type: int16 } } }
`
}

/** A file with these tags in one group of the device `d`. */
export function withFile(tags: string, device = ''): string {
  return `connections:
  plc: { driver: modbus-tcp, host: 127.0.0.1 }
devices:
  d:
    connection: plc${device === '' ? '' : `\n    ${device}`}
    groups: { g: { tags: { ${tags} } } }
`
}
