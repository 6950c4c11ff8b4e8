/** Other people's register maps, as their manuals print them: from the configuration's text to engineering values. The bytes
 *  are the manuals' examples where they give some. */
import { describe, expect, it } from 'vitest'
import { BatchBuilder, Reason, samples, type Value } from '../../../src/contracts/batch.ts'
import { Pipeline } from '../../../src/pipeline/pipeline.ts'
import { planGroup } from '../../../src/southbound/modbus/plan/plan.ts'
import { connectionSettings } from '../../../src/southbound/modbus/settings.ts'
import { valid } from '../../config/loading.ts'

/** Words of an area from a wire address on; bits as a string of 0 and 1. */
type Memory = Readonly<Record<string, string>>

async function read(device: string, memory: Memory): Promise<Record<string, Value | Reason>> {
  const text = `connections: { plc: { driver: modbus-tcp, host: h } }
devices:
  d:
    connection: plc
${device.replace(/^/gm, '    ')}
`
  const { groups, connections } = await valid(text)
  const [group] = groups
  const into = new BatchBuilder(group!.ref)
  for (const request of planGroup(group!, connectionSettings(connections[0]!.settings))) {
    const area = ['', 'coil', 'discrete', 'holding', 'input'][request.function]!
    const content = contentOf(memory, area, request.address, request.quantity)
    request.decode(content, 0, into)
  }
  const values: Record<string, Value | Reason> = {}
  const pipeline = new Pipeline({
    groups,
    emit: (batch) => {
      for (const { tag, value, quality } of samples(batch)) values[tag.name] = quality === Reason.good ? value : quality
    },
    note: () => {},
  })
  pipeline.onBatch(into.finish({ wall: 0, monotonic: 0, boot: 'b', clock: 'synced' }))
  return values
}

function contentOf(memory: Memory, area: string, address: number, quantity: number): Uint8Array {
  for (const [place, held] of Object.entries(memory)) {
    const [where, first] = place.split(':') as [string, string]
    const at = address - Number(first)
    if (where !== area || at < 0) continue
    if (area === 'coil' || area === 'discrete') {
      const bits = held.replace(/\s/g, '').slice(at, at + quantity)
      const bytes = new Uint8Array((bits.length + 7) >> 3)
      for (const [index, bit] of [...bits].entries()) if (bit === '1') bytes[index >> 3]! |= 1 << (index & 7)
      if (bits.length === quantity) return bytes
    } else {
      const bytes = Buffer.from(held.replace(/\s/g, ''), 'hex').subarray(at * 2, (at + quantity) * 2)
      if (bytes.length === quantity * 2) return bytes
    }
  }
  throw new Error(`nothing holds ${quantity} of ${area} from ${address}`)
}

