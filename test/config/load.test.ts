import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diff } from '../../src/config/diff.ts'
import { keepIdentity } from '../../src/config/identity.ts'
import { socketDirectory } from '../../src/config/sockets.ts'
import { nearest } from '../../src/config/spelling.ts'
import { complaints, loadText, valid, withTag } from './loading.ts'

const MISTAKES = readFileSync(new URL('./mistakes.yaml', import.meta.url), 'utf8')
const mapping = async (keys: string, group = '') => (await valid(withTag(keys, group))).groups[0]!.tags[0]!.mapping

describe('a file with many mistakes', () => {
  it('is told all of them at once, each at its place and each once', async () => {
    const said = await complaints(MISTAKES)
    const places = said.map((one) => one.split(': ')[0])
    expect(places).toEqual([
      '1:16 gateway.id',
      '1:25 gateway.sight',
      '2:1 north_apps',
      '4:19 connections.plc7.driver',
      '5:46 connections.bus1.baud',
      '5:66 connections.bus1.parity',
      '6:3 connections.plc8',
      '7:57 connections.plc9.timeout',
      '10:17 devices.oven.connection',
      '14:5 devices.press.slave_id',
      '15:13 devices.press.unitId',
      '20:9 devices.meter.groups.fast.interval',
      '22:25 devices.meter.groups.fast.tags.a.address',
      '23:25 devices.meter.groups.fast.tags.b.address',
      '24:40 devices.meter.groups.fast.tags.c.type',
      '25:54 devices.meter.groups.fast.tags.d.scale',
      '26:59 devices.meter.groups.fast.tags.e.range',
      '27:47 devices.meter.groups.fast.tags.f.scaleFrom',
      '28:47 devices.meter.groups.fast.tags.g.limits',
      '30:11 devices.meter.groups.fast.tags.h',
      '31:15 log.quota',
      '31:34 log.commitEvery',
    ])
  })

  it('is told what was meant, in our words for other products’ keys', async () => {
    const said = (await complaints(MISTAKES)).join('\n')
    expect(said).toContain('unknown key "north_apps": here it is called "sinks"')
    expect(said).toContain('there is no driver "modbus-tpc": did you mean "modbus-tcp"?')
    expect(said).toContain('unknown key "interval": here it is called "every"')
    expect(said).toContain('host is missing')
    expect(said).toContain('quote it: "40001.10"; without quotes YAML reads 40001.10 as 40001.1')
    expect(said).toContain('450000')
  })
})

describe('a single mistake', () => {
  it('is reported once, whatever follows from it', async () => {
    expect(await complaints(withTag('address: "40001", tpye: int16'))).toHaveLength(1)
    expect(await complaints('connections: { plc: { drivr: modbus-tcp, host: a } }')).toHaveLength(1)
    expect(
      await complaints('devices: { d: { conection: plc } }\nconnections: { plc: { driver: modbus-tcp, host: a } }'),
    ).toHaveLength(1)
    expect(await complaints('log: { quota: 4GB5 }')).toHaveLength(1)
    expect(await complaints('connections: []')).toHaveLength(1)
    expect(await complaints('a: b: c')).toHaveLength(1)
  })

  it('finds the nearest spelling of any key with one letter wrong', () => {
    const keys = [
      'every',
      'phase',
      'priority',
      'report',
      'heartbeat',
      'tags',
      'address',
      'precision',
      'connection',
      'unitId',
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...keys),
        fc.nat(),
        fc.constantFrom('drop', 'swap', 'replace', 'double'),
        (key, where, how) => {
          const at = where % key.length
          const next = (at + 1) % key.length
          const letters = [...key]
          if (how === 'drop') letters.splice(at, 1)
          else if (how === 'double') letters.splice(at, 0, letters[at]!)
          else if (how === 'replace') letters[at] = 'q'
          else if (next > at) [letters[at], letters[next]] = [letters[next]!, letters[at]!]
          const typed = letters.join('')
          fc.pre(typed !== key)
          expect(nearest(typed, keys)).toBe(key)
        },
      ),
    )
  })

  it('in a name says which names are allowed', async () => {
    const [said] = await complaints('connections: { "-x": { driver: modbus-tcp, host: a } }')
    expect(said).toContain('1:16 connections.-x: "-x" is not a name')
  })

  it('inside a nested object is seen too', async () => {
    expect(await complaints('sinks: { s: { type: mqtt, url: "mqtt://a", tls: { cafile: x } } }')).toEqual([
      '1:51 sinks.s.tls.cafile: unknown key "cafile": here it is called "ca"',
    ])
  })

  it('for a later version is said, not passed over', async () => {
    expect(await complaints('redundancy: { name: A }')).toEqual([
      '1:1 redundancy: redundancy is not available in this version',
    ])
  })
})

