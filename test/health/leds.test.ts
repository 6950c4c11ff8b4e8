import { describe, expect, it } from 'vitest'
import type { Machine } from '../../hal/contract.ts'
import type { Condition, State } from '../../src/contracts/component.ts'
import type { ConnectionReport, DeviceReport, Light, LogReport, SinkReport } from '../../src/contracts/report.ts'
import { STATES } from '../../src/health/language/states.ts'
import { type Facts, lights } from '../../src/health/leds.ts'

function connection(name: string, condition: Condition = 'fine', text = 'connected'): ConnectionReport {
  return {
    name,
    driver: 'd',
    state: { condition, text },
    load: 0,
    requestsPerSecond: 0,
    responseMs: { p50: 0, p95: 0 },
    devices: 1,
    answering: 1,
    counters: {},
  }
}

function device(name: string, answers: boolean | null = true, more: Partial<DeviceReport> = {}): DeviceReport {
  return {
    name,
    connection: 'bus1',
    enabled: true,
    answers,
    text: 'no reply within 1 s',
    ageMs: 0,
    groups: 1,
    tags: 1,
    counters: {},
    ...more,
  }
}

function sink(name: string, condition: Condition = 'fine', text = 'connected to broker'): SinkReport {
  return { name, type: 'mqtt', state: { condition, text }, receipt: null, oldest: null, rate: 0, counters: {} }
}

function log(percent: number, condition: Condition = 'fine', text = `${percent} % full`): LogReport {
  return {
    state: { condition, text },
    stream: '0',
    head: { epoch: 1, seq: 1 },
    bytes: percent * 10,
    quotaBytes: 1000,
    limitBytes: 1000,
    evict: 'oldest',
    perSecond: { entries: 0, bytes: 0 },
    segments: 1,
    fullInMs: null,
    counters: {},
  }
}

const healthy: Facts = {
  connections: [connection('bus1')],
  devices: [device('press'), device('oven')],
  sinks: [sink('emqx')],
  log: log(3),
}

function light(role: Light['role'], facts: Partial<Facts> = {}): Light {
  return lights({ ...healthy, ...facts }).find((one) => one.role === role)!
}

describe('the lights', () => {
  it('are four, in their order, and each has a sentence', () => {
    const all = lights(healthy)
    expect(all.map(({ role }) => role)).toEqual(['SYS', 'BUS', 'NET', 'HA'])
    for (const { text } of all) expect(text).not.toBe('')
  })

  it('are never steady green: a dead service must not look fine', () => {
    for (const one of lights(healthy)) expect(one.colour === 'green' && one.pattern === 'steady').toBe(false)
  })
})

describe('SYS', () => {
  it('has short gaps in green while the gateway is healthy', () => {
    expect(light('SYS')).toEqual({ id: 'sys.fine', role: 'SYS', colour: 'green', pattern: 'gap', text: 'healthy' })
  })

  it('blinks green while starting and stopping', () => {
    expect(light('SYS', { phase: 'starting' })).toMatchObject({ colour: 'green', pattern: 'blink' })
    expect(light('SYS', { phase: 'stopping' })).toMatchObject({ colour: 'green', pattern: 'blink' })
    expect(light('SYS', { phase: 'running' })).toMatchObject({ colour: 'green', pattern: 'gap' })
  })

  it('is amber when it wants looking after: storage, clock', () => {
    expect(light('SYS', { log: log(75) })).toMatchObject({ colour: 'amber', pattern: 'long-on' })
    expect(light('SYS', { log: log(10, 'degraded', 'segment 7 is damaged') })).toMatchObject({
      colour: 'amber',
      text: expect.stringContaining('segment 7 is damaged'),
    })
    expect(light('SYS', { log: log(100, 'fault', 'the log is full') })).toMatchObject({ colour: 'amber' })
    expect(light('SYS', { clock: 'unsynced' })).toMatchObject({
      colour: 'amber',
      text: expect.stringContaining('clock'),
    })
    expect(light('SYS', { clock: 'holdover' })).toMatchObject({ colour: 'green' })
  })

  it('blinks a red code when a component hangs', () => {
    expect(light('SYS', { stalled: ['bus1: no progress since 14:03:20 UTC', 'emqx: …'] })).toEqual({
      id: 'sys.stalled',
      role: 'SYS',
      colour: 'red',
      pattern: 'code',
      code: [3],
      text: 'bus1: no progress since 14:03:20 UTC (and 1 more); if it stays so, restart the service',
    })
  })

  it('double blinks red when the disk fails: a person is needed', () => {
    const failing = log(10, 'fault', 'the disk cannot be written; values are live but not stored')
    expect(light('SYS', { log: failing, stalled: ['x'], phase: 'starting' })).toMatchObject({
      colour: 'red',
      pattern: 'double',
    })
    expect(light('SYS', { log: log(10, 'refused', 'not ours') })).toMatchObject({ colour: 'red', pattern: 'double' })
  })
})

