/** `rtu-line`: how much of its time a serial line is in use, at three speeds, with the real poller, lane, driver and port over
 *  a pty. The slave is a process of its own that keeps the time of a real line: bytes of 11 bits, and a turnaround. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drivers, kinds } from '../../src/catalog.ts'
import { load } from '../../src/config/load.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { genericBoard } from '../hal/linux/generic.ts'
import { ended, linesOf, sleep, started } from '../peers/processes.ts'
import { median, round } from './rounds.ts'

const TARGETS: Readonly<Record<number, number>> = { 9600: 0.97, 19200: 0.95, 115200: 0.85 }
const SIZES = [10, 40, 125]
/** The target speaks of a block as meters have them. */
const JUDGED = 40
const TURNAROUND_MS = 5
const GROUPS = 8

export async function run({ small }: { small: boolean }) {
  const seconds = small ? 0.4 : 4
  const rounds = small ? 1 : 3
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-rtu-line-'))
  const program = join(folder, 'slave')
  execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, 'rtu-slave.c')])
  const utilisation: Record<string, Record<string, number>> = {}
  const cpuShare: Record<string, number> = {}
  let early = 0
  let met = true
  try {
    for (const [speed, target] of Object.entries(TARGETS)) {
      const baudRate = Number(speed)
      const found = SIZES.map(() => [] as number[])
      const cpu: number[] = []
      for (let turn = 0; turn < rounds; turn++) {
        for (const [at, registers] of SIZES.entries()) {
          const measured = await line({ folder, program, baudRate, registers, seconds })
          found[at]!.push(measured.utilisation)
          early += measured.early
          if (registers === JUDGED) cpu.push(measured.cpuShare)
        }
      }
      utilisation[speed] = Object.fromEntries(SIZES.map((size, at) => [size, round(median(found[at]!), 3)]))
      cpuShare[speed] = round(median(cpu), 3)
      met &&= utilisation[speed][JUDGED]! >= target
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    bench: 'rtu-line',
    target: `the wire in use ≥ 0.97 / 0.95 / 0.85 of the time at 9600 / 19200 / 115200 baud (${JUDGED} registers a request, ${TURNAROUND_MS} ms turnaround), no question before t3.5`,
    verdict: met && early === 0 ? ('met' as const) : ('missed' as const),
    utilisation,
    cpuShare,
    questionsBeforeT35: early,
    rounds,
  }
}

interface Measured {
  readonly utilisation: number
  readonly cpuShare: number
  readonly early: number
}

async function line(options: {
  folder: string
  program: string
  baudRate: number
  registers: number
  seconds: number
}): Promise<Measured> {
  const { folder, program, baudRate, registers, seconds } = options
  const [near, far] = [join(folder, 'near'), join(folder, 'far')]
  const ends = [near, far].map((end) => `pty,raw,echo=0,link=${end}`)
  const cable = await started('/usr/bin/socat', ['-d', '-d', ...ends], /starting data transfer loop/)
  const slave = spawn(program, [far, String(baudRate), String(TURNAROUND_MS * 1000)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = linesOf(slave)
  const clock = new SystemClock()
  const tags = Array.from({ length: registers }, (_, at) => `t${at}: { address: "holding:${at}", type: uint16 }`)
  const groups = Array.from({ length: GROUPS }, (_, n) => `g${n}: { every: 1ms, tags: { ${tags.join(', ')} } }`)
  const text = `connections: { bus: { driver: modbus-rtu, port: "${near}", baudRate: ${baudRate}, parity: even } }
devices: { d: { connection: bus, unitId: 1, groups: { ${groups.join(', ')} } } }`
  const loaded = await load({ file: join(folder, 'bench.yaml'), text, kinds: await kinds(), env: {} })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  const { connections, groups: plans } = loaded.configuration
  const create = await drivers['modbus-rtu']!.load()
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const driver = create({ name: 'bus', settings: connections[0]!.settings, clock, log, board: genericBoard() })
  const lane = new Lane({ clock, inFlight: driver.inFlight })
  let [good, bad] = [0, 0]
  const poller = new Poller({
    clock,
    driver,
    lane,
    emit: ({ quality, numbers }) => {
      if (quality === null && numbers[registers - 1] === registers - 1) good++
      else bad++
    },
  })
  await driver.start(new AbortController().signal)
  while (driver.state().condition !== 'fine') await sleep(5)
  poller.configure(plans)
  poller.start()
  await sleep(100)
  const before = process.cpuUsage()
  await sleep(seconds * 1000)
  const { user, system } = process.cpuUsage(before)
  poller.stop()
  await lane.stop()
  await driver.stop()
  await ended(slave)
  await ended(cable)
  const { questions, elapsedNs, early } = JSON.parse(said.at(-1)!) as Record<
    'questions' | 'elapsedNs' | 'early',
    number
  >
  // The last question was given up when the bench ended, and the first may have been a try.
  if (bad > 1 || good < questions - 2) throw new Error(`${good} good and ${bad} bad readings of ${questions} questions`)
  const byteMs = 11_000 / baudRate
  const silenceMs = baudRate > 19_200 ? 1.75 : 3.5 * byteMs
  const exchangeMs = (8 + 5 + 2 * registers) * byteMs + TURNAROUND_MS + silenceMs
  return {
    utilisation: ((questions - 1) * exchangeMs * 1e6) / elapsedNs,
    cpuShare: (user + system) / 1e6 / seconds,
    early,
  }
}
