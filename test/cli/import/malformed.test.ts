/** Whatever a file says: an importer finds something, or refuses it in a sentence. Nothing else is thrown, and what it found loads. */
import fc from 'fast-check'
import { stringify } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import { fromEdgeX } from '../../../src/cli/import/edgex.ts'
import type { Findings } from '../../../src/cli/import/findings.ts'
import { fromNeuronJson } from '../../../src/cli/import/neuron.ts'
import { readSheet } from '../../../src/cli/import/sheet.ts'
import { fromTable, rowsOfCsv } from '../../../src/cli/import/tables.ts'
import { fromTelegraf } from '../../../src/cli/import/telegraf.ts'
import { Rejected } from '../../../src/contracts/errors.ts'
import { imported } from './imported.ts'

const OPTIONS = { file: 'file', connection: 'field' }
const RUNS = { numRuns: 40 }

/** How many of a property's runs ended with tags: mostly refused input would prove little. */
let withTags = 0

async function survives(make: () => Findings): Promise<void> {
  let findings: Findings
  try {
    findings = make()
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(Rejected)
    return
  }
  // Throws when the result does not load.
  const { tags } = await imported(findings)
  if (tags > 0) withTags++
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    'x',
    '1!40001',
    '1!400001#BL',
    '3!00001',
    'tcp://h:1',
    'file:///dev/ttyS0',
    'holding',
    'INT32',
    'FIXED',
    'BIT',
    'AB',
    'DCBA',
    '${X}',
    '${env:X}',
    '°C %',
    '__proto__',
    '-',
    '50001',
    '10s',
    '1e9',
    '0x10',
  ),
  fc.integer({ min: -3, max: 70_000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
  fc.boolean(),
  fc.constantFrom<unknown>([], {}, [1, 2], ['a'], { a: 1 }),
)

/** A valid document with one to four of its values, or the maps and lists that hold them, made odd or taken away. */
function damaged<T>(valid: T): fc.Arbitrary<T> {
  const change = fc.tuple(
    fc.nat(),
    fc.oneof({ weight: 4, arbitrary: odd }, { weight: 1, arbitrary: fc.constant(undefined) }),
  )
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const document = structuredClone(valid)
    for (const [which, value] of changes) {
      const places = placesIn(document)
      const [holder, key] = places[which % places.length]!
      if (value !== undefined) holder[key] = structuredClone(value)
      else if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      if (placesIn(document).length === 0) break
    }
    return document
  })
}

type Holder = Record<string, unknown>

function placesIn(value: unknown): [Holder, string][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, below]) => [
    [value as Holder, key] as [Holder, string],
    ...placesIn(below),
  ])
}

async function allSurvive<T>(valid: T, make: (document: T) => Findings): Promise<void> {
  withTags = 0
  await fc.assert(
    fc.asyncProperty(damaged(valid), (document) => survives(() => make(document))),
    RUNS,
  )
  expect(withTags).toBeGreaterThan(RUNS.numRuns / 4)
}

const TAG = {
  name: 'a',
  address: '1!400001#BL',
  type: 9,
  attribute: 3,
  decimal: 0.1,
  bias: 2,
  precision: 1,
  description: 'd',
}
const TAGS = [
  TAG,
  { ...TAG, name: 'b', address: '1!00001', type: 11 },
  { ...TAG, name: 'c', address: '2!400009.8L', type: 13 },
]
const PARAMS = {
  host: 'h',
  port: 502,
  timeout: 3000,
  interval: 20,
  endianess: 1,
  endianess_64: 2,
  address_base: 1,
  max_retries: 1,
}
const SERIAL = { link: 0, device: '/dev/ttyS0', baud: 4, stop: 0, parity: 1, data: 3, timeout: 3000 }
const FIELD = {
  name: 'a',
  address: 0,
  register: 'holding',
  type: 'INT16',
  scale: 0.1,
  output: 'FLOAT64',
  bit: 0,
  length: 0,
}

/** TOML has no lists of mixed things: what cannot be written is refused before it is read. */
function toml(document: unknown): string {
  try {
    return stringify(document)
  } catch {
    return ''
  }
}

