/** Every type in every order, with random registers, against Python's struct, datetime and zoneinfo and pymodbus' payload decoder. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seeded } from '../../hal/simulated/random.ts'
import { BatchBuilder, Reason, type Value } from '../../src/contracts/batch.ts'
import { compileDecoder } from '../../src/southbound/modbus/values/registers.ts'
import { groupOf } from '../southbound/modbus/configured.ts'

const PYTHON = '/usr/bin/python3'
const PYMODBUS = '/usr/lib/python3/dist-packages/pymodbus/version.py'
const there = existsSync(PYTHON) && existsSync(PYMODBUS)
if (!there) console.error('SKIPPED: decoding against Python, for want of pymodbus')

const random = seeded(5)
const below = (count: number): number => Math.floor(random() * count)
const one = <T>(list: readonly T[]): T => list[below(list.length)]!
const NAMED = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
const WIDTHS: Readonly<Record<string, number>> = {
  int16: 2,
  uint16: 2,
  float16: 2,
  signmag16: 2,
  bcd16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  bcd32: 4,
  int48: 6,
  uint48: 6,
  int64: 8,
  uint64: 8,
  float64: 8,
}
const PYMODBUS_HAS = ['int16', 'uint16', 'float16', 'int32', 'uint32', 'float32', 'int64', 'uint64', 'float64']

interface Case {
  readonly type: string
  readonly order: string
  readonly hex: string
  readonly [key: string]: unknown
}

function hex(bytes: number, byte: () => number = () => below(256)): string {
  return Buffer.from(Array.from({ length: bytes }, byte)).toString('hex')
}

const digits = (): number => (below(10) << 4) | below(10)

function numbers(by?: 'pymodbus'): Case[] {
  const types = by === undefined ? Object.keys(WIDTHS) : PYMODBUS_HAS
  return types.flatMap((type) =>
    Array.from({ length: 160 }, (_, at) => {
      const width = WIDTHS[type]!
      const shuffled = [...'ABCDEFGH'.slice(0, width)].sort(() => random() - 0.5).join('')
      const order = by === undefined && at % 3 === 0 ? shuffled : one(NAMED)
      const decimal = type.startsWith('bcd') && at % 4 !== 0
      return { type, order, hex: hex(width, decimal ? digits : undefined), ...(by === undefined ? {} : { by }) }
    }),
  )
}

function fields(): Case[] {
  return Array.from({ length: 300 }, () => {
    const type = one(['uint16', 'int16', 'uint32', 'uint48', 'uint64'])
    const width = WIDTHS[type]!
    const low = below(width * 8)
    return { type, order: one(NAMED), hex: hex(width), bits: [low, low + 1 + below(width * 8 - low)] }
  }).filter(({ bits: [, high], type }) => high! < WIDTHS[type]! * 8)
}

function halves(): Case[] {
  return Array.from({ length: 60 }, () => ({
    type: one(['int8', 'uint8']),
    order: 'AB',
    byte: one(['high', 'low']),
    hex: hex(2),
  }))
}

function texts(): Case[] {
  const ascii = (): number => (below(8) === 0 ? one([0, 32, 0xc3, 0xa9, 0xff]) : 33 + below(90))
  return Array.from({ length: 300 }, () => {
    const length = 1 + below(12)
    const single = below(3) === 0 ? { byte: one(['high', 'low']) } : {}
    const type = one(['string', 'bytes'])
    const registers = 'byte' in single ? length : (length + 1) >> 1
    const order = 'byte' in single ? 'AB' : one(['AB', 'BA'])
    return { type, order, length, charset: one(['utf8', 'latin1']), hex: hex(2 * registers, ascii), ...single }
  })
}

function mod10k(): Case[] {
  return Array.from({ length: 200 }, () => {
    const length = one([4, 6, 8])
    const sign = one([1, 1, -1])
    const words = Array.from({ length: length / 2 }, () => (below(10_100) * (below(12) === 0 ? -sign : sign)) & 0xffff)
    return {
      type: 'mod10k',
      length,
      order: one(NAMED),
      hex: Buffer.from(words.flatMap((w) => [w >> 8, w & 255])).toString('hex'),
    }
  })
}

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', '+05:30', '-03:00']

/** Half of them in the nights when clocks are changed. */
function dates(): Case[] {
  const night = (): readonly [number, number, number, number] =>
    one([
      [2026, 3, 29, below(5)],
      [2026, 10, 25, below(5)],
      [2025, 11, 2, below(4)],
      [2025, 3, 9, below(4)],
      [2026, 4, 5, below(4)],
      [2026, 10, 4, below(4)],
      [2000 + below(60), 1 + below(12), 1 + below(31), below(24)],
      [2024, 2, 29, below(24)],
    ] as const)
  return Array.from({ length: 700 }, () => {
    const layout = one(['unix', 'unix-ms', 'since-2000', 'ymdhms', 'iec870', 'bcd'])
    const zone = one(ZONES)
    const [year, month, day, hour] = night()
    const [minute, second, ms] = [below(60), below(60), below(1000)]
    const local = Date.UTC(year, month - 1, day, hour, minute, second, ms)
    const word = (value: number): number[] => [value >> 8, value & 0xff]
    const packed = (value: number): number => (Math.floor(value / 10) << 4) | (value % 10)
    const order = layout === 'ymdhms' || layout === 'bcd' ? 'AB' : layout === 'iec870' ? 'ABCD' : one(NAMED)
    let bytes: number[]
    if (layout === 'unix' || layout === 'unix-ms') {
      const sorted = Buffer.alloc(8)
      sorted.writeBigUInt64BE(BigInt(layout === 'unix' ? Math.floor(local / 1000) : local))
      const short = layout === 'unix' && below(2) === 0
      bytes = onTheWire([...(short ? sorted.subarray(4) : sorted)], order)
    } else if (layout === 'since-2000') {
      const sorted = Buffer.alloc(4)
      sorted.writeUInt32BE(Math.floor((local - Date.UTC(2000, 0)) / 1000))
      bytes = onTheWire([...sorted], order)
    } else if (layout === 'ymdhms' && below(3) === 0) bytes = [year - 2000, month, day, hour, minute, second]
    else if (layout === 'ymdhms')
      bytes = [below(3) === 0 ? year - 2000 : year, month, day, hour, minute, second].flatMap(word)
    else if (layout === 'iec870') {
      const invalid = below(20) === 0 ? 0x80 : 0
      bytes = [
        0,
        year - 2000,
        month,
        day | (below(8) << 5),
        hour | one([0, 0x80]),
        minute | invalid,
        ...word(second * 1000 + ms),
      ]
    } else {
      bytes = [year % 100, month, day, hour, minute, second].map(packed)
      if (below(2) === 0) bytes.push(packed(Math.floor(ms / 10)), ((ms % 10) << 4) | 1)
    }
    return { type: 'datetime', layout, zone, order, length: bytes.length, hex: Buffer.from(bytes).toString('hex') }
  })
}

