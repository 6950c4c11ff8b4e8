/** Coherent groups: one request whatever lies between, and no half of it when it is refused. */
import { describe, expect, test } from 'vitest'
import { Reason } from '../../../src/contracts/batch.ts'
import { planGroup } from '../../../src/southbound/modbus/plan/plan.ts'
import { groupOf, rtu, tcp } from './configured.ts'
import { Line, named } from './rig.ts'

const tags = [0, 60, 124].map((at) => ({ address: `holding:${at}`, type: 'uint16' }))
const group = { ...groupOf(tags), coherent: true as const }

describe('a coherent group', () => {
  test('is one request although no hole may be read along otherwise', () => {
    expect(planGroup(groupOf(tags), tcp())).toHaveLength(3)
    for (const connection of [tcp(), rtu({ baudRate: 1200 })]) {
      expect(planGroup(group, connection).map(({ text }) => text)).toEqual(['FC03 unit 1, 40001–40125'])
    }
  })

  test('is one request although registers between are known to be refused', () => {
    expect(planGroup(group, tcp(), [{ area: 'holding', from: 30, to: 31 }])).toHaveLength(1)
  })

  test('is never read in parts: what one register refuses is refused for all', async () => {
    const line = new Line()
    await line.start()
    const of = (at: number) => ({ address: `holding:${at}`, type: 'uint16' })
    const beyond = named(groupOf([of(199), of(200)], { device: { unitId: 3 } }), 3)
    expect((await line.read(beyond)).quality).toEqual([Reason.good, Reason.illegalAddress])
    const both = await line.read({ ...beyond, coherent: true })
    expect(both.quality).toEqual([Reason.illegalAddress, Reason.illegalAddress])
    const whole = named(groupOf([of(3), of(70)], { device: { unitId: 3 } }), 3)
    expect((await line.read({ ...whole, coherent: true })).values).toEqual([3003, 3070])
  })
})
