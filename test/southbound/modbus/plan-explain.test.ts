import { describe, expect, it } from 'vitest'
import { planGroup } from '../../../src/southbound/modbus/plan/plan.ts'
import { explainRequests } from '../../../src/southbound/modbus/plan/plan-explain.ts'
import type { AddressRange } from '../../../src/southbound/modbus/settings.ts'
import { groupOf, rtu } from './configured.ts'

function why(addresses: readonly number[], device: Record<string, unknown>, avoid: readonly AddressRange[] = []) {
  const tags = addresses.map((address) => ({ address: `holding:${address}`, type: 'int16' }))
  const group = groupOf(tags, { device })
  return explainRequests(group, rtu(), planGroup(group, rtu(), avoid), avoid)
}

describe('a plan explains', () => {
  it('what it merges, and what it bridges for how much', () => {
    expect(why([0, 1, 2], {})).toEqual([['3 tags, neighbours merged']])
    expect(why([7], {})).toEqual([['one tag']])
    expect(why([0, 4], { maxGap: 5 })).toEqual([
      [
        '2 tags, neighbours merged',
        'bridges 3 registers nobody asks for (40002–40004): 6.3 ms, 20 ms less than another request',
      ],
    ])
  })

  it('that a hole is not read, is too wide, or costs more than it saves', () => {
    expect(why([0, 2], {})[1]).toContain('apart: 40002 is a hole, and holes are not read (maxGap is 0)')
    expect(why([0, 9], { maxGap: 4 })[1]).toContain('apart: the hole 40002–40009 is wider than maxGap 4')
    expect(why([0, 40], { maxGap: 60 })[1]).toContain(
      'apart: reading 40002–40040 along would take 81 ms, another request takes 27 ms',
    )
  })

  it('what it goes around', () => {
    expect(why([0, 4], { maxGap: 9, noTouch: ['holding:2-3'] })[1]).toContain('around noTouch 40003–40004')
    expect(why([0, 4], { maxGap: 9 }, [{ area: 'holding', from: 2, to: 2 }])[1]).toContain(
      'around 40003, which the device refuses',
    )
  })

  it('which limit cuts it', () => {
    const [, second] = why(
      Array.from({ length: 30 }, (_, at) => at),
      { maxRegisters: 20 },
    )
    expect(second).toContain('cut by maxRegisters 20: together with the request before it would be 30')
  })
})
