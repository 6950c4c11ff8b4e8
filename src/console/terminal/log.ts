/** The log as `log status` and `log gaps` show it: what it holds and for whom, what an outage would cost, what was lost. */
import type { State } from '../../contracts/component.ts'
import type { GapEntry, Position, Receipt } from '../../contracts/log.ts'
import { stateText } from './sections.ts'
import { bar, type Column, table } from './table.ts'
import { ascii, cut, harmless, ink, type Style, wrap } from './text.ts'
import { bytes, count, duration, percent, rate } from './words.ts'

export interface LogSinkStatus {
  readonly name: string
  /** false: the log keeps its place, but the configuration does not name it. null: the configuration cannot be read. */
  readonly configured: boolean | null
  /** null: nobody says. */
  readonly state: State | null
  readonly receipt: Receipt
  /** On the disk: of what is pending, and of every segment held for it. */
  readonly bytes: number
  readonly heldBytes: number
  /** When the oldest record was acquired that it has not confirmed, UTC ms; null: there is none. */
  readonly oldest: number | null
  /** Entries; null: the gateway does not run. */
  readonly perSecond: { readonly in: number; readonly out: number } | null
  /** null: not at the present rates. */
  readonly drainedInMs: number | null
  /** If its link stays down; null: never at the present rate. */
  readonly lossInMs: number | null
  /** Evicted entries that no gap tells of. */
  readonly untold: number
  readonly quarantine: {
    readonly entries: number
    readonly bytes: number
    /** null: the configuration cannot be read. */
    readonly quotaBytes: number | null
    /** What the far side said of the newest. */
    readonly why: string | null
  }
}

export interface LogStatus {
  readonly path: string
  readonly running: boolean
  readonly state: State | null
  readonly stream: string
  readonly head: Position
  readonly oldest: Position
  /** When the newest record was acquired, UTC ms, and by what clock; null: there is none. */
  readonly newest: { readonly at: number; readonly clock: string } | null
  readonly at: number
  readonly bytes: number
  readonly quotaBytes: number | null
  /** The quota, or less where the file system has less to give; null: the gateway does not run. */
  readonly limitBytes: number | null
  readonly evict: 'oldest' | 'newest' | null
  readonly segments: number
  readonly perSecond: { readonly entries: number; readonly bytes: number } | null
  /** If nothing is confirmed meanwhile; null: never at the present rate. */
  readonly fullInMs: number | null
  readonly gaps: {
    readonly lines: number
    readonly evicted: number
    readonly damaged: number
    readonly refused: number
  }
  readonly sinks: readonly LogSinkStatus[]
  readonly audit?: {
    readonly holds: boolean
    readonly differences: readonly string[]
    readonly records: number
  }
}

const SINKS: readonly Column[] = [
  { title: 'SINK', shrinksTo: 10 },
  { title: 'STORED', right: true },
  { title: '= DELIVERED', right: true },
  { title: '+ FILTERED', right: true },
  { title: '+ PENDING', right: true },
  { title: '+ QUARANTINED', right: true },
  { title: '+ EVICTED', right: true },
]

/** Lines joined by line ends, none wider than `columns`. */
export function renderLogStatus(status: LogStatus, options: { columns: number; style: Style }): string {
  const { columns, style } = options
  const lines = [
    ...folded(`LOG    ${harmless(status.path)}, stream ${status.stream}, ${running(status)}`, columns),
    ...folded(`       ${filling(status)}`, columns),
    ...folded(`       ${forecast(status)}`, columns),
    ...folded(`CLOCK  ${clock(status)}`, columns),
    ...folded(`GAPS   ${losses(status)}`, columns),
  ]
  if (status.sinks.length > 0) {
    const rows = status.sinks.map(({ name, receipt }) => [
      harmless(name),
      ...[
        receipt.stored,
        receipt.delivered,
        receipt.filtered,
        receipt.pending,
        receipt.quarantined,
        receipt.evicted,
      ].map(count),
    ])
    const [head, ...others] = table(SINKS, rows, columns)
    lines.push('', ink(head!, 'bold', style))
    for (const [at, line] of others.entries())
      lines.push(
        line,
        ...sentences(status, status.sinks[at]!).flatMap((each) => folded(`    ${each}`, columns, '      ')),
      )
  }
  if (status.audit !== undefined) lines.push('', ...audited(status.audit).flatMap((each) => folded(each, columns)))
  return lines
    .map((line) => (style.unicode ? line : ascii(line)))
    .map((line) => cut(line, columns))
    .join('\n')
}

function folded(line: string, columns: number, indent = '       '): string[] {
  const lead = /^ */.exec(line)![0]
  return wrap(line.trimStart(), columns - lead.length, indent.slice(lead.length)).map((each) => lead + each)
}

function running({ running, state }: LogStatus): string {
  if (!running) return 'the gateway is not running'
  return state === null ? 'the field half is not running: nothing is stored' : `${stateText(state)}`
}

function filling({ bytes: used, quotaBytes, limitBytes, segments, head, oldest }: LogStatus): string {
  const limit = limitBytes ?? quotaBytes
  const share = limit === null ? '' : `${bar(used / Math.max(1, limit), 10)} ${percent(used / Math.max(1, limit))}, `
  const room =
    limitBytes !== null && quotaBytes !== null && limitBytes < quotaBytes
      ? ` of ${bytes(limitBytes)} that the disk has for it (the quota is ${bytes(quotaBytes)})`
      : limit === null
        ? ''
        : ` of ${bytes(limit)}`
  const where = `${position(oldest)} to ${position(head)}`
  return `${share}${bytes(used)}${room}, ${segments} ${segments === 1 ? 'segment' : 'segments'}, records ${where}`
}

