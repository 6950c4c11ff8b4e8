/** `fieldgate log status [--audit]`: what the log holds and for whom, and what an outage would cost. The files are looked at by this
 *  process itself; how fast it goes, only the running gateway knows. */
import type { Configuration } from '../../config/configuration.ts'
import { type LogSinkStatus, type LogStatus, renderLogStatus } from '../../console/terminal/log.ts'
import { Rejected, Retryable } from '../../contracts/errors.ts'
import type { Position, Range } from '../../contracts/log.ts'
import type { GatewayReport, LogReport, SinkReport } from '../../contracts/report.ts'
import type { Archive, PlaceSeen } from '../../log/archive.ts'
import { type AuditReport, audit } from '../../log/audit.ts'
import { depthOf, outlookOf } from '../../log/outage.ts'
import { quarantineBytes } from '../../log/places/readers.ts'
import { isoOf } from '../../time/written.ts'
import { type Command, Exit, type Invocation } from '../command.ts'
import { withHalves } from '../running.ts'
import { reportOf } from '../status.ts'
import { configurationOf, withArchive } from './opened.ts'

const UNBOUNDED = 240
/** What is found while the gateway runs may be under way between its halves: only what is still so after this is wrong. */
const AGAIN_MS = 3000

export const command: Command = (invocation) =>
  withArchive(invocation, async (archive, path) => {
    const { json, screen, options, file, clock } = invocation
    const [configuration, report] = [await configurationOf(file), await runningReport(invocation)]
    const found = options.audit === true ? await audited({ invocation, archive, configuration, report }) : undefined
    archive.look()
    const status: LogStatus = {
      ...statusOf({ archive, path, configuration, report, at: clock.wall() }),
      ...(found === undefined ? {} : { audit: found }),
    }
    if (json) screen.document(documentOf(status))
    else {
      const columns = screen.isTerminal ? screen.columns : UNBOUNDED
      screen.print(renderLogStatus(status, { columns, style: { colour: screen.colour, unicode: screen.unicode } }))
    }
    return found?.holds === false ? Exit.failed : Exit.done
  })

/** undefined: the gateway is not running. */
async function runningReport(invocation: Invocation): Promise<GatewayReport | undefined> {
  try {
    return await withHalves(invocation, 'inspect', (halves) => reportOf(halves, invocation))
  } catch (thrown) {
    if (thrown instanceof Retryable) return undefined
    throw thrown
  }
}

interface Known {
  readonly archive: Archive
  readonly configuration: Configuration | undefined
  readonly report: GatewayReport | undefined
}

async function audited({
  invocation,
  archive,
  configuration,
  report,
}: Known & { invocation: Invocation }): Promise<AuditReport> {
  const { clock, signal } = invocation
  const configured = configuration?.sinks.map(({ name }) => name)
  const rest = (ms: number): Promise<void> =>
    clock.sleep(ms, signal).catch(() => {
      throw new Rejected('interrupted')
    })
  const pause = () => rest(0)
  const first = await audit({ archive, pause, configured })
  if (first.holds || report === undefined) return first
  await rest(AGAIN_MS)
  return audit({ archive, pause, configured })
}

function statusOf({ archive, configuration, report, path, at }: Known & { path: string; at: number }): LogStatus {
  const places = archive.places()
  const { head, stream } = archive.reader
  const { segments, oldest } = archive
  const log = report?.log ?? null
  const last = archive.reader.read(head, { entries: 1, bytes: 1 })[0]
  const newest = last === undefined ? null : last.kind === 'batch' ? last.batch.at : last.at
  const { gaps, forgotten } = archive.gaps()
  const told = (why: string): number => gaps.reduce((sum, gap) => sum + (gap.why === why ? gap.entries : 0), 0)
  return {
    path,
    running: report !== undefined,
    state: log?.state ?? null,
    stream,
    head,
    oldest,
    newest: newest === null ? null : { at: newest.wall, clock: newest.clock },
    at,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    quotaBytes: log?.quotaBytes ?? configuration?.log.quotaBytes ?? null,
    limitBytes: log?.limitBytes ?? null,
    evict: log?.evict ?? configuration?.log.evict ?? null,
    segments: segments.length,
    perSecond: log?.perSecond ?? null,
    fullInMs: log?.fullInMs ?? null,
    gaps: {
      lines: gaps.length + (forgotten?.gaps ?? 0),
      evicted: told('evicted'),
      damaged: told('damaged'),
      refused: told('refused') + (forgotten?.refused ?? 0),
    },
    sinks: places.map((place) => sinkOf({ place, archive, configuration, log, sinks: report?.sinks ?? [] })),
  }
}

function sinkOf(given: {
  readonly place: PlaceSeen
  readonly archive: Archive
  readonly configuration: Configuration | undefined
  readonly log: LogReport | null
  readonly sinks: readonly SinkReport[]
}): LogSinkStatus {
  const { place, archive, configuration, log, sinks } = given
  const { reader: name, receipt, pending, quarantine, dropped } = place
  const running = sinks.find((sink) => sink.name === name)
  const { bytes, heldBytes } = depthOf(pending, archive.segments, archive.reader.head)
  const out = running?.rate ?? 0
  const backlog = { entries: receipt.pending, heldBytes, perSecond: out }
  const outlook = log === null ? { drainedInMs: null, lossInMs: null } : outlookOf(log, backlog)
  const quotaBytes = log?.quotaBytes ?? configuration?.log.quotaBytes
  return {
    name,
    configured: configuration === undefined ? null : configuration.sinks.some((sink) => sink.name === name),
    state: running?.state ?? null,
    receipt,
    bytes,
    heldBytes,
    oldest: oldestOf(archive, pending),
    perSecond: log === null ? null : { in: log.perSecond.entries, out },
    ...outlook,
    untold: dropped,
    quarantine: {
      entries: quarantine.entries,
      bytes: quarantine.bytes,
      quotaBytes: quotaBytes === undefined ? null : quarantineBytes(quotaBytes),
      why: quarantine.why,
    },
  }
}

/** When the oldest record of these was acquired that is there, UTC ms. */
function oldestOf({ reader }: Archive, [first]: readonly Range[]): number | null {
  const from: Position | undefined = first?.from
  const entry = from === undefined ? undefined : reader.read(from, { entries: 1, bytes: 1 })[0]
  if (entry === undefined) return null
  return entry.kind === 'batch' ? entry.batch.at.wall : entry.at.wall
}

/** The same with moments that a program can read. */
function documentOf({ at, newest, sinks, ...status }: LogStatus): object {
  return {
    ...status,
    at: isoOf(at),
    newest: newest === null ? null : { ...newest, at: isoOf(newest.at) },
    sinks: sinks.map((sink) => ({
      ...sink,
      oldest: sink.oldest === null ? null : isoOf(sink.oldest),
      firstLossAt: sink.lossInMs === null ? null : isoOf(at + sink.lossInMs),
    })),
  }
}
