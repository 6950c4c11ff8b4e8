import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BatchBuilder, type GroupRef, Reason } from '../../../src/contracts/batch.ts'
import type { Clock } from '../../../src/contracts/clock.ts'
import type { Driver, GroupPlan } from '../../../src/contracts/driver.ts'
import { Rejected, Retryable } from '../../../src/contracts/errors.ts'
import { createBlueprintDriver } from '../../../src/southbound/blueprint/driver.ts'
import { blueprintSchema } from '../../../src/southbound/blueprint/schema.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { driverSuite } from '../../contracts/driver-suite.ts'
import { PLAIN } from '../../pipeline/plans.ts'
import { StationServer } from './station-server.ts'

function group(station: number, tags: Readonly<Record<string, string>>): GroupPlan {
  const resolved = Object.entries(tags).map(([address, type]) => {
    const found = blueprintSchema.resolve(blueprintSchema.tag.parse({ address, type }), {}, {}, { noValueBits: [] })
    if ('problems' in found) throw new Error(found.problems[0]!.text)
    return { name: address, ...found }
  })
  const ref: GroupRef = {
    id: station,
    revision: 1,
    device: `station-${station}`,
    group: 'g',
    path: { gateway: 'gw' },
    tags: resolved.map(({ name, type, kind }) => ({ name, type, kind })),
  }
  const settings = blueprintSchema.resolveDevice(blueprintSchema.device.parse({ station }), {})
  return {
    ref,
    device: { name: ref.device, connection: 'c', path: ref.path, enabled: true, settings },
    everyMs: 1000,
    phaseMs: 0,
    priority: 0,
    tags: resolved.map(({ settings }, index) => ({
      index,
      info: ref.tags[index]!,
      access: 'rw',
      limits: null,
      mapping: PLAIN,
      settings,
    })),
  }
}

const driverAt = (port: number, clock: Clock, timeout = '200ms'): Driver =>
  createBlueprintDriver({
    name: 'c',
    settings: blueprintSchema.connection.parse({ host: '127.0.0.1', port, timeout }),
    clock,
  })

function furnished(): StationServer {
  const server = new StationServer()
  server.stations.set(
    3,
    new Map([
      ['speed', '1480'],
      ['running', '1'],
      ['recipe', 'rye%20bread'],
      ['serial', '77'],
    ]),
  )
  return server
}

driverSuite('the blueprint', {
  async make({ clock, peer }) {
    const server = furnished()
    server.answers = peer !== 'silent'
    const port = await server.listen()
    if (peer === 'absent') await server.close()
    return {
      driver: driverAt(port, clock),
      good: group(3, { speed: 'number', running: 'bool', recipe: 'string', serial: 'number' }),
      values: [1480, true, 'rye bread', 77],
      mixed: group(3, { speed: 'number', colour: 'number', running: 'bool' }),
      mixedGood: [0, 2],
      timeoutMs: 200,
      write: { index: 2, value: 'spelt bread & butter', refused: { index: 3, value: 5 } },
      appear: async () => void (await server.listen(port)),
      dispose: () => server.close(),
    }
  },
})

