import { describe, expect, it } from 'vitest'
import { loadText, valid } from './loading.ts'

const FILE = `connections: { plc: { driver: modbus-tcp, host: a } }
devices:
  m: { connection: plc, profile: NAME }
`
const METER = `title: A meter
manufacturer: Acme
models: [M1, M2]
source: 'Acme M1 manual, revision 3'
order: CDAB
groups: { g: { tags: { x: { address: "40001", type: int32 } } } }
`
const said = async (name: string, files: Record<string, string> = {}) => {
  const loaded = await loadText(FILE.replace('NAME', name), { files })
  return loaded.ok
    ? []
    : loaded.problems.map(({ file, line, column, text }) => `${file.split('/').at(-1)}:${line}:${column} ${text}`)
}

describe('a profile by name', () => {
  it('is found among those shipped, and one beside the file goes before it', async () => {
    const shipped = await valid(FILE.replace('NAME', 'sdm630'))
    expect(shipped.groups.map(({ ref }) => ref.group)).toEqual(['power', 'energy'])
    const own = await valid(FILE.replace('NAME', 'sdm630'), { files: { 'profiles/sdm630.yaml': METER } })
    expect(own.groups.map(({ ref }) => ref.group)).toEqual(['g'])
  })

  it('that is misspelled is told the nearest, shipped or not', async () => {
    expect(await said('sdm63')).toEqual(['gateway.yaml:3:34 there is no profile "sdm63": did you mean "sdm630"?'])
    expect(await said('metr', { 'profiles/meter.yaml': METER })).toEqual([
      'gateway.yaml:3:34 there is no profile "metr": did you mean "meter"?',
    ])
    expect((await said('zzzzzzzzz')).join()).toMatch(/there is no profile "zzzzzzzzz": expected one of b23, .*sdm630/)
  })

  it('stays what it was when it was put into force', async () => {
    const { frozen } = await valid(FILE.replace('NAME', 'sdm120'))
    const again = await valid(frozen, { files: { 'profiles/sdm120.yaml': METER } })
    expect(again.groups.map(({ ref }) => ref.group)).toEqual(['power', 'energy'])
  })
})

describe('a profile with a set-up', () => {
  const setup = `${METER}setup: [{ address: "40010", type: int16, value: 5 }]\n`

  it('needs the word of the file that it may be written', async () => {
    expect((await said('meter', { 'profiles/meter.yaml': setup })).join()).toContain('with setupWrites: allow')
    const { devices } = await valid(FILE.replace('NAME', 'meter, setupWrites: allow'), {
      files: { 'profiles/meter.yaml': setup },
    })
    expect(devices[0]!.settings).toMatchObject({ setup: [{ value: 5 }] })
  })

  it('cannot give that word itself', async () => {
    expect(await said('meter', { 'profiles/meter.yaml': `${setup}setupWrites: allow\n` })).toEqual([
      'meter.yaml:8:1 a profile cannot give setupWrites: it is for the file to say',
    ])
  })
})

describe('what a profile says of itself', () => {
  it('is no key of the device', async () => {
    const { devices } = await valid(FILE.replace('NAME', 'meter'), { files: { 'profiles/meter.yaml': METER } })
    expect(devices[0]!.settings).toMatchObject({ order: 'CDAB' })
  })

  it('is checked at its place, once for all devices', async () => {
    const wrong = METER.replace('[M1, M2]', 'M1')
      .replace('title: A', 'titel: A')
      .replace('order:', 'connection: x\norder:')
    const twice = `${FILE.replace('NAME', 'meter')}  n: { connection: plc, profile: meter }\n`
    const loaded = await loadText(twice, { files: { 'profiles/meter.yaml': wrong } })
    const problems = loaded.ok
      ? []
      : loaded.problems.map(({ file, line, column, text }) => `${file.split('/').at(-1)}:${line}:${column} ${text}`)
    expect(problems).toEqual([
      expect.stringMatching(/^meter\.yaml:1:1 unknown key "titel"/),
      'meter.yaml:3:9 expected a list of names',
      'meter.yaml:5:1 connection is said by the device that uses the profile, not here',
    ])
  })
})
