import { describe, expect, it } from 'vitest'
import { complaints, loadText, valid, withFile, withTag } from './loading.ts'

/** What is said of a tag with these keys, its own place left off. */
const of = async (keys: string, group = '') =>
  (await complaints(withTag(keys, group))).map((one) => one.replace(/^\S+ devices\.d\.groups\.g\./, ''))
const word = 'address: "40001", type: int16'
const string = 'address: "40001", type: string, length: 4'
const coil = 'address: "00001"'

describe('a tag is refused', () => {
  const refusals: [string, string, string][] = [
    ['with two lines', `${word}, scale: 2, range: [0, 1, 0, 2]`, 'tags.t.range: range and scale/offset say the same'],
    ['with a range of one point', `${word}, range: [1, 1, 0, 2]`, 'tags.t.range: the two raw numbers must differ'],
    ['clamped to a range it has not', `${word}, clamp: true`, 'tags.t.clamp: clamp: true needs a range'],
    ['with limits that nobody can write', `${word}, limits: [0, 1]`, 'tags.t.limits: limits are for writes'],
    ['with a way to write that nobody takes', `${word}, write: { function: single }`, 'tags.t.write: write says how'],
    ['with a rule about states it has not', `${word}, unknown: bad`, 'tags.t.unknown: unknown is about numbers'],
    ['with one state twice', `${word}, enum: { 16: a, 0x10: b }`, 'tags.t.enum: two keys of enum are the same'],
    ['with a state for what is no number', `${word}, enum: { on: a }`, 'tags.t.enum.on: expected a whole number'],
    ['a text, with a scale', `${string}, scale: 2`, 'tags.t.scale: scale belongs to a number; this tag is a text'],
    ['a text, with a total', `${string}, counter: true`, 'tags.t.counter: counter belongs to a number'],
    ['a text, with states', `${string}, enum: { 1: a }`, 'tags.t.enum: enum belongs to a number'],
    ['a text, with limits', `${string}, access: rw, limits: [0, 1]`, 'tags.t.limits: limits belongs to a number'],
    ['a bit, with limits', `${coil}, access: rw, limits: [0, 1]`, 'tags.t.limits: limits belongs to a number'],
    ['a bit, with a distance', `${coil}, deadband: 1`, 'tags.t.deadband: deadband belongs to a number'],
    ['a bit, with decimals', `${coil}, precision: 1`, 'tags.t.precision: precision belongs to a number'],
    ['an array, with a total', `${word}, count: 4, counter: true`, 'tags.t.counter: counter belongs to a number'],
    ['that scales itself', `${word}, scaleFrom: { tag: t }`, 'tags.t.scaleFrom: a tag cannot scale itself'],
    [
      'with a sentinel no double holds',
      `${word}, noValue: 9223372036854775807`,
      'tags.t.noValue: 9223372036854775807 is',
    ],
    [
      'with a mistyped key of a map',
      `${word}, counter: { maxstep: 5 }`,
      'tags.t.counter.maxstep: unknown key "maxstep": did',
    ],
    [
      'with a key of its device',
      `${word}, unitId: 3`,
      'tags.t.unitId: "unitId" does not belong here: it is a key of a',
    ],
    [
      'with a percentage that is none',
      `${word}, deadband: 2 percent`,
      'tags.t.deadband: expected a number, or a share',
    ],
    [
      'with a report where every record counts',
      'address: "fifo:1", drain: true, report: change',
      'tags.t.report: report does not go with records that are given once',
    ],
  ]
  for (const [title, keys, text] of refusals) {
    it(title, async () => {
      const said = await of(keys)
      expect(said).toHaveLength(1)
      expect(said[0]!.slice(0, text.length)).toBe(text)
    })
  }

  it('with a mistake in a word of several fields once, where the word has it', async () => {
    const said = await complaints(withTag('address: "50000", type: uint16, fields: { a: { bits: 0 }, b: { bits: 1 } }'))
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(/^8:23 devices\.d\.groups\.g\.tags\.t\.address: /)
  })
})

