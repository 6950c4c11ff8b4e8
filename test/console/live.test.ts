import { describe, expect, it } from 'vitest'
import { Live } from '../../src/console/live.ts'
import { type Batch, Reason, samples } from '../../src/contracts/batch.ts'

const group = {
  id: 1,
  revision: 1,
  device: 'oven',
  group: 'fast',
  path: { gateway: 'gw' },
  tags: ['a', 'b', 'c'].map((name) => ({ name, type: 'int16', kind: 'integer' as const })),
}
const at = { wall: 0, monotonic: 0, boot: 'b', clock: 'synced' as const }
const whole: Batch = {
  group,
  at,
  tags: null,
  numbers: Float64Array.of(1, 2, 3),
  others: null,
  quality: null,
  carry: null,
}

describe('live values', () => {
  it('lay a batch of some tags over the last whole one', () => {
    const live = new Live(() => true)
    live.put(whole)
    live.put({
      ...whole,
      at: { ...at, wall: 5 },
      tags: Uint32Array.of(0, 2),
      numbers: Float64Array.of(Number.NaN, 9),
      quality: Uint8Array.of(Reason.timeout, 0),
    })
    const batch = live.get('oven', 'fast')!
    expect([...samples(batch)].map((sample) => [sample.value, sample.quality])).toEqual([
      [null, Reason.timeout],
      [2, Reason.good],
      [9, Reason.good],
    ])
    expect(batch.at.wall).toBe(5)
  })

  it('tell listeners of the batch as it came, until they leave', () => {
    const live = new Live(() => true)
    const heard: Batch[] = []
    const leave = live.watch((batch) => heard.push(batch))
    live.put(whole)
    leave()
    live.put(whole)
    expect(heard).toEqual([whole])
  })

  it('forget a group that is no longer configured', () => {
    const live = new Live(() => true)
    live.put(whole)
    live.configure([])
    expect(live.get('oven', 'fast')).toBeUndefined()
  })
})
