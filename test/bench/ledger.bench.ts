/** `ledger`: what it takes of a processor that 50 components note their progress a hundred times a second, and that the ledger
 *  is looked at as often: a hundred times more often than the watchdog needs. The reference are the same hundred ticks without
 *  a ledger. Half of the components write a number themselves, half are asked for it. */
import { Ledger } from '../../src/health/ledger.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { median, round } from './rounds.ts'

const COMPONENTS = 50
const HZ = 100
const MOST_SHARE = 0.005

export async function run({ small }: { small: boolean }) {
  const rounds = small ? 5 : 51
  const ticks = small ? 200 : 2000
  const clock = new SystemClock()
  const ledger = new Ledger({ clock })
  const at = { ms: clock.monotonic() }
  const state = { condition: 'fine', text: 'polls' } as const
  const lines = Array.from({ length: COMPONENTS / 2 }, (_, n) => {
    ledger.enrol({
      name: `asked ${n}`,
      allowanceMs: 60_000,
      state: () => state,
      progress: () => ({ at: at.ms, due: true }),
    })
    return ledger.enrol({ name: `writing ${n}`, allowanceMs: 60_000 })
  })
  let stalled = 0
  const tick = (): void => {
    at.ms = clock.monotonic()
    for (const line of lines) {
      line.begin()
      line.progress()
    }
    stalled += ledger.stalled().length
  }
  const [took, idle, looked]: [number[], number[], number[]] = [[], [], []]
  for (let turn = 0; turn < rounds; turn++) {
    took.push(perTick(ticks, tick))
    idle.push(perTick(ticks, () => void clock.monotonic()))
    looked.push(perTick(ticks / 10, () => void ledger.standings()))
  }
  const tickMs = median(took)
  const share = (HZ * (tickMs - median(idle))) / 1000
  return {
    bench: 'ledger',
    target: `at ${HZ} Hz and with ${COMPONENTS} components less than ${MOST_SHARE * 100} % of a processor`,
    verdict: share < MOST_SHARE && stalled === 0 ? ('met' as const) : ('missed' as const),
    sharePercent: round(100 * share, 4),
    tickMicroseconds: round(1000 * tickMs, 2),
    idleMicroseconds: round(1000 * median(idle), 2),
    /** For `status` and metrics: with a sentence for each. */
    standingsMicroseconds: round(1000 * median(looked), 2),
    rounds,
    ticks,
  }
}

function perTick(ticks: number, work: () => void): number {
  const from = process.cpuUsage()
  for (let tick = 0; tick < ticks; tick++) work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000 / ticks
}