describe('what a tag says of its writes', () => {
  /** What is said of three neighbours, a with these keys of `write`. */
  const said = async (write: string, { b = '', c = '', tag = 'type: int16, scale: 0.1' } = {}) =>
    (
      await complaints(
        withFile(`a: { address: "40001", access: rw, ${tag}, write: { ${write} } },
          b: { address: "40002", type: int16, access: rw${b} }, c: { address: "40004", type: int16${c} }`),
      )
    ).map((one) => one.replace(/^\S+ devices\.d\.groups\.g\.tags\./, ''))

  it.each<[string, Parameters<typeof said>, string[]]>([
    ['is complete', ['refresh: 10s, expires: 1m, onStop: 12.5, readBack: true'], []],
    ['has another tag', ['with: [b]'], []],
    ['repeats too late', ['refresh: 1m, expires: 1m'], ['a.write.refresh: refresh must be shorter than expires']],
    ['leaves what is off the grid', ['onStop: 0.05'], ['a.write.onStop: a moves in steps: 0 or 0.1, not 0.05']],
    ['leaves what does not fit', ['onStop: 4000'], ['a.write.onStop: a is of type int16 and takes -3276.8 to 3276.7']],
    [
      'leaves what is beyond the limits',
      ['onStop: 0', { tag: 'type: int16, limits: [5, 10]' }],
      ['a.write.onStop: a takes 5 to 10, not 0'],
    ],
    [
      'leaves a text that is too long',
      ['onStop: abcd', { tag: 'type: string, length: 2' }],
      ['a.write.onStop: "abcd" cannot be written: expected at most 2 bytes of text'],
    ],
    ['leaves no value', ['onStop: { a: 1 }'], ['a.write.onStop: expected a value in the units of the tag']],
    ['has a tag that is none', ['with: [d]'], ['a.write.with: there is no tag "d"']],
    ['has itself', ['with: [a]'], ['a.write.with: a tag is always written with itself']],
    ['has one twice', ['with: [b, b]'], ['a.write.with: a tag is named twice']],
    ['has one that is only read', ['with: [b, c]'], ['a.write.with: c is read-only: give it access: rw']],
    ['has one with a hole', ['with: [b, c]', { c: ', access: rw' }], ['a.write.with: there is a hole before 40004']],
    [
      'has one that overlaps',
      ['with: [b]', { tag: 'type: int32' }],
      ['a.write.with: 40002 is named by two of them: what overlaps cannot be written together'],
    ],
    [
      'has one that has others',
      ['with: [b]', { b: ', write: { with: [c] }', c: ', access: rw' }],
      ['a.write.with: b is written together with c', 'b.write.with: there is a hole before 40004'],
    ],
    [
      'leaves one of two behind',
      ['with: [b], onStop: 0'],
      ['a.write.with: tags that are written together leave a value behind together'],
    ],
  ])('%s', async (_, given, texts) => {
    const found = await said(...given)
    expect(found.map((one, at) => one.slice(0, texts[at]?.length))).toEqual(texts)
  })

  it('becomes what the gateway keeps to', async () => {
    const { groups } = await valid(
      withTag(`${word}, access: rw, write: { refresh: 10s, expires: 1m, onStop: 5, with: [exponent] }`).replace(
        'address: "40100", type: int16',
        'address: "40002", type: int16, access: rw, write: { onStop: 1 }',
      ),
    )
    expect(groups[0]!.tags.map(({ upkeep }) => upkeep)).toEqual([
      { refreshMs: 10_000, expiresMs: 60_000, onStop: 5, with: ['exponent'] },
      { refreshMs: null, expiresMs: null, onStop: 1, with: [] },
    ])
  })
})

