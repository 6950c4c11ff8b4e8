import { describe, expect, it } from 'vitest'
import { Door, type DoorOptions } from '../../src/commands/door.ts'
import { Reason, type Value } from '../../src/contracts/batch.ts'
import type { WriteCommand } from '../../src/contracts/command.ts'
import type { GroupPlan, Tag } from '../../src/contracts/driver.ts'
import { Rejected, Retryable } from '../../src/contracts/errors.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

const never = new AbortController().signal

function tag(name: string, access: Tag['access'] = 'rw'): Tag {
  return {
    index: 0,
    info: { name, type: 'int16', kind: 'integer' },
    access,
    limits: null,
    mapping: {},
    settings: {},
  } as never
}

function doorWith(options: Partial<DoorOptions> = {}) {
  const clock = new ManualClock()
  const written: [string, Value][] = []
  const audited: { text: string; facts: Record<string, unknown> }[] = []
  const tags = new Map([tag('speed'), tag('mode'), tag('temperature', 'r')].map((one) => [one.info.name, one]))
  const plan = {
    ref: { device: 'press', group: 'main' },
    device: { name: 'press', enabled: true },
  } as unknown as GroupPlan
  const off = { ...plan, device: { ...plan.device, enabled: false } }
  const door = new Door({
    clock,
    rules: new Map([
      ['console', ['*']],
      ['sink:emqx', ['press/*/speed', 'oven']],
    ]),
    invert: (_, value) => {
      if (value === 9999) throw new Rejected('speed takes 0 to 3000, not 9999')
      return typeof value === 'number' ? value * 10 : value
    },
    find: (device, group, name) => {
      const found = tags.get(name)
      if (found === undefined || group !== 'main') return undefined
      return { plan: device === 'off' ? off : plan, tag: found }
    },
    write: async (_, writes) => {
      for (const { tag, value } of writes) written.push([tag.info.name, value])
    },
    audit: (text, facts) => audited.push({ text, facts }),
    ...options,
  })
  const submit = (writes: Record<string, Value>, more: Partial<WriteCommand> = {}, signal = never) =>
    door.submit(
      {
        id: '7',
        by: 'console',
        device: 'press',
        group: 'main',
        writes: Object.entries(writes).map(([name, value]) => ({ tag: name, value })),
        ...more,
      },
      signal,
    )
  return { clock, door, submit, written, audited }
}

describe('a write at the door', () => {
  it('is inverted, carried out in order, answered with its id, and audited', async () => {
    const { submit, written, audited, door } = doorWith()
    const result = await submit({ speed: 120, mode: 'auto' })
    expect(result).toEqual({ id: '7', outcome: 'done', text: 'press/main: speed = 120, mode = "auto"' })
    expect(written).toEqual([
      ['speed', 1200],
      ['mode', 'auto'],
    ])
    expect(audited).toEqual([
      {
        text: 'write by console to press/main: speed = 120, mode = "auto": done',
        facts: expect.objectContaining({ by: 'console', device: 'press', group: 'main', outcome: 'done' }),
      },
    ])
    expect(door.counters()).toEqual({ writesDone: 1, writesRefused: 0, writesFailed: 0, writesUnknown: 0 })
  })

  it('is refused to whom no rule names, and beyond what the rule covers', async () => {
    const { submit, written, audited } = doorWith()
    expect(await submit({ speed: 1 }, { by: 'sink:other' })).toMatchObject({ outcome: 'refused', tag: 'speed' })
    expect(await submit({ mode: 1 }, { by: 'sink:emqx' })).toMatchObject({ outcome: 'refused', tag: 'mode' })
    expect(await submit({ speed: 1 }, { by: 'consoles' })).toMatchObject({ outcome: 'refused' })
    expect(await submit({ speed: 1 }, { by: 'sink:emqx' })).toMatchObject({ outcome: 'done' })
    expect(await submit({ speed: 2 }, { by: 'sink:emqx', device: 'oven' })).toMatchObject({ outcome: 'done' })
    expect(await submit({ speed: 3 }, { by: 'console:maria' })).toMatchObject({ outcome: 'done' })
    expect(written.map(([, raw]) => raw)).toEqual([10, 20, 30])
    expect(audited.map(({ facts }) => facts.outcome)).toEqual(['refused', 'refused', 'refused', 'done', 'done', 'done'])
  })

  it('is refused once the door is shut', async () => {
    const { submit, door, written } = doorWith()
    door.shut()
    expect(await submit({ speed: 1 })).toMatchObject({ outcome: 'refused', text: 'the gateway is stopping' })
    expect(written).toEqual([])
  })

  it('is refused by new rules as soon as they are in force', async () => {
    const { submit, door } = doorWith()
    door.configure(new Map())
    expect(await submit({ speed: 1 })).toMatchObject({ outcome: 'refused' })
  })

  it('is refused for what cannot be written: unknown, read-only, switched off, out of limits', async () => {
    const { submit, written } = doorWith()
    const text = async (...given: Parameters<typeof submit>) => (await submit(...given)).text
    expect(await text({ nothing: 1 })).toBe('there is no tag press/main/nothing')
    expect(await text({ temperature: 1 })).toContain('read-only')
    expect(await text({ speed: 1 }, { device: 'off' })).toContain('switched off')
    expect(await text({ speed: 9999 })).toBe('speed takes 0 to 3000, not 9999')
    expect(await text({})).toContain('names no tag')
    expect(written).toEqual([])
  })

  it('sends nothing when one of its values is wrong', async () => {
    const { submit, written } = doorWith()
    expect(await submit({ mode: 1, speed: 9999 })).toMatchObject({ outcome: 'refused', tag: 'speed' })
    expect(written).toEqual([])
  })

  it('stops at the first that fails, and says what was written before', async () => {
    const { submit } = doorWith({
      write: async (_, [one]) => {
        if (one!.tag.info.name === 'mode') throw new Rejected('press answers: illegal value (exception 3)')
      },
    })
    expect(await submit({ speed: 1, mode: 2 })).toEqual({
      id: '7',
      outcome: 'refused',
      text: 'press answers: illegal value (exception 3) (written before: speed)',
      tag: 'mode',
    })
  })

  it('has failed when it was not sent, and is unknown when it was sent and not answered', async () => {
    const failing = (ambiguous: boolean) => ({
      write: () => {
        throw new Retryable('no answer', { reason: Reason.timeout, ambiguous })
      },
    })
    expect(await doorWith(failing(false)).submit({ speed: 1 })).toMatchObject({ outcome: 'failed', text: 'no answer' })
    const unknown = doorWith(failing(true))
    expect(await unknown.submit({ speed: 1 })).toMatchObject({ outcome: 'unknown' })
    expect(unknown.door.counters()).toMatchObject({ writesUnknown: 1 })
  })
})