describe('an address', () => {
  it('may be a bare whole number, but not one that YAML misreads', async () => {
    expect((await valid(withTag('address: 40001, type: int16'))).groups[0]!.tags[0]!.settings).toMatchObject({
      address: 0,
    })
    expect(await complaints(withTag('address: 040001, type: int16'))).toHaveLength(1)
    expect(await complaints(withTag('address: 40001.3, type: bool'))).toHaveLength(1)
    expect(await complaints(withTag('address: "40001.3", type: bool'))).toEqual([])
  })
})

describe('secrets', () => {
  it('come from the environment or a file, anywhere in a text', async () => {
    const { sinks } = await valid(
      'sinks: { s: { type: mqtt, url: "mqtt://${env:HOST}:1883", password: "${file:secret}" } }',
      {
        env: { HOST: 'broker' },
        files: { secret: 'pa$$word\n' },
      },
    )
    expect(sinks[0]!.settings).toMatchObject({ url: 'mqtt://broker:1883', password: 'pa$$word' })
  })

  it('are missed at their place, and never shown', async () => {
    const said = await complaints('sinks: { s: { type: mqtt, url: "${env:NOPE}", qos: "${env:SECRET}" } }', {
      env: { SECRET: 'hunter2' },
    })
    expect(said).toHaveLength(2)
    expect(said[0]).toContain('no variable NOPE')
    expect(said.join()).not.toContain('hunter2')
  })

  it('stand as references in what is kept', async () => {
    const { frozen } = await valid('sinks: { s: { type: mqtt, url: "${env:URL}" } }', { env: { URL: 'mqtt://u:p@h' } })
    expect(frozen).toContain('${env:URL}')
    expect(frozen).not.toContain('u:p@h')
  })
})

describe('a tag', () => {
  it('has a line from scale and offset, or through two points', async () => {
    expect(await mapping('address: "40001", type: int16, scale: 0.1, offset: -40')).toMatchObject({
      scale: 0.1,
      offset: -40,
    })
    expect(await mapping('address: "40001", type: int16, range: [0, 100, 4, 20], clamp: true')).toMatchObject({
      scale: 0.16,
      offset: 4,
      clamp: [4, 20],
    })
  })

  it('tells sentinels in hex, which compare bits, from decimals, which compare values', async () => {
    const { groups } = await valid(withTag('address: "40001", type: int16, noValue: [0x8000, -1]'))
    const [tag] = groups[0]!.tags
    expect(tag!.mapping.noValue).toEqual([-1])
    expect(tag!.settings).toMatchObject({ format: { noValueBits: [0x8000n] } })
    expect(await mapping('address: "40001", type: float32, noValue: none')).toMatchObject({ keepNaN: true })
  })

  it('takes report, heartbeat and deadband from its group unless it has its own', async () => {
    expect(await mapping('address: "40001", type: int16', 'report: change, heartbeat: 1m, deadband: 2%')).toMatchObject(
      {
        report: 'change',
        heartbeatMs: 60_000,
        deadband: { percent: 2 },
      },
    )
    expect(await mapping('address: "40001", type: int16, report: always, deadband: 3', 'report: change')).toMatchObject(
      {
        report: 'always',
        deadband: { absolute: 3 },
      },
    )
    expect(await mapping('address: "40001", type: int16')).toMatchObject({ report: 'always', heartbeatMs: 600_000 })
  })

  it('is scaled by another tag of its group', async () => {
    expect(await mapping('address: "40001", type: int16, scaleFrom: { tag: exponent, as: pow10 }')).toMatchObject({
      scaleFrom: { index: 1, as: 'pow10' },
    })
    const [said] = await complaints(withTag('address: "40001", type: int16, scaleFrom: { tag: exponnent }'))
    expect(said).toContain('did you mean "exponent"?')
  })

  it('with fields is several tags of one word, by their own names', async () => {
    const { groups } = await valid(
      withTag(
        'address: "40001", type: uint16, fields: { run: { bits: 0 }, mode: { bits: "4-6", enum: { 0: off, 1: auto } } }',
      ),
    )
    expect(groups[0]!.ref.tags.map(({ name, kind }) => [name, kind])).toEqual([
      ['run', 'boolean'],
      ['mode', 'text'],
      ['exponent', 'integer'],
    ])
    const [said] = await complaints(withTag('address: "40001", type: uint16, fields: { exponent: { bits: 0 } }'))
    expect(said).toContain('there are two tags "exponent" in this group')
  })

  it('that is only written has no column', async () => {
    const { groups } = await valid(withTag('address: "40001", type: int16, access: w'))
    expect(groups[0]!.ref.tags.map(({ name }) => name)).toEqual(['exponent'])
    expect(groups[0]!.tags.map(({ info, index }) => [info.name, index])).toEqual([
      ['exponent', 0],
      ['t', -1],
    ])
  })
})