describe('what is written to a device by the gateway itself', () => {
  const said = async (device: string, sinks = '') =>
    (await complaints(`${withFile(`t: { ${word} }`, device)}${sinks}`)).map((one) =>
      one.replace(/^\S+ devices\.d\./, ''),
    )
  const entry = '{ address: "40010", type: int16, value: 5 }'

  it('is a list in the order of the file', async () => {
    const { devices } = await valid(
      withFile(
        `t: { ${word} }`,
        `setup: [${entry}, { address: "40011.3", value: true, when: cycle, verify: true }, { address: holding:20, type: uint64, value: "18446744073709551615", when: connect }]
    setupWrites: allow`,
      ),
    )
    const { setup } = devices[0]!.settings as { setup: unknown[] }
    expect(setup).toMatchObject([
      { value: 5, when: 'return', text: '40010 = 5', settings: { address: 9, readBackMs: null } },
      { value: true, when: 'cycle', text: '40011.3 = true', settings: { readBackMs: 0 } },
      { value: 18446744073709551615n, when: 'connect' },
    ])
  })

  it.each([
    [`setup: [${entry}]`, 'setup: the gateway writes these to the device by itself: say that it may, with setupWrites'],
    ['setup: [{ address: "30010", type: int16, value: 5 }]', 'setup: access: 30010 is an input register'],
    [`setup: [${entry}, { address: "40010", value: 5 }]`, 'setup: entry 2: type: a register needs a type'],
    ['setup: [{ address: "40010", type: int16, value: 40000 }]', 'setup: 40000 cannot be written: expected -32768 to'],
    ['setup: [{ address: "40010", type: int16 }]', 'setup.0: value is missing'],
    ['setup: [{ address: "40010", type: int16, value: 5, whn: cycle }]', 'setup.0: unknown key "whn"'],
    ['setup: { address: "40010" }', 'setup: expected a list of { address, type, value }'],
  ])('%s', async (keys, text) => {
    const allowed = keys.includes(', {') || !keys.includes(entry) ? '\n    setupWrites: allow' : ''
    const found = await said(keys + allowed)
    expect(found.map((one) => one.slice(0, text.length))).toEqual([text])
  })

  it('is not due at each connecting where there is one in each cycle', async () => {
    const device = `setup: [${entry.replace(' }', ', when: connect }')}]\n    setupWrites: allow`
    const file = withFile(`t: { ${word} }`, device).replace('127.0.0.1', '127.0.0.1, connect: per-cycle')
    expect(await complaints(file)).toEqual([expect.stringContaining('say when: cycle, or return')])
    expect(await complaints(file.replace('when: connect', 'when: return'))).toEqual([])
  })

  it('needs a line without other masters', async () => {
    const file = withFile(`t: { ${word} }`, `unitId: 3\n    setup: [${entry}]\n    setupWrites: allow`).replace(
      'modbus-tcp, host: 127.0.0.1',
      'modbus-rtu, port: rs485-1, masters: shared',
    )
    expect(await complaints(file)).toEqual([expect.stringContaining('it needs a connection with masters: sole')])
  })

  it('contradicts a connection that only listens', async () => {
    const file = withFile(
      `t: { ${word} }`,
      `unitId: 3, setup: [${entry}], setupWrites: allow`.replaceAll(', setup', '\n    setup'),
    )
      .replace('modbus-tcp, host: 127.0.0.1', 'modbus-rtu, port: rs485-1, mode: listen')
      .replace(', setupWrites', '\n    setupWrites')
    expect((await complaints(file)).map((one) => one.replace(/^\S+ devices\.d\./, ''))).toEqual([
      expect.stringContaining('setup: a connection with mode: listen never sends anything'),
    ])
  })

  it('contradicts a gateway that is one-way', async () => {
    const device = `setup: [${entry}]\n    setupWrites: allow`
    const sinks = (keys: string) => `sinks: { s: { type: mqtt, url: "mqtt://a"${keys} } }\n`
    expect(await said(device, sinks(''))).toEqual([])
    expect(await said(device, sinks(', commands: none'))).toEqual([expect.stringContaining('not even setup')])
    // It would let a tag acknowledge what it drains.
    const allowed = await said('setupWrites: allow', sinks(', commands: none'))
    expect(allowed).toEqual([expect.stringContaining('not even setupWrites')])
  })
})

