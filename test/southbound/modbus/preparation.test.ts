import { describe, expect, test } from 'vitest'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import type { GroupPlan } from '../../../src/contracts/driver.ts'
import { Rejected, Retryable } from '../../../src/contracts/errors.ts'
import { ALWAYS, Line, readGroup, registers, settled } from './rig.ts'

const entry = { address: 'holding:20', type: 'uint16', value: 7 }

/** Unit 3 with a setup, and what it is asked: function codes and addresses. */
async function line(setup: readonly object[] = [entry], more: object = {}) {
  const rig = new Line()
  const heard: string[] = []
  const { hear } = rig.stations[3]
  rig.stations[3].hear = (frame) => {
    if (frame[0] === 3) heard.push(`${frame[1]}@${(frame[2]! << 8) | frame[3]!}`)
    return hear.call(rig.stations[3], frame)
  }
  await rig.start()
  const group = registers(3, 0, 2, { setup, setupWrites: 'allow', retries: 0, ...more })
  // The first read of another device shows whether the adapter hears itself.
  await rig.read(registers(4, 0, 1))
  return { rig, heard, group, requests: rig.driver.plan(group) }
}

type Rig = Awaited<ReturnType<typeof line>>

/** One cycle of the plan that was made once, as the poller does it. */
async function cycle({ rig, requests, group }: Rig) {
  const into = new BatchBuilder(group.ref)
  let fault: unknown
  for (const request of requests) {
    await settled(
      rig.clock,
      rig.driver.read(request, into, ALWAYS).catch((thrown) => (fault = thrown)),
    )
  }
  return { quality: [...into.quality], values: [...into.numbers], fault }
}

const write = ({ rig, group }: Rig, of: GroupPlan = group) =>
  settled(
    rig.clock,
    rig.driver.write(of.device, of.tags[0]!, 5, ALWAYS).catch((thrown) => thrown),
  )

describe('a device that is set up', () => {
  test('is written to once, in order, before its first reading', async () => {
    const own = await line([entry, { address: '00008', value: true }, { address: 'holding:21.3', value: true }])
    expect(await cycle(own)).toMatchObject({ quality: [0, 0], values: [3000, 3001] })
    expect(own.heard).toEqual(['6@20', '5@7', '22@21', '3@0'])
    await cycle(own)
    expect(own.heard.slice(4)).toEqual(['3@0'])
    expect(own.rig.memories[3].get('holding', 20)).toBe(7)
    expect(own.rig.memories[3].get('coil', 7)).toBe(1)
    expect(own.rig.driver.deviceCounters('unit-3')).toMatchObject({ setupWrites: 3, setupFailures: 0 })
    expect(own.rig.driver.deviceTrouble('unit-3')).toBeNull()
  })

  test('is set up again after a reconnect', async () => {
    const own = await line([{ ...entry, when: 'connect' }])
    await cycle(own)
    own.rig.memories[3].set('holding', 20, 0)
    own.rig.wire.unplug()
    own.rig.wire.plug()
    await own.rig.clock.advance(5000)
    await cycle(own)
    expect(own.rig.memories[3].get('holding', 20)).toBe(7)
  })

  test.each([
    ['return', 7],
    ['connect', 0],
  ] as const)('that was silent is set up again with when: %s', async (when, value) => {
    const own = await line([{ ...entry, when }])
    await cycle(own)
    own.rig.stations[3].silent = true
    expect((await cycle(own)).fault).toBeInstanceOf(Retryable)
    own.rig.memories[3].set('holding', 20, 0)
    own.rig.stations[3].silent = false
    await own.rig.clock.advance(5000)
    expect((await cycle(own)).quality).toEqual([0, 0])
    expect(own.rig.memories[3].get('holding', 20)).toBe(value)
  })

  test('is written to before each reading with when: cycle, and only before its first request', async () => {
    const own = await line(
      [
        { ...entry, when: 'cycle' },
        { ...entry, address: 'holding:22' },
      ],
      { maxRegisters: 1 },
    )
    expect(own.requests).toHaveLength(2)
    await cycle(own)
    await cycle(own)
    expect(own.heard.filter((one) => one !== '3@20')).toEqual(['6@20', '6@22', '3@0', '3@1', '6@20', '3@0', '3@1'])
  })

  test('is set up anew when the configuration says something else', async () => {
    const own = await line()
    await cycle(own)
    const other = registers(3, 0, 2, { setup: [{ ...entry, value: 8 }], setupWrites: 'allow' })
    await cycle({ ...own, group: other, requests: own.rig.driver.plan(other) })
    expect(own.rig.memories[3].get('holding', 20)).toBe(8)
    const same = registers(3, 0, 2, { setup: [{ ...entry, value: 8 }], setupWrites: 'allow' })
    await cycle({ ...own, group: same, requests: own.rig.driver.plan(same) })
    expect(own.heard.filter((one) => one === '6@20')).toHaveLength(2)
  })

  test('is set up before something is written to it', async () => {
    const own = await line()
    expect(await write(own)).toBeUndefined()
    expect(own.heard.filter((one) => one.startsWith('6'))).toEqual(['6@20', '6@0'])
  })

  test('that is silent costs one write, and is set up when it is back', async () => {
    const own = await line()
    own.rig.stations[3].silent = true
    expect((await cycle(own)).fault).toBeInstanceOf(Retryable)
    expect(own.heard).toEqual(['6@20'])
    own.rig.stations[3].silent = false
    await own.rig.clock.advance(5000)
    expect((await cycle(own)).quality).toEqual([0, 0])
    expect(own.rig.memories[3].get('holding', 20)).toBe(7)
  })

  test('that was silent is asked before it is written to', async () => {
    const own = await line()
    await cycle(own)
    own.rig.stations[3].silent = true
    await cycle(own)
    own.heard.length = 0
    await own.rig.clock.advance(5000)
    expect((await cycle(own)).fault).toBeInstanceOf(Retryable)
    expect(own.heard).toEqual(['3@0'])
    own.rig.stations[3].silent = false
    await own.rig.clock.advance(5000)
    expect((await cycle(own)).quality).toEqual([0, 0])
    expect(own.heard.slice(1)).toEqual(['3@0', '6@20', '3@0'])
  })
})

