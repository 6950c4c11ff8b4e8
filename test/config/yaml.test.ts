import { describe, expect, it } from 'vitest'
import { logPathOf } from '../../src/config/sockets.ts'
import { complaints, loadText, valid, withFile, withTag } from './loading.ts'

const tagsOf = async (text: string) => (await valid(text)).groups.flatMap(({ ref }) => ref.tags.map(({ name }) => name))

describe('what is repeated by an alias', () => {
  const repeated = `
x-fast: &fast { every: 100ms, tags: { a: { address: "40001", type: int16 } } }
connections: { plc: { driver: modbus-tcp, host: h } }
devices:
  one: { connection: plc, groups: { g: *fast } }
  two: { connection: plc, groups: { g: { <<: *fast, every: 2s } } }
`
  it('stands there as if it were written, and what is written beside it wins', async () => {
    const { groups } = await valid(repeated)
    expect(groups.map(({ everyMs, ref }) => [ref.device, everyMs, ref.tags.length])).toEqual([
      ['one', 100, 1],
      ['two', 2000, 1],
    ])
  })

  it('is wrong once, where it is written', async () => {
    const [said, ...more] = await complaints(repeated.replace('type: int16', 'type: int17'))
    expect(said).toContain('2:')
    expect(more.every((one) => one.startsWith('2:'))).toBe(true)
  })

  it('must be there, must not stand inside itself, and must not grow beyond measure', async () => {
    expect(await complaints('gateway: *nope')).toEqual([
      '1:10 gateway: *nope repeats nothing: there is no such anchor above',
    ])
    expect((await complaints('gateway: &g { id: x, site: *g }'))[0]).toContain('it stands inside what it repeats')
    const bomb = [...'bcdefgh'].map((name, at) => `x-${name}: &${name} [${`*${'abcdefgh'[at]},`.repeat(10)}]`)
    const said = await complaints(`x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n${bomb.join('\n')}`)
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('aliases unfold to far too much')
  })
})

describe('a file that is not YAML, or not text', () => {
  it('says so once, at its place', async () => {
    const cases: [string, RegExp][] = [
      ['gateway:\n\tid: x', /^2:1 .*tab/],
      ['gateway: { id: "x }\nlog: {}\n', /^3:1 .*closing/],
      ['gateway: { id: x\nlog: {}\n', /^2:1 /],
      ['gateway:\n    id: x\n  site: y\n', /^3:1 /],
      ['gateway: { id: x }\n---\nlog: {}', /^2:1 .*second document/],
      ['- a list', /^1:1 .*expected keys/],
    ]
    for (const [text, wanted] of cases) {
      const said = await complaints(text)
      expect(said).toHaveLength(1)
      expect(said[0]).toMatch(wanted)
    }
  })

  it('of another encoding is refused, not read wrongly', async () => {
    const latin = await complaints(Buffer.from('gateway: { id: g }\nx-unit: "\xb0C"\n', 'latin1'))
    expect(latin).toEqual(['2:1 : this is not text in UTF-8: a letter here is of another encoding; save it as UTF-8'])
    expect((await complaints(Buffer.from('\ufeffgateway: {}', 'utf16le')))[0]).toContain('UTF-16')
    expect(await complaints('\ufeffgateway: { id: g }')).toEqual([])
  })
})