describe('a tag is accepted', () => {
  it('with states in hex, and states of a bit', async () => {
    const { groups } = await valid(withTag(`${word}, enum: { 0x10: run, 1: stop }`))
    expect(groups[0]!.tags[0]!.mapping.enum).toEqual(
      new Map([
        [16, 'run'],
        [1, 'stop'],
      ]),
    )
    expect(await of(`${coil}, enum: { 0: open, 1: closed }`)).toEqual([])
  })

  it('as an array that is scaled element by element', async () => {
    expect(await of(`${word}, count: 4, scale: 0.1, precision: 1`)).toEqual([])
  })

  it('without the deadband of its group where it has no distance: a state’s change is never hidden', async () => {
    const { groups } = await valid(
      withFile(
        'on: { address: "00001" }, mode: { address: "40001", type: int16, enum: { 0: a, 5: b } }, t: { address: "40002", type: int16 }',
      ).replace('g: {', 'g: { deadband: 2, report: change,'),
    )
    expect(groups[0]!.tags.map(({ mapping }) => mapping.deadband)).toEqual([null, null, { absolute: 2 }])
  })
})

describe('a bare 0', () => {
  it('is a duration', async () => {
    expect((await valid('log: { commitEvery: 0 }')).log.commitEveryMs).toBe(0)
    expect((await valid(withTag(word, 'phase: 0'))).groups[0]!.phaseMs).toBe(0)
    expect(await of(word, 'every: 0')).toEqual(['every: expected at least 1ms'])
  })
})

describe('what was probably meant', () => {
  const meant: [string, string][] = [
    ['log: { commitEvery: 200 }', 'did you mean "200ms"?'],
    ['log: { commitEvery: 1 sec }', 'did you mean "1s"?'],
    ['log: { commitEvery: 5 minutes }', 'did you mean "5m"?'],
    ['log: { quota: 4 gb }', 'did you mean "4GiB"?'],
    ['log: { quota: 4G }', 'did you mean "4GiB"?'],
    ['log: { evict: oldst }', 'did you mean "oldest"?'],
    ['sinks: { s: { type: mqtt, url: "mqtt://a", enabled: yes } }', 'YAML reads yes as a text'],
    ['connections: { p: { driver: modbus-tcp, host: h, port: "502" } }', 'leave the quotes off'],
    ['connections: { p: { driver: modbus-tcp, host: 10 } }', 'put it in quotes'],
    ['sinks: { s: { type: sparkplug } }', 'type "sparkplug" is not available in this version'],
    ['sinks: { s: { type: mqqt, url: "mqtt://a" } }', 'did you mean "mqtt"?'],
    ['conections: { p: { driver: modbus-tcp, host: h } }', 'did you mean "connections"?'],
  ]
  for (const [text, hint] of meant) {
    it(`with ${text}`, async () => {
      const said = await complaints(text)
      expect(said).toHaveLength(1)
      expect(said[0]).toContain(hint)
    })
  }
})

describe('a mistyped key', () => {
  it('is read as what it was meant to be, so that what is below it is checked and nothing refers to nothing', async () => {
    const text = withTag(word)
      .replace('connections:', 'conections:')
      .replace('groups:', 'grups:')
      .replace('tags:', 'tgas:')
    const said = await complaints(text)
    expect(said.map((one) => one.split(' ')[0])).toEqual(['1:1', '6:5', '7:12'])
    const deeper = await complaints(text.replace('int16 },', 'int17 },'))
    expect(deeper.map((one) => one.split(' ')[0])).toEqual(['1:1', '6:5', '7:12', '8:38'])
  })

  it('never hides what is missing beside it', async () => {
    const said = await complaints('connections: { a: { driver: modbus-rtu, baud: 9600 }, b: { driver: blueprint } }')
    expect(said.map((one) => one.replace(/: (expected|here).*/, ''))).toEqual([
      '1:16 connections.a: port is missing',
      '1:41 connections.a.baud: unknown key "baud"',
      '1:55 connections.b: host is missing',
      '1:55 connections.b: port is missing',
    ])
  })
})