describe('BUS', () => {
  it('has short gaps in green when all answer', () => {
    expect(light('BUS')).toMatchObject({ colour: 'green', pattern: 'gap', text: 'all 2 devices answer' })
    expect(light('BUS', { devices: [device('press')] }).text).toBe('the device answers')
  })

  it('blinks green when nothing is configured or nobody was asked yet', () => {
    expect(light('BUS', { connections: [], devices: [] })).toMatchObject({ colour: 'green', pattern: 'blink' })
    const idle = [device('a', null, { enabled: false }), device('b', null, { groups: 0 })]
    expect(light('BUS', { devices: idle }).text).toContain('nothing is configured')
    expect(light('BUS', { devices: [device('a', null)] })).toMatchObject({ colour: 'green', pattern: 'blink' })
    const opening = { connections: [connection('bus1', 'waiting', 'opening')], devices: [device('a', null)] }
    expect(light('BUS', opening)).toMatchObject({ colour: 'green', pattern: 'blink' })
  })

  it('is amber when some devices are silent, and names them', () => {
    const devices = [device('press'), ...['a', 'b', 'c', 'd'].map((name) => device(name, false))]
    expect(light('BUS', { devices })).toMatchObject({
      colour: 'amber',
      pattern: 'long-on',
      text: expect.stringMatching(/^a, b, c and 1 more do not answer \(no reply within 1 s\)/),
    })
    expect(light('BUS', { devices: [device('press'), device('oven', false)] }).text).toMatch(/^oven does not answer/)
  })

  it('is amber when a connection works in part', () => {
    const connections = [connection('bus1', 'degraded', 'another master talks')]
    expect(light('BUS', { connections })).toMatchObject({ colour: 'amber', text: 'bus1: another master talks' })
  })

  it('gives a code when a whole connection is silent: which, and why', () => {
    const connections = [connection('bus1'), connection('plc7')]
    const there = device('press')
    const away = [device('oven', false, { connection: 'plc7' }), device('tank', false, { connection: 'plc7' })]
    expect(light('BUS', { connections, devices: [there, ...away] })).toMatchObject({
      colour: 'red',
      pattern: 'code',
      code: [2, 2],
    })
    const lost = [connection('bus1'), connection('plc7', 'fault', 'connection refused')]
    expect(light('BUS', { connections: lost, devices: [there, ...away] })).toMatchObject({
      pattern: 'code',
      code: [2, 1],
      text: expect.stringContaining('plc7: connection refused'),
    })
  })

  it('is red when a connection needs a person, before all else', () => {
    const connections = [
      connection('bus1', 'fault', 'lost'),
      connection('bus2', 'refused', 'there is no port /dev/ttyUSB0'),
    ]
    const devices = [device('press', false), device('oven', false, { connection: 'bus2' })]
    expect(light('BUS', { connections, devices })).toMatchObject({
      colour: 'red',
      pattern: 'steady',
      text: expect.stringContaining('/dev/ttyUSB0'),
    })
  })

  it('does not mind a connection that no device uses', () => {
    const connections = [connection('bus1'), connection('spare', 'fault', 'no host')]
    expect(light('BUS', { connections })).toMatchObject({ colour: 'green', pattern: 'gap' })
  })
})