/** The most significant byte first becomes what stands on the wire. */
function onTheWire(sorted: readonly number[], order: string): number[] {
  const words: number[][] = []
  for (let at = 0; at < sorted.length; at += 2) words.push(sorted.slice(at, at + 2))
  if (order === 'CDAB' || order === 'DCBA') words.reverse()
  return words.flatMap((pair) => (order === 'BADC' || order === 'DCBA' ? pair.toReversed() : pair))
}

function python(cases: readonly unknown[]): string[] {
  const script = new URL('decode-reference.py', import.meta.url).pathname
  const { stdout, stderr, status } = spawnSync(PYTHON, [script], { input: JSON.stringify(cases), maxBuffer: 1e8 })
  if (status !== 0) throw new Error(stderr.toString())
  return JSON.parse(stdout.toString())
}

/** What our decoder makes of it, as Python writes it. */
function ours({ type, order, hex: wire, bits, byte, length, charset, layout, zone }: Case): string {
  const text = type === 'string' || type === 'bytes'
  const own = type === 'mod10k' || type === 'datetime' || text
  const group = groupOf([
    {
      address: 'holding:0',
      type,
      ...(byte === undefined ? {} : { byte }),
      ...(byte !== undefined || (type === 'datetime' && order === 'AB') ? {} : { order }),
      ...(bits === undefined ? {} : { bits: (bits as number[]).join('-') }),
      ...(own ? { length } : {}),
      ...(type === 'string' ? { charset } : {}),
      ...(layout === undefined ? {} : { layout, timezone: zone }),
    },
  ])
  const into = new BatchBuilder(group.ref)
  compileDecoder(group.tags, 0)(Buffer.from(`aa${wire}bb`, 'hex'), 1, into)
  if (into.quality[0] === Reason.notDecodable) return 'not decodable'
  if (into.quality[0] === Reason.noValue) return 'no value'
  const value: Value = into.others?.get(0) ?? into.numbers[0]!
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}

function same(type: string, theirs: string, own: string): boolean {
  if (!type.startsWith('float')) return theirs === own
  const spelled: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN }
  return Object.is(spelled[theirs] ?? Number(theirs), own === 'NaN' ? NaN : Number(own)) || theirs === '-0.0'
}

describe.skipIf(!there)('read as Python reads it', () => {
  test.each<[string, () => Case[]]>([
    ['numbers, in orders by name and by letters', () => numbers()],
    ["numbers, by pymodbus' own decoder", () => numbers('pymodbus')],
    ['fields of bits', fields],
    ['halves of registers', halves],
    ['texts and bytes', texts],
    ['registers of four digits', mod10k],
    ['dates in every layout and zone', dates],
  ])('%s', (_, make) => {
    const cases = make()
    const theirs = python(cases)
    const differing = cases.flatMap((wanted, at) => {
      const own = ours(wanted)
      return same(wanted.type, theirs[at]!, own) ? [] : [{ ...wanted, theirs: theirs[at], own }]
    })
    expect(differing.slice(0, 5)).toEqual([])
    expect(new Set(theirs).size).toBeGreaterThan(cases.length / 8)
  })
})
