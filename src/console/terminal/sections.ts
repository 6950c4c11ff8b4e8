/** The parts of a report as lines: connections, devices, sinks, log. Status, overview and the demo are put together from these. */
import type { Condition } from '../../contracts/component.ts'
import type {
  ConnectionReport,
  DeviceReport,
  GatewayReport,
  HalfReport,
  LogReport,
  MachineReport,
  ProcessReport,
  SinkReport,
} from '../../contracts/report.ts'
import { bar, type Column, table } from './table.ts'
import { harmless, type Ink, ink, pad, type Style, wrap } from './text.ts'
import { age, bytes, count, duration, milliseconds, percent, rate } from './words.ts'

const INKS: Readonly<Record<Condition, Ink | null>> = {
  fine: null,
  waiting: 'dim',
  degraded: 'amber',
  fault: 'red',
  refused: 'red',
}

/** The condition as a word before its sentence, unless all is well. */
export function stateText({ condition, text }: { condition: Condition; text: string }): string {
  return condition === 'fine' || text.toLowerCase().startsWith(condition)
    ? harmless(text)
    : `${condition}: ${harmless(text)}`
}

function coloured(lines: string[], conditions: readonly Condition[], style: Style): string[] {
  return lines.map((line, at) => {
    if (at === 0) return ink(line, 'bold', style)
    const colour = INKS[conditions[at - 1]!]
    return colour === null ? line : ink(line, colour, style)
  })
}

const CONNECTIONS: readonly Column[] = [
  { title: 'CONNECTION', shrinksTo: 12 },
  { title: 'LOAD', right: true },
  { title: '', shrinksTo: 4 },
  { title: 'REQ/S', right: true },
  { title: 'P50/P95', right: true },
  { title: 'ANSWER', right: true },
  { title: 'STATE', shrinksTo: 20 },
]

export function connectionLines(connections: readonly ConnectionReport[], columns: number, style: Style): string[] {
  const rows = connections.map((each) => [
    harmless(each.name),
    percent(each.load),
    bar(each.load, 6),
    each.requestsPerSecond < 10 ? each.requestsPerSecond.toFixed(1) : count(each.requestsPerSecond),
    each.responseMs.p95 === 0 ? '–' : responses(each.responseMs),
    `${each.answering} of ${each.devices}`,
    stateText(each.state),
  ])
  return coloured(
    table(CONNECTIONS, rows, columns),
    connections.map((each) => each.state.condition),
    style,
  )
}

function responses({ p50, p95 }: ConnectionReport['responseMs']): string {
  return `${milliseconds(p50).replace(' ms', '')}/${milliseconds(p95)}`
}

const DEVICES: readonly Column[] = [
  { title: 'DEVICE', shrinksTo: 12 },
  { title: 'ON', shrinksTo: 8 },
  { title: 'TAGS', right: true },
  { title: 'ANSWERS', shrinksTo: 7 },
  { title: 'LAST', right: true },
  { title: '', shrinksTo: 20 },
]

export function deviceLines(devices: readonly DeviceReport[], columns: number, style: Style): string[] {
  const rows = devices.map((each) => [
    harmless(each.name),
    harmless(each.connection),
    count(each.tags),
    each.enabled ? (each.answers === null ? 'not asked' : each.answers ? 'yes' : 'no') : 'disabled',
    each.enabled ? age(each.ageMs) : '',
    harmless(each.text),
  ])
  return coloured(table(DEVICES, rows, columns), devices.map(deviceCondition), style)
}

function deviceCondition(device: DeviceReport): Condition {
  if (!device.enabled || device.answers === null) return 'waiting'
  return device.answers ? 'fine' : 'fault'
}

const SINKS: readonly Column[] = [
  { title: 'SINK', shrinksTo: 10 },
  { title: 'TYPE' },
  { title: 'PENDING', right: true },
  { title: 'OLDEST', right: true },
  { title: 'RATE', right: true },
  { title: 'STATE', shrinksTo: 20 },
]

/** `at`: the report's moment, UTC ms. */
export function sinkLines(sinks: readonly SinkReport[], at: number, columns: number, style: Style): string[] {
  const rows = sinks.map((each) => [
    harmless(each.name),
    harmless(each.type),
    each.receipt === null ? 'live' : count(each.receipt.pending),
    each.oldest === null ? '' : age(at - each.oldest),
    rate(each.rate),
    stateText(each.state) + losses(each),
  ])
  return coloured(
    table(SINKS, rows, columns),
    sinks.map((each) => each.state.condition),
    style,
  )
}

