/** `footprint`: what the whole gateway takes to carry 10,000 and 100,000 scaled tags a second from Modbus TCP through the log
 *  to MQTT at QoS 1, against the bare loop that does the same job without scaling, quality, cursors or retention. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, freePort, service, sleep, started } from '../peers/processes.ts'
import { cpuMs, median, round, rssMb } from './rounds.ts'

const FOLDER = import.meta.dirname
const TAGS_A_DEVICE = 1000
const CONNECTIONS = 10

interface Load {
  readonly cpu: number
  readonly rssMb: number
  readonly received: number
  readonly missing: number
  readonly repeated: number
}

export async function run({ small }: { small: boolean }) {
  const settleMs = small ? 4000 : 10_000
  const measureMs = small ? 5000 : 20_000
  const rounds = small ? 1 : 3
  const sizes = []
  for (const [devices, limitMb] of [
    [10, 110],
    [100, 180],
  ] as const) {
    const bare: Load[] = []
    const gateway: Load[] = []
    for (let turn = 0; turn < rounds; turn++) {
      bare.push(await measure('bare', devices, settleMs, measureMs))
      gateway.push(await measure('gateway', devices, settleMs, measureMs))
    }
    const ratio = median(gateway.map((load, turn) => load.cpu / bare[turn]!.cpu))
    const mb = Math.max(...gateway.map((load) => load.rssMb))
    const missing = gateway.reduce((sum, load) => sum + load.missing, 0)
    const expected = (devices * measureMs) / 1000
    sizes.push({
      tags: devices * TAGS_A_DEVICE,
      cpuPercent: round(median(gateway.map((load) => load.cpu)) * 100),
      bareCpuPercent: round(median(bare.map((load) => load.cpu)) * 100),
      cpuRatio: round(ratio),
      rssMb: round(mb, 1),
      bareRssMb: round(Math.max(...bare.map((load) => load.rssMb)), 1),
      rssLimitMb: limitMb,
      batchesReceived: gateway.map((load) => load.received),
      batchesMissing: missing,
      batchesRepeated: gateway.reduce((sum, load) => sum + load.repeated, 0),
      met: ratio <= 3 && mb <= limitMb && missing === 0 && gateway.every((load) => load.received >= expected * 0.98),
    })
  }
  return {
    bench: 'footprint',
    target: 'CPU ≤ 3 × the bare loop; RSS ≤ 110 MB at 10,000 tags and ≤ 180 MB at 100,000; 0 batches missing',
    verdict: sizes.every((size) => size.met) ? ('met' as const) : ('missed' as const),
    sizes,
  }
}

async function measure(what: 'bare' | 'gateway', devices: number, settleMs: number, measureMs: number): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-footprint-'))
  const [devicePort, brokerPort] = [await freePort(), await freePort()]
  const children: ChildProcess[] = []
  try {
    const mosquitto = join(folder, 'mosquitto.conf')
    writeFileSync(mosquitto, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n`)
    children.push(await started('/usr/sbin/mosquitto', ['-c', mosquitto, '-v'], /running/))
    children.push(await started(process.execPath, [join(FOLDER, 'device.ts'), String(devicePort)], /ready/))
    const ledger = await started(process.execPath, [join(FOLDER, 'ledger.ts'), String(brokerPort)], /ready/)
    children.push(ledger)
    const job =
      what === 'bare'
        ? spawn(process.execPath, [
            join(FOLDER, 'bare-loop.ts'),
            ...[devicePort, brokerPort, CONNECTIONS, devices, TAGS_A_DEVICE].map(String),
            join(folder, 'store'),
          ])
        : launched(configuration({ folder, devices, devicePort, brokerPort }))
    children.push(job)
    job.stderr!.resume()
    job.stdout!.resume()
    await sleep(settleMs)
    const pid = job.pid!
    const before = cpuMs(pid)
    const from = performance.now()
    let most = 0
    while (performance.now() - from < measureMs) {
      most = Math.max(most, rssMb(pid))
      await sleep(250)
    }
    const cpu = (cpuMs(pid) - before) / (performance.now() - from)
    await ended(job)
    await sleep(500)
    const said = new Promise<string>((resolve) => ledger.stdout!.once('data', (chunk) => resolve(String(chunk))))
    await ended(ledger)
    return { cpu, rssMb: most, ...(JSON.parse(await said) as Omit<Load, 'cpu' | 'rssMb'>) }
  } finally {
    for (const child of children.reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

function launched(file: string): ChildProcess {
  const [command, words, env] = service('run', '--config', file)
  return spawn(command, words, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

function configuration(options: { folder: string; devices: number; devicePort: number; brokerPort: number }): string {
  const rows = Array.from(
    { length: TAGS_A_DEVICE },
    (_, tag) => `t${tag},holding:${tag},uint16,${tag === 0 ? '' : '0.1'}`,
  )
  writeFileSync(join(options.folder, 'tags.csv'), `name,address,type,scale\n${rows.join('\n')}\n`)
  const connections = Array.from(
    { length: CONNECTIONS },
    (_, n) => `  c${n}: { driver: modbus-tcp, host: 127.0.0.1, port: ${options.devicePort} }`,
  )
  const devices = Array.from(
    { length: options.devices },
    (_, n) =>
      `  d${n}: { connection: c${n % CONNECTIONS}, unitId: ${n + 1}, groups: { g: { every: 1s, tags: { file: tags.csv } } } }`,
  )
  const file = join(options.folder, 'gateway.yaml')
  writeFileSync(
    file,
    `gateway: { id: bench }
connections:
${connections.join('\n')}
devices:
${devices.join('\n')}
sinks:
  bench: { type: mqtt, url: "mqtt://127.0.0.1:${options.brokerPort}", format: values, qos: 1 }
log: { path: ${join(options.folder, 'log')} }
`,
  )
  return file
}
