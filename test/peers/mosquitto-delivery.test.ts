/** Delivery to mosquitto, with mosquitto_sub as the witness of what came out on the other side. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ConfigurationFault, Retryable } from '../../src/contracts/errors.ts'
import type { Entry } from '../../src/contracts/log.ts'
import type { MqttSink } from '../../src/northbound/mqtt/sink.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, configuredSink, entryOf, groupOf, STREAM } from '../northbound/mqtt/configured.ts'
import { absentMosquitto, type Mosquitto, mosquitto, type Observer, observer } from './mosquitto.ts'
import { ended, linesOf, started, until } from './processes.ts'

if (absentMosquitto.length > 0)
  console.error(`SKIPPED: delivery to mosquitto, for want of ${absentMosquitto.join(', ')}`)

const never = new AbortController().signal
const group = groupOf([
  { name: 'temperature', kind: 'real' },
  { name: 'running', kind: 'boolean' },
])
const batch = batchOf(group, [28.5, true])
const gap: Entry = {
  kind: 'gap',
  position: { epoch: 1, seq: 9 },
  at: batch.at,
  range: null,
  entries: 1,
  why: 'refused',
}
const VALUES =
  '{"timestamp":1700000000123,"node":"plc7","group":"fast","values":{"temperature":28.5,"running":true},"errors":{},"metas":{}}'

describe.skipIf(absentMosquitto.length > 0)('the MQTT sink and mosquitto', () => {
  const undo: (() => Promise<unknown>)[] = []

  const broker = async (...given: Parameters<typeof mosquitto>): Promise<Mosquitto> => {
    const one = await mosquitto(...given)
    undo.push(one.dispose)
    return one
  }
  const witness = async (...given: Parameters<typeof observer>): Promise<Observer> => {
    const one = await observer(...given)
    undo.push(one.dispose)
    return one
  }
  const sinkAt = async (port: number, keys: object = {}): Promise<MqttSink> => {
    const { sink } = configuredSink({ clock: new SystemClock(), keys: { url: `mqtt://127.0.0.1:${port}`, ...keys } })
    undo.push(() => sink.stop())
    await sink.start()
    return sink
  }
  const deliver = (sink: MqttSink, entries: readonly Entry[], historical = false) =>
    sink.deliver(entries, { historical }, never)

  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one()
  })

  for (const version of ['5', '3.1.1']) {
    for (const qos of [0, 1, 2]) {
      it(`brings values through MQTT ${version} at QoS ${qos}`, async () => {
        const { port } = await broker()
        const seen = await witness(port)
        const sink = await sinkAt(port, { version, qos })
        expect(await deliver(sink, [entryOf(1, batch)])).toEqual({ rejected: [] })
        await until('the message', () => seen.of('/neuron/emqx/plc7/fast').length === 1)
        expect(seen.of('/neuron/emqx/plc7/fast')).toEqual([VALUES])
      })
    }
  }

  it.each([
    ['values', ['/neuron/emqx/plc7/fast'], VALUES],
    [
      'tags',
      ['/neuron/emqx/plc7/fast'],
      '"tags":[{"name":"temperature","value":28.5},{"name":"running","value":true}]}',
    ],
    ['ecp', ['/neuron/emqx/plc7/fast'], '{"name":"running","value":true,"type":1}]}'],
    [
      'uns',
      ['acme/ulm/press/plc7/fast/temperature', 'acme/ulm/press/plc7/fast/running'],
      '{"value":28.5,"timestamp_ms":1700000000123}',
    ],
    ['template', ['/neuron/emqx/plc7/fast'], '"values":{"temperature":28.5,"running":true}}'],
  ])('another program reads the format %s', async (format, topics, part) => {
    const { port } = await broker()
    const seen = await witness(port)
    const sink = await sinkAt(port, { format })
    await deliver(sink, [entryOf(1, batch)])
    await until('the messages', () => topics.every((topic) => seen.of(topic).length === 1))
    expect(seen.of(topics[0]!)[0]).toContain(part)
  })

  it('carries the position, the quality and what is historical as user properties', async () => {
    const { port } = await broker()
    const seen = await witness(port, ['-t', '#', '-V', '5', '-F', '%t %P'])
    const sink = await sinkAt(port)
    await deliver(sink, [entryOf(7, batch)])
    await deliver(sink, [entryOf(8, batch)], true)
    await until('the messages', () => seen.of('/neuron/emqx/plc7/fast').length === 2)
    expect(seen.of('/neuron/emqx/plc7/fast')).toEqual([
      `position:${STREAM}/1/7 quality:good`,
      `position:${STREAM}/1/8 quality:good historical:true`,
    ])
  })

  it('has live values retained, and no backlog and no event', async () => {
    const { port } = await broker()
    const sink = await sinkAt(port, { retain: true })
    await deliver(sink, [entryOf(2, batch), gap])
    const older = batchOf(group, [1, false])
    await deliver(sink, [entryOf(1, older)], true)
    const late = await witness(port, ['-t', '#', '--retained-only', '-F', '%t %r %p'])
    await until('what is retained', () => late.of('/neuron/emqx/plc7/fast').length === 1)
    expect(late.lines.filter((line) => /^\S+ [01] \{/.test(line))).toEqual([`/neuron/emqx/plc7/fast 1 ${VALUES}`])
  })

  describe('that wants a password', () => {
    const withPasswords = async (): Promise<{ broker: Mosquitto; set: (password: string) => void }> => {
      let passwords = ''
      const set = (password: string): void => {
        writeFileSync(passwords, '')
        execFileSync('/usr/bin/mosquitto_passwd', ['-b', passwords, 'fieldgate', password], { stdio: 'ignore' })
      }
      const one = await broker((folder) => {
        passwords = join(folder, 'passwords')
        set('right')
        return ['allow_anonymous false', `password_file ${passwords}`]
      })
      return { broker: one, set }
    }

    it.each(['5', '3.1.1'])('takes the right one over MQTT %s', async (version) => {
      const { broker: one } = await withPasswords()
      const sink = await sinkAt(one.port, { version, username: 'fieldgate', password: 'right' })
      expect(await deliver(sink, [entryOf(1, batch)])).toEqual({ rejected: [] })
    })

    it.each([
      ['5', { username: 'fieldgate', password: 'wrong' }, 'user "fieldgate"'],
      ['3.1.1', { username: 'fieldgate', password: 'wrong' }, 'user "fieldgate"'],
      ['5', {}, 'this client, which gives no username'],
    ])('says over MQTT %s who was refused: %o', async (version, keys, who) => {
      const { broker: one } = await withPasswords()
      const sink = await sinkAt(one.port, { version, ...keys })
      await expect(deliver(sink, [entryOf(1, batch)])).rejects.toBeInstanceOf(Retryable)
      expect(sink.state()).toEqual({
        condition: 'refused',
        text: `127.0.0.1:${one.port} does not authorise ${who}: check username, password and the broker’s rules`,
      })
      expect(sink.counters()).toMatchObject({ connects: 0, connectFailures: 0 })
      expect(sink.counters().refusals).toBeGreaterThan(0)
    })

    it('is asked again, and delivery resumes by itself once the password file is put right', async () => {
      const { broker: one, set } = await withPasswords()
      const sink = await sinkAt(one.port, { username: 'fieldgate', password: 'new' })
      await until('a refusal', () => sink.state().condition === 'refused')
      set('new')
      one.signal('SIGHUP')
      await sink.ready(never)
      expect(await deliver(sink, [entryOf(1, batch)])).toEqual({ rejected: [] })
      expect(sink.state().condition).toBe('fine')
    })
  })

  it('that lets us not publish to a topic is named in MQTT 5; a refused event is rejected alone', async () => {
    const { port } = await broker((folder) => {
      const acl = join(folder, 'acl')
      writeFileSync(acl, 'topic readwrite ok/#\n')
      return ['allow_anonymous true', `acl_file ${acl}`]
    })
    const wrong = await sinkAt(port, { topic: 'forbidden/{device}', clientId: 'a' })
    await expect(deliver(wrong, [entryOf(1, batch)])).rejects.toThrow(
      new ConfigurationFault(
        'the broker does not let us publish to forbidden/plc7: allow it in its rules, or set another topic',
      ),
    )
    const right = await sinkAt(port, { topic: 'ok/{device}', clientId: 'b' })
    expect(await deliver(right, [entryOf(1, batch), gap, entryOf(2, batch)])).toEqual({
      rejected: [{ position: gap.position, why: 'the broker does not let us publish to fieldgate/gw-01/events' }],
    })
  })

  it('comes back when another client took its session, though this broker does not say so', async () => {
    const { port } = await broker()
    const sink = await sinkAt(port, { clientId: 'twin' })
    await sink.ready(never)
    const twin = await observer(port, ['-t', '#', '-i', 'twin', '-V', '5'])
    await until('the loss', () => sink.counters().disconnects === 1)
    expect(sink.state()).toEqual({ condition: 'fault', text: `127.0.0.1:${port} closed the connection` })
    await twin.dispose()
    await sink.ready(never)
    expect(await deliver(sink, [entryOf(1, batch)])).toEqual({ rejected: [] })
  })

  it('has one connection at most, however often it is lost', async () => {
    const one = await broker()
    const sink = await sinkAt(one.port)
    for (let loss = 0; loss < 5; loss++) {
      await sink.ready(never)
      await deliver(sink, [entryOf(loss + 1, batch)])
      await one.kill()
      await until('the loss', () => sink.counters().disconnects === loss + 1)
      await one.up()
    }
    await sink.ready(never)
    expect(one.lines.filter((line) => line.includes('already connected'))).toEqual([])
    expect(sink.counters()).toMatchObject({ connects: 6, disconnects: 5 })
  })

  it('keeps the order of each device through a kill in mid-delivery', async () => {
    const one = await broker()
    const sink = await sinkAt(one.port, { topic: '{device}/{group}' })
    await sink.ready(never)
    const entries = Array.from({ length: 1500 }, (_, at) => {
      const ref = groupOf([{ name: 'a' }], { device: `device${at % 3}`, group: String(at) })
      return entryOf(at + 1, batchOf(ref, [at]))
    })
    const failed = expect(deliver(sink, entries)).rejects.toBeInstanceOf(Retryable)
    await until('some to arrive', () => one.received().length > 100)
    await one.kill()
    await failed
    await one.up()
    await sink.ready(never)
    await deliver(sink, entries)
    const first = [...new Set(one.received())]
    expect(first).toHaveLength(1500)
    for (const device of ['device0', 'device1', 'device2']) {
      const numbers = first.filter((topic) => topic.startsWith(device)).map((topic) => Number(topic.split('/')[1]))
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    }
  })

  it('lets the process end when it is stopped', async () => {
    const { port } = await broker()
    const rooms = new URL('../', import.meta.url).pathname
    const program = `
      const { configuredSink } = await import('${rooms}northbound/mqtt/configured.ts')
      const { SystemClock } = await import('${rooms}../src/time/system-clock.ts')
      const { sink } = configuredSink({ clock: new SystemClock(), keys: { url: 'mqtt://127.0.0.1:${port}' } })
      await sink.start()
      await sink.ready(new AbortController().signal)
      await sink.stop()
      console.log('stopped')`
    const child: ChildProcess = await started(process.execPath, ['--input-type=module', '-e', program], /stopped/)
    undo.push(() => ended(child))
    linesOf(child)
    await until('the process to end', () => child.exitCode === 0, 2000)
  })
})