describe('NET', () => {
  it('has short gaps in green when all sinks are up', () => {
    expect(light('NET')).toMatchObject({ colour: 'green', pattern: 'gap', text: 'the sink is up' })
    expect(light('NET', { sinks: [sink('a'), sink('b')] }).text).toBe('all 2 sinks are up')
  })

  it('is off when there is no sink', () => {
    expect(light('NET', { sinks: [] })).toMatchObject({ colour: 'off', pattern: 'off' })
  })

  it('blinks green while connecting', () => {
    expect(light('NET', { sinks: [sink('a'), sink('b', 'waiting', 'connecting')] })).toMatchObject({
      colour: 'green',
      pattern: 'blink',
      text: 'b: connecting',
    })
  })

  it('is amber while a sink is away, and blinks how full the log is', () => {
    const sinks = [sink('emqx', 'fault', 'connection refused')]
    const codes = [3, 24, 25, 50, 75, 90].map((percent) => light('NET', { sinks, log: log(percent) }).code?.[0] ?? 0)
    expect(codes).toEqual([0, 0, 1, 2, 3, 4])
    expect(light('NET', { sinks })).toEqual({
      id: 'net.down',
      role: 'NET',
      colour: 'amber',
      pattern: 'long-on',
      text: 'emqx: connection refused; readings are kept, the log is 3 % full',
    })
    expect(light('NET', { sinks: [sink('emqx', 'degraded', 'catching up')] })).toMatchObject({ colour: 'amber' })
    const connecting = [sink('emqx', 'waiting', 'connecting')]
    expect(light('NET', { sinks: connecting, log: log(60) })).toMatchObject({
      colour: 'amber',
      pattern: 'code',
      code: [2],
    })
  })

  it('blinks red when credentials are refused', () => {
    const sinks = [sink('a', 'fault', 'away'), sink('b', 'refused', 'the broker refuses user "gw"')]
    expect(light('NET', { sinks })).toMatchObject({
      colour: 'red',
      pattern: 'blink',
      text: expect.stringMatching(/^b: the broker refuses/),
    })
  })

  it('is red when data is being lost, before all else and without any sink', () => {
    const full = log(100, 'fault', 'the log is full; the oldest records are deleted undelivered')
    const sinks = [sink('a', 'refused', 'not authorised')]
    expect(light('NET', { sinks, log: full })).toMatchObject({
      colour: 'red',
      pattern: 'steady',
      text: expect.stringMatching(/^data is being lost: the log is full/),
    })
    expect(light('NET', { sinks: [], log: log(1, 'fault', 'not stored') })).toMatchObject({
      colour: 'red',
      pattern: 'steady',
    })
  })
})

describe('HA', () => {
  it('is off: this gateway stands alone', () => {
    expect(light('HA')).toEqual({
      id: 'ha.off',
      role: 'HA',
      colour: 'off',
      pattern: 'off',
      text: 'not used: a gateway of its own',
    })
  })

  it('shows what part a gateway of a pair has', () => {
    const look = (role: NonNullable<Facts['pair']>['role']): string => {
      const { colour, pattern } = light('HA', { pair: { role } })
      return `${colour} ${pattern}`
    }
    expect(look('active')).toBe('green gap')
    expect(look('ready')).toBe('green blink')
    expect(look('alone')).toBe('amber long-on')
    expect(look('switching')).toBe('red blink')
    expect(look('fenced')).toBe('red steady')
    expect(light('HA', { pair: { role: 'fenced', text: 'B is active since 14:03' } }).text).toMatch(
      /^B is active since 14:03; find out why/,
    )
  })
})