describe('the blueprint', () => {
  let server: StationServer
  let clock: ManualClock
  let driver: Driver
  const signal = new AbortController().signal

  beforeEach(async () => {
    server = furnished()
    clock = new ManualClock()
    driver = driverAt(await server.listen(), clock, '2s')
    await driver.start(signal)
    await expect.poll(() => driver.state().condition).toBe('fine')
  })

  afterEach(async () => {
    await driver.stop()
    await server.close()
  })

  const read = async (plan: GroupPlan): Promise<BatchBuilder> => {
    const into = new BatchBuilder(plan.ref)
    for (const request of driver.plan(plan)) await driver.read(request, into, signal)
    return into
  }

  it('asks for fifty names in one line, and for each name once', async () => {
    const names = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`n${index}`, 'number']))
    expect(driver.plan(group(3, names))).toHaveLength(3)
    const twice = group(3, { speed: 'number' })
    const both = {
      ...twice,
      ref: { ...twice.ref, tags: [...twice.ref.tags, ...twice.ref.tags] },
      tags: [twice.tags[0]!, { ...twice.tags[0]!, index: 1 }],
    }
    const into = await read(both)
    expect(server.heard).toEqual(['GET 3 speed'])
    expect([...into.numbers]).toEqual([1480, 1480])
  })

  it('marks all tags of a station that refuses, and stays connected', async () => {
    const into = await read(group(9, { speed: 'number' }))
    expect([...into.quality]).toEqual([Reason.deviceFailure])
    expect(driver.state()).toMatchObject({ condition: 'fine' })
    expect(driver.counters()).toMatchObject({ refusals: 1 })
  })

  it('does not take for a value what is none', async () => {
    server.stations.set(
      4,
      new Map([
        ['a', 'x'],
        ['b', ''],
        ['c', '2'],
        ['d', '%E0%A4%A'],
        ['e', '1e3'],
      ]),
    )
    const into = await read(group(4, { a: 'number', b: 'number', c: 'bool', d: 'string', e: 'number' }))
    const { notDecodable, good } = Reason
    expect([...into.quality]).toEqual([notDecodable, notDecodable, notDecodable, notDecodable, good])
    expect(into.numbers[4]).toBe(1000)
  })

  it('throws Retryable for an answer that is none', async () => {
    server.nextAnswer = '<html>'
    await expect(read(group(3, { speed: 'number' }))).rejects.toMatchObject({ reason: Reason.badFrame })
    expect(driver.counters()).toMatchObject({ badAnswers: 1 })
  })

  it('marks tags that an answer leaves out', async () => {
    server.nextAnswer = 'OK speed=1'
    const into = await read(group(3, { speed: 'number', running: 'bool' }))
    expect([...into.quality]).toEqual([Reason.good, Reason.notDecodable])
  })

  it('never gives a late answer to the next question', async () => {
    server.answers = false
    const late = read(group(3, { speed: 'number' }))
    const outcome = expect(late).rejects.toMatchObject({ reason: Reason.timeout, ambiguous: false })
    await expect.poll(() => server.heard).toHaveLength(1)
    await clock.advance(2000)
    await outcome
    // The answer comes now, on a connection that is no more.
    server.say('OK speed=1\n')
    server.answers = true
    await expect(read(group(3, { running: 'bool' }))).rejects.toMatchObject({ reason: Reason.noConnection })
    await clock.advance(500)
    await expect.poll(() => driver.state().condition).toBe('fine')
    expect([...(await read(group(3, { running: 'bool' }))).numbers]).toEqual([1])
    expect(driver.counters()).toMatchObject({ timeouts: 1, connects: 2 })
  })

  it('drops a connection on which something comes unasked', async () => {
    server.say('OK speed=1\n')
    await expect.poll(() => driver.state().condition).toBe('fault')
    expect(driver.state().text).toContain('nobody asked for')
  })

  it('waits longer the longer the server is away', async () => {
    await server.close()
    await expect.poll(() => driver.counters().losses).toBe(1)
    for (const [failures, pauseMs] of [500, 1000, 2000].entries()) {
      await clock.advance(pauseMs - 1)
      expect(driver.counters().connectFailures).toBe(failures)
      await clock.advance(1)
      await expect.poll(() => driver.counters().connectFailures).toBe(failures + 1)
    }
  })

  it('refuses a value of another type before anything is sent', async () => {
    const plan = group(3, { speed: 'number', running: 'bool', recipe: 'string' })
    for (const [index, value] of ['fast', 7, 3].entries()) {
      await expect(driver.write!(plan.device, plan.tags[index]!, value, signal)).rejects.toBeInstanceOf(Rejected)
    }
    expect(server.heard).toEqual([])
  })

  it('calls a write unknown whose answer is none, and does not repeat it', async () => {
    server.nextAnswer = 'hm'
    const plan = group(3, { speed: 'number' })
    const fault = await driver.write!(plan.device, plan.tags[0]!, 5, signal).catch((thrown: unknown) => thrown)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault).toMatchObject({ ambiguous: true })
    expect(server.heard).toEqual(['SET 3 speed=5'])
  })
})

describe('the blueprint’s keys', () => {
  it('have defaults, and refuse what they do not mean', () => {
    expect(blueprintSchema.connection.parse({ host: 'h', port: 9 })).toEqual({ host: 'h', port: 9, timeout: 2000 })
    expect(blueprintSchema.connection.safeParse({ host: 'h', port: 9, timeout: 'soon' }).success).toBe(false)
    expect(blueprintSchema.tag.safeParse({ address: 'a b' }).success).toBe(false)
    expect(blueprintSchema.tag.parse({ address: 'a' })).toEqual({ address: 'a', type: 'number' })
  })

  it('refuse bit patterns, which text does not have', () => {
    expect(blueprintSchema.resolve({ address: 'a', type: 'number' }, {}, {}, { noValueBits: [1n] })).toHaveProperty(
      'problems',
    )
  })
})