describe('as their manuals have it', () => {
  it('the examples of the Modbus specification (V1.1b3, 6.1 to 6.4)', async () => {
    const device = `groups:
  g:
    tags:
      word: { address: "40108", type: uint16 }
      none: { address: "40109", type: uint16 }
      more: { address: "40110", type: uint16 }
      input: { address: "30009", type: uint16 }
      coil20: { address: "00020" }
      coil21: { address: "00021" }
      coil38: { address: "00038" }
      discrete: { address: "10197", count: 22 }`
    const values = await read(device, {
      'holding:107': '022B 0000 0064',
      'input:8': '000A',
      // CD 6B 05 and AC DB 35, the lowest bit first.
      'coil:19': '1011 0011 1101 0110 101',
      'discrete:196': '0011 0101 1101 1011 1010 11',
    })
    const bits = [...'0011010111011011101011'].map((bit) => bit === '1')
    expect(values).toEqual({
      word: 555,
      none: 0,
      more: 100,
      input: 10,
      coil20: true,
      coil21: false,
      coil38: true,
      discrete: bits,
    })
  })

  it('Eastron SDM630: floats, most significant word first', async () => {
    const device = 'groups: { g: { tags: { v1: { address: "30001", type: float32, unit: V, precision: 1 } } } }'
    expect(await read(device, { 'input:0': '4366 3334' })).toEqual({ v1: 230.2 })
  })

  it('Peacefair PZEM-004T: 32-bit values with the low word first', async () => {
    const device = `order: CDAB
groups:
  g:
    tags:
      voltage: { address: "input:0", type: uint16, scale: 0.1 }
      current: { address: "input:1", type: uint32, scale: 0.001 }
      power: { address: "input:3", type: uint32, scale: 0.1 }
      energy: { address: "input:5", type: uint32 }
      frequency: { address: "input:7", type: uint16, scale: 0.1 }
      factor: { address: "input:8", type: uint16, scale: 0.01 }
      alarm: { address: "input:9", type: uint16, enum: { 0: no, 0xFFFF: yes } }`
    const values = await read(device, { 'input:0': '0898 03E8 0000 0898 0000 0000 0000 01F4 0064 0000' })
    expect(values).toEqual({
      voltage: 220,
      current: 1,
      power: 220,
      energy: 0,
      frequency: 50,
      factor: 1,
      alarm: 'no',
    })
  })

  it('Carlo Gavazzi EM24: INT32 with the low word first, negative power', async () => {
    const device = `order: CDAB
groups:
  g:
    tags:
      v: { address: "30001", type: int32, scale: 0.1 }
      w: { address: "30003", type: int32, scale: 0.1 }`
    expect(await read(device, { 'input:0': '0901 0000 FF85 FFFF' })).toEqual({ v: 230.5, w: -12.3 })
  })

  it('ABB B23: 64-bit energy, values that are not there, a clock of six bytes', async () => {
    const device = `groups:
  g:
    tags:
      energy: { address: "holding:0x5000", type: uint64, scale: 0.01, noValue: "0xFFFFFFFFFFFFFFFF" }
      reactive: { address: "holding:0x5004", type: uint64, scale: 0.01, noValue: "0xFFFFFFFFFFFFFFFF" }
      power: { address: "holding:0x5B14", type: int32, scale: 0.01, noValue: "0x7FFFFFFF" }
      neutral: { address: "holding:0x5B16", type: int32, scale: 0.01, noValue: "0x7FFFFFFF" }
      clock: { address: "holding:0x8A00", type: datetime, layout: ymdhms, length: 6, timezone: Europe/Stockholm }`
    const values = await read(device, {
      'holding:20480': '0000 0000 0012 D687 FFFF FFFF FFFF FFFF',
      'holding:23316': 'FFFF FF85 7FFF FFFF',
      'holding:35328': '1A07 0F0C 1E05',
    })
    expect(values).toEqual({
      energy: 12_345.67,
      reactive: Reason.noValue,
      power: -1.23,
      neutral: Reason.noValue,
      clock: '2026-07-15T10:30:05Z',
    })
  })

  it('SunSpec model 103: scale factors of their own, "not implemented" in each type, seconds since 2000', async () => {
    const device = `groups:
  g:
    tags:
      A: { address: "holding:40072", type: uint16, noValue: "0xFFFF", scaleFrom: { tag: A_SF } }
      A_SF: { address: "holding:40076", type: int16, noValue: "0x8000" }
      W: { address: "holding:40084", type: int16, noValue: "0x8000", scaleFrom: { tag: W_SF } }
      W_SF: { address: "holding:40085", type: int16, noValue: "0x8000" }
      VA: { address: "holding:40086", type: int16, noValue: "0x8000", scaleFrom: { tag: VA_SF } }
      VA_SF: { address: "holding:40087", type: int16, noValue: "0x8000" }
      WH: { address: "holding:40094", type: uint32, scaleFrom: { tag: WH_SF } }
      WH_SF: { address: "holding:40096", type: int16, noValue: "0x8000" }
      Mn: { address: "holding:40004", type: string, length: 32 }
      Tms: { address: "holding:40120", type: datetime, layout: since-2000 }`
    const values = await read(device, {
      'holding:40004': `${Buffer.from('Acme Inverters').toString('hex')}${'00'.repeat(18)}`,
      'holding:40072': '04D2 FFFF FFFF FFFF FFFE',
      'holding:40084': 'FF38 0001 8000 8000',
      'holding:40094': '0000 3039 0002',
      'holding:40120': '2D73 D6FF',
    })
    expect(values).toMatchObject({
      A: 12.34,
      W: -2000,
      VA: Reason.noValue,
      WH: 1_234_500,
      Mn: 'Acme Inverters',
      Tms: '2024-02-29T23:59:59Z',
    })
  })

  it('SMA: NaN of U32 and S32, a state by its number, 64-bit yield', async () => {
    const device = `groups:
  g:
    tags:
      health: { address: "input:30201", type: uint32, enum: { 35: fault, 303: off, 307: ok, 455: warning }, noValue: "0x00FFFFFD" }
      yield: { address: "input:30513", type: uint64, noValue: "0xFFFFFFFFFFFFFFFF" }
      power: { address: "input:30775", type: int32, noValue: "0x80000000" }
      temperature: { address: "input:30953", type: int32, scale: 0.1, noValue: "0x80000000" }`
    const values = await read(device, {
      'input:30201': '0000 0133',
      'input:30513': '0000 0000 0256 5EE1',
      'input:30775': '8000 0000',
      'input:30953': '0000 01A4',
    })
    expect(values).toEqual({ health: 'ok', yield: 39_214_817, power: Reason.noValue, temperature: 42 })
  })

  it('Schneider iEM3000: floats, 64-bit energy, the date and time of four registers', async () => {
    const device = `groups:
  g:
    tags:
      clock: { address: "holding:1844", type: datetime, layout: iec870 }
      current: { address: "holding:2999", type: float32, precision: 2 }
      energy: { address: "holding:3203", type: int64, unit: Wh }`
    const values = await read(device, {
      // 2026-02-11 13:05:09.330; the week day stands above the day.
      'holding:1844': '001A 024B 0D05 2472',
      'holding:2999': '4145 70A4',
      'holding:3203': '0000 0000 0098 967F',
    })
    expect(values).toEqual({ clock: '2026-02-11T13:05:09.330Z', current: 12.34, energy: 9_999_999 })
  })

  it('a drive: its status word as states, its speed as a share of a range', async () => {
    const device = `groups:
  g:
    tags:
      status:
        address: "holding:16029"
        type: uint16
        fields: { ready: { bits: 1 }, fault: { bits: 3 }, mode: { bits: "8-9", enum: { 0: hand, 1: off, 2: auto } } }
      speed: { address: "holding:16049", type: int16, range: [0, 16384, 0, 1500], clamp: true, precision: 1 }
      low: { address: "holding:16050", type: int16, range: [0, 16384, 0, 1500], clamp: true }`
    const values = await read(device, { 'holding:16029': '0202', 'holding:16049': '2AAA FFFE' })
    expect(values).toEqual({ ready: true, fault: false, mode: 'auto', speed: 999.9, low: 0 })
  })

  it('a PLC whose list counts from 0, with BCD, halves, swapped texts and a counter in two places', async () => {
    const device = `digits: zero-based
groups:
  g:
    tags:
      total: { address: ["40010", "40002"], type: uint32 }
      bcd: { address: "40001", type: bcd32 }
      high: { address: "40003", type: uint8, byte: high }
      low: { address: "40003", type: int8 }
      label: { address: "40004", type: string, length: 4, order: BA }
      wide: { address: "40006", type: string, length: 2, byte: low }
      bit: { address: "40003.15" }`
    const values = await read(device, { 'holding:1': '1234 5678 80FF 766F 6E65 0041 0042 0000 0000 0001' })
    expect(values).toEqual({
      total: 65_536 + 0x5678,
      bcd: 12_345_678,
      high: 128,
      low: -1,
      label: 'oven',
      wide: 'AB',
      bit: true,
    })
  })
})
