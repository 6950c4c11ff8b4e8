import { describe, expect, it } from 'vitest'
import { describeSunSpec } from '../../../src/southbound/modbus/sunspec/describe.ts'
import { MODELS } from '../../../src/southbound/modbus/sunspec/models.ts'
import { walkSunSpec } from '../../../src/southbound/modbus/sunspec/walk.ts'

const SUNS = [0x5375, 0x6e53]
const END = [0xffff, 0]

/** A device with these registers, which refuses all others, and more than `most` at once. */
function device(base: number, words: readonly number[], most = 125) {
  const asked: string[] = []
  const read = async (address: number, count: number): Promise<Uint16Array | null> => {
    asked.push(`${address}+${count}`)
    const from = address - base
    return from < 0 || from + count > words.length || count > most
      ? null
      : Uint16Array.from(words.slice(from, from + count))
  }
  return { read, asked }
}

const walk = (base: number, words: readonly number[], most?: number) =>
  walkSunSpec(device(base, words, most).read, (id) => id in MODELS)

describe('a SunSpec map', () => {
  it.each([40_000, 50_000, 0])('is found at %i', async (base) => {
    const map = await walk(base, [...SUNS, 899, 1, 7, ...END])
    expect(map).toEqual({ base, ending: null, models: [{ id: 899, address: base + 4, length: 1, registers: null }] })
  })

  it('is not found where other registers stand', async () => {
    expect(await walk(0, [1, 2, 3, 4])).toBeUndefined()
    expect(await walk(100, [...SUNS, ...END])).toBeUndefined()
  })

  it('without an end is read as far as it goes, and that is said', async () => {
    expect(await walk(40_000, [...SUNS, 899, 1, 7])).toMatchObject({
      models: [{ id: 899 }],
      ending: 'the device refuses the header at holding:40005: the map has no end mark',
    })
    expect(await walk(40_000, [...SUNS, 899, 1, 7, 0, 0])).toMatchObject({
      ending: 'what stands at holding:40005 (0, 0) is no header of a model',
    })
    expect(await walk(40_000, [...SUNS, 899, 0xfff0, 7])).toMatchObject({
      models: [],
      ending: expect.stringContaining('no header'),
    })
    const endless = await walk(0, [...SUNS, ...Array.from({ length: 900 }, () => [899, 0]).flat()])
    expect(endless).toMatchObject({ ending: expect.stringContaining('more than 200 models') })
  })

  it('of a device that answers few registers at once is read in small requests', async () => {
    const body = Array.from({ length: 66 }, (_, at) => at + 1)
    const map = await walk(40_000, [...SUNS, 1, 66, ...body, ...END], 20)
    expect([...map!.models[0]!.registers!]).toEqual(body)
  })

  it('is an error when nobody answers, not a device without a map', async () => {
    await expect(
      walkSunSpec(
        () => Promise.reject(new Error('silence')),
        () => true,
      ),
    ).rejects.toThrow('silence')
  })
})

describe('a model', () => {
  it('has the length its specification says, as it is tabled here', () => {
    const lengths = Object.fromEntries(
      Object.entries(MODELS).map(([id, { points, repeating }]) => [
        id,
        [points, repeating].map((list) => list.reduce((sum, { size }) => sum + size, 0)),
      ]),
    )
    expect(lengths).toEqual({
      1: [66, 0],
      101: [50, 0],
      102: [50, 0],
      103: [50, 0],
      111: [60, 0],
      112: [60, 0],
      113: [60, 0],
      120: [26, 0],
      121: [30, 0],
      122: [44, 0],
      123: [24, 0],
      124: [24, 0],
      160: [8, 20],
      201: [105, 0],
      202: [105, 0],
      203: [105, 0],
      204: [105, 0],
      211: [124, 0],
      212: [124, 0],
      213: [124, 0],
      214: [124, 0],
    })
  })

  it('names only scale factors that it has', () => {
    for (const { points, repeating } of Object.values(MODELS)) {
      const factors = points.filter(({ type }) => type === 'sunssf').map(({ name }) => name)
      for (const { scaleFactor } of [...points, ...repeating])
        if (scaleFactor !== undefined) expect(factors).toContain(scaleFactor)
    }
  })

  it('that is shorter or longer than known is taken as far as it goes, and that is said', async () => {
    const shorter = describeSunSpec((await walk(0, [...SUNS, 101, 5, 10, 10, 10, 10, 0xffff, ...END]))!)
    expect(Object.keys(shorter.groups[0]!.tags)).toEqual(['A', 'AphA', 'AphB', 'AphC', 'A_SF'])
    expect(shorter.notes[0]!.text).toBe('its length is 5: points from PPVphAB on are not there')
    const common = Array.from({ length: 68 }, () => 0x4142)
    const longer = describeSunSpec((await walk(0, [...SUNS, 1, 68, ...common, ...END]))!)
    expect(longer.notes[0]!.text).toBe('2 registers behind its points are left out')
  })

  it('that comes twice is two groups', async () => {
    const body = [512, 0, 0, 0, 0xfffe]
    const { groups } = describeSunSpec((await walk(0, [...SUNS, 101, 5, ...body, 101, 5, ...body, ...END]))!)
    expect(groups.map(({ name }) => name)).toEqual(['inverter-single-phase-101', 'inverter-single-phase-101_2'])
    expect(groups[1]!.tags.A).toEqual({
      address: 'holding:11',
      type: 'uint16',
      noValue: '0xFFFF',
      scaleFrom: { tag: 'A_SF', as: 'pow10' },
      unit: 'A',
    })
  })
})
