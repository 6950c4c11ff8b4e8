/** `saturation`: how many scaled tags a second one core carries from Modbus TCP through the log to MQTT at QoS 1 before a poll
 *  slot is missed. The gateway has a core to itself; device, broker and receiver have the others. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, freePort, linesOf, service, sleep, started, until } from '../peers/processes.ts'
import { cpuMs, round, rssMb } from './rounds.ts'

const FOLDER = import.meta.dirname
const TAGS_A_DEVICE = 1000
const CONNECTIONS = 20
const EVERY_MS = 1000
const TARGET = 500_000
const [LEAST, MOST, FINEST] = [125_000, 2_000_000, 50_000]
/** How long the first read of every device may take. */
const START_MS = 60_000
/** How long the start's backlog may take to go. */
const SETTLE_MS = 30_000

/** One load, as those outside the gateway saw it. */
interface Step {
  readonly tagsPerSecond: number
  readonly held: boolean
  readonly why: string
  /** By the device: reads that came more than half an interval late. */
  readonly slotsMissed: number
  readonly latestMs: number
  /** By the receiver. */
  readonly batchesReceived: number
  readonly batchesMissing: number
  readonly batchesRepeated: number
  /** Read from the device and not yet with the receiver, at the beginning and at the end. */
  readonly underWay: readonly [number, number]
  /** Shares of a core. */
  readonly cpu: {
    readonly gateway: number
    readonly device: number
    readonly broker: number
    readonly receiver: number
  }
  readonly rssMb: number
}

export async function run({ small }: { small: boolean }) {
  const steps: Step[] = []
  const held = async (tagsPerSecond: number): Promise<boolean> => {
    const step = await load(tagsPerSecond, small ? 1500 : 12_000)
    steps.push(step)
    return step.held
  }
  let sustained = 0
  let broken = Number.POSITIVE_INFINITY
  const tried = async (rate: number): Promise<void> => {
    if (await held(rate)) sustained = rate
    else broken = rate
  }
  if (small) await tried(20_000)
  else {
    await tried(TARGET)
    while (sustained > 0 && broken === Number.POSITIVE_INFINITY && sustained < MOST) await tried(sustained * 2)
    while (sustained === 0 && broken > LEAST) await tried(broken / 2)
    while (Number.isFinite(broken) && broken - sustained > Math.max(FINEST, sustained / 8)) {
      await tried(Math.round((sustained + broken) / 2 / 1000) * 1000)
    }
  }
  return {
    bench: 'saturation',
    target: `at least ${TARGET} tags a second on one core, no poll slot missed, no batch lost`,
    verdict: sustained >= TARGET ? ('met' as const) : ('missed' as const),
    tagsPerSecond: sustained,
    brokenAt: broken === Number.POSITIVE_INFINITY ? null : broken,
    cores: CORES,
    tagsPerDevice: TAGS_A_DEVICE,
    everyMs: EVERY_MS,
    // Of each step also what the others took: where device, broker and receiver are near a core, it is they who ended it.
    steps,
  }
}

