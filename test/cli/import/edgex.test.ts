import { describe, expect, it } from 'vitest'
import { fromEdgeX } from '../../../src/cli/import/edgex.ts'
import { words } from '../../southbound/modbus/image.ts'
import { imported } from './imported.ts'

const OPTIONS = { file: 'profile.yml', connection: 'field' }
const resource = (name: string, attributes: string, properties: string) => `
  - name: "${name}"
    attributes: { ${attributes} }
    properties: { ${properties} }`
const profile = (...resources: string[]) => `name: "Meter"
manufacturer: "Acme"
model: "M1"
deviceResources:${resources.join('')}
deviceCommands:
  - name: "All"
`

describe('a device profile of EdgeX', () => {
  it('is a device whose tags read what EdgeX reads, addresses counted from 0', async () => {
    const text = profile(
      resource('Switch', 'primaryTable: "COILS", startingAddress: 3', 'valueType: "Bool", readWrite: "RW"'),
      resource('Contact', 'primaryTable: "DISCRETES_INPUT", startingAddress: 0', 'valueType: "Bool", readWrite: "R"'),
      resource(
        'Room',
        'primaryTable: "INPUT_REGISTERS", startingAddress: 3, rawType: "Int16"',
        'valueType: "Float32", readWrite: "R", scale: 0.1, offset: -5, units: "°C"',
      ),
      resource(
        'Swapped',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: "10", isByteSwap: true, isWordSwap: true',
        'valueType: "Float32", readWrite: "R"',
      ),
      resource(
        'Words',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: 12, isWordSwap: "true"',
        'valueType: "Uint32", readWrite: "RW", minimum: 0, maximum: 100',
      ),
      resource(
        'Bytes',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: 14, isByteSwap: true',
        'valueType: "Int32", readWrite: "W"',
      ),
      resource(
        'Long',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: 20, isWordSwap: true',
        'valueType: "Int64", readWrite: "R"',
      ),
      resource(
        'Text',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: 30, stringRegisterSize: 2',
        'valueType: "String", readWrite: "R"',
      ),
      resource('Bit', 'primaryTable: "HOLDING_REGISTERS", startingAddress: 40.1', 'valueType: "Bool", readWrite: "R"'),
      resource(
        'Quoted',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: "40.1"',
        'valueType: "Bool", readWrite: "R"',
      ),
    )
    const { values, configuration, notes } = await imported(fromEdgeX(text, OPTIONS))
    const turned = (all: number[]): number[] => all.map((word) => ((word & 0xff) << 8) | (word >> 8))
    const image = {
      coil: { 3: [1] },
      discrete: { 0: [0] },
      input: { 3: words('int16', 215) },
      holding: {
        10: turned(words('float32', 12.5)).reverse(),
        12: words('uint32', 70_000).reverse(),
        20: words('int64', -3),
        30: [0x6f6b, 0],
        // A bare 40.1 is read with two decimals: bit 10; "40.1" is bit 1.
        40: [1 << 10],
      },
    }
    expect(values(image)).toEqual({
      'Meter/values/Switch': true,
      'Meter/values/Contact': false,
      'Meter/values/Room': 16.5,
      'Meter/values/Swapped': 12.5,
      'Meter/values/Words': 70_000,
      'Meter/values/Long': -3,
      'Meter/values/Text': 'ok',
      'Meter/values/Bit': true,
      'Meter/values/Quoted': false,
    })
    const written = configuration.groups[0]!.tags.filter(({ access }) => access !== 'r')
    expect(written.map(({ info, access, limits }) => [info.name, access, limits])).toEqual([
      ['Switch', 'rw', null],
      ['Words', 'rw', [0, 100]],
      ['Bytes', 'w', null],
    ])
    expect(notes).toEqual([
      'deviceCommands: deviceCommands group reads by name: here groups of tags do; all resources are in one group',
      'profile: a profile of EdgeX does not say which unit and how often: unitId 1 and every 10s are taken',
      'line 23 "Long": isByteSwap and isWordSwap say nothing of a value that has not 32 bits: EdgeX passes them over',
    ])
  })

  it('lists what has no place here, with its line', async () => {
    const text = profile(
      resource(
        'Good',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: 1',
        'valueType: "Int16", readWrite: "R", mask: 15, assertion: "x"',
      ),
      resource('Table', 'primaryTable: "REGISTERS", startingAddress: 1', 'valueType: "Int16", readWrite: "R"'),
      resource(
        'Far',
        'primaryTable: "HOLDING_REGISTERS", startingAddress: 70000',
        'valueType: "Int16", readWrite: "R"',
      ),
      resource('Kind', 'primaryTable: "HOLDING_REGISTERS", startingAddress: 1', 'valueType: "Binary", readWrite: "R"'),
    )
    const { tags, notes } = await imported(fromEdgeX(text, OPTIONS))
    expect(tags).toBe(1)
    expect(notes.slice(2)).toEqual([
      'line 5 "Good": mask 15 is not carried over: the value here is without it',
      'line 5 "Good": assertion is not carried over',
      'line 8 "Table": primaryTable "REGISTERS" is none of Modbus: left out',
      'line 11 "Far": startingAddress 70000 is no number from 0 to 65535: left out',
      'line 14 "Kind": valueType Binary is not known of EdgeX\'s Modbus service: left out',
    ])
  })

  it('that is none, or no YAML, is told so', () => {
    expect(() => fromEdgeX('name: x\n', OPTIONS)).toThrow(
      'profile.yml: this is no device profile of EdgeX: it has no deviceResources',
    )
    expect(() => fromEdgeX('a: b: c\n', OPTIONS)).toThrow(/^profile\.yml:1:\d+: this is not YAML/)
  })
})