describe('a device that refuses to be set up', () => {
  const refused = { ...entry, address: 'holding:5000' }
  const sentence = 'is not set up: holding:5000 = 7: unit-3 has no such address (exception 2)'

  test('is not read, and what is wrong is said', async () => {
    const own = await line([entry, refused])
    const outcome = await cycle(own)
    expect(outcome.fault).toBeUndefined()
    expect(outcome.quality).toEqual([Reason.notPrepared, Reason.notPrepared])
    expect(own.rig.driver.deviceTrouble('unit-3')).toBe(sentence)
    expect(own.heard).toEqual(['6@20', '6@5000'])
    expect(own.rig.driver.deviceCounters('unit-3')).toMatchObject({ setupWrites: 1, setupFailures: 1 })
  })

  test('is tried again less and less often, and read once it was set up', async () => {
    const own = await line([refused])
    for (let second = 0; second < 60; second++) {
      await cycle(own)
      await own.rig.clock.advance(1000)
    }
    expect(own.heard.length).toBeLessThanOrEqual(6)
    expect(own.heard.length).toBeGreaterThanOrEqual(5)
    own.rig.memories[3].set('holding', 5000, 0)
    await own.rig.clock.advance(60_000)
    expect((await cycle(own)).quality).toEqual([0, 0])
    expect(own.rig.driver.deviceTrouble('unit-3')).toBeNull()
    expect(own.rig.memories[3].get('holding', 5000)).toBe(7)
  })

  test('is not written to either', async () => {
    const own = await line([refused])
    const fault = await write(own)
    expect(fault).toBeInstanceOf(Rejected)
    expect((fault as Error).message).toBe(`not sent: unit-3 ${sentence}`)
    expect(own.rig.memories[3].get('holding', 0)).toBe(3000)
    const silent = await line()
    silent.rig.stations[3].silent = true
    expect(await write(silent)).toMatchObject({
      ambiguous: false,
      message: expect.stringContaining('not sent: unknown'),
    })
  })

  test('by reading back something else', async () => {
    const own = await line([{ ...entry, verify: true }])
    own.rig.memories[3].write = () => 0
    expect((await cycle(own)).quality).toEqual([Reason.notPrepared, Reason.notPrepared])
    expect(own.rig.driver.deviceTrouble('unit-3')).toBe(
      'is not set up: holding:20 = 7: 40021 reads back 3020 where 7 was written',
    )
  })

  test('costs its neighbours nothing', async () => {
    const own = await line([refused])
    await cycle(own)
    expect((await settled(own.rig.clock, readGroup(own.rig.driver, registers(4, 0, 1)))).values).toEqual([4000])
  })
})

test('requests under way at once wait for one set-up', async () => {
  const own = await line([entry], { maxRegisters: 1 })
  const into = new BatchBuilder(own.group.ref)
  await settled(own.rig.clock, Promise.all(own.requests.map((request) => own.rig.driver.read(request, into, ALWAYS))))
  expect(own.heard).toEqual(['6@20', '3@0', '3@1'])
})

test('what it costs and when it is written is part of the plan', async () => {
  const cyclic = { ...entry, when: 'cycle', address: 'holding:22' }
  const { rig, group, requests } = await line([entry, cyclic, { ...cyclic, verify: true }], { maxRegisters: 1 })
  const plain = registers(3, 0, 2, { maxRegisters: 1 })
  const [with_, without] = [rig.driver.cost(requests), rig.driver.cost(rig.driver.plan(plain))]
  const [first, second] = with_.exchangesMs.map((ms, at) => ms - without.exchangesMs[at]!)
  // Two writes and one reading back, each about as long as reading one register.
  expect(first! / without.exchangesMs[0]!).toBeCloseTo(3, 0)
  expect(second).toBe(0)
  expect(rig.driver.explain(group, requests)[0]!.slice(0, 2)).toEqual([
    'after connecting, and when the device is back, holding:20 = 7 is written',
    'before each reading, holding:22 = 7, holding:22 = 7 are written',
  ])
  expect(rig.driver.explain(group, requests)[1]!.join()).not.toContain('written')
})

test('what refreshing takes is said in the plan', async () => {
  const { rig } = await line()
  const group = registers(3, 0, 2)
  const upkeep = { refreshMs: 500, expiresMs: null, onStop: null, with: [] }
  const tags = group.tags.map((tag) => ({ ...tag, upkeep }))
  const onceMs = rig.driver.plan(registers(3, 0, 1))[0]!.wireMs
  const refreshed = { ...group, tags }
  const [first] = rig.driver.explain(refreshed, rig.driver.plan(refreshed))
  expect(first![0]).toBe(
    `once written, 2 values of the group are written again: up to ${(4 * onceMs).toFixed(0)} ms of each second`,
  )
  const plain = rig.driver.explain(group, rig.driver.plan(group))
  expect(plain[0]!.join()).not.toContain('written again')
})