describe('tags in a table', () => {
  const file = withTag('address: "40001"').replace(/tags: \{[\s\S]*\} \} \}/, 'tags: { file: tags.csv } }')

  it('have the keys of tags as columns, quoted or not, by comma, semicolon or tab', async () => {
    for (const separator of [',', ';', '\t']) {
      const rows = [
        'name,address,type,scale,unit,bit',
        'a,40001,int16,0.1,°C,',
        'b,"40002",uint16,,,3',
        '"c",40003,int16,,"m ""x""",',
      ]
      const csv = `\uFEFF${rows.join('\r\n').replaceAll(',', separator)}\r\n`
      const { groups } = await valid(file, { files: { 'tags.csv': csv } })
      expect(groups[0]!.tags.map(({ info, mapping }) => [info.name, info.kind, info.unit, mapping.scale])).toEqual([
        ['a', 'real', '°C', 0.1],
        ['b', 'boolean', undefined, 1],
        ['c', 'integer', 'm "x"', 1],
      ])
    }
  })

  it('are wrong at their line and column', async () => {
    const loaded = await loadText(file, {
      files: { 'tags.csv': 'name,address,type\na,40001,int16\nb,50000,int16\na,40002,int16\nc,40003,int17\n' },
    })
    expect(loaded.ok).toBe(false)
    const said = loaded.ok
      ? []
      : loaded.problems.map(({ file: at, line, column }) => `${at.split('/').at(-1)}:${line}:${column}`)
    expect(said).toEqual(['tags.csv:3:3', 'tags.csv:4:1', 'tags.csv:5:9'])
  })
})

describe('defaults', () => {
  it('fill what the file does not say', async () => {
    const { log, sinks, groups, connections, board } = await valid(
      `${withTag('address: "40001", type: int16')}sinks: { s: { type: mqtt, url: "mqtt://a" } }\n`,
    )
    expect(log).toMatchObject({
      path: '/var/lib/fieldgate/log',
      quotaBytes: 4 * 2 ** 30,
      commitEveryMs: 200,
      evict: 'oldest',
    })
    expect(sinks[0]).toMatchObject({
      enabled: true,
      replay: 'in-order',
      from: 'now',
      commands: 'none',
      bigint: 'number',
    })
    expect(groups[0]).toMatchObject({ everyMs: 1000, phaseMs: 0, priority: 0 })
    expect(connections[0]!.settings).toMatchObject({ port: 502, timeout: 3000, retries: 1 })
    expect(board.name).toBe('generic')
    expect(await valid('')).toMatchObject({ connections: [], devices: [], sinks: [], oneWay: false })
  })

  it('share what is equal between tags', async () => {
    const { groups } = await valid(withTag('address: "40001", type: int16'))
    expect(groups[0]!.tags[0]!.mapping).toBe(groups[0]!.tags[1]!.mapping)
  })
})

describe('the one-way mode', () => {
  it('is stated, sink by sink', async () => {
    const sink = (more: string) => `sinks: { s: { type: mqtt, url: "mqtt://a"${more} } }`
    expect((await valid(sink(''))).oneWay).toBe(false)
    expect((await valid(sink(', commands: none'))).oneWay).toBe(true)
    expect((await valid(sink(', commands: all'))).oneWay).toBe(false)
  })
})

describe('two configurations', () => {
  const first = `${withTag('address: "40001", type: int16')}sinks: { a: { type: mqtt, url: "mqtt://secret@a" }, b: { type: mqtt, url: "mqtt://b" } }\n`
  const second = first.replace('int16 },', 'uint16 },').replace('b: { type', 'c: { type').replace('secret@a', 'other@a')

  it('differ in components, whose keys are named and values are not', async () => {
    const changes = diff(await valid(first), await valid(second))
    const fates = Object.fromEntries(changes.map(({ component, change }) => [component, change]))
    expect(fates).toMatchObject({
      'connection plc': 'kept',
      'device d': 'kept',
      'group d/g': 'restarted',
      'sink a': 'restarted',
      'sink b': 'removed',
      'sink c': 'added',
      log: 'kept',
    })
    expect(JSON.stringify(changes)).not.toContain('secret')
  })

  it('share the objects of what is equal, so that nothing of it is disturbed', async () => {
    const before = await valid(first)
    const same = keepIdentity(before, await valid(first))
    expect(same.groups[0]).toBe(before.groups[0])
    expect(same.connections[0]).toBe(before.connections[0])
    expect(same.sinks[1]).toBe(before.sinks[1])
    const after = keepIdentity(before, await valid(second))
    expect(after.connections[0]).toBe(before.connections[0])
    expect(after.groups[0]!.ref).toMatchObject({ id: before.groups[0]!.ref.id, revision: 2 })
  })
})

describe('the sockets', () => {
  it('stand where the log’s place says', () => {
    expect(socketDirectory('/var/lib/fieldgate/log', {})).toBe('/run/fieldgate')
    expect(socketDirectory('/tmp/x/log', {})).toBe('/tmp/x/log/run')
    expect(socketDirectory('/tmp/x/log', { FIELDGATE_RUN: '/tmp/r' })).toBe('/tmp/r')
  })
})
