/** Groups whose readings are of one moment, and groups that carry their device's time. */
import { describe, expect, it } from 'vitest'
import { complaints, valid, withFile } from './loading.ts'

const clock = 'clock: { address: "40001", type: datetime, layout: unix }'
const group = (tags: string, keys: string, device = ''): string =>
  withFile(tags, device).replace('g: {', `g: { ${keys},`)
const said = async (...given: Parameters<typeof group>): Promise<string[]> =>
  (await complaints(group(...given))).map((one) => one.replace(/^\S+ devices\.d\.groups\.g\./, ''))

describe('a coherent group', () => {
  const apart = (high: string): string => `a: { address: "40001", type: int16 }, b: { address: "${high}", type: int16 }`

  it('is one that a single request can read, whatever lies between its tags', async () => {
    const { groups } = await valid(group(apart('40125'), 'coherent: true'))
    expect(groups[0]!.coherent).toBe(true)
    expect((await valid(group(apart('40125'), 'coherent: false'))).groups[0]!.coherent).toBeUndefined()
  })

  it.each<[string, string, string, string]>([
    [
      'that is too long for one request',
      apart('40126'),
      '',
      'coherent: a (40001) and b (40126) are 126 registers apart, and one request of this device reads 125; split the group, or leave coherent off',
    ],
    [
      'that is too long for its device',
      apart('40011'),
      'maxRegisters: 10',
      'coherent: a (40001) and b (40011) are 11 registers apart, and one request of this device reads 10; split',
    ],
    [
      'of two areas',
      'a: { address: "40001", type: int16 }, b: { address: "00001" }',
      '',
      'coherent: a is a holding register, b is a coil: one request reads one area; split',
    ],
    [
      'across what must not be touched',
      apart('40011'),
      'noTouch: ["holding:4-5"]',
      'coherent: between a (40001) and b (40011) lies 40005, which noTouch forbids to read along; split',
    ],
    [
      'with a queue',
      'a: { address: "40001", type: int16 }, q: { address: "fifo:7" }',
      '',
      'coherent: q (fifo:7) is read by a request of its own; split',
    ],
  ])('cannot be one %s', async (_, tags, device, text) => {
    const [first, ...rest] = await said(tags, 'coherent: true', device)
    expect(rest).toEqual([])
    expect(first!.slice(0, text.length)).toBe(text)
  })

  it('may name a register that noTouch keeps from being read along', async () => {
    const tags = 'a: { address: "40001", type: int16 }, b: { address: "40002", type: int32 }'
    expect(await said(tags, 'coherent: true', 'noTouch: ["holding:2", "input:0-9"]')).toEqual([])
    const gap = 'a: { address: "40001", type: int16 }, b: { address: "40009", type: int16 }'
    expect(await said(gap, 'coherent: true', 'noTouch: ["input:0-9"]')).toEqual([])
  })
})

describe('a queue', () => {
  it('is not drained in two ways', async () => {
    const tags = 'a: { address: "fifo:7", drain: true }, b: { address: "fifo:7" }'
    expect(await said(tags, 'every: 1s')).toEqual(['tags: a and b read fifo:7, each drained in its own way'])
    expect(await said('a: { address: "fifo:7" }, b: { address: "fifo:7", type: int16 }', 'every: 1s')).toEqual([])
  })
})

describe('the time of a group', () => {
  it('is that of one of its datetime tags', async () => {
    const tags = `v: { address: "40003", type: int16 }, ${clock}`
    expect((await valid(group(tags, 'timeFrom: clock'))).groups[0]!.timeFrom).toBe(1)
    expect(await said(tags, 'timeFrom: v')).toEqual([
      'timeFrom: "v" is no datetime; timeFrom names a tag of type datetime: there are: clock',
    ])
    expect(await said('v: { address: "40003", type: int16 }', 'timeFrom: clock')).toEqual([
      'timeFrom: no tag "clock" is read in this group; timeFrom names a tag of type datetime: there is none in this group',
    ])
  })

  it('is not looked for among tags that are wrong themselves', async () => {
    const tags = 'clock: { address: "50000", type: datetime, layout: unix }'
    const [first, ...rest] = await said(tags, 'timeFrom: clock')
    expect([first!.split(':')[0], rest]).toEqual(['tags.clock.address', []])
  })
})
