import { describe, expect, it } from 'vitest'
import { kinds } from '../../src/catalog.ts'
import { load } from '../../src/config/load.ts'
import { complaints } from './loading.ts'

const DEVICES = `
connections: { plc: { driver: modbus-tcp, host: 127.0.0.1 } }
devices:
  one: { connection: plc, groups: { g: { every: 1s, tags: { a: { address: "40001", type: int16 } } } } }
  two: { connection: plc, groups: { g: { every: 1s, tags: { a: { address: "40002", type: int16 } } } } }
`

describe('names that coincide at a sink', () => {
  it('are a problem that names both', async () => {
    const text = `${DEVICES}\nsinks: { s: { type: mqtt, url: "mqtt://b", rename: { two: one } } }\n`
    expect(await complaints(text)).toEqual([
      expect.stringContaining('one/g/a and two/g/a would both be called one/g/a: give them different names'),
    ])
  })

  it('are none where one of them is not sent', async () => {
    const text = `${DEVICES}\nsinks: { s: { type: mqtt, url: "mqtt://b", exclude: [one], rename: { two: one } } }\n`
    expect(await complaints(text)).toEqual([])
  })
})

describe('keys of an MQTT sink that contradict each other', () => {
  const problems = async (keys: string) => {
    const text = `${DEVICES}\nsinks: { s: { type: mqtt, ${keys} } }\n`
    const loaded = await load({ file: '/tmp/gateway.yaml', text, kinds: await kinds(), env: {} })
    return loaded.ok ? [] : loaded.problems.map(({ path, text: said }) => `${path}: ${said}`)
  }

  it('tls beside an address without it', async () => {
    expect(await problems('url: "mqtt://b", tls: { verify: false }')).toEqual([
      expect.stringMatching(/^sinks\.s\.tls: tls is set, but the url begins with mqtt:\/\/: write mqtts:\/\//),
    ])
  })

  it('a password without a username', async () => {
    expect(await problems('url: "mqtt://b", password: x')).toEqual([
      'sinks.s.password: there is a password, but no username',
    ])
    expect(await problems('url: "mqtt://me@b", password: x')).toEqual([])
  })
})
