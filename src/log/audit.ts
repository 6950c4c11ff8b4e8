/** The audit: what every reader's receipt says, counted again from the files, whether the gateway runs or not. Nothing is
 *  believed that can be counted: pending records are decoded one by one, quarantined ones too, and what was lost must be told. */
import type { GapEntry, Position, Range, Receipt } from '../contracts/log.ts'
import type { Archive, PlaceSeen } from './archive.ts'
import { count, shared, withoutAll } from './places/ranges.ts'
import type { GapsKept } from './writing/gap-ledger.ts'

export interface ReaderAudit {
  readonly reader: string
  readonly receipt: Receipt
  /** Counted from the records that are really there. */
  readonly counted: { readonly pending: number; readonly quarantined: number }
  /** Entries it lost by what the ledger of gaps tells. */
  readonly told: number
  /** Evicted entries of which no gap has to tell: its quarantine had no room for them, or it was not configured then. */
  readonly dropped: number
}

export interface AuditReport {
  readonly holds: boolean
  /** What does not hold and by how much, a sentence each. */
  readonly differences: readonly string[]
  /** Where the log ended when it was counted. */
  readonly head: Position
  /** Records in the segments that can be read. */
  readonly records: number
  readonly readers: readonly ReaderAudit[]
  /** Entries that the ledger of gaps tells of; `lines`: gaps, those it had to forget included. */
  readonly gaps: {
    readonly lines: number
    readonly evicted: number
    readonly damaged: number
    readonly refused: number
  }
}

export interface AuditOptions {
  readonly archive: Archive
  /** Called now and then: others have their turn, or an interruption throws. */
  readonly pause: () => Promise<unknown>
  /** Whoever is configured. What nobody waits for is deleted untold: others may have lost it. undefined: everybody. */
  readonly configured?: readonly string[] | undefined
}

/** Bytes between two pauses. */
const PAUSE_BYTES = 2 ** 22
const READ_BYTES = 2 ** 18

export async function audit({ archive, pause, configured }: AuditOptions): Promise<AuditReport> {
  const places = archive.places()
  const { head } = archive.reader
  const { runs, gaps: stored } = await walk(archive, head, pause)
  const first = archive.told().filter(({ position }) => position.seq <= head.seq)
  const ledger = archive.gaps()
  // What a reader has confirmed meanwhile may be gone by right.
  const later = new Map(archive.places().map(({ reader, pending }) => [reader, pending]))
  const differences = ledgerDifferences(ledger, { stored, first, runs })
  const readers = places.map((place) => {
    const missing = shared(withoutAll(place.pending, runs), later.get(place.reader) ?? [])
    const untold = withoutAll(missing, tellingRanges(ledger.gaps, place.reader))
    const told = toldTo(place.reader, ledger)
    differences.push(...receiptDifferences(place, count(untold)))
    if (configured?.includes(place.reader) !== false) differences.push(...lossDifferences(place, told))
    const counted = { pending: place.receipt.pending - count(missing), quarantined: place.quarantine.entries }
    return { reader: place.reader, receipt: place.receipt, counted, told, dropped: place.dropped }
  })
  const told = (why: GapEntry['why']): number =>
    ledger.gaps.reduce((sum, gap) => sum + (gap.why === why ? gap.entries : 0), 0)
  return {
    holds: differences.length === 0,
    differences,
    head,
    records: count(runs),
    readers,
    gaps: {
      lines: ledger.gaps.length + (ledger.forgotten?.gaps ?? 0),
      evicted: told('evicted'),
      damaged: told('damaged'),
      refused: told('refused') + (ledger.forgotten?.refused ?? 0),
    },
  }
}

