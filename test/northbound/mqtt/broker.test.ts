import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/contracts/clock.ts'
import { ConfigurationFault, Retryable } from '../../../src/contracts/errors.ts'
import type { Entry } from '../../../src/contracts/log.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { until } from '../../peers/processes.ts'
import { type ByteBroker, byteBroker, connack, disconnect, type Packet, puback } from './byte-broker.ts'
import { batchOf, type ConfiguredSink, configuredSink, entryOf, groupOf } from './configured.ts'

const never = new AbortController().signal
const group = groupOf([{ name: 'a' }])
const one = entryOf(1, batchOf(group, [1]))
const three = [1, 2, 3].map((seq) => entryOf(seq, batchOf(group, [seq])))
const gap: Entry = {
  kind: 'gap',
  position: { epoch: 1, seq: 4 },
  at: one.batch.at,
  range: null,
  entries: 1,
  why: 'refused',
}

describe('the sink at a broker', () => {
  let broker: ByteBroker
  let configured: ConfiguredSink

  const start = async (
    answer: Parameters<typeof byteBroker>[0],
    options: { keys?: object; clock?: Clock; door?: boolean; lingers?: boolean } = {},
  ) => {
    broker = await byteBroker(answer, options)
    configured = configuredSink({
      clock: options.clock ?? new SystemClock(),
      keys: { url: `mqtt://127.0.0.1:${broker.port}`, ...options.keys },
      ...(options.door ? { door: { submit: async ({ id }) => ({ id, outcome: 'done' as const, text: '' }) } } : {}),
    })
    await configured.sink.start()
    return configured.sink
  }
  const deliver = (entries: readonly Entry[]) => configured.sink.deliver(entries, { historical: false }, never)
  /** Accepts the connection and answers each PUBLISH with a code. */
  const answering =
    (code: (packet: Packet) => number) =>
    (packet: Packet): number[] | undefined =>
      packet.type === 1 ? connack() : packet.type === 3 ? puback(packet.id, code(packet)) : undefined

  afterEach(async () => {
    await configured.sink.stop()
    await broker.close()
  })

  it('that confirms nothing is left after ackTimeout, and everything is sent again over a new connection', async () => {
    const clock = new ManualClock()
    const sink = await start((packet) => (packet.type === 1 ? connack() : undefined), {
      clock,
      keys: { ackTimeout: '30s' },
    })
    await sink.ready(never)
    const failed = expect(deliver(three)).rejects.toThrow('the broker has confirmed nothing for 30 s')
    await until('the messages', () => broker.packets.filter(({ type }) => type === 3).length === 3)
    await clock.advance(29_999)
    expect(sink.state().condition).toBe('fine')
    await clock.advance(1)
    await failed
    expect(sink.state()).toEqual({ condition: 'fault', text: 'the broker has confirmed nothing for 30 s' })
    expect(sink.counters()).toMatchObject({ ackTimeouts: 1, published: 3, confirmed: 0, disconnects: 1 })
    await until('the connection to end', () => broker.open.size === 0)
    await clock.advance(700)
    await until('another connection', () => broker.connections === 2)
  })

  it('that confirms slowly, but always in time, is waited for', async () => {
    const clock = new ManualClock()
    const ids: number[] = []
    const sink = await start(
      (packet) => {
        if (packet.type === 3) ids.push(packet.id)
        return packet.type === 1 ? connack() : undefined
      },
      { clock, keys: { ackTimeout: '30s' } },
    )
    await sink.ready(never)
    const delivery = deliver(three)
    for (let at = 0; at < 3; at++) {
      await until('the message', () => ids.length === 3)
      await clock.advance(25_000)
      const before = sink.counters().confirmed!
      for (const socket of broker.open) socket.write(Uint8Array.from(puback(ids[at]!, 0)))
      await until('it to be confirmed', () => sink.counters().confirmed! > before)
    }
    expect(await delivery).toEqual({ rejected: [] })
  })

  it('that does not let us publish is a fault of the configuration which names the topic', async () => {
    const sink = await start(answering(() => 0x87))
    await sink.ready(never)
    await expect(deliver(three)).rejects.toThrow(
      new ConfigurationFault(
        'the broker does not let us publish to /neuron/emqx/plc7/fast: allow it in its rules, or set another topic',
      ),
    )
    expect(broker.connections).toBe(1)
  })

  it('that does not want our events rejects them alone', async () => {
    const sink = await start(answering(({ topic }) => (topic.startsWith('fieldgate') ? 0x87 : 0)))
    await sink.ready(never)
    expect(await deliver([...three, gap])).toEqual({
      rejected: [{ position: gap.position, why: 'the broker does not let us publish to fieldgate/gw-01/events' }],
    })
  })

  it('that has a quota is asked again', async () => {
    let code = 0x97
    const sink = await start(answering(() => code))
    await sink.ready(never)
    await expect(deliver([one])).rejects.toBeInstanceOf(Retryable)
    code = 0
    expect(await deliver([one])).toEqual({ rejected: [] })
  })

  it('that refuses the form of a message has this one entry rejected', async () => {
    const sink = await start(answering(({ payload }) => (payload.includes('"a":2') ? 0x99 : 0)))
    await sink.ready(never)
    expect(await deliver(three)).toEqual({
      rejected: [{ position: { epoch: 1, seq: 2 }, why: 'the broker does not accept the form of this message' }],
    })
    expect(sink.counters()).toMatchObject({ published: 3, confirmed: 2, rejected: 1 })
  })

  it('that says "no matching subscribers" has taken the message', async () => {
    const sink = await start(answering(() => 0x10))
    await sink.ready(never)
    expect(await deliver(three)).toEqual({ rejected: [] })
  })

  it('never has more unconfirmed messages than the broker takes', async () => {
    const ids: number[] = []
    let most = 0
    const sink = await start((packet, socket) => {
      if (packet.type === 1) return connack([0x21, 0, 4])
      if (packet.type !== 3) return undefined
      most = Math.max(most, ids.push(packet.id))
      queueMicrotask(() => {
        if (ids.length >= 4 || packet.payload.includes('"a":50,')) {
          for (const id of ids.splice(0)) socket.write(Uint8Array.from(puback(id, 0)))
        }
      })
      return undefined
    })
    await sink.ready(never)
    const entries = Array.from({ length: 48 }, (_, at) => entryOf(at + 1, batchOf(group, [at + 1])))
    expect(await deliver(entries)).toEqual({ rejected: [] })
    expect(most).toBe(4)
  })

  it('that takes few messages at a time is sent the next when half of them are confirmed', async () => {
    const entries = Array.from({ length: 12 }, (_, at) => entryOf(at + 1, batchOf(group, [at])))
    const ids: number[] = []
    let connection: Socket | undefined
    await start((packet, socket) => {
      if (packet.type === 3) ids.push(packet.id)
      connection = socket
      // Receive Maximum 8 (0x21).
      return packet.type === 1 ? connack([0x21, 0, 8]) : undefined
    })
    const delivered = deliver(entries)
    const confirm = (count: number): void => {
      for (const id of ids.splice(0, count)) connection!.write(Uint8Array.from(puback(id, 0)))
    }
    await until('as many as it takes', () => ids.length === 8)
    confirm(4)
    await until('four more', () => ids.length === 8)
    confirm(8)
    await delivered
  })

  it('that offers less than the configured QoS is not used: nothing would be confirmed as promised', async () => {
    const sink = await start((packet) => (packet.type === 1 ? connack([0x24, 1]) : undefined), { keys: { qos: 2 } })
    await expect(deliver([one])).rejects.toThrow(`127.0.0.1:${broker.port} offers QoS 1 at most: set qos: 1`)
    expect(sink.state().condition).toBe('refused')
  })

  it('that does not retain is not used where the messages are to be retained', async () => {
    await start((packet) => (packet.type === 1 ? connack([0x25, 0]) : undefined), { keys: { retain: true } })
    await expect(deliver([one])).rejects.toThrow('does not retain messages: set retain: false')
  })

  it('that does not let us subscribe is said, and data flows all the same', async () => {
    const sink = await start(
      (packet) =>
        packet.type === 8 ? [0x90, 4, packet.id >> 8, packet.id & 0xff, 0, 0x87] : answering(() => 0)(packet),
      { door: true },
    )
    await until('it to be said', () => sink.state().condition === 'degraded')
    expect(sink.state().text).toMatch(/does not let us subscribe to \/neuron\/emqx\/(write|read)\/req/)
    expect(await deliver(three)).toEqual({ rejected: [] })
  })

  it('that closes the connection upon a topic, time after time, is a fault of the configuration which names it', async () => {
    const sink = await start((packet, socket) => {
      if (packet.payload.includes('"a":2,') || packet.payload.includes('"a":2}')) socket.destroy()
      return answering(() => 0)(packet)
    })
    let thrown: unknown
    for (let call = 0; call < 8 && !(thrown instanceof ConfigurationFault); call++) {
      await sink.ready(never)
      thrown = await deliver(three).catch((why: unknown) => why)
    }
    expect(thrown).toBeInstanceOf(ConfigurationFault)
    expect((thrown as Error).message).toMatch(
      /^the broker closes the connection upon each message of \d+ bytes to \/neuron\/emqx\/plc7\/fast: allow it/,
    )
  })

  it('that speaks nonsense is left', async () => {
    const sink = await start(answering(() => 0))
    await sink.ready(never)
    for (const socket of broker.open) socket.write(Uint8Array.of(0xf0, 0x00, 0x13, 0x37))
    await until('the connection to end', () => sink.counters().disconnects === 1)
    expect(sink.state().condition).toBe('fault')
  })

  it.each([
    [0x8e, 'refused', /another client with the id "fieldgate-gw-01-emqx" has taken the session/],
    [0x8b, 'fault', /is shutting down/],
    [0x97, 'fault', /quota is exceeded/],
    [0x95, 'refused', /does not take packets of this size/],
  ] as const)('that says goodbye with %i is understood', async (code, condition, text) => {
    const sink = await start(answering(() => 0))
    await sink.ready(never)
    for (const socket of broker.open) socket.end(Uint8Array.from(disconnect(code)))
    await until('the connection to end', () => sink.counters().disconnects === 1)
    expect(sink.state().condition).toBe(condition)
    expect(sink.state().text).toMatch(text)
  })

  it('that sends a request of many megabytes is left before it fills the memory', async () => {
    const sink = await start(
      (packet, socket) => {
        if (packet.type === 1) return connack()
        // A PUBLISH of 100 MiB begins.
        if (packet.type === 8)
          socket.write(Buffer.concat([Buffer.of(0x30, 0x80, 0x80, 0x80, 0x32), Buffer.alloc(2 ** 20)]))
        return undefined
      },
      { clock: new ManualClock(), door: true },
    )
    await until('the connection to be given up', () => sink.state().condition === 'fault')
    expect(sink.state().text).toContain('sends a request that is too long')
    expect(sink.counters()).toMatchObject({ disconnects: 1, commands: 0 })
  })

  it('that was asked once is asked again once at a time, less and less often', async () => {
    const clock = new ManualClock()
    const sink = await start((packet) => (packet.type === 1 ? connack([], 0x89) : undefined), { clock })
    const waits: number[] = []
    for (let attempt = 1; attempt <= 8; attempt++) {
      await until('the attempt to fail', () => sink.counters().connectFailures === attempt)
      expect(broker.connections).toBe(attempt)
      expect(clock.timers).toBe(1)
      const from = clock.monotonic()
      for (let turns = 0; broker.connections === attempt && turns < 5000; turns++) {
        await clock.advance(50)
        if (clock.timers === 0) await until('the next attempt', () => broker.connections > attempt)
      }
      waits.push(clock.monotonic() - from)
    }
    const bases = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
    for (const [at, waited] of waits.entries()) {
      expect(waited).toBeGreaterThanOrEqual(bases[at]! * 0.75)
      expect(waited).toBeLessThanOrEqual(bases[at]! * 1.25 + 50)
    }
  })

  it('that never answers the connection is given up after connectTimeout', async () => {
    const sink = await start(() => undefined, { keys: { connectTimeout: '200ms' } })
    await expect(deliver([one])).rejects.toThrow(`127.0.0.1:${broker.port} does not answer`)
    expect(sink.counters()).toMatchObject({ connectFailures: 1, connects: 0 })
  })

  it('can be stopped while it hangs in the middle of the connection, with nothing left behind', async () => {
    const clock = new ManualClock()
    const sink = await start(() => undefined, { clock })
    await until('the attempt', () => broker.packets.length === 1)
    await sink.stop()
    expect(clock.timers).toBe(0)
    await until('the socket to close', () => broker.open.size === 0)
    expect(process.getActiveResourcesInfo().filter((held) => held === 'TCPSocketWrap')).toEqual([])
  })

  it('can be stopped when the other side does not close', async () => {
    const clock = new ManualClock()
    const sink = await start(
      answering(() => 0),
      { clock, lingers: true },
    )
    await sink.ready(never)
    let stopped = false
    const stop = sink.stop().then(() => {
      stopped = true
    })
    await until('the disconnect', () => broker.packets.some(({ type }) => type === 14))
    await clock.advance(999)
    expect(stopped).toBe(false)
    await clock.advance(1)
    await stop
    expect(clock.timers).toBe(0)
  })

  it('sends a hundred thousand messages at QoS 0 without running out of stack', async () => {
    const sink = await start((packet) => (packet.type === 1 ? connack() : undefined), {
      keys: { qos: 0, format: 'uns' },
    })
    await sink.ready(never)
    const wide = groupOf(Array.from({ length: 1000 }, (_, at) => ({ name: `t${at}` })))
    const values = Array.from({ length: 1000 }, (_, at) => at)
    const entries = Array.from({ length: 100 }, (_, at) => entryOf(at + 1, batchOf(wide, values)))
    expect(await deliver(entries)).toEqual({ rejected: [] })
    expect(sink.counters().confirmed).toBe(100_000)
    expect(sink.state().text).toContain('QoS 0 does not confirm')
  })
})

