import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import * as catalog from '../../../src/catalog.ts'
import { profileOf } from '../../../src/cli/import/save-profile.ts'
import { load } from '../../../src/config/load.ts'
import type { Knowledge } from '../../../src/contracts/driver.ts'
import { fieldgate } from '../fieldgate.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-save-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'gateway.yaml')
mkdirSync(join(folder, 'profiles'))
writeFileSync(
  join(folder, 'profiles/base.yaml'),
  'title: Oven\norder: CDAB\ngroups: { g: { tags: { a: { address: "40001", type: int32 } } } }\n',
)
writeFileSync(join(folder, 'more.csv'), 'name,address,type\nc,40050,int16\n')
writeFileSync(
  file,
  `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1 } }
devices:
  oven:
    connection: plc
    unitId: 7
    profile: base
    maxRegisters: 50
    noTouch: ["holding:300"]
    labels: { key: "\${env:SECRET}" }
    groups:
      g: { every: 5s, tags: { b: { address: "40010", type: uint16, unit: "°C" }, far: { address: "40100", type: uint16 } } }
      more: { tags: { file: more.csv } }
log: { path: log }
`,
)
process.env.SECRET = 'hunter2hunter2'

async function saved(knowledge?: Knowledge) {
  const kinds = await catalog.kinds()
  const loaded = await load({ file, kinds, env: process.env })
  if (!loaded.ok) throw new Error(loaded.problems.map(({ text }) => text).join())
  const output = join(folder, 'profiles/saved.yaml')
  return profileOf({
    configuration: loaded.configuration,
    file,
    device: 'oven',
    output,
    knowledge,
    kinds: kinds.drivers,
  })
}

describe('a device saved as a profile', () => {
  it('is its keys and those of its profile, without what is its own and without secrets', async () => {
    const { text, notes } = await saved()
    expect(notes).toEqual([])
    expect(text).toContain('title: Oven')
    for (const one of ['connection', 'unitId', 'profile: ', 'hunter2']) expect(text).not.toContain(one)
    expect(text).toContain('${env:SECRET}')
    expect(text).toContain('file: ../more.csv')
  })

  it('has what was learnt: the narrower limit, holes beside those known, and without the tags that are refused', async () => {
    const { text, notes } = await saved({
      sentences: ['refuses 40100–40110 (no such address)', 'gives at most 20 registers'],
      keys: { maxRegisters: 20, noTouch: ['40003–40009'], omit: ['40100–40110', '40050'] },
    })
    expect(text).toContain('maxRegisters: 20')
    expect(text).toMatch(/noTouch:\n {2}- holding:300\n {2}- 40003–40009/)
    expect(text).not.toContain('far: {')
    expect(text).toContain('# Learnt: it refuses 40100–40110 (no such address); it gives at most 20 registers.')
    expect(notes).toEqual([
      { place: 'g/far', text: 'the device refuses 40100–40110: left out' },
      { place: 'more/c', text: 'the device refuses 40050: take it out of its table or fields' },
    ])
  })

  it('is a profile that a device can use and check accepts', async () => {
    const output = join(folder, 'profiles/mine.yaml')
    const env = { SECRET: 'hunter2hunter2' }
    const written = await fieldgate(['import', '--save-profile', output, '--device', 'oven', '--config', file], { env })
    expect(written).toMatchObject({ status: 0, out: '' })
    expect(written.err).toContain('no gateway runs here, so nothing learnt is in it')
    expect((await fieldgate(['check', '--profile', output], { env })).status).toBe(0)
    const using = join(folder, 'using.yaml')
    writeFileSync(
      using,
      'connections: { p: { driver: modbus-tcp, host: a } }\ndevices: { m: { connection: p, unitId: 1, profile: mine } }\n',
    )
    expect((await fieldgate(['check', '--config', using], { env })).out).toContain('1 device, 2 groups, 4 tags')
    expect(readFileSync(output, 'utf8')).not.toContain('hunter2')
    expect(
      (await fieldgate(['import', '--save-profile', output, '--device', 'oven', '--config', file], { env })).err,
    ).toContain('exists already')
    const wrong = await fieldgate(['import', '--save-profile', `${output}2`, '--device', 'stove', '--config', file], {
      env,
    })
    expect(wrong).toMatchObject({ status: 1 })
    expect(wrong.err).toContain('there is no device "stove": there are oven')
    expect((await fieldgate(['import', '--save-profile', output, '--config', file], { env })).status).toBe(2)
  })
})
