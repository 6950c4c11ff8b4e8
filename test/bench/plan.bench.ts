/** `plan`: how long the planner takes for 10,000 tags: as one group, and as 100 groups of 100. Holes of several widths lie
 *  between the registers, so that there is something to decide. The first run of each shape is told beside the median; only
 *  that of the one group, which comes first, finds the code cold. The reference sorts the same tags by their addresses. */
import { join } from 'node:path'
import { kinds } from '../../src/catalog.ts'
import { load } from '../../src/config/load.ts'
import type { GroupPlan } from '../../src/contracts/driver.ts'
import { planGroup } from '../../src/southbound/modbus/plan/plan.ts'
import { type ConnectionSettings, connectionSettings, type TagSettings } from '../../src/southbound/modbus/settings.ts'
import { median, round } from './rounds.ts'

const TAGS = 10_000
const LIMIT_MS = 50

export async function run({ small }: { small: boolean }) {
  const rounds = small ? 5 : 51
  const shapes = []
  for (const groups of [1, 100]) {
    const { plans, connection } = await configured(groups)
    const planned = () => plans.reduce((sum, plan) => sum + planGroup(plan, connection).length, 0)
    const firstAt = performance.now()
    const requests = planned()
    const firstMs = performance.now() - firstAt
    const [took, sorted]: [number[], number[]] = [[], []]
    for (let turn = 0; turn < rounds; turn++) {
      took.push(timed(planned))
      sorted.push(timed(() => plans.map(byAddress)))
    }
    const medianMs = median(took)
    shapes.push({
      groups,
      tags: TAGS,
      requests,
      firstMs: round(firstMs),
      medianMs: round(medianMs),
      mostMs: round(Math.max(...took)),
      sortMs: round(median(sorted)),
      met: firstMs < LIMIT_MS && medianMs < LIMIT_MS,
    })
  }
  return {
    bench: 'plan',
    target: `10,000 tags planned in less than ${LIMIT_MS} ms, the first time and at the median, in one group and in 100`,
    verdict: shapes.every((shape) => shape.met) ? ('met' as const) : ('missed' as const),
    shapes,
    rounds,
  }
}

function timed(work: () => unknown): number {
  const at = performance.now()
  work()
  return performance.now() - at
}

function byAddress(plan: GroupPlan): unknown {
  return plan.tags.toSorted(
    (one, other) => (one.settings as TagSettings).address - (other.settings as TagSettings).address,
  )
}

async function configured(groups: number): Promise<{ plans: readonly GroupPlan[]; connection: ConnectionSettings }> {
  let address = 0
  const written = Array.from({ length: groups }, (_, group) => {
    const tags = Array.from({ length: TAGS / groups }, (_, tag) => {
      const text = `t${tag}: { address: "holding:${address}", type: uint16 }`
      address += 1 + (tag % 7 === 0 ? (tag * 13) % 37 : 0)
      return text
    })
    return `g${group}: { every: 1s, tags: { ${tags.join(', ')} } }`
  })
  const text = `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1 } }
devices: { d: { connection: plc, unitId: 1, groups: { ${written.join(', ')} } } }`
  const loaded = await load({ file: join(import.meta.dirname, 'bench.yaml'), text, kinds: await kinds(), env: {} })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  const { connections, groups: plans } = loaded.configuration
  return { plans, connection: connectionSettings(connections[0]!.settings as never) }
}
