import { describe, expect, it } from 'vitest'
import { Reason } from '../../../src/contracts/batch.ts'
import type { Instant } from '../../../src/contracts/clock.ts'
import { ConfigurationFault } from '../../../src/contracts/errors.ts'
import type { Entry } from '../../../src/contracts/log.ts'
import { Messages } from '../../../src/northbound/mqtt/messages.ts'
import { mqttSchema } from '../../../src/northbound/mqtt/schema.ts'
import { batchOf, entryOf, groupOf, PATH, STREAM } from './configured.ts'

const HUGE = 9_007_199_254_740_993n

const group = groupOf([
  { name: 'temperature', type: 'float32', kind: 'real', unit: '°C' },
  { name: 'count', type: 'int32', kind: 'integer' },
  { name: 'running', type: 'bit', kind: 'boolean' },
  { name: 'serial "no"', type: 'string', kind: 'text' },
  { name: 'energy', type: 'uint64', kind: 'integer' },
  { name: 'raw', type: 'bytes', kind: 'bytes' },
  { name: 'pair', type: 'int16', kind: 'array' },
  { name: 'broken' },
  { name: 'silent' },
])
const quality = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, Reason.illegalAddress, Reason.timeout])
const batch = batchOf(group, [28.5, -7, true, 'A\n"7"', HUGE, Uint8Array.of(0, 171), [1, 2], Number.NaN, Number.NaN], {
  quality,
})

function messages(
  keys: Record<string, unknown>,
  entries: readonly Entry[] = [entryOf(7, batch)],
  how: { historical?: boolean; bigint?: 'number' | 'string'; path?: typeof PATH } = {},
) {
  const settings = mqttSchema.settings.parse({ url: 'mqtt://b', ...keys })
  const { historical = false, bigint = 'number', path = PATH } = how
  return [...new Messages({ sink: 'emqx', path, stream: STREAM, settings, bigint }).of(entries, historical)]
}

const payloads = (...given: Parameters<typeof messages>): string[] => messages(...given).map(({ payload }) => payload)

