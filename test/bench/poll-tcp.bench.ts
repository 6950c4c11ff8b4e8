/** `poll-tcp`: requests a second of the real poller and driver on one connection, 100 registers each, one at a time and with
 *  eight in flight, against a C loop over libmodbus on the same server. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drivers, kinds } from '../../src/catalog.ts'
import { load } from '../../src/config/load.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { ended, freePort, sleep, started } from '../peers/processes.ts'
import { median, round } from './rounds.ts'

const REGISTERS = 100
const GROUPS = 64

export async function run({ small }: { small: boolean }) {
  const seconds = small ? 0.5 : 3
  const rounds = small ? 2 : 7
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-poll-tcp-'))
  const port = await freePort()
  for (const part of ['server', 'client']) {
    const source = join(import.meta.dirname, `libmodbus-${part}.c`)
    execFileSync('cc', ['-O2', '-I/usr/include/modbus', '-o', join(folder, part), source, '-lmodbus'])
  }
  const server = await started(join(folder, 'server'), [String(port)], /ready/)
  const figures: Record<'libmodbus' | 'one' | 'eight', number[]> = { libmodbus: [], one: [], eight: [] }
  try {
    for (let turn = 0; turn < rounds; turn++) {
      const said = String(execFileSync(join(folder, 'client'), [String(port), String(seconds)]))
      figures.libmodbus.push((JSON.parse(said) as { perSecond: number }).perSecond)
      figures.one.push(await polled({ folder, port, seconds, inFlight: 1 }))
      figures.eight.push(await polled({ folder, port, seconds, inFlight: 8 }))
    }
  } finally {
    await ended(server)
    rmSync(folder, { recursive: true, force: true })
  }
  const ratio = (name: 'one' | 'eight'): number =>
    median(figures[name].map((figure, turn) => figure / figures.libmodbus[turn]!))
  const [oneAtATime, eightInFlight] = [round(ratio('one')), round(ratio('eight'))]
  return {
    bench: 'poll-tcp',
    target: '≥ 0.75 of libmodbus one at a time, ≥ 2.0 with 8 in flight',
    verdict: oneAtATime >= 0.75 && eightInFlight >= 2 ? ('met' as const) : ('missed' as const),
    oneAtATime,
    eightInFlight,
    requestsPerSecond: {
      libmodbus: round(median(figures.libmodbus), 0),
      oneAtATime: round(median(figures.one), 0),
      eightInFlight: round(median(figures.eight), 0),
    },
    rounds,
  }
}

/** Groups that are due each millisecond keep the lane busy: what is counted is what the poller handed on, whole and good. */
async function polled(options: { folder: string; port: number; seconds: number; inFlight: number }): Promise<number> {
  const clock = new SystemClock()
  const tags = Array.from({ length: REGISTERS }, (_, tag) => `t${tag}: { address: "holding:${tag}", type: uint16 }`)
  const groups = Array.from({ length: GROUPS }, (_, n) => `g${n}: { every: 1ms, tags: { ${tags.join(', ')} } }`)
  const text = `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${options.port}, inFlight: ${options.inFlight} } }
devices: { d: { connection: plc, unitId: 1, groups: { ${groups.join(', ')} } } }`
  const loaded = await load({ file: join(options.folder, 'bench.yaml'), text, kinds: await kinds(), env: {} })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  const { connections, groups: plans } = loaded.configuration
  const create = await drivers['modbus-tcp']!.load()
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const driver = create({
    name: 'plc',
    settings: connections[0]!.settings,
    clock,
    log: silent,
    board: undefined as never,
  })
  const lane = new Lane({ clock, inFlight: driver.inFlight })
  let good = 0
  const poller = new Poller({
    clock,
    driver,
    lane,
    emit: (batch) => {
      if (batch.quality === null && batch.numbers[REGISTERS - 1] === REGISTERS - 1) good++
    },
  })
  await driver.start(new AbortController().signal)
  poller.configure(plans)
  poller.start()
  await sleep(300)
  const [before, from] = [good, performance.now()]
  await sleep(options.seconds * 1000)
  const perSecond = ((good - before) * 1000) / (performance.now() - from)
  poller.stop()
  await lane.stop()
  await driver.stop()
  return perSecond
}
