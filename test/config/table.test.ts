import { describe, expect, it } from 'vitest'
import { loadText, valid, withFile } from './loading.ts'

const FILE = withFile('file: tags.csv')

/** `file:line:column text` of every problem. */
async function said(csv: string | Uint8Array, file = FILE): Promise<string[]> {
  const loaded = await loadText(file, { files: { 'tags.csv': csv } })
  return loaded.ok
    ? []
    : loaded.problems.map(
        ({ file: at, line, column, text }) => `${at.split('/').at(-1)}:${line}:${column} ${text.slice(0, 60)}`,
      )
}

async function tags(csv: string, file = FILE) {
  return (await valid(file, { files: { 'tags.csv': csv } })).groups[0]!.tags
}

describe('a table of tags', () => {
  it('is read by what its columns mean, not by what its cells look like', async () => {
    const [tag] = await tags('name,address,type,unit,labels.room,labels.shift\n12,40001,int16,1,007,true\n')
    expect(tag!.info).toEqual({
      name: '12',
      type: 'int16',
      kind: 'integer',
      unit: '1',
      labels: { room: '007', shift: 'true' },
    })
  })

  it('has the ways in which tags are written', async () => {
    const csv = [
      'name,address,type,access,write.function,write.readBack,write.refresh,write.expires,write.onStop,write.with',
      'a,40001,int16,rw,multiple,true,10s,1m,5,b;c',
      'b,40002,int16,rw,,100ms,,,-6,a;c',
      'c,40003,bool,w,,,,,true,a|b',
      'd,40009,int16,rw,,,,,,',
      'e,40010,int16,rw,,false,,,,d',
    ]
    const [a, b, d, e, c] = await tags(`${csv.join('\n')}\n`)
    expect(a).toMatchObject({
      settings: { write: 'multiple', readBackMs: 0 },
      upkeep: { refreshMs: 10_000, expiresMs: 60_000, onStop: 5, with: ['b', 'c'] },
    })
    expect(b).toMatchObject({ settings: { readBackMs: 100 }, upkeep: { onStop: -6, with: ['a', 'c'] } })
    expect(c).toMatchObject({ info: { name: 'c' }, upkeep: { onStop: true, with: ['a', 'b'] } })
    expect(d!.upkeep).toBeUndefined()
    expect(e).toMatchObject({ settings: { readBackMs: null }, upkeep: { with: ['d'] } })
  })

  it('has lists, maps and the keys of maps', async () => {
    const csv = [
      'name;address;type;range;enum;noValue;scaleFrom.tag;scaleFrom.as;counter.wrap;access;limits',
      'a;40001;int16;[0,100,4,20];;;;;;;',
      'b;40002;uint16;"0;100;4;20";;0x8000|-1;;;;rw;"0;5"',
      'c;40003;uint16;;"0=off;1=on";;;;;;',
      'd;40004;uint16;;;;a;pow10;;;',
      'e;40005;uint16;;;;;;65536;;',
      '"f";40006|40008;uint32;;;;;;;;',
    ]
    const [a, b, c, d, e, f] = await tags(`${csv.join('\n')}\n`)
    expect(a!.mapping).toMatchObject({ scale: 0.16, offset: 4 })
    expect(b).toMatchObject({
      mapping: { noValue: [-1] },
      limits: [0, 5],
      settings: { format: { noValueBits: [0x8000n] } },
    })
    expect(c!.mapping.enum).toEqual(
      new Map([
        [0, 'off'],
        [1, 'on'],
      ]),
    )
    expect(d!.mapping.scaleFrom).toEqual({ index: 0, as: 'pow10' })
    expect(e!.mapping.counter).toEqual({ wrap: 65_536, maxStep: null })
    expect(f!.settings).toMatchObject({ address: 5, words: [5, 7] })
  })

  it('may write 0,1 for 0.1 unless commas separate its columns', async () => {
    const [tag] = await tags('name;address;type;scale\na;40001;int16;0,1\n')
    expect(tag!.mapping.scale).toBe(0.1)
  })

  it('keeps addresses as they are written', async () => {
    const [first, second] = await tags('name,address,type\na,00001,bool\nb,40001.10,bool\n')
    expect(first!.settings).toMatchObject({ area: 'coil', address: 0 })
    expect(second!.settings).toMatchObject({ format: { bits: { from: 10 } } })
  })

  it('has its rows’ order, line ends within quotes, and rows that are left empty', async () => {
    const found = await tags('name,address,type,unit\r\n9,40001,int16,"m\n/s"\r\n\r\n,,,\r\n1,40002,int16,\r\n')
    expect(found.map(({ info }) => [info.name, info.unit])).toEqual([
      ['9', 'm\n/s'],
      ['1', undefined],
    ])
  })

  it('may have tags beside it, which override its rows key by key', async () => {
    const file = withFile('file: tags.csv, b: { scale: 0.1 }, c: { address: "40009", type: int16 }')
    const found = await tags('name,address,type\na,40001,int16\nb,40002,int16\n', file)
    expect(found.map(({ info, mapping }) => [info.name, mapping.scale])).toEqual([
      ['a', 1],
      ['b', 0.1],
      ['c', 1],
    ])
  })

  it('has one mistake where a column’s name has one, however many rows there are', async () => {
    const rows = 'a,40001,int16\nb,40002,int16\nc,40003,int16\n'
    expect(await said(`name,adress,type\n${rows}`)).toEqual([
      'tags.csv:1:6 unknown column "adress": did you mean "address"?',
    ])
    expect(await said(`name,address,datatype\n${rows}`)).toEqual([
      'tags.csv:1:14 unknown column "datatype": here it is called "type"',
    ])
    expect(await said('name,address,type,type\na,40001,int16,int16\n')).toEqual([
      'tags.csv:1:19 the column "type" stands here twice: keep one of them',
    ])
    expect(await said('tag,address,type\na,40001,int16\n')).toEqual([
      'tags.csv:1:1 the first row names the columns, "name" among them',
    ])
  })

  it('loses nothing to a quote that is not closed: the rows below are still read', async () => {
    expect(await said('name,address,type\na,"40001,int16\nb,50000,int16\n')).toEqual([
      'tags.csv:2:3 the quote that begins here has no end',
      expect.stringContaining('tags.csv:3:3'),
    ])
    expect(await said('name,address,type\na,"40001"5,int16\n')).toEqual([
      'tags.csv:2:3 double the quotes within quotes: ""',
    ])
  })

  it('says where a row has too many cells, no name, or a name that is taken or is none', async () => {
    const rows = [
      'name,address,type',
      'a,40001,int16,7',
      ',40002,int16',
      'b,40003,int16',
      'b,40004,int16',
      'c d,40005,int16',
    ]
    expect((await said(`${rows.join('\n')}\n`)).map((one) => one.slice(0, 30))).toEqual([
      'tags.csv:2:15 this row has 4 c',
      'tags.csv:3:1 this row has no n',
      'tags.csv:5:1 the tag "b" stand',
      'tags.csv:6:1 "c d" is not a na',
    ])
  })

  it('must be UTF-8, and must be there', async () => {
    const latin = Buffer.from('name,address,type,unit\na,40001,int16,\xb0C\n', 'latin1')
    expect(await said(latin)).toEqual([expect.stringContaining('tags.csv:2:1 this is not text in UTF-8')])
    const missing = await loadText(FILE)
    expect(missing.ok ? [] : missing.problems.map(({ text }) => text.replace(/\/.*\//, ''))).toEqual([
      'the file tags.csv does not exist',
    ])
  })

  it('of many rows is read in their time', async () => {
    const rows = Array.from({ length: 20_000 }, (_, at) => `tag_${at},holding:${at},int16,0.1,°C,r${at % 50}`)
    const found = await tags(`name,address,type,scale,unit,labels.room\n${rows.join('\n')}\n`)
    expect(found).toHaveLength(20_000)
    expect(new Set(found.map(({ mapping }) => mapping)).size).toBe(1)
    expect(new Set(found.map(({ info }) => info.labels)).size).toBe(50)
  })
})
