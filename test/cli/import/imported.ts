/** What `import` makes of a text: the configuration as it loads, its notes, and the values it reads from a picture. */

import * as catalog from '../../../src/catalog.ts'
import type { Findings, Keys } from '../../../src/cli/import/findings.ts'
import { settle } from '../../../src/cli/import/settle.ts'
import type { Configuration } from '../../../src/config/configuration.ts'
import { load } from '../../../src/config/load.ts'
import type { Value } from '../../../src/contracts/batch.ts'
import { type Image, valuesOf } from '../../southbound/modbus/image.ts'

export interface Imported {
  readonly text: string
  readonly tags: number
  readonly configuration: Configuration
  /** `place: text`. */
  readonly notes: readonly string[]
  values(image: Image): Record<string, Value>
}

export async function imported(
  findings: Findings,
  known: Readonly<Record<string, Keys>> = { field: { driver: 'modbus-tcp', host: '127.0.0.1' } },
): Promise<Imported> {
  const kinds = await catalog.kinds()
  const { text, tags } = await settle(findings, { kinds, head: 'Imported', known, folder: '/tmp' })
  // As a person merges it with what is there already.
  const own = lines(
    Object.fromEntries(Object.entries(known).filter(([name]) => text.includes(`connection: ${name}\n`))),
  )
  const [before, after] = text.split('\nconnections:\n')
  const whole = after === undefined ? `${text}connections:\n${own}` : `${before}\nconnections:\n${own}${after}`
  // Nothing is never printed.
  const loaded = await load({
    file: '/tmp/import.yaml',
    text: tags === 0 ? '' : whole,
    kinds,
    env: { PLC: '10.0.0.9' },
  })
  if (!loaded.ok) throw new Error(loaded.problems.map(({ line, text: said }) => `${line}: ${said}`).join('\n'))
  const { configuration } = loaded
  return {
    text,
    tags,
    configuration,
    notes: findings.notes.map(({ place, text: said }) => `${place}: ${said}`),
    values: (image) => valuesOf(configuration.groups, image),
  }
}

function lines(known: Readonly<Record<string, Keys>>): string {
  return Object.entries(known)
    .map(([name, keys]) => `  ${name}: ${JSON.stringify(keys)}\n`)
    .join('')
}