describe('the payloads', () => {
  it('values: good values by name, and Neuron’s code for each bad one', () => {
    expect(payloads({})).toEqual([
      '{"timestamp":1700000000123,"node":"plc7","group":"fast","values":{"temperature":28.5,"count":-7,"running":true,' +
        '"serial \\"no\\"":"A\\n\\"7\\"","energy":9007199254740993,"raw":"00ab","pair":[1,2]},' +
        '"errors":{"broken":3000,"silent":3015},"metas":{}}',
    ])
  })

  it('tags: the same as a list', () => {
    expect(payloads({ format: 'tags' })).toEqual([
      '{"timestamp":1700000000123,"node":"plc7","group":"fast","tags":[{"name":"temperature","value":28.5},' +
        '{"name":"count","value":-7},{"name":"running","value":true},{"name":"serial \\"no\\"","value":"A\\n\\"7\\""},' +
        '{"name":"energy","value":9007199254740993},{"name":"raw","value":"00ab"},{"name":"pair","value":[1,2]},' +
        '{"name":"broken","error":3000},{"name":"silent","error":3015}]}',
    ])
  })

  it('tags: keep the order of the group, good or not', () => {
    const mixed = batchOf(groupOf([{ name: 'a' }, { name: 'b' }, { name: 'c' }]), [1, Number.NaN, 3], {
      quality: Uint8Array.of(0, Reason.timeout, 0),
    })
    expect(payloads({ format: 'tags' }, [entryOf(1, mixed)])[0]).toContain(
      '"tags":[{"name":"a","value":1},{"name":"b","error":3015},{"name":"c","value":3}]',
    )
  })

  it('ecp: good values with their type', () => {
    expect(payloads({ format: 'ecp' })).toEqual([
      '{"timestamp":1700000000123,"node":"plc7","group":"fast","tags":[{"name":"temperature","value":28.5,"type":3},' +
        '{"name":"count","value":-7,"type":2},{"name":"running","value":true,"type":1},' +
        '{"name":"serial \\"no\\"","value":"A\\n\\"7\\"","type":4},{"name":"energy","value":9007199254740993,"type":2},' +
        '{"name":"raw","value":"00ab","type":4},{"name":"pair","value":[1,2],"type":4}]}',
    ])
  })

  it('ecp: a real that happens to be whole stays a float', () => {
    const whole = batchOf(groupOf([{ name: 'a', kind: 'real' }]), [3])
    expect(payloads({ format: 'ecp' }, [entryOf(1, whole)])[0]).toContain('"value":3,"type":3')
  })

  it('ecp: without any good value nothing is sent', () => {
    const bad = batchOf(groupOf([{ name: 'a' }]), [Number.NaN], { quality: Uint8Array.of(Reason.timeout) })
    expect(messages({ format: 'ecp' }, [entryOf(1, bad)])).toEqual([])
  })

  it('uns: one value a topic, a bad one null, each with its own quality', () => {
    const sent = messages({ format: 'uns' })
    expect(sent.map(({ topic }) => topic)).toEqual(group.tags.map(({ name }) => `acme/ulm/press/plc7/fast/${name}`))
    expect(sent[0]!.payload).toBe('{"value":28.5,"timestamp_ms":1700000000123}')
    expect(sent[2]!.payload).toBe('{"value":true,"timestamp_ms":1700000000123}')
    expect(sent[8]!.payload).toBe('{"value":null,"timestamp_ms":1700000000123}')
    expect(sent[0]!.options.properties?.userProperties).toMatchObject({ quality: 'good' })
    expect(sent[8]!.options.properties?.userProperties).toMatchObject({ quality: 'bad' })
  })

  it('uns: two tags that would share a topic are a fault that names both', () => {
    expect(() => payloads({ format: 'uns', topic: 'plant/{device}' })).toThrow(ConfigurationFault)
    expect(() => payloads({ format: 'uns', topic: 'plant/{device}' })).toThrow(
      'temperature and count of plc7/fast would both go to plant/plc7',
    )
  })

  it('all but ecp are JSON that reads back', () => {
    for (const format of ['values', 'tags', 'uns', 'template']) {
      for (const payload of payloads({ format })) expect(() => JSON.parse(payload)).not.toThrow()
    }
  })

  it('integers beyond 2^53 are texts where the sink is told so, the others stay numbers', () => {
    const [payload] = payloads({}, undefined, { bigint: 'string' })
    expect(payload).toContain('"energy":"9007199254740993"')
    expect(payload).toContain('"count":-7')
  })

  it('bad tags are left out where error codes are not wanted', () => {
    expect(JSON.parse(payloads({ uploadErrors: false })[0]!).errors).toEqual({})
    expect(payloads({ uploadErrors: false, format: 'tags' })[0]).not.toContain('error')
  })

  it('a subset of the tags is named rightly', () => {
    const some = batchOf(group, [-8, 'B'], { tags: Uint32Array.of(1, 3) })
    expect(JSON.parse(payloads({}, [entryOf(1, some)])[0]!).values).toEqual({ count: -8, 'serial "no"': 'B' })
    expect(messages({ format: 'uns' }, [entryOf(1, some)]).map(({ topic }) => topic)).toEqual([
      'acme/ulm/press/plc7/fast/count',
      'acme/ulm/press/plc7/fast/serial "no"',
    ])
  })

  it('NaN and infinities that a tag keeps are null: JSON has neither', () => {
    const odd = batchOf(
      groupOf([
        { name: 'a', kind: 'real' },
        { name: 'b', kind: 'real' },
      ]),
      [Number.NaN, -Infinity],
    )
    expect(JSON.parse(payloads({}, [entryOf(1, odd)])[0]!).values).toEqual({ a: null, b: null })
  })
})

describe('a template', () => {
  const small = entryOf(
    1,
    batchOf(groupOf([{ name: 'a' }, { name: 'b', kind: 'text' }, { name: 'c' }]), [1, '${node}', Number.NaN], {
      quality: Uint8Array.of(0, 0, Reason.timeout),
    }),
  )
  const filled = (template: string) => payloads({ format: 'template', template }, [small])[0]

  it('becomes JSON where a variable is all of a quoted text', () => {
    expect(filled('{"t":"${timestamp}","n":"${node}","v":"${tag_values}","e":"${tag_error_values}"}')).toBe(
      '{"t":1700000000123,"n":"plc7","v":{"a":1,"b":"${node}"},"e":{"c":3015}}',
    )
  })

  it('says whose time it is', () => {
    const at = { wall: 1_700_000_000_123, monotonic: 5000, boot: 'b', clock: 'unsynced' as const }
    const template = '{"t":"${timestamp}","c":"${clock}"}'
    expect(payloads({ format: 'template', template }, [entryOf(7, { ...batch, at })])).toEqual([
      '{"t":1700000000123,"c":"unsynced"}',
    ])
  })

  it('becomes part of a longer text, and may stand bare', () => {
    expect(filled('{"where":"${site}/${line}/${group}","tags":${tags},"bad":${tag_errors}}')).toBe(
      '{"where":"ulm/press/fast","tags":[{"name":"a","value":1},{"name":"b","value":"${node}"}],"bad":[{"name":"c","error":3015}]}',
    )
  })

  it('never takes what a value contains for a variable', () => {
    expect(filled('"${tag_values}"')).toBe('{"a":1,"b":"${node}"}')
  })

  it('with an unknown variable is refused with the names there are', () => {
    const parsed = mqttSchema.settings.safeParse({ url: 'mqtt://b', format: 'template', template: '${nodes}' })
    expect(parsed.error?.issues[0]?.message).toContain('there is no variable ${nodes}: expected one of')
  })
})