describe('tags that are written together', () => {
  const [low, high, alone] = [tag('low'), tag('high'), tag('alone')]
  const upkeep = { refreshMs: null, expiresMs: null, onStop: null }
  const tags: Readonly<Record<string, Tag>> = {
    low: { ...low, upkeep: { ...upkeep, with: ['high'] } },
    high,
    alone: { ...alone, upkeep: { ...upkeep, expiresMs: 400, with: [] } },
  }
  const plan = { ref: { device: 'press', group: 'main' }, device: { name: 'press', enabled: true } } as never
  function together() {
    const requests: string[] = []
    const door = doorWith({
      find: (_, __, name) => (tags[name] === undefined ? undefined : { plan, tag: tags[name] }),
      write: async (_, writes) => {
        requests.push(writes.map(({ tag: { info }, value }) => `${info.name}=${value}`).join(' '))
        return 'so it is'
      },
    })
    return { ...door, requests }
  }

  it('go in one request, at the place of the first of them', async () => {
    const { submit, requests } = together()
    expect(await submit({ high: 1, alone: 2, low: 3 })).toMatchObject({
      outcome: 'done',
      text: 'press/main: high = 1, alone = 2, low = 3; so it is',
    })
    expect(requests).toEqual(['low=30 high=10', 'alone=20'])
  })

  it('are refused when one is missing, which is said', async () => {
    const { submit, requests } = together()
    expect(await submit({ alone: 1, low: 2 })).toMatchObject({
      outcome: 'refused',
      tag: 'low',
      text: 'low is written together with high: give high, too',
    })
    expect(requests).toEqual([])
    await submit({ high: 5 })
    expect(requests).toEqual(['high=50'])
  })

  it('are refused when one is named twice', async () => {
    const { submit, requests } = together()
    const writes = ['low', 'high', 'low'].map((name) => ({ tag: name, value: 1 }))
    expect(await submit({}, { writes })).toMatchObject({
      outcome: 'refused',
      text: expect.stringContaining('named twice'),
    })
    expect(requests).toEqual([])
  })
})