/** What will not arrive is said, never only counted. */
function losses({ receipt }: SinkReport): string {
  if (receipt === null) return ''
  const lost = receipt.evicted > 0 ? `; ${count(receipt.evicted)} evicted` : ''
  return receipt.quarantined > 0 ? `${lost}; ${count(receipt.quarantined)} in quarantine` : lost
}

/** Nothing where nobody writes it. */
export function logLines(log: LogReport | null, columns: number, style: Style): string[] {
  if (log === null) return []
  const share = log.quotaBytes === 0 ? 0 : log.bytes / log.quotaBytes
  const forecast = log.fullInMs === null ? 'never full at this rate' : `full in ${duration(log.fullInMs)}`
  const fill = `${bar(share, 10)} ${percent(share)}, ${bytes(log.bytes)} of ${bytes(log.quotaBytes)}`
  const state = log.state.condition === 'fine' ? '' : `  ${stateText(log.state)}`
  const line = `LOG  ${fill}, head ${log.head.epoch}:${log.head.seq}, ${forecast}${state}`
  return wrap(line, columns).map((each) => inked(each, INKS[log.state.condition], style))
}

/** Nothing where one process is all of it. */
export function halfLines(halves: readonly HalfReport[], columns: number, style: Style): string[] {
  const revisions = new Set(halves.flatMap(({ revision }) => revision ?? []))
  return halves.flatMap(({ half, running, revision, text }) => {
    const own = running && revisions.size > 1 ? `, revision ${revision!.slice(0, 12)}` : ''
    const odd = !running || revisions.size > 1
    const lines = wrap(`${pad(half, 6)}  ${harmless(text)}${own}`, columns, '        ')
    return lines.map((line) => inked(line, odd ? (running ? 'amber' : 'red') : null, style))
  })
}

/** Of each process: who is fed, how late everything was, and who makes no progress. */
export function healthLines(processes: readonly ProcessReport[], columns: number, style: Style): string[] {
  return processes.flatMap(({ side, health }) => {
    if (health === undefined) return []
    const { components, watchdog, longestStallMs } = health
    const late = longestStallMs === 0 ? '' : `; everything was late by ${longestStallMs} ms at the most`
    const stalled = components.flatMap(({ name, state, stalled }) => (stalled ? [`${name}: ${state.text}`] : []))
    const head = pad(side === 'both' ? 'Watchdog' : `Watchdog, ${side}`, 18)
    const fed = stalled.length > 0 ? `not fed: ${stalled.join('; ')}` : watchdog.state.text
    const colour = stalled.length > 0 || watchdog.state.condition !== 'fine' ? 'red' : null
    return wrap(`${head}  ${harmless(fed)}${late}`, columns, ' '.repeat(20)).map((line) => inked(line, colour, style))
  })
}

function inked(line: string, colour: Ink | null, style: Style): string {
  return colour === null ? line : ink(line, colour, style)
}

/** `Fieldgate gw-01`, version, revision and how long it has been up. */
export function headline(report: GatewayReport): string {
  const up = duration(Math.max(0, report.at - report.startedAt))
  return `Fieldgate ${report.version}  ${harmless(report.gateway)}  up ${up}  revision ${report.revision.slice(0, 12)}`
}

/** What the box is like: heat, storage, network. */
export function machineLines(machine: MachineReport, columns: number): string[] {
  const { celsius, throttled, storages, links } = machine
  const slow = throttled === undefined ? [] : [`slowed down for ${throttled === 'heat' ? 'heat' : 'want of voltage'}`]
  const parts = [
    ...(celsius === undefined ? [] : [`${Math.round(celsius)} °C`]),
    ...slow,
    ...storages.map(({ path, readOnly, freeBytes, totalBytes, lifeUsed }) => {
      const worn = lifeUsed === undefined ? '' : `, ${percent(lifeUsed)} of its life used`
      return `${harmless(path)} ${bytes(freeBytes)} of ${bytes(totalBytes)} free${readOnly ? ', read-only' : ''}${worn}`
    }),
    ...links.map(({ name, carrier, addresses }) => {
      const reached = addresses === 0 ? 'no address' : addresses === 1 ? '1 address' : `${addresses} addresses`
      return `${harmless(name)} ${carrier ? reached : 'no link'}`
    }),
  ]
  return wrap(`BOX  ${parts.join(' · ')}`, columns, '     ')
}
