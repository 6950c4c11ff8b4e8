/** A running gateway takes a new configuration: connections and sinks that did not change miss nothing. Polls are counted by the
 *  devices, deliveries by a subscriber. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { expectAudited } from '../log/audited.ts'
import { ended, fieldgate, freePort, gateway, linesOf, sleep, started, until } from './processes.ts'

const PEERS = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto_sub']
const absent = PEERS.filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: apply, for want of ${absent.join(', ')}`)

describe.skipIf(absent.length > 0)('apply', () => {
  const children: ChildProcess[] = []
  let folder = ''
  const keep = async (child: Promise<ChildProcess>): Promise<ChildProcess> => {
    const one = await child
    children.push(one)
    return one
  }
  afterEach(async () => {
    for (const child of children.splice(0).reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  })

  it('leaves every poll and delivery of what did not change alone, and carries out what did', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-apply-'))
    const [keptPort, changedPort, brokerPort] = [await freePort(), await freePort(), await freePort()]
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n`)
    await keep(started('/usr/sbin/mosquitto', ['-c', conf, '-v'], /running/))
    const heard = linesOf(
      await keep(
        started(
          '/usr/bin/stdbuf',
          ['-oL', '/usr/bin/mosquitto_sub', '-p', String(brokerPort), '-t', '/neuron/#', '-q', '1', '-d', '-v'],
          /SUBACK/,
        ),
      ),
    )
    const device = join(import.meta.dirname, 'counting-device.ts')
    await keep(started(process.execPath, [device, String(keptPort), join(folder, 'kept')], /ready/))
    await keep(started(process.execPath, [device, String(changedPort), join(folder, 'changed')], /ready/))
    const file = join(folder, 'gateway.yaml')
    const group = (every: string) =>
      `groups: { g: { every: ${every}, tags: { n: { address: "40001", type: uint32 } } } }`
    const configure = (options: { changedEvery: string; timeout: string; more: string; sinks: string }): void =>
      writeFileSync(
        file,
        `connections:
  kept: { driver: modbus-tcp, host: 127.0.0.1, port: ${keptPort} }
  changed: { driver: modbus-tcp, host: 127.0.0.1, port: ${changedPort}, timeout: ${options.timeout} }
devices:
  kept: { connection: kept, unitId: 1, ${group('50ms')} }
  changed: { connection: changed, unitId: 2, ${group(options.changedEvery)} }
${options.more}
sinks:
  one: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}" }
${options.sinks}
log: { path: ${join(folder, 'log')} }
`,
      )
    configure({ changedEvery: '50ms', timeout: '1s', more: '', sinks: '' })
    const service = await keep(gateway(file))
    const polls = (): number[] =>
      readFileSync(join(folder, 'kept'), 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('1 '))
        .map((line) => Number(line.split(' ')[1]))
    const delivered = (topic: string): number[] =>
      heard
        .filter((line) => line.startsWith(`${topic} `))
        .map((line) => JSON.parse(line.slice(topic.length + 1)).values.n)
    await until('live flow', () => delivered('/neuron/one/kept/g').length > 20)

    const from = performance.now()
    const pollsBefore = polls().length
    for (let round = 0; round < 5; round++) {
      configure({
        changedEvery: round % 2 === 0 ? '80ms' : '50ms',
        timeout: round % 2 === 0 ? '2s' : '1s',
        more: `  more-${round}: { connection: kept, unitId: 7, ${group('1s')} }`,
        sinks: `  two-${round}: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}" }`,
      })
      const plan = await fieldgate('plan', '--config', file, '--json')
      expect(plan.status).toBe(0)
      const { changes } = JSON.parse(plan.stdout) as { changes: { component: string; change: string }[] }
      const fate = (component: string) => changes.find((change) => change.component === component)?.change
      expect(fate('connection kept')).toBe('kept')
      expect(fate('connection changed')).toBe('restarted')
      expect(fate('sink one')).toBe('kept')
      expect(fate(`sink two-${round}`)).toBe('added')
      const apply = await fieldgate('apply', '--config', file)
      expect(apply.stderr).toBe('')
      expect(apply.status).toBe(0)
      await until('the new sink', () => delivered(`/neuron/two-${round}/changed/g`).length > 3)
    }
    const seconds = (performance.now() - from) / 1000
    const pollsAfter = polls().length
    // What it counts goes back to the start: it was never restarted. How many of its slots it could make beside all these
    // commands is the host's matter, but it polled throughout.
    const { connections } = JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as {
      connections: { name: string; counters: { polls: number } }[]
    }
    expect(connections.find(({ name }) => name === 'kept')!.counters.polls).toBeGreaterThanOrEqual(pollsAfter)
    expect((pollsAfter - pollsBefore) / (seconds * 20)).toBeGreaterThan(0.5)
    await ended(service)
    expect(service.exitCode).toBe(0)
    await expectAudited(join(folder, 'log'), ['one', 'two-4'])
    const all = delivered('/neuron/one/kept/g')
    await until('the last delivery', () => delivered('/neuron/one/kept/g').at(-1)! >= polls().at(-1)! - 1)
    expect(delivered('/neuron/one/kept/g')).toEqual(
      Array.from({ length: delivered('/neuron/one/kept/g').length }, (_, at) => all[0]! + at),
    )
  })

  it('changes nothing when the file fails a check, and says every problem', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-apply-'))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, `log: { path: ${join(folder, 'log')} }\n`)
    await keep(gateway(file))
    const before = JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as { revision: string }
    writeFileSync(file, `log: { path: ${join(folder, 'log')} }\nsinks: { s: { type: mqtt, qos: 7 } }\nconections: {}\n`)
    const apply = await fieldgate('apply', '--config', file, '--json')
    expect(apply.status).toBe(3)
    const { problems } = JSON.parse(apply.stdout) as { problems: { line: number; text: string }[] }
    expect(problems).toHaveLength(3)
    await sleep(50)
    const after = JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as { revision: string }
    expect(after.revision).toBe(before.revision)
  })
})