function forecast({ running, perSecond, fullInMs, evict }: LogStatus): string {
  if (perSecond === null)
    return `what comes in is not known while the ${running ? 'field half' : 'gateway'} is not running`
  const comes = `${rate(perSecond.entries).replace('/', ' records/')}, ${bytes(perSecond.bytes)}/s come in`
  if (fullInMs === null) return `${comes}: never full at this rate`
  const then = evict === 'newest' ? 'new batches are refused then' : 'the oldest are deleted then'
  return `${comes}: full in ${duration(fullInMs)} if nothing is delivered; ${then}`
}

function clock({ newest }: LogStatus): string {
  if (newest === null) return 'nothing is stored yet'
  return `the newest record is of ${local(newest.at)}, its clock ${harmless(newest.clock)}`
}

function losses({ gaps }: LogStatus): string {
  if (gaps.lines === 0) return 'nothing was lost'
  const told = `${count(gaps.evicted)} records evicted, ${count(gaps.damaged)} damaged, ${count(gaps.refused)} never stored`
  return `${told}, in ${count(gaps.lines)} ${gaps.lines === 1 ? 'gap' : 'gaps'}: see "fieldgate log gaps"`
}

/** What there is to say of a sink beside its receipt. */
function sentences(status: LogStatus, sink: LogSinkStatus): string[] {
  const { name, configured, state, receipt, quarantine } = sink
  const said: string[] = []
  if (configured === false) said.push('not in the configuration: nothing is held for it')
  else if (state !== null && state.condition !== 'fine') said.push(stateText(state))
  if (receipt.pending > 0) said.push(backlog(status, sink))
  if (configured !== false && sink.perSecond !== null) said.push(outage(status, sink))
  if (quarantine.entries > 0) {
    const quota = quarantine.quotaBytes === null ? '' : ` of ${bytes(quarantine.quotaBytes)}`
    const why = quarantine.why === null ? '' : `, last: ${harmless(quarantine.why)}`
    const again = `"fieldgate log retry ${harmless(name)}" tries them again`
    said.push(`${count(quarantine.entries)} in quarantine, ${bytes(quarantine.bytes)}${quota}${why}; ${again}`)
  }
  if (sink.untold > 0) {
    said.push(
      `${count(sink.untold)} of the evicted are in no gap: its quarantine was full, or it was not in the configuration`,
    )
  }
  return said
}

function backlog({ at }: LogStatus, sink: LogSinkStatus): string {
  const { configured, receipt, bytes: depth, oldest, perSecond, drainedInMs } = sink
  const since = oldest === null ? '' : `, the oldest of ${local(oldest)} (${duration(Math.max(0, at - oldest))})`
  const wait = `${count(receipt.pending)} pending, ${bytes(depth)}${since}`
  if (perSecond === null || configured === false) return wait
  const rates = `${rate(perSecond.in)} in, ${rate(perSecond.out)} out`
  const end = drainedInMs === null ? 'it becomes no less at this rate' : `drained in ${duration(drainedInMs)}`
  return `${wait}; ${rates}: ${end}`
}

function outage({ at, evict }: LogStatus, { lossInMs }: LogSinkStatus): string {
  if (lossInMs === null) return 'nothing comes in: an outage costs nothing at this rate'
  const lost = evict === 'newest' ? 'the first record is refused' : 'the first record is lost'
  if (lossInMs === 0) return `if this link stays down, ${lost} now`
  return `if this link stays down, ${lost} at about ${local(at + lossInMs)} (in ${duration(lossInMs)})`
}

function audited({ holds, differences, records }: NonNullable<LogStatus['audit']>): string[] {
  if (holds) return [`AUDIT  holds: ${count(records)} records counted, every receipt adds up and every loss is told`]
  return [
    `AUDIT  differs, ${count(records)} records counted:`,
    ...differences.map((each) => `       ${harmless(each)}`),
  ]
}

function position({ epoch, seq }: Position): string {
  return `${epoch}:${seq}`
}

const moments = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' })

/** Local time. */
function local(wall: number): string {
  return Math.abs(wall) <= 8.64e15 ? moments.format(wall) : `${wall} ms`
}

const GAPS: readonly Column[] = [
  { title: 'WHEN' },
  { title: 'CLOCK' },
  { title: 'WHY' },
  { title: 'ENTRIES', right: true },
  { title: 'FROM', right: true },
  { title: 'TO', right: true },
  { title: 'WHOSE', shrinksTo: 12 },
]

const WHYS: Readonly<Record<GapEntry['why'], string>> = {
  evicted: 'the log was full',
  damaged: 'cannot be read',
  refused: 'never stored',
}

/** Head and one line a gap, each at most `columns` wide. */
export function gapTable(gaps: readonly GapEntry[], columns: number, style: Style): string[] {
  const rows = gaps.map(({ at, why, entries, range, readers }) => [
    local(at.wall),
    at.clock,
    WHYS[why],
    count(entries),
    range === null ? '' : position(range.from),
    range === null ? '' : position(range.to),
    readers === undefined ? 'everybody' : readers.map(harmless).join(', ') || 'nobody',
  ])
  const [head, ...lines] = table(GAPS, rows, columns)
  return [ink(head!, 'bold', style), ...lines].map((line) => (style.unicode ? line : ascii(line)))
}