/** Every record that can be read, as ranges, and the gap entries among them. */
async function walk(
  archive: Archive,
  head: Position,
  pause: AuditOptions['pause'],
): Promise<{ readonly runs: readonly Range[]; readonly gaps: readonly GapEntry[] }> {
  const runs: { from: Position; to: Position }[] = []
  const gaps: GapEntry[] = []
  let sincePause = 0
  for (let seq = archive.oldest.seq; seq <= head.seq; ) {
    const entries = archive.reader.read({ epoch: 0, seq }, { entries: 4096, bytes: READ_BYTES })
    if (entries.length === 0) break
    for (const entry of entries) {
      const { position } = entry
      if (position.seq > head.seq) break
      const run = runs.at(-1)
      if (run !== undefined && run.to.seq + 1 === position.seq) run.to = position
      else runs.push({ from: position, to: position })
      if (entry.kind === 'gap') gaps.push(entry)
    }
    seq = entries.at(-1)!.position.seq + 1
    sincePause += READ_BYTES
    if (sincePause < PAUSE_BYTES) continue
    sincePause = 0
    await pause()
  }
  return { runs, gaps }
}

/** What is still in the log: all gap entries, those that do not repeat others, and what can be read. */
interface InLog {
  readonly stored: readonly GapEntry[]
  readonly first: readonly GapEntry[]
  readonly runs: readonly Range[]
}

/** The ledger has every gap entry that is still in the log, and none that never was. */
function ledgerDifferences({ gaps, forgotten, unreadable }: GapsKept, { stored, first, runs }: InLog): string[] {
  const differences: string[] = []
  if (unreadable > 0) differences.push(`the ledger of gaps: ${unreadable} lines cannot be read`)
  const inLedger = new Set(gaps.map(({ position }) => position.seq))
  const since = forgotten?.position.seq ?? 0
  const lacking = first.filter(({ position: { seq } }) => seq > since && !inLedger.has(seq)).length
  if (lacking > 0) differences.push(`the ledger of gaps lacks ${lacking} of the ${first.length} gaps in the log`)
  const inLog = new Set(stored.map(({ position }) => position.seq))
  const readable = ({ position: { seq } }: GapEntry): boolean =>
    runs.some(({ from, to }) => from.seq <= seq && seq <= to.seq)
  const invented = gaps.filter((gap) => !inLog.has(gap.position.seq) && readable(gap)).length
  if (invented > 0) differences.push(`the ledger of gaps has ${invented} gaps where the log has other records`)
  return differences
}

/** `lacking`: pending records that are not there, and of which no gap tells. */
function receiptDifferences({ reader, receipt, quarantine }: PlaceSeen, lacking: number): string[] {
  const differences: string[] = []
  const { stored, delivered, filtered, pending, quarantined, evicted } = receipt
  const sum = delivered + filtered + pending + quarantined + evicted
  if (stored !== sum) {
    differences.push(
      `${reader}: ${stored} stored, but delivered, filtered, pending, quarantined and evicted come to ${sum}`,
    )
  }
  for (const [fate, entries] of Object.entries({ delivered, filtered, pending, quarantined, evicted }))
    if (entries < 0) differences.push(`${reader}: ${entries} ${fate}`)
  if (lacking > 0) {
    differences.push(
      `${reader}: ${lacking} of ${pending} pending records are not in the segments, and no gap tells of them`,
    )
  }
  if (quarantine.entries !== quarantined)
    differences.push(`${reader}: ${quarantined} quarantined by its receipt, ${quarantine.entries} counted`)
  if (quarantine.unreadable > 0)
    differences.push(`${reader}: ${quarantine.unreadable} quarantined records cannot be read`)
  return differences
}

/** What a reader has lost is told. More may be told than was lost: what it confirmed after all, what it has not come to. */
function lossDifferences({ reader, receipt, dropped }: PlaceSeen, told: number): string[] {
  const lost = receipt.evicted - dropped
  return lost > told ? [`${reader}: ${lost} records are gone undelivered, the ledger of gaps tells of ${told}`] : []
}

function concerns({ why, readers }: GapEntry, reader: string): boolean {
  return why !== 'refused' && (readers?.includes(reader) ?? true)
}

function tellingRanges(gaps: readonly GapEntry[], reader: string): readonly Range[] {
  return gaps.flatMap((gap) => (gap.range !== null && concerns(gap, reader) ? [gap.range] : []))
}

function toldTo(reader: string, { gaps, forgotten }: GapsKept): number {
  const kept = gaps.reduce((sum, gap) => sum + (concerns(gap, reader) ? gap.entries : 0), 0)
  return kept + (forgotten?.lost[reader] ?? 0) + (forgotten?.lostByAll ?? 0)
}