describe('the topics', () => {
  const topicOf = (topic: string, path = PATH) =>
    messages({ topic }, [entryOf(1, batchOf(groupOf([{ name: 'a' }], { path }), [1]))])[0]!.topic

  it('are Neuron’s when nothing is said', () => {
    expect(messages({})[0]!.topic).toBe('/neuron/emqx/plc7/fast')
  })

  it('take every variable', () => {
    const path = { gateway: 'gw-01', enterprise: 'acme', site: 'ulm', area: 'hall2', line: 'press' }
    expect(topicOf('{sink}/{gateway}/{enterprise}/{site}/{area}/{line}/{device}/{group}', path)).toBe(
      'emqx/gw-01/acme/ulm/hall2/press/plc7/fast',
    )
  })

  it('lose the level that is not configured, and no more', () => {
    expect(topicOf('/v1/{enterprise}/{site}/{area}/{line}/{device}')).toBe('/v1/acme/ulm/press/plc7')
    expect(topicOf('{enterprise}/{site}/{area}/{device}', { gateway: 'g' })).toBe('plc7')
    expect(topicOf('a-{area}/{device}')).toBe('a-/plc7')
  })

  it('never get a separator or a wildcard from a name', () => {
    expect(topicOf('x/{line}/y', { gateway: 'g', line: 'a/b+#' })).toBe('x/a_b__/y')
  })

  it('with a wildcard, an unknown variable or nothing in them are refused', () => {
    for (const topic of ['', 'a/+/b', 'a/#', 'a/{devise}']) {
      expect(mqttSchema.settings.safeParse({ url: 'mqtt://b', topic }).success).toBe(false)
    }
  })
})

describe('the properties', () => {
  it('carry the key to drop repeats by, and how good the values are', () => {
    expect(messages({})[0]!.options).toEqual({
      qos: 1,
      retain: false,
      properties: { userProperties: { position: `${STREAM}/1/7`, quality: 'mixed' } },
    })
  })

  it('say whose time it is where the clock was not set, and of an uncertain one what corrects it', () => {
    const propertiesAt = (clock: Instant['clock']) => {
      const at = { wall: 1_700_000_000_123, monotonic: 5000.25, boot: 'b', clock }
      return messages({}, [entryOf(7, { ...batch, at })])[0]!.options.properties!.userProperties
    }
    const always = { position: `${STREAM}/1/7`, quality: 'mixed' }
    expect(propertiesAt('synced')).toEqual(always)
    expect(propertiesAt('unsynced')).toEqual({ ...always, clock: 'unsynced', boot: 'b', monotonic: '5000.25' })
    for (const clock of ['corrected', 'holdover', 'device'] as const) {
      expect(propertiesAt(clock)).toEqual({ ...always, clock })
    }
  })

  it('mark a backlog, which is never retained', () => {
    const [live] = messages({ retain: true })
    const [backlog] = messages({ retain: true }, undefined, { historical: true })
    expect(live!.options.retain).toBe(true)
    expect(backlog!.options.retain).toBe(false)
    expect(backlog!.options.properties?.userProperties).toMatchObject({ historical: 'true' })
  })

  it('are absent in MQTT 3.1.1, which has none, and where they are not wanted', () => {
    expect(messages({ version: '3.1.1' })[0]!.options).toEqual({ qos: 1, retain: false })
    expect(messages({ properties: false })[0]!.options).toEqual({ qos: 1, retain: false })
  })
})

describe('events of the log', () => {
  const gap: Entry = {
    kind: 'gap',
    position: { epoch: 1, seq: 9 },
    at: batch.at,
    range: { from: { epoch: 1, seq: 2 }, to: { epoch: 1, seq: 8 } },
    entries: 7,
    why: 'evicted',
  }

  it('go to their own topic, unretained', () => {
    const [event] = messages({ retain: true }, [gap])
    expect(event!.topic).toBe('fieldgate/gw-01/events')
    expect(event!.options).toEqual({ qos: 1 })
    expect(JSON.parse(event!.payload)).toEqual({
      timestamp: 1_700_000_000_123,
      stream: STREAM,
      kind: 'gap',
      position: { epoch: 1, seq: 9 },
      range: { from: { epoch: 1, seq: 2 }, to: { epoch: 1, seq: 8 } },
      entries: 7,
      why: 'evicted',
    })
  })

  it('go nowhere where they are not wanted', () => {
    expect(messages({ events: false }, [gap])).toEqual([])
  })
})