describe('a caller that asks too much', () => {
  it('is refused beyond its rate, and is served again as time goes by; others are served meanwhile', async () => {
    const { submit, clock } = doorWith({ ratePerSecond: 5 })
    const outcomes = async (count: number, by = 'console') => {
      const results = []
      for (let nth = 0; nth < count; nth++) results.push((await submit({ speed: nth }, { by })).outcome)
      return results.filter((outcome) => outcome === 'done').length
    }
    expect(await outcomes(8)).toBe(5)
    expect(await outcomes(3, 'sink:emqx')).toBe(3)
    await clock.advance(400)
    expect(await outcomes(8)).toBe(2)
    await clock.advance(60_000)
    expect(await outcomes(8)).toBe(5)
    expect((await submit(Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`t${at}`, 1])))).text).toContain(
      'at most 5',
    )
  })

  it('does not fill the audit: what is turned away is said once a second, with how many', async () => {
    const { submit, clock, audited, door } = doorWith({ ratePerSecond: 1 })
    for (let nth = 0; nth < 1000; nth++) await submit({ speed: 1 })
    await clock.advance(999)
    await submit({ speed: 1 })
    await clock.advance(1)
    await submit({ speed: 1 })
    await submit({ speed: 1 })
    expect(audited.map(({ text }) => text)).toEqual([
      'write by console to press/main: speed = 1: done',
      'write by console to press/main: speed = 1: refused: more than 1 writes a second from console',
      'write by console to press/main: speed = 1: done',
      'write by console to press/main: speed = 1: refused: more than 1 writes a second from console (as 999 before it)',
    ])
    expect(door.counters()).toMatchObject({ writesDone: 2, writesRefused: 1001 })
  })

  it('is refused while too many of its commands are under way', async () => {
    const { submit } = doorWith({ ratePerSecond: 1000, write: () => new Promise(() => {}) })
    for (let nth = 0; nth < 100; nth++) void submit({ speed: nth })
    expect((await submit({ speed: 1 })).text).toBe('100 commands of console are still under way')
    expect(await submit({ speed: 9999 }, { by: 'sink:emqx' })).toMatchObject({ tag: 'speed' })
  })
})

describe('a write that waits', () => {
  /** A lane that is busy: what is submitted starts when `free` is called, unless its signal is aborted by then. */
  function busyLane() {
    const waiting: (() => void)[] = []
    const sent: Value[] = []
    const write: DoorOptions['write'] = (_plan, writes, signal) =>
      new Promise((resolve, reject) => {
        waiting.push(() => {
          if (signal.aborted) return reject(signal.reason)
          sent.push(writes[0]!.value)
          resolve(undefined)
        })
      })
    const free = (): void => {
      for (const start of waiting.splice(0)) start()
    }
    return { write, sent, free }
  }

  it('expires, and is never sent afterwards', async () => {
    const lane = busyLane()
    const { submit, clock } = doorWith({ write: lane.write, expiresMs: 3000 })
    const early = submit({ speed: 1 })
    lane.free()
    expect(await early).toMatchObject({ outcome: 'done' })
    const late = submit({ speed: 2 })
    await clock.advance(3000 + 2000)
    expect(await late).toMatchObject({ outcome: 'failed', text: expect.stringContaining('expired and was not sent') })
    lane.free()
    expect(lane.sent).toEqual([10])
    expect(clock.timers).toBe(0)
  })

  it('is not sent later than its tag allows, counted from the command', async () => {
    const lane = busyLane()
    const upkeep = { refreshMs: null, expiresMs: 400, onStop: null, with: [] }
    const short = { ...tag('speed'), upkeep }
    const plan = { ref: { device: 'press', group: 'main' }, device: { name: 'press', enabled: true } } as never
    const find: DoorOptions['find'] = (_, __, name) => ({ plan, tag: name === 'speed' ? short : tag(name) })
    const { submit, clock } = doorWith({ write: lane.write, find })
    const late = submit({ mode: 1, speed: 2 })
    await clock.advance(300)
    lane.free()
    await clock.advance(100)
    lane.free()
    expect(await late).toEqual({
      id: '7',
      outcome: 'failed',
      tag: 'speed',
      text: 'the line was busy for 0.4 s: the write has expired and was not sent (written before: mode)',
    })
    expect(lane.sent).toEqual([10])
  })

  it('is unknown when it was on the wire as it expired', async () => {
    const { submit, clock } = doorWith({
      expiresMs: 3000,
      write: (_plan, _writes, signal) =>
        new Promise((_, reject) => {
          const sent = new Retryable('sent, and given up before its answer came', {
            reason: Reason.timeout,
            ambiguous: true,
          })
          signal.addEventListener('abort', () => reject(sent), { once: true })
        }),
    })
    const result = submit({ speed: 1 })
    await clock.advance(3000)
    expect(await result).toMatchObject({ outcome: 'unknown' })
    expect(clock.timers).toBe(0)
  })

  it('is given up with its caller', async () => {
    const lane = busyLane()
    const { submit, clock } = doorWith({ write: lane.write })
    const caller = new AbortController()
    const result = submit({ speed: 1 }, {}, caller.signal)
    caller.abort()
    lane.free()
    expect(await result).toMatchObject({ outcome: 'failed', text: 'the caller left before the write was sent' })
    expect(await submit({ speed: 1 }, {}, caller.signal)).toMatchObject({ outcome: 'failed' })
    expect(lane.sent).toEqual([])
    expect(clock.timers).toBe(0)
  })
})
