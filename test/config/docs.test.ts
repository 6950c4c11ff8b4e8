import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { kinds } from '../../src/catalog.ts'
import { load } from '../../src/config/load.ts'
import { violations } from './json-schema.ts'

const PAGES = ['README.md', 'docs/configuration.md']

/** The first YAML block of a page. */
function example(page: string): string {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')
  return /```yaml\n([\s\S]*?)```/.exec(text)![1]!
}

describe('what the pages show', () => {
  for (const page of PAGES) {
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

  it('has one mistake, and the right spelling said, when a letter of a key is wrong', async () => {
    const text = example('docs/configuration.md')
    const known = await kinds()
    const names =
      /^(plc7|bus1|demo|meter|power|temperature|humidity|voltage|energy|status|running|mode|emqx|demo_group)$/
    const keys = [...text.matchAll(/(?<=^|[\s{])(\w{3,}):(?=\s)/gm)].filter(([, key]) => !names.test(key!))
    expect(keys.length).toBeGreaterThan(40)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...keys),
        fc.nat(),
        fc.constantFrom('drop', 'double', 'replace'),
        async ({ index, 1: key = '' }, where, how) => {
          const at = where % key.length
          const middle = how === 'drop' ? '' : how === 'double' ? key[at]! + key[at]! : 'q'
          const typed = key.slice(0, at) + middle + key.slice(at + 1)
          fc.pre(typed !== key)
          const wrong = text.slice(0, index) + typed + text.slice(index + key.length)
          const loaded = await load({ file: '/tmp/gateway.yaml', text: wrong, kinds: known, env: {} })
          const problems = loaded.ok ? [] : loaded.problems
          expect(problems.map((problem) => problem.text)).toEqual([expect.stringContaining(`"${key}"`)])
          expect(problems[0]!.line).toBe(wrong.slice(0, index).split('\n').length)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('the published JSON Schema', () => {
  const schema = JSON.parse(readFileSync(new URL('../../docs/configuration.schema.json', import.meta.url), 'utf8'))

  for (const page of PAGES) {
    it(`accepts what ${page} shows`, () => {
      expect(violations(parse(example(page)), schema)).toEqual([])
    })
  }

  it('underlines what is wrong', () => {
    const text = example('docs/configuration.md')
    const wrong: [string, string, string][] = [
      ['quota: 1GiB', 'quota: 1GB5', '/log/quota'],
      ['quota: 1GiB', 'qota: 1GiB', '/log/qota'],
      ['driver: modbus-tcp', 'driver: modbus-tpc', '/connections/plc7'],
      ['unitId: 3', 'unitID: 3', '/devices/meter/unitID'],
      ['every: 1s', 'every: 1 s', '/devices/demo/groups/demo_group/every'],
      ['type: int16', 'type: int17', '/devices/demo/groups/demo_group/tags'],
    ]
    for (const [right, typed, place] of wrong) {
      expect(text).toContain(right)
      expect(violations(parse(text.replace(right, typed)), schema)).toEqual([place])
    }
  })
})
