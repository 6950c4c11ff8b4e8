/** `fieldgate check`: is the file valid, which requests will it make, and what do they cost the wire? Opens nothing. */
import { basename } from 'node:path'
import type { Board } from '../../hal/contract.ts'
import * as catalog from '../catalog.ts'
import type { Configuration } from '../config/configuration.ts'
import { load } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'
import { harmless } from '../console/terminal/text.ts'
import { interval, milliseconds, percent } from '../console/terminal/words.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import { Rejected } from '../contracts/errors.ts'
import { type Command, Exit } from './command.ts'

export interface GroupBudget {
  readonly device: string
  readonly group: string
  readonly everyMs: number
  readonly tags: number
  /** In words, as planned. */
  readonly requests: readonly string[]
  /** What one round of them takes on the wire; 0 where a wire is not shared. */
  readonly wireMs: number
}

export interface ConnectionBudget {
  readonly name: string
  readonly driver: string
  /** Share of the wire's time; above 1 the groups cannot keep their interval. */
  readonly load: number
  readonly requestsPerSecond: number
  readonly groups: readonly GroupBudget[]
}

export const command: Command = async ({ file, json, screen, clock }) => {
  const loaded = await load({ file, kinds: await catalog.kinds(), env: process.env })
  if (!loaded.ok) {
    if (json) screen.document({ ok: false, problems: loaded.problems, connections: [] })
    else screen.complain(formatProblems(loaded.problems))
    return Exit.configuration
  }
  const { configuration, notices } = loaded
  const connections = await budgets(configuration, clock)
  if (json) screen.document({ ok: true, problems: [], notices, connections })
  else {
    for (const notice of notices) screen.complain(`Note: ${notice}`)
    screen.print(budgetText(configuration, connections, basename(file)))
  }
  return Exit.done
}

export async function budgets(configuration: Configuration, clock: Clock): Promise<ConnectionBudget[]> {
  const found: ConnectionBudget[] = []
  for (const connection of configuration.connections) {
    const create = await catalog.drivers[connection.driver]!.load()
    const { name, settings } = connection
    const driver = create({ name, settings, clock, log: SILENT, board: PAPER })
    const groups = configuration.groups
      .filter(({ device }) => device.connection === name && device.enabled)
      .map((group): GroupBudget => {
        const requests = driver.plan(group)
        return {
          device: group.ref.device,
          group: group.ref.group,
          everyMs: group.everyMs,
          tags: group.tags.length,
          requests: requests.map(({ text }) => text),
          wireMs: requests.reduce((sum, { wireMs }) => sum + wireMs, 0),
        }
      })
    found.push({
      name,
      driver: connection.driver,
      load: groups.reduce((sum, { wireMs, everyMs }) => sum + wireMs / everyMs, 0),
      requestsPerSecond: groups.reduce((sum, { requests, everyMs }) => sum + (requests.length * 1000) / everyMs, 0),
      groups,
    })
  }
  return found
}

export function budgetText(
  configuration: Configuration,
  connections: readonly ConnectionBudget[],
  file: string,
): string {
  const { devices, groups, sinks } = configuration
  const tags = groups.reduce((sum, group) => sum + group.tags.length, 0)
  const counts = [
    plural(connections.length, 'connection'),
    plural(devices.length, 'device'),
    plural(groups.length, 'group'),
    plural(tags, 'tag'),
    plural(sinks.length, 'sink'),
  ]
  const lines = [`${harmless(file)} is valid: ${counts.join(', ')}.`]
  for (const connection of connections) {
    const shared = connection.groups.some(({ wireMs }) => wireMs > 0)
    const wire = shared ? `${percent(connection.load)} of the wire’s time, ` : ''
    const rate = Number(connection.requestsPerSecond.toPrecision(3))
    lines.push('', `${harmless(connection.name)} (${connection.driver}): ${wire}${rate} requests/s`)
    if (connection.load > 1) {
      const slower = Math.ceil(connection.load * 10) / 10
      lines.push(
        `  The wire does not have this time: slots will be skipped. Read ${slower} times less often, or faster.`,
      )
    }
    for (const group of connection.groups) {
      const cost = group.wireMs > 0 ? `, ${milliseconds(group.wireMs)} of the wire` : ''
      const name = harmless(`${group.device}/${group.group}`)
      const requests = plural(group.requests.length, 'request')
      lines.push(`  ${name} every ${interval(group.everyMs)}: ${plural(group.tags, 'tag')}, ${requests}${cost}`)
      for (const request of group.requests) lines.push(`    ${harmless(request)}`)
    }
  }
  return lines.join('\n')
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A check opens nothing: a driver that is only asked for its plan has no use for a port. */
const PAPER: Board = {
  name: 'paper',
  serial(name) {
    const refuse = (): Promise<never> => Promise.reject(new Rejected(`check does not open ${name}`))
    return {
      open: refuse,
      write: refuse,
      onData: () => () => {},
      onClose: () => () => {},
      flushInput: refuse,
      close: () => Promise.resolve(),
      facts: { device: name, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined },
    }
  },
}
