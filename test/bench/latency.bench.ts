/** `latency`: from the answer that carries a new register value to the subscriber's hand, through the whole gateway and a real
 *  broker, with each batch committed at once and with the default interval. What the broker and the disk take by themselves is
 *  measured beside it: an empty publish to the same subscriber, and one fdatasync on the same disk. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { ended, freePort, gateway, sleep, started } from '../peers/processes.ts'
import { round } from './rounds.ts'

const EVERY_MS = 50
/** What the gateway may add, beside one commit. */
const ALLOWED_MS = 5
const DEFAULT_COMMIT_MS = 200

interface Spread {
  readonly p50: number
  readonly p99: number
}

export async function run({ small }: { small: boolean }) {
  const seconds = small ? 2 : 25
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-latency-'))
  const children: ChildProcess[] = []
  try {
    const [brokerPort, device] = [await freePort(), await changing()]
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n`)
    children.push(await started('/usr/sbin/mosquitto', ['-c', conf, '-v'], /running/))
    const through = async (commitEvery: string): Promise<Spread> => {
      const file = join(folder, `gateway-${commitEvery}.yaml`)
      writeFileSync(file, configuration({ folder, commitEvery, brokerPort, devicePort: device.port }))
      const heard = await subscriber(brokerPort)
      const running = await gateway(file)
      await sleep(1500)
      heard.clear()
      await sleep(seconds * 1000)
      await ended(running)
      const took = heard.all().flatMap(({ count, at }) => {
        const answeredAt = device.answeredAt.get(count)
        return answeredAt === undefined ? [] : [at - answeredAt]
      })
      await heard.stop()
      if (took.length < (seconds * 1000) / EVERY_MS / 2) throw new Error(`only ${took.length} values came`)
      return spread(took)
    }
    const disk = fdatasyncs(folder, small ? 50 : 400)
    const empty = await publishes(brokerPort, small ? 40 : 400)
    const atOnce = await through('0ms')
    const byDefault = await through(`${DEFAULT_COMMIT_MS}ms`)
    device.stop()
    const overAtOnce = atOnce.p99 - empty.p99 - disk.p99
    const overByDefault = byDefault.p99 - empty.p99 - disk.p99 - DEFAULT_COMMIT_MS
    return {
      bench: 'latency',
      target: `p99 ≤ ${ALLOWED_MS} ms above an empty publish and one fdatasync with commitEvery 0; with the default, commitEvery on top`,
      verdict: overAtOnce <= ALLOWED_MS && overByDefault <= ALLOWED_MS ? ('met' as const) : ('missed' as const),
      aboveMs: { commitEvery0: round(overAtOnce), commitEveryDefault: round(overByDefault) },
      emptyPublishMs: empty,
      fdatasyncMs: disk,
      commitEvery0Ms: atOnce,
      commitEveryDefaultMs: byDefault,
      values: (seconds * 1000) / EVERY_MS,
    }
  } finally {
    for (const child of children.reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A device whose one register counts its reads, and when each count was given out. */
async function changing() {
  const answeredAt = new Map<number, number>()
  let count = 0
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', (question) => {
      const answer = Buffer.alloc(11)
      question.copy(answer, 0, 0, 4)
      answer.writeUInt16BE(5, 4)
      answer[6] = question[6]!
      answer.set([3, 2], 7)
      count = (count + 1) & 0xffff
      answer.writeUInt16BE(count, 9)
      answeredAt.set(count, performance.now())
      socket.write(answer)
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { port, answeredAt, stop: () => server.close() }
}

async function subscriber(port: number) {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 })
  let heard: { count: number; at: number }[] = []
  client.on('message', (_, payload) => {
    const at = performance.now()
    const count = Number(/"n":(\d+)/.exec(payload.toString('latin1'))?.[1] ?? Number.NaN)
    if (!Number.isNaN(count)) heard.push({ count, at })
  })
  await client.subscribeAsync('/neuron/#', { qos: 1 })
  return {
    all: () => heard,
    clear: () => {
      heard = []
    },
    stop: () => client.endAsync(true),
  }
}

/** Publishes of nothing, one after the other, to a subscriber in the same process. */
async function publishes(port: number, times: number): Promise<Spread> {
  const [from, to] = await Promise.all(
    [0, 1].map(() => connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 })),
  )
  await to!.subscribeAsync('empty', { qos: 1 })
  const took: number[] = []
  for (let time = 0; time < times; time++) {
    const arrived = new Promise<number>((resolve) => to!.once('message', () => resolve(performance.now())))
    const at = performance.now()
    from!.publish('empty', '', { qos: 1 })
    took.push((await arrived) - at)
    await sleep(10)
  }
  await Promise.all([from!.endAsync(true), to!.endAsync(true)])
  return spread(took)
}

function fdatasyncs(folder: string, times: number): Spread {
  const file = openSync(join(folder, 'sync'), 'w')
  const page = Buffer.alloc(4096, 1)
  const took: number[] = []
  for (let time = 0; time < times; time++) {
    writeSync(file, page)
    const at = performance.now()
    fdatasyncSync(file)
    took.push(performance.now() - at)
  }
  closeSync(file)
  return spread(took)
}

function spread(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)
  return { p50: at(0.5), p99: at(0.99) }
}

function configuration(options: {
  folder: string
  commitEvery: string
  brokerPort: number
  devicePort: number
}): string {
  const { folder, commitEvery, brokerPort, devicePort } = options
  return `gateway: { id: bench }
connections: { c: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort} } }
devices: { d: { connection: c, unitId: 1, groups: { g: { every: ${EVERY_MS}ms, tags: { n: { address: "holding:0", type: uint16 } } } } } }
sinks: { bench: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}", format: values, qos: 1 } }
log: { path: ${join(folder, `log-${commitEvery}`)}, commitEvery: ${commitEvery} }
`
}
