/** The field's reference chain with other people's parts: pymodbus → Fieldgate → mosquitto → mosquitto_sub. What arrives is
 *  compared with what the simulator itself says it set, not with anything the gateway says. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ended, freePort, gateway, linesOf, started, until } from './processes.ts'

const PEERS = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto_sub', '/usr/bin/socat', '/usr/bin/mbpoll']
const absent = PEERS.filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: the reference chain, for want of ${absent.join(', ')}`)
const DEVICE = join(import.meta.dirname, 'blueprint-device.py')

interface Published {
  readonly timestamp: number
  readonly node: string
  readonly group: string
  readonly values: Readonly<Record<string, number>>
  readonly errors: object
  readonly metas: object
}

describe.skipIf(absent.length > 0)('the reference chain', () => {
  let folder: string
  let brokerPort: number
  let heard: string[]
  const children: ChildProcess[] = []
  const keep = async (child: Promise<ChildProcess>): Promise<ChildProcess> => {
    const one = await child
    children.push(one)
    return one
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-chain-'))
    brokerPort = await freePort()
    const mosquitto = join(folder, 'mosquitto.conf')
    writeFileSync(mosquitto, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\n`)
    await keep(started('/usr/sbin/mosquitto', ['-c', mosquitto, '-v'], /running/))
    const observer = await keep(
      started(
        '/usr/bin/stdbuf',
        ['-oL', '/usr/bin/mosquitto_sub', '-p', String(brokerPort), '-t', '/neuron/#', '-v', '-q', '1', '-d'],
        /SUBACK/,
      ),
    )
    heard = linesOf(observer)
  })

  afterEach(async () => {
    for (const child of children.splice(0).reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  })

  /** What came on a topic so far, and nothing that is not JSON. */
  const messages = (topic: string): Published[] =>
    heard.filter((line) => line.startsWith(`${topic} `)).map((line) => JSON.parse(line.slice(topic.length + 1)))

  const configure = (connection: string, scale: string): string => {
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `gateway: { id: gw-01 }
connections:
  plc7: ${connection}
devices:
  demo:
    connection: plc7
    unitId: 1
    groups:
      demo_group:
        every: 1s
        tags:
          temperature: { address: "40001", type: int16${scale}, unit: "°C" }
          humidity: { address: "40002", type: uint16${scale}, unit: "%" }
sinks:
  emqx: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}", topic: "/neuron/{sink}/{device}/{group}", format: values }
log: { path: ${join(folder, 'log')} }
`,
    )
    return file
  }

  const TOPIC = '/neuron/emqx/demo/demo_group'

  /** Every published pair was set by the device, and the stamp lies between its being set and replaced, give or take a poll. */
  const expectTruth = (device: readonly string[], published: readonly Published[], factor: number): void => {
    const set = device.filter((line) => line.startsWith('[')).map((line) => JSON.parse(line) as [number, number])
    for (const message of published) {
      expect(Object.keys(message).sort()).toEqual(['errors', 'group', 'metas', 'node', 'timestamp', 'values'])
      expect(message).toMatchObject({ node: 'demo', group: 'demo_group', errors: {}, metas: {} })
      expect(Math.abs(Date.now() - message.timestamp)).toBeLessThan(60_000)
      const { temperature, humidity } = message.values as { temperature: number; humidity: number }
      expect(set.map(([t, h]) => [t / factor, h / factor])).toContainEqual([temperature, humidity])
      expect(temperature).toBeGreaterThanOrEqual(280 / factor)
      expect(temperature).toBeLessThanOrEqual(310 / factor)
      expect(humidity).toBeGreaterThanOrEqual(700 / factor)
      expect(humidity).toBeLessThanOrEqual(730 / factor)
    }
    const stamps = published.map((message) => message.timestamp)
    // The first reading waits for its port to open; from then on it is once a second.
    for (let at = 2; at < stamps.length; at++) {
      expect(stamps[at]! - stamps[at - 1]!).toBeGreaterThan(800)
      expect(stamps[at]! - stamps[at - 1]!).toBeLessThan(1200)
    }
  }

  for (const [form, scale, factor] of [
    ['raw, as the blueprint publishes it', '', 1],
    ['scaled', ', scale: 0.1', 10],
  ] as const) {
    it(`carries temperature and humidity over Modbus TCP, ${form}`, async () => {
      const port = await freePort()
      const device = linesOf(await keep(started('/usr/bin/python3', [DEVICE, 'tcp', String(port)], /\[/)))
      await keep(gateway(configure(`{ driver: modbus-tcp, host: 127.0.0.1, port: ${port} }`, scale)))
      const published = await until('four messages', () => messages(TOPIC).length >= 4 && messages(TOPIC))
      expectTruth(device, published, factor)
    })
  }

  it('carries them over RTU on a serial line, and a second master agrees', async () => {
    const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')]
    await keep(
      started(
        '/usr/bin/socat',
        ['-d', '-d', `pty,raw,echo=0,link=${ours}`, `pty,raw,echo=0,link=${theirs}`],
        /starting data/,
      ),
    )
    const device = linesOf(await keep(started('/usr/bin/python3', [DEVICE, 'rtu', theirs], /\[/)))
    const service = await keep(
      gateway(configure(`{ driver: modbus-rtu, port: "${ours}", baudRate: 9600 }`, ', scale: 0.1')),
    )
    const published = await until('four messages', () => messages(TOPIC).length >= 4 && messages(TOPIC))
    expectTruth(device, published, 10)
    // One master on the wire at a time: the second opinion asks once the gateway has let go of it.
    await ended(service)
    const said = execFileSync('/usr/bin/mbpoll', [
      '-m',
      'rtu',
      '-b',
      '9600',
      '-P',
      'none',
      '-a',
      '1',
      '-r',
      '1',
      '-c',
      '2',
      '-1',
      ours,
    ])
    const second = [...String(said).matchAll(/\[\d\]:\s+(\d+)/g)].map((match) => Number(match[1]))
    const set = device.filter((line) => line.startsWith('[')).map((line) => JSON.parse(line))
    expect(set).toContainEqual(second)
  })

  it('carries a write from the write topic to the register, and answers with the same uuid', async () => {
    const port = await freePort()
    await keep(started('/usr/bin/python3', [DEVICE, 'tcp', String(port)], /\[/))
    const file = configure(`{ driver: modbus-tcp, host: 127.0.0.1, port: ${port} }`, ', scale: 0.1')
    const text = readFileSync(file, 'utf8')
      .replace(
        '          humidity:',
        '          setpoint: { address: "40010", type: int16, scale: 0.1, access: rw, limits: [0, 100] }\n          humidity:',
      )
      .replace('format: values }', 'format: values, commands: ["demo/demo_group/setpoint"] }')
    writeFileSync(file, text)
    await keep(gateway(file))
    await until('live flow', () => messages(TOPIC).length > 0)
    const write = (body: object): void => {
      execFileSync('/usr/bin/mosquitto_pub', [
        '-p',
        String(brokerPort),
        '-t',
        '/neuron/emqx/write/req',
        '-m',
        JSON.stringify(body),
      ])
    }
    const answer = (uuid: string) =>
      until(`the answer to ${uuid}`, () =>
        heard
          .filter((line) => line.startsWith('/neuron/emqx/write/resp '))
          .map(
            (line) =>
              JSON.parse(line.slice('/neuron/emqx/write/resp '.length)) as {
                uuid: string
                error: number
                text?: string
              },
          )
          .find((one) => one.uuid === uuid),
      )
    write({ uuid: 'a', node: 'demo', group: 'demo_group', tag: 'setpoint', value: 21.5 })
    expect(await answer('a')).toEqual({ uuid: 'a', error: 0 })
    const said = execFileSync('/usr/bin/mbpoll', [
      '-m',
      'tcp',
      '-p',
      String(port),
      '-a',
      '1',
      '-r',
      '10',
      '-c',
      '1',
      '-1',
      '127.0.0.1',
    ])
    expect(String(said)).toMatch(/\[10\]:\s+215/)
    write({ uuid: 'b', node: 'demo', group: 'demo_group', tags: [{ tag: 'setpoint', value: 1000 }] })
    expect(await answer('b')).toMatchObject({ uuid: 'b', error: 3004, text: expect.stringContaining('100') })
    write({ uuid: 'c', node: 'demo', group: 'demo_group', tag: 'humidity', value: 1 })
    expect((await answer('c')).error).not.toBe(0)
    await until('the new value', () => messages(TOPIC).at(-1)!.values.setpoint === 21.5)
  })
})