describe('a sink’s patterns', () => {
  const sink = (keys: string) => `${withTag(word)}sinks: { s: { type: mqtt, url: "mqtt://a", ${keys} } }\n`

  it('are paths of one to three names', async () => {
    expect(await complaints(sink('include: [d, d/g, d/*/t*]'))).toEqual([])
    expect(await complaints(sink('include: [d/g/t/x]'))).toHaveLength(1)
    expect(await complaints(sink('exclude: ""'))).toHaveLength(1)
    expect(await complaints(sink('commands: ["/t"]'))).toHaveLength(1)
    expect(await complaints(sink('rename: { "d//t": x }'))).toHaveLength(1)
  })

  it('that fit nothing are noticed', async () => {
    const loaded = await loadText(sink('include: [d/*, e/*], exclude: d/g/t?'.replace('?', 'x')))
    expect(loaded.ok && loaded.notices).toEqual([
      'sinks.s.include: "e/*" fits no device, group or tag',
      'sinks.s.exclude: "d/g/tx" fits no device, group or tag',
    ])
  })
})

describe('a profile', () => {
  const text = `connections: { plc: { driver: modbus-tcp, host: h } }
devices:
  a: { connection: plc, profile: meter, unitId: 3 }
  b: { connection: plc, profile: meter, groups: { g: { every: 5s, tags: { x: { scale: 0.1 }, y: { address: "40009", type: int16 } } } } }
`
  const meter = `unitId: 9
groups:
  g: { every: 1s, tags: { x: { address: "40001", type: int16, unit: V } } }
`

  it('gives a device its groups and tags, which the device’s own keys override one by one', async () => {
    const { devices, groups } = await valid(text, { files: { 'profiles/meter.yaml': meter } })
    expect(devices.map(({ settings }) => (settings as { unitId: number }).unitId)).toEqual([3, 9])
    expect(groups.map(({ everyMs }) => everyMs)).toEqual([1000, 5000])
    expect(groups[1]!.tags.map(({ info, mapping }) => [info.name, info.unit, mapping.scale])).toEqual([
      ['x', 'V', 0.1],
      ['y', undefined, 1],
    ])
  })

  it('is wrong once, in its own file, however many devices have it', async () => {
    const places = async (profile: string) => {
      const loaded = await loadText(text, { files: { 'profiles/meter.yaml': profile } })
      return loaded.ok
        ? []
        : loaded.problems.map(({ file, line, column }) => `${file.split('/').at(-1)}:${line}:${column}`)
    }
    expect(await places(meter.replace('unit: V', 'unti: V'))).toEqual(['meter.yaml:3:63'])
    expect(await places(meter.replace('unit: V', 'unit: "${env:NOPE}"'))).toEqual(['meter.yaml:3:69'])
    expect(await places(meter.replace('int16', 'int17'))).toEqual(['meter.yaml:3:56'])
    expect(await places('- a list')).toEqual(['meter.yaml:1:1'])
    expect(await places('groups: {')).toEqual(['meter.yaml:1:10'])
  })

  it('has its tables beside itself', async () => {
    const files = {
      'profiles/meter.yaml': meter.replace(/tags: .* \}/, 'tags: { file: meter.csv } }'),
      'profiles/meter.csv': 'name,address,type\nx,40001,int16\n',
    }
    expect((await valid(text, { files })).groups[0]!.tags[0]!.info.name).toBe('x')
  })

  it('that does not exist is said at the device', async () => {
    const said = await complaints(text.replace(/ {2}b: .*\n/, ''))
    expect(said).toEqual([expect.stringContaining('3:34 devices.a.profile: there is no profile "meter"')])
  })

  it('of a hundred devices makes one object of each tag', async () => {
    const many = Array.from(
      { length: 100 },
      (_, at) => `  d${at}: { connection: plc, profile: meter, unitId: ${at} }\n`,
    )
    const { groups } = await valid(`${text.slice(0, text.indexOf('  a:'))}${many.join('')}`, {
      files: { 'profiles/meter.yaml': meter },
    })
    expect(groups).toHaveLength(100)
    expect(new Set(groups.map(({ tags }) => tags[0])).size).toBe(1)
  })
})

it('reports every record of a queue that is drained, whatever its group says', async () => {
  const { groups } = await valid(withTag('address: "fifo:1", type: int16, drain: true', 'report: change'))
  expect(groups[0]!.tags[0]).toMatchObject({
    info: { kind: 'array', type: 'int16', events: true },
    mapping: { report: 'events' },
  })
})
