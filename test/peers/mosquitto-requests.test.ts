/** Write and read requests through mosquitto, asked by mosquitto_pub and seen by mosquitto_sub. */
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommandResult, WriteCommand } from '../../src/contracts/command.ts'
import type { MqttSink } from '../../src/northbound/mqtt/sink.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { batchOf, configuredSink, groupOf } from '../northbound/mqtt/configured.ts'
import { absentMosquitto, type Mosquitto, mosquitto, type Observer, observer } from './mosquitto.ts'
import { until } from './processes.ts'

if (absentMosquitto.length > 0) console.error(`SKIPPED: MQTT requests, for want of ${absentMosquitto.join(', ')}`)

const never = new AbortController().signal
const [WRITE, WRITTEN] = ['/neuron/emqx/write/req', '/neuron/emqx/write/resp']
const [READ, ANSWERED] = ['/neuron/emqx/read/req', '/neuron/emqx/read/resp']

describe.skipIf(absentMosquitto.length > 0)('requests through mosquitto', () => {
  let broker: Mosquitto
  let seen: Observer
  let sink: MqttSink | undefined
  let asked: WriteCommand[]

  beforeEach(async () => {
    asked = []
    broker = await mosquitto()
    seen = await observer(broker.port)
  })
  afterEach(async () => {
    await sink?.stop()
    await seen.dispose()
    await broker.dispose()
    sink = undefined
  })

  const start = async (result: Partial<CommandResult> | null = {}): Promise<MqttSink> => {
    const door = {
      submit: async (command: WriteCommand): Promise<CommandResult> => {
        asked.push(command)
        return { id: command.id, outcome: 'done', text: '', ...result }
      },
    }
    sink = configuredSink({
      clock: new SystemClock(),
      keys: { url: `mqtt://127.0.0.1:${broker.port}` },
      live: [batchOf(groupOf([{ name: 'a' }, { name: 'b' }]), [1, Number.NaN], { quality: Uint8Array.of(0, 10) })],
      ...(result === null ? {} : { door }),
    }).sink
    await sink.start()
    await sink.ready(never)
    if (result !== null) {
      await until(
        'the subscriptions',
        () => broker.lines.filter((line) => line.includes('Sending SUBACK to fieldgate')).length === 2,
      )
    }
    return sink
  }
  const publish = (topic: string, text: string, ...words: string[]): void => {
    execFileSync('/usr/bin/mosquitto_pub', ['-p', String(broker.port), '-q', '1', '-t', topic, '-m', text, ...words])
  }
  const answer = async (topic: string): Promise<unknown> => {
    await until(`an answer on ${topic}`, () => seen.of(topic).length > 0)
    return JSON.parse(seen.of(topic)[0]!)
  }

  it('a write of one tag comes to the door and is answered with its uuid', async () => {
    await start()
    publish(WRITE, '{"uuid":"u-1","node":"plc7","group":"fast","tag":"a","value":12345678901234567890}')
    expect(await answer(WRITTEN)).toEqual({ uuid: 'u-1', error: 0 })
    expect(asked).toEqual([
      {
        id: 'u-1',
        by: 'sink:emqx',
        device: 'plc7',
        group: 'fast',
        writes: [{ tag: 'a', value: 12345678901234567890n }],
      },
    ])
  })

  it('a write of several tags keeps their order', async () => {
    await start()
    publish(
      WRITE,
      '{"uuid":"u-2","node":"plc7","group":"fast","tags":[{"tag":"b","value":1.5},{"tag":"a","value":true},{"tag":"c","value":"x"}]}',
    )
    expect(await answer(WRITTEN)).toEqual({ uuid: 'u-2', error: 0 })
    expect(asked[0]!.writes).toEqual([
      { tag: 'b', value: 1.5 },
      { tag: 'a', value: true },
      { tag: 'c', value: 'x' },
    ])
  })

  it.each([
    ['refused', 3004],
    ['failed', 3001],
    ['unknown', 3015],
  ] as const)('a write that is %s is answered with Neuron’s code %i and a sentence', async (outcome, error) => {
    await start({ outcome, text: 'that is why' })
    publish(WRITE, '{"uuid":"u-3","node":"plc7","group":"fast","tag":"a","value":1}')
    expect(await answer(WRITTEN)).toEqual({ uuid: 'u-3', error, text: 'that is why' })
  })

  it('is answered where an MQTT 5 asker wants it, with its correlation', async () => {
    await start()
    const private_ = await observer(broker.port, ['-t', 'my/answers', '-V', '5', '-F', '%t %D %p'])
    const asks = [
      '-V',
      '5',
      '-D',
      'publish',
      'response-topic',
      'my/answers',
      '-D',
      'publish',
      'correlation-data',
      'c-9',
    ]
    publish(WRITE, '{"uuid":"u-4","node":"plc7","group":"fast","tag":"a","value":1}', ...asks)
    await until('the answer', () => private_.of('my/answers').length > 0)
    expect(private_.of('my/answers')).toEqual(['c-9 {"uuid":"u-4","error":0}'])
    expect(seen.of(WRITTEN)).toEqual([])
    await private_.dispose()
  })

  it('what is no request is counted and never comes to the door', async () => {
    const one = await start()
    for (const text of ['{', '[]', 'null', '{"node":"plc7"}']) publish(WRITE, text)
    publish(WRITE, '{"uuid":"u-5","node":"plc7","group":"fast","tag":"a"}')
    expect(await answer(WRITTEN)).toEqual({
      uuid: 'u-5',
      error: 1002,
      text: 'expected tag and value, or tags: [{ tag, value }]',
    })
    expect(one.counters()).toMatchObject({ commands: 0, commandsIgnored: 5 })
    expect(asked).toEqual([])
  })

  it('a retained write is not carried out at each connect, but counted', async () => {
    publish(WRITE, '{"uuid":"u-6","node":"plc7","group":"fast","tag":"a","value":1}', '-r')
    const one = await start()
    await until('it to be counted', () => one.counters().commandsIgnored === 1)
    expect(asked).toEqual([])
  })

  it('a read is answered from the live values', async () => {
    await start()
    publish(READ, '{"uuid":"u-7","node":"plc7","group":"fast"}')
    expect(await answer(ANSWERED)).toEqual({
      uuid: 'u-7',
      tags: [
        { name: 'a', value: 1 },
        { name: 'b', error: 3015 },
      ],
    })
  })

  it('a read of what there is not says so', async () => {
    await start()
    publish(READ, '{"uuid":"u-8","node":"plc7","group":"slow"}')
    expect(await answer(ANSWERED)).toEqual({ uuid: 'u-8', error: 2106, text: 'there is no group slow' })
  })

  it('without a door nothing is subscribed to', async () => {
    const one = await start(null)
    await one.deliver([], { historical: false }, never)
    await one.stop()
    await until('the goodbye', () => broker.lines.some((line) => line.includes('Received DISCONNECT from fieldgate')))
    expect(broker.lines.filter((line) => line.includes('Received SUBSCRIBE from fieldgate'))).toEqual([])
  })
})