describe('SYS, of the box', () => {
  const machine: Machine = { storages: [], links: [{ name: 'eth0', carrier: true, addresses: 1 }] }
  const storage = { path: '/data', readOnly: false, inMemory: false, freeBytes: 500e6, totalBytes: 1e9 }
  const sys = (facts: Partial<Facts>): string => {
    const { id, colour, text } = light('SYS', facts)
    return `${id} ${colour}: ${text}`
  }

  it('is amber for storage that is full, read-only or worn', () => {
    const one = (more: object) => sys({ machine: { ...machine, storages: [{ ...storage, ...more }] } })
    expect(one({})).toMatch(/^sys.fine/)
    expect(one({ freeBytes: 20e6 })).toMatch(/^sys.storage-space amber: \/data has 19 MiB of 954 MiB left; make room/)
    expect(one({ readOnly: true })).toMatch(/^sys.storage-read-only amber: \/data can only be read/)
    expect(one({ inMemory: true })).toMatch(
      /^sys.storage-memory amber: \/data is in memory: .* lost without power; look at/,
    )
    expect(one({ lifeUsed: 0.7 })).toMatch(/^sys.fine/)
    expect(one({ lifeUsed: 0.9 })).toMatch(
      /^sys.storage-worn amber: the storage under \/data has used up 90 % of its life/,
    )
  })

  it('is amber when the box is near the point at which it slows down, or has', () => {
    expect(sys({ machine: { ...machine, celsius: 79 } })).toMatch(/^sys.fine/)
    expect(sys({ machine: { ...machine, celsius: 81.4 } })).toMatch(/^sys.hot amber: the box is at 81 °C; give it air/)
    expect(sys({ machine: { ...machine, celsius: 81, tripCelsius: 100 } })).toMatch(/^sys.fine/)
    expect(sys({ machine: { ...machine, celsius: 96, tripCelsius: 100 } })).toMatch(/^sys.hot/)
    expect(sys({ machine: { ...machine, throttled: 'heat' } })).toMatch(/^sys.hot/)
    expect(sys({ machine: { ...machine, throttled: 'voltage' } })).toMatch(/^sys.power amber: .*stronger power supply/)
  })

  it('is amber from thirty days before a certificate ends, and names the one that ends first', () => {
    const certificates = [
      { name: 'sink a', daysLeft: 31 },
      { name: 'sink b (client.pem)', daysLeft: 12.7 },
    ]
    expect(sys({ certificates: certificates.slice(0, 1) })).toMatch(/^sys.fine/)
    expect(sys({ certificates })).toBe(
      'sys.certificate amber: the certificate of sink b (client.pem) ends in 12 days; renew it',
    )
    expect(sys({ certificates: [{ name: 'x', daysLeft: -1.5 }] })).toContain('of x ended 2 days ago')
  })

  it('is amber for a part of the board that is missing, but not for a port that nobody uses', () => {
    const part = { name: 'BUS', device: null, state: 'missing', text: 'BUS: there is no lamp USER1' } as const
    expect(sys({ parts: [{ ...part, part: 'led' }] })).toMatch(/^sys.board amber: BUS: there is no lamp USER1; run/)
    expect(sys({ parts: [{ ...part, part: 'port' }] })).toMatch(/^sys.fine/)
    expect(sys({ faults: ['lamp SYS: gone', 'button: busy'], parts: [{ ...part, part: 'led' }] })).toMatch(
      /^sys.board amber: lamp SYS: gone \(and 2 more\)/,
    )
  })

  it('blinks green while set-up or an update is under way, twice for the one that must not lose power', () => {
    expect(light('SYS', { setUp: true })).toMatchObject({ id: 'sys.set-up', colour: 'green', pattern: 'blink' })
    expect(light('SYS', { updating: true })).toMatchObject({
      colour: 'green',
      pattern: 'double',
      text: 'updating; keep the power on until it is done',
    })
  })

  it('blinks a red code when the other half is away', () => {
    expect(light('SYS', { halfAway: 'the uplink half has said nothing for 100 s' })).toMatchObject({
      colour: 'red',
      pattern: 'code',
      code: [7],
    })
  })

  it('shows the worst: failure before check, check before maintenance', () => {
    const hot = { ...machine, celsius: 99 }
    const all = { machine: hot, setUp: true, stalled: ['bus1: hangs'], log: log(10, 'refused', 'not ours') }
    expect(light('SYS', all).id).toBe('sys.disk')
    expect(light('SYS', { ...all, log: log(10) }).id).toBe('sys.stalled')
    expect(light('SYS', { machine: hot, setUp: true }).id).toBe('sys.set-up')
    expect(light('SYS', { machine: hot }).id).toBe('sys.hot')
  })
})

describe('BUS, of a port', () => {
  it('is red when the port is missing, before a connection that cannot be made', () => {
    const gone = {
      condition: 'fault',
      text: 'rs485-1 is not there: is the adapter plugged in?',
      cause: 'port',
    } as const
    const connections = [connection('plc7', 'fault', 'no route'), { ...connection('bus1'), state: gone }]
    const devices = [device('a', false, { connection: 'plc7' }), device('b', false)]
    expect(light('BUS', { connections, devices })).toMatchObject({
      id: 'bus.port',
      colour: 'red',
      pattern: 'steady',
      text: expect.stringMatching(/^bus1: rs485-1 is not there.*fieldgate board/),
    })
  })
})

