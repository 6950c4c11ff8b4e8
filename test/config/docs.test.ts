import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { kinds } from '../../src/catalog.ts'
import { load } from '../../src/config/load.ts'

/** The first YAML block of a page. */
function example(page: string): string {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')
  return /```yaml\n([\s\S]*?)```/.exec(text)![1]!
}

describe('what the pages show', () => {
  for (const page of ['README.md', 'docs/configuration.md']) {
    it(`in ${page} is a valid configuration`, async () => {
      const loaded = await load({ file: '/tmp/gateway.yaml', text: example(page), kinds: await kinds(), env: {} })
      expect(loaded.ok ? [] : loaded.problems).toEqual([])
      expect(loaded.ok && loaded.configuration.groups.length).toBeGreaterThan(1)
    })
  }

  it('names every key of every driver and sink that can be used', async () => {
    const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
    const { drivers, sinks } = await kinds()
    const later = (schema: { meta(): { description?: string } | undefined }): boolean =>
      /not available|belongs to/i.test(schema.meta()?.description ?? '')
    for (const kind of Object.values(drivers)) {
      for (const shape of [kind.connection.shape, kind.device.shape, kind.tag.shape]) {
        for (const [key, schema] of Object.entries(shape)) if (!later(schema)) expect(page).toContain(`| \`${key}\` |`)
      }
    }
    for (const kind of Object.values(sinks)) {
      for (const key of Object.keys(kind.settings.shape)) expect(page).toContain(`| \`${key}\` |`)
    }
  })
})