async function load(tagsPerSecond: number, measureMs: number): Promise<Step> {
  const devices = Math.round((tagsPerSecond * EVERY_MS) / 1000 / TAGS_A_DEVICE)
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-saturation-'))
  const [devicePort, brokerPort] = [await freePort(), await freePort()]
  const children: ChildProcess[] = []
  try {
    const mosquitto = join(folder, 'mosquitto.conf')
    writeFileSync(mosquitto, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n`)
    const broker = await started(...others('/usr/sbin/mosquitto', ['-c', mosquitto]), /running/)
    children.push(broker)
    const script = (name: string, ...words: (string | number)[]) =>
      started(...others(process.execPath, [join(FOLDER, name), ...words.map(String)]), /ready/)
    const device = await script('device.ts', devicePort, CONNECTIONS, EVERY_MS)
    children.push(device)
    const receiver = await script('ledger.ts', brokerPort)
    children.push(receiver)
    const [command, words, env] = service('run', '--config', configuration(folder, devices, devicePort, brokerPort))
    const gateway = spawn(...gatewayAlone(command, words), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.push(gateway)
    gateway.stderr.resume()
    gateway.stdout.resume()
    const all = async (): Promise<boolean> => (await asked<Reads>(device)).units >= devices
    await until('every device to be read', all, START_MS).catch(() => undefined)
    // What the start held up leaves; if it does not, that is seen below.
    const settled = async (): Promise<boolean> => {
      await sleep(1000)
      return (await asked<Reads>(device)).reads - (await asked<Got>(receiver)).received <= devices / 2
    }
    await until('the backlog of the start to leave', settled, SETTLE_MS).catch(() => undefined)

    const cpuOf = (): number[] => [gateway, device, broker, receiver].map(({ pid }) => cpuMs(pid!))
    const [readsBefore, gotBefore, cpuBefore] = [await asked<Reads>(device), await asked<Got>(receiver), cpuOf()]
    const from = performance.now()
    await sleep(measureMs)
    const [reads, got, cpuAfter] = [await asked<Reads>(device), await asked<Got>(receiver), cpuOf()]
    const elapsed = performance.now() - from
    const cpu = cpuAfter.map((ms, at) => round((ms - cpuBefore[at]!) / elapsed))
    const slotsMissed = reads.missed
    const underWay = [readsBefore.reads - gotBefore.received, reads.reads - got.received] as const
    const why = []
    if (reads.units < devices) why.push(`${devices - reads.units} devices were never read`)
    if (slotsMissed > 0) why.push(`${slotsMissed} slots were missed`)
    if (got.missing > 0) why.push(`${got.missing} batches are missing`)
    if (underWay[1] - underWay[0] > devices / 2) why.push('the backlog grows')
    return {
      tagsPerSecond: (devices * TAGS_A_DEVICE * 1000) / EVERY_MS,
      held: why.length === 0,
      why: why.join(', '),
      slotsMissed,
      latestMs: round(reads.latestMs, 1),
      batchesReceived: got.received - gotBefore.received,
      batchesMissing: got.missing,
      batchesRepeated: got.repeated,
      underWay,
      cpu: { gateway: cpu[0]!, device: cpu[1]!, broker: cpu[2]!, receiver: cpu[3]! },
      rssMb: round(rssMb(gateway.pid!), 0),
    }
  } finally {
    for (const child of children.reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Reads {
  readonly units: number
  readonly reads: number
  readonly missed: number
  readonly latestMs: number
}

interface Got {
  readonly received: number
  readonly missing: number
  readonly repeated: number
}

/** What a ledger says when it is asked; the device begins to count missed slots anew with each time. */
async function asked<T>(child: ChildProcess): Promise<T> {
  const lines = linesOf(child)
  const before = lines.length
  child.kill('SIGUSR2')
  return JSON.parse(await until('a ledger', () => lines[before], 30_000)) as T
}

const CORES = availableParallelism()

function gatewayAlone(command: string, words: readonly string[]): [string, string[]] {
  return CORES < 2 ? [command, [...words]] : ['taskset', ['-c', '0', command, ...words]]
}

function others(command: string, words: readonly string[]): [string, string[]] {
  return CORES < 2 ? [command, [...words]] : ['taskset', ['-c', `1-${CORES - 1}`, command, ...words]]
}

function configuration(folder: string, devices: number, devicePort: number, brokerPort: number): string {
  const rows = Array.from(
    { length: TAGS_A_DEVICE },
    (_, tag) => `t${tag},holding:${tag},uint16,${tag === 0 ? '' : '0.1'}`,
  )
  writeFileSync(join(folder, 'tags.csv'), `name,address,type,scale\n${rows.join('\n')}\n`)
  const connections = Array.from(
    { length: CONNECTIONS },
    (_, n) => `  c${n}: { driver: modbus-tcp, host: 127.0.0.${n + 1}, port: ${devicePort} }`,
  )
  const lines = Array.from(
    { length: devices },
    (_, n) =>
      `  d${n}: { connection: c${n % CONNECTIONS}, unitId: ${Math.floor(n / CONNECTIONS) + 1}, groups: { g: { every: ${EVERY_MS}ms, tags: { file: tags.csv } } } }`,
  )
  const file = join(folder, 'gateway.yaml')
  writeFileSync(
    file,
    `gateway: { id: bench }
connections:
${connections.join('\n')}
devices:
${lines.join('\n')}
sinks:
  bench: { type: mqtt, url: "mqtt://127.0.0.1:${brokerPort}", format: values, qos: 1 }
log: { path: ${join(folder, 'log')} }
`,
  )
  return file
}