describe('NET, of a sink that was never reached', () => {
  const never = { delivered: 0, quarantined: 0 } as SinkReport['receipt']
  const links = (...all: [carrier: boolean, addresses: number][]): Machine => ({
    storages: [],
    links: all.map(([carrier, addresses], at) => ({ name: `eth${at}`, carrier, addresses })),
  })
  const look = (state: Partial<State>, facts: Partial<Facts> = {}): string => {
    const away = { ...sink('emqx', 'fault', 'away'), receipt: never }
    const { id, colour, code } = light('NET', { sinks: [{ ...away, state: { ...away.state, ...state } }], ...facts })
    return [id, colour, ...(code ?? [])].join(' ')
  }

  it('says in green how far it gets: link, address, name or time, refused', () => {
    expect(look({}, { machine: links([false, 0], [false, 0]) })).toBe('net.no-link green 1')
    expect(look({}, { machine: links([true, 0], [false, 1]) })).toBe('net.no-address green 2')
    expect(look({ cause: 'name' }, { machine: links([true, 1]) })).toBe('net.no-name green 3')
    expect(look({}, { machine: links([true, 1]), clock: 'unsynced' })).toBe('net.no-name green 3')
    expect(look({ cause: 'refused' }, { machine: links([true, 1]) })).toBe('net.refused green 4')
    expect(look({}, { machine: links([true, 1]) })).toBe('net.connecting green')
  })

  it('takes a refusal for what it is also without a cable: somebody on this box refuses', () => {
    expect(look({ cause: 'refused' }, { machine: links([false, 0]) })).toBe('net.refused green 4')
  })

  it('is amber as any other once the log fills', () => {
    expect(look({ cause: 'refused' }, { log: log(30) })).toBe('net.buffering.25 amber 1')
  })

  it('is amber when nobody is there to deliver', () => {
    expect(look({}, { halfAway: 'the uplink half has said nothing' })).toBe('net.down amber')
  })

  it('is amber when something was delivered before', () => {
    const away = { ...sink('emqx', 'fault', 'away'), receipt: { ...never!, delivered: 1 } }
    expect(light('NET', { sinks: [away], machine: links([false, 0]) }).id).toBe('net.down')
  })
})

describe('a light with several causes', () => {
  it('shows the worst and tells the others behind it, the worse first', () => {
    const machine: Machine = { storages: [], links: [], celsius: 99 }
    const { id, also } = light('SYS', { machine, clock: 'unsynced', stalled: ['bus1: hangs'] })
    expect(id).toBe('sys.stalled')
    expect(also).toEqual([expect.stringMatching(/^the box is at 99/), expect.stringMatching(/^the clock is not set/)])
    expect(light('SYS')).not.toHaveProperty('also')
  })

  it('does not tell what is only waited for', () => {
    const devices = [device('a', false), device('b', null)]
    expect(light('BUS', { devices })).not.toHaveProperty('also')
  })
})

describe('the language', () => {
  it('has a sentence for every state, with what to do where something is to be done', () => {
    for (const [id, { means, todo, grade }] of Object.entries(STATES)) {
      expect(means, id).not.toBe('')
      const calm = grade === 'fine' || grade === 'check'
      if (!calm) expect(todo, id).not.toBe('')
    }
  })

  it('needs as little time for ten thousand devices as a second allows many times over', () => {
    const devices = Array.from({ length: 10_000 }, (_, at) =>
      device(`d${at}`, at % 3 === 0, { connection: `c${at % 100}` }),
    )
    const connections = Array.from({ length: 100 }, (_, at) => connection(`c${at}`))
    let looks = 0
    const seen = devices.map((one) => ({
      ...one,
      get answers() {
        looks++
        return one.answers
      },
    }))
    lights({ ...healthy, connections, devices: seen })
    // Each device is looked at a fixed number of times, however many connections there are.
    expect(looks).toBeLessThanOrEqual(2 * devices.length)
  })
})
