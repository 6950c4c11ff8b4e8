/** Events out of a device's queue, through the gateway to a broker, while the gateway is killed: each arrives, in order. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ended, freePort, gateway, linesOf, sleep, started, until } from './processes.ts'

const PEERS = [
  '/usr/sbin/mosquitto',
  '/usr/bin/mosquitto_sub',
  '/usr/bin/python3',
  '/usr/lib/python3/dist-packages/pymodbus/version.py',
]
const absent = PEERS.filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: a queue that is drained, for want of ${absent.join(', ')}`)

const KILLS = 4
const MOST_IN_QUEUE = 31

describe.skipIf(absent.length > 0)('a queue that is drained', () => {
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

  test(`loses no record and repeats at most one answer a kill, over ${KILLS} kills`, async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-drained-'))
    const [devicePort, brokerPort] = [await freePort(), await freePort()]
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n`)
    await keep(started('/usr/sbin/mosquitto', ['-c', conf, '-v'], /running/))
    const words = ['-oL', '/usr/bin/mosquitto_sub', '-p', String(brokerPort), '-t', '/neuron/#', '-q', '1', '-d']
    const heard = linesOf(await keep(started('/usr/bin/stdbuf', words, /SUBACK/)))
    const ledger = join(folder, 'ledger')
    const device = join(import.meta.dirname, 'queue-device.py')
    await keep(started('/usr/bin/python3', [device, String(devicePort), '25', ledger], /ready/))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort} } }
devices:
  press:
    connection: plc
    setupWrites: allow
    groups:
      events:
        every: 600ms
        tags:
          event: { address: "fifo:10", drain: { acknowledge: { address: "holding:50", value: count } } }
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}", from: oldest } }
log: { path: ${join(folder, 'log')} }
`,
    )
    /** What the broker is sent again is the same message, by its time. */
    const arrived = (): number[] => {
      const messages = heard.flatMap((line) => /"timestamp":.*"event":\[[\d,]*\]/.exec(line) ?? [])
      return [...new Set(messages)].flatMap((message) => JSON.parse(/\[[\d,]*\]/.exec(message)![0]) as number[])
    }
    for (let kill = 0; kill <= KILLS; kill++) {
      const before = arrived().length
      const running = await gateway(file)
      children.push(running)
      await until('records', () => arrived().length > before + 40, 30_000)
      await sleep(kill * 137)
      if (kill === KILLS) break
      const gone = new Promise((resolve) => running.once('exit', resolve))
      running.kill('SIGKILL')
      await gone
    }
    const made = Number(readFileSync(ledger, 'utf8'))
    await until('what the device had made', () => arrived().includes(made - 1), 30_000)
    const all = arrived()
    const first = [...new Set(all)]
    expect(first.slice(0, made)).toEqual(Array.from({ length: made }, (_, number) => number))
    expect(all.length - first.length).toBeLessThanOrEqual(KILLS * MOST_IN_QUEUE)
  })
})