describe('what the environment gives', () => {
  const port = (written: string) => `connections: { plc: { driver: modbus-tcp, host: h, port: "${written}" } }`

  it('is a number where a number is wanted, and a text where a text is', async () => {
    const { connections } = await valid(port('${env:PORT}'), { env: { PORT: '1502' } })
    expect(connections[0]!.settings).toMatchObject({ port: 1502 })
    const sink = 'sinks: { s: { type: mqtt, url: "mqtt://a", password: "${env:PIN}" } }'
    expect((await valid(sink, { env: { PIN: '0042' } })).sinks[0]!.settings).toMatchObject({ password: '0042' })
  })

  it('has a default where one is written', async () => {
    const written = port('${env:PORT:-1503}')
    expect((await valid(written)).connections[0]!.settings).toMatchObject({ port: 1503 })
    expect((await valid(written, { env: { PORT: '7' } })).connections[0]!.settings).toMatchObject({ port: 7 })
    expect((await valid(written, { env: { PORT: '' } })).connections[0]!.settings).toMatchObject({ port: 1503 })
  })

  it('is never shown in a problem, whole or in part', async () => {
    const secret = 'hunter2-is-long'
    const env = { S: secret, T: 'x9' }
    const texts = [
      withTag('address: "${env:S}", type: int16'),
      withTag('address: "40001", type: "${env:S}"'),
      withTag('address: "40001", type: int16').replace('connection: plc', 'connection: "${env:S}"'),
      'connections: { plc: { driver: "${env:S}" } }',
      'connections: { plc: { driver: "${env:T}" } }',
      'log: { quota: "${env:S}" }',
      'sinks: { s: { type: mqtt, url: "mqtt://a", include: "/${env:S}" } }',
    ]
    for (const text of texts) {
      const said = await complaints(text, { env })
      expect(said).toHaveLength(1)
      expect(said[0]).not.toMatch(/hunter2|x9/)
    }
  })
})

describe('what is kept of a configuration', () => {
  const file = withFile('file: tags.csv', 'profile: m')
  const files = {
    'tags.csv': 'name,address,type,unit\na,40001,int16,°C\n"b ""2""".x,40002,int16,\n'.replace('"b ""2""".x', 'b'),
    'profiles/m.yaml': '# a profile\nunitId: 7\ngroups: { more: { tags: { p: { address: "40010", type: int16 } } } }\n',
  }

  it('needs no other file and is the same configuration, comments and all', async () => {
    const first = await valid(`# of the plant\n${file}`, { files })
    expect(first.frozen).toContain('# of the plant')
    const again = await valid(first.frozen)
    expect(again.frozen).toBe(first.frozen)
    expect(again.source.sha256).toBe(first.source.sha256)
    expect(again.groups).toEqual(first.groups)
    expect(again.devices).toEqual(first.devices)
    expect(first.devices[0]!.settings).toMatchObject({ unitId: 7 })
  })

  it('changes its revision when a table changes', async () => {
    const first = await valid(file, { files })
    const other = await valid(file, { files: { ...files, 'tags.csv': files['tags.csv'].replace('40001', '40003') } })
    expect(other.source.sha256).not.toBe(first.source.sha256)
  })

  it('can be cloned to another thread', async () => {
    const configuration = await valid(file, { files })
    expect(structuredClone(configuration)).toEqual(configuration)
  })
})

describe('the place of the log', () => {
  it('is known even when the rest of the file is not valid', async () => {
    const at = async (text: string) => {
      let path = ''
      await loadText(text, { look: (file) => (path = logPathOf(file, { BASE: '/base' })) })
      return path
    }
    expect(await at('log: { path: /a }\nsinks: {')).toBe('/a')
    expect(await at('gateway:\n  log: 1\nlog:\n  # here\n\n  path: /b\nsinks: [')).toBe('/b')
    expect(await at('{ log: { path: /c } }')).toBe('/c')
    expect(await at('x-l: &l { path: /d }\nlog: *l\n')).toBe('/d')
    expect(await at('log: { path: "${env:BASE}/log" }')).toBe('/base/log')
    expect(await at('log: { quota: 1GiB }')).toBe('/var/lib/fieldgate/log')
    expect(await at('')).toBe('/var/lib/fieldgate/log')
  })
})

describe('names', () => {
  it('of JavaScript’s own are names like others', async () => {
    const address = '{ address: "40001", type: int16 }'
    expect(await tagsOf(withFile(`toString: ${address}, constructor: ${address}, "1": ${address}`))).toHaveLength(3)
    expect((await complaints('connections: { p: { driver: constructor } }'))[0]).toContain('there is no driver')
    expect(await complaints('connections: { __proto__: { driver: modbus-tcp } }')).toHaveLength(1)
  })
})