describe('the sink and its certificates', () => {
  it.each([
    ['a file that is not there', '/nowhere/ca.pem', /tls\.cert: the file \/nowhere\/ca\.pem cannot be read/],
    ['a text that is none', '-----BEGIN nonsense', /127\.0\.0\.1:1: /],
  ])('%s is said in a sentence, and the gateway lives on', async (_, cert, text) => {
    const clock = new ManualClock()
    const { sink } = configuredSink({ clock, keys: { url: 'mqtts://127.0.0.1:1', tls: { cert, key: cert } } })
    await sink.start()
    await expect(sink.deliver([one], { historical: false }, never)).rejects.toThrow(text)
    expect(sink.state().condition).toBe('refused')
    await sink.stop()
    expect(clock.timers).toBe(0)
  })

  it.each([
    ['mqtt://127.0.0.1:', { tls: { verify: true } }, /tls is set, but the url begins with mqtt:/],
    ['ws://127.0.0.1:', { tls: { verify: true } }, /write wss:\/\//],
    ['mqtt://127.0.0.1:', { password: 'secret' }, /there is a password, but no username/],
  ])('%s with %j is refused in a sentence, and nothing is sent in the clear', async (url, keys, text) => {
    const broker = await byteBroker(() => undefined)
    const clock = new ManualClock()
    const { sink } = configuredSink({ clock, keys: { url: `${url}${broker.port}`, ...keys } })
    await sink.start()
    await expect(sink.deliver([one], { historical: false }, never)).rejects.toThrow(text)
    expect(sink.state().condition).toBe('refused')
    expect(broker.connections).toBe(0)
    await sink.stop()
    await broker.close()
  })
})

describe('the sink that introduces itself', () => {
  it('names the user of its url when it is refused, and never the password', async () => {
    const broker = await byteBroker((packet) => (packet.type === 1 ? connack([], 0x86) : undefined))
    const { sink, said } = configuredSink({
      clock: new ManualClock(),
      keys: { url: `mqtt://maria:secret@127.0.0.1:${broker.port}` },
    })
    await sink.start()
    await expect(sink.deliver([one], { historical: false }, never)).rejects.toThrow('refuses user "maria"')
    expect(JSON.stringify(said)).not.toContain('secret')
    await sink.stop()
    await broker.close()
  })

  it('tells an MQTT 5 broker the longest packet it takes', async () => {
    const broker = await byteBroker((packet) => (packet.type === 1 ? connack() : undefined))
    const { sink } = configuredSink({ clock: new SystemClock(), keys: { url: `mqtt://127.0.0.1:${broker.port}` } })
    await sink.start()
    await sink.ready(never)
    // Maximum Packet Size (MQTT 5, 3.1.2.11.4): 128 KiB.
    expect(broker.packets[0]!.body.includes(Buffer.from([0x27, 0, 2, 0, 0]))).toBe(true)
    await sink.stop()
    await broker.close()
  })
})
