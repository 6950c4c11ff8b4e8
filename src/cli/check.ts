/** `fieldgate check`: is the file valid, which requests will it make, and what do they cost the wire? Opens nothing. */
import { basename, dirname, join } from 'node:path'
import type { Ports } from '../../hal/contract.ts'
import * as catalog from '../catalog.ts'
import type { Configuration } from '../config/configuration.ts'
import type { Kinds } from '../config/kinds.ts'
import { type Loaded, load } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'
import { budgetLines } from '../console/terminal/budget.ts'
import { harmless } from '../console/terminal/text.ts'
import { interval, milliseconds, percent } from '../console/terminal/words.ts'
import type { Budget, GroupLoad } from '../contracts/budget.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/component.ts'
import type { Knowledge } from '../contracts/driver.ts'
import { Rejected } from '../contracts/errors.ts'
import { NotebookFile } from '../log/notebook.ts'
import { budgetOf, costOf } from '../schedule/budget.ts'
import { type Command, Exit } from './command.ts'
import { locate } from './location.ts'

export interface GroupBudget extends GroupLoad {
  readonly tags: number
  /** In words, as planned. */
  readonly requests: readonly string[]
  /** Why each of them is as it is. */
  readonly why: readonly (readonly string[])[]
  /** What one round of them takes on the wire; 0 where a wire is not shared. */
  readonly wireMs: number
}

export interface ConnectionBudget extends Omit<Budget, 'groups'> {
  readonly name: string
  readonly driver: string
  readonly requestsPerSecond: number
  /** What a gateway that ran here has learnt of the devices, and is planned by. */
  readonly knowledge: Readonly<Record<string, Knowledge>>
  readonly groups: readonly GroupBudget[]
}

export const command: Command = async ({ file: configured, options, json, screen, clock }) => {
  const profile = options.profile === undefined ? undefined : locate(String(options.profile), process.env)
  const file = profile ?? configured
  const kinds = await catalog.kinds()
  const loaded =
    profile === undefined ? await load({ file, kinds, env: process.env }) : await loadProfile(profile, kinds)
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

/** A profile alone, as one device on a connection of its own would use it. */
async function loadProfile(file: string, kinds: Kinds): Promise<Loaded> {
  const name = basename(file, '.yaml')
  const device = { connection: 'wire', unitId: 1, profile: name }
  const text = JSON.stringify({ connections: { wire: PROFILE_WIRE }, devices: { device } })
  const around = join(dirname(file), 'gateway.yaml')
  const loaded = await load({ file: around, text, kinds, env: process.env, profiles: { [name]: file } })
  // What is wrong with the profile as a whole is told where the file is.
  return loaded.ok
    ? loaded
    : {
        ok: false,
        problems: loaded.problems.map((one) => (one.file === around ? { ...one, file, line: 1, column: 1 } : one)),
      }
}

const PROFILE_WIRE = { driver: 'modbus-rtu', port: 'rs485-1', baudRate: 9600 }

export async function budgets(configuration: Configuration, clock: Clock): Promise<ConnectionBudget[]> {
  const found: ConnectionBudget[] = []
  const notebook = await NotebookFile.open({ folder: configuration.log.path, clock, log: SILENT })
  for (const connection of configuration.connections) {
    const create = await catalog.drivers[connection.driver]!.load()
    const { name, settings } = connection
    const driver = create({ name, settings, clock, log: SILENT, board: PAPER, notebook })
    const plans = configuration.groups
      .filter(({ device }) => device.connection === name && device.enabled)
      .map((plan) => ({ plan, requests: driver.plan(plan) }))
    const items = plans.map(({ plan, requests }) => ({ plan, cost: costOf(driver, requests) }))
    const budget = budgetOf(items, { inFlight: driver.inFlight })
    const groups = plans.map(
      ({ plan, requests }, at): GroupBudget => ({
        ...budget.groups[at]!,
        tags: plan.tags.length,
        requests: requests.map(({ text }) => text),
        why: driver.explain?.(plan, requests) ?? requests.map(() => []),
        wireMs: requests.reduce((sum, { wireMs }) => sum + wireMs, 0),
      }),
    )
    const knowledge: Record<string, Knowledge> = {}
    for (const device of configuration.devices) {
      const learnt = device.connection === name ? driver.knowledge?.(device) : undefined
      if (learnt !== undefined) knowledge[device.name] = learnt
    }
    found.push({
      ...budget,
      name,
      driver: connection.driver,
      knowledge,
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
    const whose = shared ? 'the wire’s' : 'its'
    const wire = connection.load > 0 ? `${percent(connection.load)} of ${whose} time, ` : ''
    const rate = Number(connection.requestsPerSecond.toPrecision(3))
    lines.push(
      '',
      `${harmless(connection.name)} (${connection.driver}): ${wire}${rate} ${rate === 1 ? 'request' : 'requests'}/s`,
    )
    for (const line of budgetLines(connection.name, connection)) lines.push(`  ${line}`)
    for (const [device, { sentences }] of Object.entries(connection.knowledge)) {
      lines.push(`  learnt: ${harmless(device)} ${sentences.map(harmless).join(', ')}`)
    }
    for (const group of connection.groups) {
      const cost = group.wireMs > 0 ? `, ${milliseconds(group.wireMs)} of the wire` : ''
      const name = harmless(`${group.device}/${group.group}`)
      const requests = plural(group.requests.length, 'request')
      lines.push(`  ${name} every ${interval(group.everyMs)}: ${plural(group.tags, 'tag')}, ${requests}${cost}`)
      for (const [at, request] of group.requests.entries()) {
        lines.push(`    ${harmless(request)}`)
        for (const reason of group.why[at] ?? []) lines.push(`      ${harmless(reason)}`)
      }
    }
  }
  return lines.join('\n')
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A check opens nothing: a driver that is only asked for its plan has no use for a port. */
const PAPER: Ports = {
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