describe('malformed input', () => {
  it('to the importer of Neuron', async () => {
    const json = (document: unknown) => fromNeuronJson(JSON.stringify(document), OPTIONS)
    const groups = [{ group: 'g', interval: 100, tags: TAGS }]
    await allSurvive({ tags: TAGS }, json)
    await allSurvive(
      {
        nodes: [
          { name: 'n', plugin: 'Modbus TCP', params: PARAMS, groups },
          { name: 'm', plugin: 'Modbus RTU', params: SERIAL, groups },
        ],
      },
      json,
    )
    const apart = {
      nodes: [{ name: 'n', plugin: 'Modbus TCP' }],
      groups: [{ driver: 'n', group: 'g', interval: 100 }],
      tags: [{ driver: 'n', group: 'g', tags: TAGS }],
      settings: [{ node: 'n', params: PARAMS }],
    }
    await allSurvive(apart, json)
    await fc.assert(
      fc.asyncProperty(fc.string(), (text) => survives(() => fromNeuronJson(text, OPTIONS))),
      RUNS,
    )
  })

  it('to the importer of Telegraf', async () => {
    const common = {
      name: 'p',
      controller: 'tcp://h:502',
      timeout: '1s',
      slave_id: 1,
      interval: '5s',
      tags: { a: 'b' },
      workarounds: { pause_between_requests: '1ms' },
    }
    const { type: _, ...field } = FIELD
    const listed = [{ ...field, address: [0, 1], data_type: 'INT32', byte_order: 'CDAB' }]
    const section = {
      slave_id: 3,
      byte_order: 'CDAB',
      register: 'input',
      measurement: 'm',
      optimization: 'max_insert',
      fields: [FIELD, { ...FIELD, name: 'b', type: 'FLOAT32' }],
      tags: { c: 'd' },
    }
    const modbus = [
      { ...common, configuration_type: 'register', holding_registers: listed, coils: [{ name: 'c', address: [4] }] },
      { ...common, configuration_type: 'request', request: [section] },
      {
        ...common,
        controller: 'file:///dev/ttyS0',
        baud_rate: 9600,
        parity: 'E',
        configuration_type: 'metric',
        metric: [section],
      },
    ]
    for (const one of modbus)
      await allSurvive({ agent: { interval: '1s' }, inputs: { modbus: [one] } }, (document) =>
        fromTelegraf(toml(document), 'file'),
      )
    await allSurvive({ inputs: { modbus } }, (document) => fromTelegraf(toml(document), 'file'))
    await fc.assert(
      fc.asyncProperty(fc.string(), (text) => survives(() => fromTelegraf(text, 'file'))),
      RUNS,
    )
  })

  it('to the importer of EdgeX', async () => {
    const resource = (name: string, table: string, valueType: string) => ({
      name,
      description: 'd',
      attributes: {
        primaryTable: table,
        startingAddress: 3,
        rawType: 'Int16',
        isByteSwap: true,
        isWordSwap: false,
        stringRegisterSize: 4,
      },
      properties: { valueType, readWrite: 'RW', scale: 0.1, offset: 1, units: 'V', minimum: 0, maximum: 10, mask: 0 },
    })
    const profile = {
      name: 'd',
      manufacturer: 'm',
      model: 'x',
      deviceResources: [
        resource('a', 'HOLDING_REGISTERS', 'Float32'),
        resource('b', 'COILS', 'Bool'),
        resource('c', 'INPUT_REGISTERS', 'String'),
      ],
    }
    await allSurvive(profile, (document) => fromEdgeX(JSON.stringify(document), OPTIONS))
    await fc.assert(
      fc.asyncProperty(fc.string(), (text) => survives(() => fromEdgeX(text, OPTIONS))),
      RUNS,
    )
  })

  it('to the importer of tables', async () => {
    const csv = (rows: unknown) =>
      (Array.isArray(rows) ? rows : []).map((row) => (Array.isArray(row) ? row.join(';') : String(row))).join('\n')
    const own = [
      [
        'name',
        'address',
        'type',
        'device',
        'group',
        'unitId',
        'every',
        'scale',
        'labels.x',
        'enum',
        'noValue',
        'order',
      ],
      ['a', '40001', 'int16', 'd', 'g', '1', '5s', '0,1', 'y', '', '0x8000', ''],
      ['b', '40002', 'uint16', 'd', 'g', '1', '5s', '', '', '0=off;1=on', '', 'BA'],
      ['c', '30001', 'float32', 'e', '', '', '', '', '', '', 'nan', 'CDAB'],
    ]
    const neuron = [
      ['group', 'interval', 'name', 'address', 'attribute', 'type', 'decimal'],
      ['g', '100', 'a', '1!400001', 'Read', 'INT16', '0.1'],
      ['g', '', 'b', '1!300001', 'Read Write', 'FLOAT', ''],
    ]
    for (const table of [own, neuron])
      await allSurvive(table, (rows) => fromTable(rowsOfCsv(csv(rows), 'file'), OPTIONS))
    await fc.assert(
      fc.asyncProperty(fc.string(), (text) => survives(() => fromTable(rowsOfCsv(text, 'file'), OPTIONS))),
      RUNS,
    )
  })

  it('to the reader of workbooks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const begun = Uint8Array.of(0x50, 0x4b, 3, 4, ...bytes)
        for (const given of [bytes, begun]) {
          try {
            readSheet(given, 'file')
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(Rejected)
          }
        }
      }),
    )
  })
})
