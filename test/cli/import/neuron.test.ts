import { strToU8, zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { fromNeuronJson } from '../../../src/cli/import/neuron.ts'
import { readSheet } from '../../../src/cli/import/sheet.ts'
import { fromTable, rowsOfCsv, rowsOfSheet } from '../../../src/cli/import/tables.ts'
import { words } from '../../southbound/modbus/image.ts'
import { imported } from './imported.ts'

const OPTIONS = { file: 'neuron.json', connection: 'field' }
const json = (value: unknown) => imported(fromNeuronJson(JSON.stringify(value), OPTIONS))
const tags = (...list: object[]) => json({ tags: list.map((tag, at) => ({ name: `t${at}`, attribute: 1, ...tag })) })
/** Bytes 1, 2, 3, … of a value, in the sequence in which they stand on the wire. */
const wire = (sequence: string): number[] =>
  (sequence.match(/../g) ?? []).map((pair) => (pair.charCodeAt(0) - 64) * 256 + pair.charCodeAt(1) - 64)

describe('the letters behind an address', () => {
  it.each([
    ['1!400001', 4, 'AB', 0x0102],
    ['1!400001#L', 4, 'AB', 0x0102],
    ['1!400001#B', 4, 'BA', 0x0102],
    ['1!400001', 6, 'ABCD', 0x01020304],
    ['1!400001#LL', 6, 'ABCD', 0x01020304],
    ['1!400001#LB', 6, 'BADC', 0x01020304],
    ['1!400001#BL', 6, 'CDAB', 0x01020304],
    ['1!400001#BB', 6, 'DCBA', 0x01020304],
    ['1!400001', 8, 'ABCDEFGH', 0x0102030405060708n],
    ['1!400001#B', 8, 'HGFEDCBA', 0x0102030405060708n],
    ['1!400001#LB', 8, 'BADCFEHG', 0x0102030405060708n],
    ['1!400001#BL', 8, 'GHEFCDAB', 0x0102030405060708n],
    ['1!400001#WS', 8, 'CDABGHEF', 0x0102030405060708n],
    ['1!400001#WR', 8, 'EFGHABCD', 0x0102030405060708n],
  ])('%s of type %i read %s from the wire', async (address, type, sequence, value) => {
    const { values, notes } = await tags({ address, type })
    expect(values({ holding: { 0: wire(sequence) } })).toEqual({ 'neuron/tags/t0': value })
    expect(notes).toEqual([])
  })

  it('are those of the node for 32 and 64 bits where a tag has none, never for 16', async () => {
    const { values } = await json({
      nodes: [
        {
          name: 'plc',
          plugin: 'Modbus TCP',
          params: { host: '10.0.0.1', port: 502, endianess: 4, endianess_64: 2, address_base: 0 },
          groups: [
            {
              group: 'g',
              interval: 500,
              tags: [
                { name: 'a', address: '1!400000', type: 5, attribute: 1 },
                { name: 'b', address: '1!400002', type: 3, attribute: 1 },
                { name: 'c', address: '1!400003', type: 8, attribute: 1 },
                { name: 'd', address: '1!400007#LL', type: 6, attribute: 1 },
              ],
            },
          ],
        },
      ],
    })
    const image = { holding: { 0: [...wire('CDAB'), ...wire('AB'), ...wire('BADCFEHG'), ...wire('ABCD')] } }
    expect(values(image)).toEqual({
      'plc/g/a': 0x01020304,
      'plc/g/b': 0x0102,
      'plc/g/c': 0x0102030405060708n,
      'plc/g/d': 0x01020304,
    })
  })
})

describe('a tag of Neuron', () => {
  it('has its bit, its string in each form, its bytes, and its area', async () => {
    const { values, notes } = await tags(
      { address: '2!00005', type: 11 },
      { address: '2!100007', type: 11 },
      { address: '2!300010.15', type: 11 },
      { address: '2!400020.6H', type: 13 },
      { address: '2!400030.6L', type: 13 },
      { address: '2!400040.3D', type: 13 },
      { address: '2!400050.3E', type: 13 },
      { address: '2!400060.5', type: 13 },
      { address: '2!400070.4', type: 14 },
    )
    const found = values({
      coil: { 4: [1] },
      discrete: { 6: [0] },
      input: { 9: [0x8000] },
      holding: {
        19: [0x4f76, 0x656e, 0x2037],
        29: [0x764f, 0x6e65, 0x3720],
        39: [0x0041, 0x0042, 0x0043],
        49: [0x4100, 0x4200, 0x4300],
        59: [0x4162, 0x6364, 0x6500],
        69: [0x0102, 0x0304],
      },
    })
    expect(Object.values(found)).toEqual([
      true,
      false,
      true,
      'Oven 7',
      'Oven 7',
      'ABC',
      'ABC',
      'Abcde',
      Uint8Array.of(1, 2, 3, 4),
    ])
    expect(notes).toEqual(['tags[2] "t2": is 0 or 1 in Neuron and false or true here'])
  })

  it('has decimal and bias as a line, precision for floats, and its attribute as access', async () => {
    const { values, configuration } = await tags(
      { address: '1!40001', type: 3, decimal: 0.1, bias: -40, attribute: 3 },
      { address: '1!40002', type: 9, precision: 2, attribute: 5, description: ' Flow of water ' },
      { address: '1!40004', type: 4, precision: 3, attribute: 2 },
    )
    expect(values({ holding: { 0: words('int16', -5), 1: words('float32', 2.34567) } })).toEqual({
      'neuron/tags/t0': -40.5,
      'neuron/tags/t1': 2.35,
    })
    expect(configuration.groups[0]!.tags.map(({ access, mapping }) => [access, mapping.report])).toEqual([
      ['rw', 'always'],
      ['r', 'change'],
      ['w', 'always'],
    ])
    expect(configuration.groups[0]!.ref.tags[1]!.labels).toEqual({ description: 'Flow of water' })
  })

  it('that cannot be carried over is listed with its reason', async () => {
    const { notes, tags: count } = await tags(
      { address: '1!40001', type: 4 },
      { address: 'DB1.DBW0', type: 4 },
      { address: '1!50001', type: 4 },
      { address: '1!40001', type: 1 },
      { address: '1!00001', type: 4 },
      { address: '1!40001', type: 4, attribute: 9, value: 3 },
      { address: '1!40001.16', type: 11 },
      { address: '300!40001', type: 4 },
      { address: '1!40002', type: 4, n: 7 },
    )
    expect(count).toBe(2)
    expect(notes).toEqual([
      'tags[1] "t1": address "DB1.DBW0" is none of Neuron\'s Modbus plugins: left out',
      'tags[2] "t2": address "1!50001" is none of Neuron\'s Modbus plugins: left out',
      'tags[3] "t3": type INT8 of a register is not known of Neuron\'s Modbus plugins: left out',
      'tags[4] "t4": type UINT16 of a coil or discrete input: only BIT is possible: left out',
      'tags[5] "t5": is static: its value stands in the configuration, not in a device: left out',
      'tags[6] "t6": a register has the bits 0 to 15, not 16: left out',
      'tags[7] "t7": address "300!40001": there is no unit 300: left out',
      'tags[8] "t8": n is not carried over',
    ])
  })
})

describe('what Neuron exports', () => {
  it('as drivers is a connection each, a device for each unit', async () => {
    const tag = (name: string, address: string) => ({ name, address, type: 4, attribute: 1 })
    const { configuration, notes } = await json({
      nodes: [
        {
          name: 'line 1',
          plugin: 'Modbus RTU',
          params: {
            link: 0,
            device: '/dev/ttyS1',
            baud: 3,
            parity: 2,
            stop: 0,
            data: 3,
            timeout: 3000,
            interval: 20,
            max_retries: 2,
            device_degrade: 1,
          },
          groups: [{ name: 'fast', interval: 250, tags: [tag('a', '4!40001'), tag('b', '5!40001')] }],
        },
        { name: 's7', plugin: 'Siemens S7 ISOTCP', params: {}, groups: [{ name: 'g', tags: [tag('x', 'DB1.DBW0')] }] },
      ],
    })
    expect(configuration.connections).toMatchObject([
      {
        name: 'line_1',
        driver: 'modbus-rtu',
        settings: {
          port: '/dev/ttyS1',
          baudRate: 19_200,
          parity: 'even',
          stopBits: 1,
          timeout: 3000,
          pause: 20,
          retries: 2,
        },
      },
    ])
    expect(
      configuration.groups.map(({ ref, everyMs, device }) => [ref.device, everyMs, device.settings]),
    ).toMatchObject([
      ['line_1-4', 250, { unitId: 4 }],
      ['line_1-5', 250, { unitId: 5 }],
    ])
    expect(notes).toContain('nodes[0] "line 1": device_degrade (1) is not carried over')
    expect(notes).toContain('nodes[1] "s7": its plugin "Siemens S7 ISOTCP" is not Modbus: left out')
  })

  it('as a whole, with nodes, groups, tags and settings apart', async () => {
    const { configuration, notes } = await json({
      nodes: [
        { name: 'plc', plugin: 'Modbus TCP' },
        { name: 'mqtt', plugin: 'MQTT' },
      ],
      groups: [{ driver: 'plc', group: 'g', interval: 2000 }],
      tags: [{ driver: 'plc', group: 'g', tags: [{ name: 'a', address: '1!30001', type: 9, attribute: 1 }] }],
      subscriptions: [{ driver: 'plc', app: 'mqtt', group: 'g' }],
      settings: [{ node: 'plc', params: { host: '10.1.1.1', port: 1502, timeout: 2000, connection_mode: 0 } }],
    })
    expect(configuration.connections[0]).toMatchObject({
      driver: 'modbus-tcp',
      settings: { host: '10.1.1.1', port: 1502, timeout: 2000 },
    })
    expect(configuration.groups[0]).toMatchObject({ everyMs: 2000, ref: { device: 'plc', group: 'g' } })
    expect(notes).toEqual([
      'subscriptions: is not about devices: not carried over',
      'nodes[1] "mqtt": its plugin "MQTT" is not Modbus: left out',
    ])
  })

  it('with Neuron as the server waits for the device to dial in', async () => {
    const { configuration } = await json({
      nodes: [{ name: 'plc', plugin: 'Modbus TCP' }],
      groups: [{ driver: 'plc', group: 'g', interval: 2000 }],
      tags: [{ driver: 'plc', group: 'g', tags: [{ name: 'a', address: '1!30001', type: 9, attribute: 1 }] }],
      settings: [{ node: 'plc', params: { host: '0.0.0.0', port: 1502, connection_mode: 1 } }],
    })
    expect(configuration.connections[0]).toMatchObject({ driver: 'modbus-tcp', settings: { listen: ':1502' } })
  })

  it('that is no JSON is wrong at its line and column', () => {
    expect(() => fromNeuronJson('{\n  "tags": [,]\n}', OPTIONS)).toThrow(/^neuron\.json:2:\d+: this is not JSON/)
    expect(() => fromNeuronJson('{}', OPTIONS)).toThrow('there are no tags, groups or nodes of Neuron in it')
  })
})

const TABLE = [
  ['group', 'interval', 'name', 'address', 'attribute', 'type', 'description', 'decimal', 'precision', 'bias'],
  ['g1', '1000', 'speed & torque', '1!400001', 'Read,Write', 'INT16', 'Drehzahl <rpm>', '0.5', '', ''],
  ['g2', '', 'level', '1!300001#BL', 'Read Subscribe', 'FLOAT', '', '', '1', '2'],
]

/** A workbook as spreadsheets write it: texts shared, in runs, or in the cell; the sheet found by its relation. */
function workbook(rows: readonly (readonly string[])[]): Uint8Array {
  const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
  const shared = rows
    .flat()
    .map(
      (text) =>
        `<si><r><t>${escaped(text.slice(0, 2))}</t></r><r><rPr/><t xml:space="preserve">${escaped(text.slice(2))}</t></r><rPh sb="0" eb="1"><t>no</t></rPh></si>`,
    )
  let next = 0
  const cell = (text: string, row: number, column: number): string => {
    const at = next++
    const place = `${String.fromCharCode(65 + column)}${row}`
    if (text === '') return ''
    if (/^[\d.]+$/.test(text)) return `<c r="${place}"><v>${text}</v></c>`
    return column === 3
      ? `<c r="${place}" t="inlineStr"><is><t>${escaped(text)}</t></is></c>`
      : `<c r="${place}" s="1" t="s"><v>${at}</v></c>`
  }
  const body = rows.map(
    (cells, row) =>
      `<row r="${row + 1}" spans="1:10">${cells.map((text, column) => cell(text, row + 1, column)).join('')}</row>`,
  )
  return zipSync({
    'xl/workbook.xml': strToU8('<workbook><sheets><sheet name="Tags" sheetId="1" r:id="rId7"/></sheets></workbook>'),
    'xl/_rels/workbook.xml.rels': strToU8(
      '<Relationships><Relationship Id="rId7" Type="t" Target="worksheets/sheet3.xml"/></Relationships>',
    ),
    'xl/sharedStrings.xml': strToU8(`<sst>${shared.join('')}</sst>`),
    'xl/worksheets/sheet3.xml': strToU8(
      `<worksheet><cols><col min="1"/></cols><sheetData>${body.join('')}</sheetData></worksheet>`,
    ),
  })
}

describe('a table of Neuron', () => {
  const csv = TABLE.map((row) => row.map((cell) => (cell.includes(',') ? `"${cell}"` : cell)).join(',')).join('\r\n')
  it.each([
    ['as CSV', () => rowsOfCsv(csv, 'tags.csv')],
    ['as a sheet', () => rowsOfSheet(readSheet(workbook(TABLE), 'tags.xlsx'))],
  ])('%s is groups with tags', async (_, rows) => {
    const { configuration, values, notes } = await imported(fromTable(rows(), OPTIONS))
    const [d, c] = words('float32', -1.26)
    expect(values({ holding: { 0: [7] }, input: { 0: [c!, d!] } })).toEqual({
      'unit-1/g1/speed_torque': 3.5,
      'unit-1/g2/level': 0.7,
    })
    expect(configuration.groups[0]!.ref.tags[0]!.labels).toEqual({ description: 'Drehzahl <rpm>' })
    expect(configuration.groups[0]!.tags[0]!.access).toBe('rw')
    expect(notes).toEqual([
      'line 2 "speed & torque": the name "speed & torque" is not possible: here it is "speed_torque"',
    ])
  })

  it('that is no workbook, or has no columns, is told so', () => {
    expect(() => readSheet(strToU8('PK no zip'), 'x.xlsx')).toThrow(/^x\.xlsx: this is no xlsx workbook/)
    expect(() => fromTable(rowsOfCsv('a,b\n1,2\n', 'x.csv'), { ...OPTIONS, file: 'x.csv' })).toThrow(
      'x.csv: the first row names the columns',
    )
    expect(() => rowsOfCsv('name,address\n"a,1\n', 'x.csv')).toThrow(/^x\.csv:2:1: the quote/)
  })
})

describe('a table of ours', () => {
  it('has the keys of tags as columns, and device, group, unitId and every beside them', async () => {
    const csv = `device;unitId;group;every;name;address;type;scale;unit;bit;noValue;colour
oven;4;zones;2s;temperature;"40001";int16;0,1;°C;;0x8000;red
oven;4;zones;2s;running;"40002";uint16;;;3;;
fan;;;;speed;30001;uint16;;1/min;;;
fan;;;;broken;50001;uint16;;;;;
`
    const { configuration, values, notes } = await imported(
      fromTable(rowsOfCsv(csv, 'tags.csv'), { ...OPTIONS, file: 'tags.csv' }),
    )
    expect(values({ holding: { 0: [0x8000, 8] }, input: { 0: [1450] } })).toEqual({
      'oven/zones/temperature': null,
      'oven/zones/running': true,
      'fan/tags/speed': 1450,
    })
    expect(configuration.groups[0]).toMatchObject({ everyMs: 2000, device: { settings: { unitId: 4 } } })
    expect(notes).toEqual([
      'column 12 "colour": is no key of a tag: not carried over',
      'device "fan": has no unitId: 1 is taken',
      expect.stringMatching(/^line 5 "broken": "50001": the first digit names the area.*: left out$/),
    ])
  })
})
