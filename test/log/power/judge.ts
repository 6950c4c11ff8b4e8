/** Opens a disk after a cut with the real log, twice, and says what is wrong with it. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from '../../../src/contracts/log.ts'
import { type Log, openLog } from '../../../src/log/log.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { audited } from '../audited.ts'
import { type Evicted, evictedIn, type Owed, type Stored, standsWrong } from './ledger.ts'
import { batchFor, contentOf, GROUPS, READERS, seqsOf, type Work } from './marks.ts'

export interface Finding {
  /** A promise about entries, about what never was, about doing without a person, or about anything else. */
  readonly kind: 'loss' | 'invention' | 'hand' | 'other'
  readonly text: string
}

/** The power was away: it is another boot. */
class NextBoot extends SystemClock {
  override readonly boot = 'the boot after the cut'
}

/** Counts of what the judge appends itself. */
const NEW = 1_000_001
const AGAIN = 1_000_011

export async function judge(folder: string, owed: Owed, work: Work): Promise<Finding[]> {
  const findings: Finding[] = []
  const tell = (kind: Finding['kind'], text: string): void => void findings.push({ kind, text })
  let before: readonly Entry[] = []
  try {
    let log = await opened(folder, work, tell)
    try {
      await compared(log, owed, tell)
      await goesOn(log, owed, NEW, tell)
      before = readAll(log)
    } finally {
      await log.close()
    }
    log = await opened(folder, work, tell)
    try {
      const after = readAll(log)
      const still = new Map(after.map((entry) => [entry.position.seq, contentOf(entry)]))
      for (const entry of before) {
        const { seq } = entry.position
        // What was confirmed by all or evicted may have gone meanwhile.
        if (seq >= (after[0]?.position.seq ?? Infinity) && still.get(seq) !== contentOf(entry))
          tell('loss', `${seq} was there after the cut, and is not after one more start`)
      }
      await goesOn(log, owed, AGAIN, tell)
    } finally {
      await log.close()
    }
  } catch (thrown) {
    tell('hand', (thrown as Error).message)
  }
  for (const difference of (await audited(folder)).differences) tell('other', `the audit: ${difference}`)
  if (existsSync(join(folder, 'damaged')))
    tell('other', `was moved aside as damaged: ${readdirSync(join(folder, 'damaged')).join(', ')}`)
  return findings
}

type Tell = (kind: Finding['kind'], text: string) => void

async function opened(folder: string, work: Work, tell: Tell): Promise<Log> {
  const log = await openLog({
    path: folder,
    quotaBytes: work.quotaBytes,
    commitEveryMs: 0,
    evict: work.evict,
    segmentBytes: work.segmentBytes,
    clock: new NextBoot(),
    log: { debug() {}, info() {}, warn: (text) => tell('other', text), error: (text) => tell('other', text) },
    freeBytes: () => 2 ** 25,
  })
  log.configure({ groups: GROUPS, readers: READERS })
  return log
}

/** What is there against what is owed. */
async function compared(log: Log, { stored, tried, readers, evicted }: Owed, tell: Tell): Promise<void> {
  const entries = readAll(log)
  const { head } = log.reader
  const found = new Map<number, Stored>()
  const gone: Evicted[] = [...evicted]
  let last = entries[0] === undefined ? head.seq : entries[0].position.seq - 1
  for (const entry of entries) {
    const { epoch, seq } = entry.position
    if (seq !== last + 1) tell('loss', `after ${last} comes ${seq}`)
    last = seq
    const what = contentOf(entry)
    const known = stored.get(seq)
    found.set(seq, { epoch, what })
    const gap = evictedIn(what)
    if (gap !== undefined) gone.push(gap)
    else if (what.startsWith('{')) tell('other', `${seq} tells: ${what}`)
    else if (!tried.has(what)) tell('invention', `${seq} holds ${what}, which nobody appended`)
    if (known === undefined) continue
    if (known.what !== what) tell('invention', `${epoch}/${seq} holds ${what} in place of ${known.what}`)
    else if (known.epoch !== epoch) tell('invention', `${seq} was stored in epoch ${known.epoch} and is in ${epoch}`)
  }
  if (last !== head.seq) tell('loss', `the head is ${head.seq} and nothing is read behind ${last}`)
  const counts = [...found.values()].flatMap(({ what }) => (what.startsWith('{') ? [] : [Number(what)]))
  for (let index = 1; index < counts.length; index++) {
    if (counts[index]! <= counts[index - 1]!) tell('invention', `${counts[index]} comes after ${counts[index - 1]}`)
  }
  const places = new Map(
    await Promise.all(
      READERS.map(async (name) => {
        const cursor = await log.cursor(name, { from: 'oldest' })
        const quarantine = [...log.quarantine(name)]
        for (const { entry, why } of quarantine) {
          const known = stored.get(entry.position.seq)
          if (known?.what !== contentOf(entry) || why !== `why ${entry.position.seq}`)
            tell('invention', `${name} has ${contentOf(entry)} in quarantine because ${why}`)
        }
        const quarantined = quarantine.map(({ entry }) => entry.position.seq)
        const place = { pending: seqsOf(cursor.pending(head)), receipt: cursor.receipt(head), quarantined }
        const wrong = standsWrong(place, readers.get(name))
        if (wrong !== undefined) tell(wrong.startsWith('does not') ? 'loss' : 'other', `${name} ${wrong}`)
        return [name, place] as const
      }),
    ),
  )
  for (const [seq, { epoch, what }] of stored) {
    if (found.has(seq)) continue
    const wanting = READERS.filter((name) => {
      const open = places.get(name)!.pending.some(([from, to]) => from <= seq && to >= seq)
      const told = gone.some(({ range: [from, to], readers }) => {
        return from <= seq && to >= seq && (readers === undefined || readers.includes(name))
      })
      return !told && (open || !wasConfirmed(seq, readers.get(name)))
    })
    if (wanting.length > 0)
      tell('loss', `${epoch}/${seq} with ${what} is gone, and ${wanting.join(' and ')} never had it`)
  }
  knowsLastValues(log, stored, found, tell)
}

function wasConfirmed(
  seq: number,
  standing: Owed['readers'] extends ReadonlyMap<string, infer S> ? S | undefined : never,
): boolean {
  if (standing === undefined) return false
  const { base, changes } = standing
  const waited = seq > base.receipt.head.seq || base.pending.some(([from, to]) => from <= seq && to >= seq)
  return !waited || changes.some(({ ranges }) => ranges.some(([from, to]) => from <= seq && to >= seq))
}

function knowsLastValues(log: Log, stored: Owed['stored'], found: ReadonlyMap<number, Stored>, tell: Tell): void {
  const last = new Map<string, number>()
  for (const { what } of [...stored.values(), ...found.values()]) {
    const count = Number(what)
    if (what.startsWith('{') || count % 17 === 0) continue
    const { device } = batchFor(count).group
    last.set(device, Math.max(last.get(device) ?? 0, count))
  }
  const known = new Map(log.reader.snapshot().batches.map(({ group, numbers }) => [group.device, numbers[0]]))
  for (const [device, count] of last)
    if (known.get(device) !== count)
      tell('loss', `the last value of ${device} is ${known.get(device)} in place of ${count}`)
}

/** Appends, confirms, and looks at what came of it. */
async function goesOn(log: Log, { stored }: Owed, first: number, tell: Tell): Promise<void> {
  const { head } = log.reader
  const positions = await Promise.all([0, 1, 2].map((more) => log.writer.append(batchFor(first + more))))
  for (const [index, { epoch, seq }] of positions.entries()) {
    if (seq !== head.seq + 1 + index) tell('other', `after ${head.seq} the next entries are stored at ${seq}`)
    for (const [at, known] of stored) {
      if (at === seq && known.epoch === epoch) tell('invention', `position ${epoch}/${seq} is used again`)
      if (known.epoch > epoch) tell('other', `position ${epoch}/${seq} comes after epoch ${known.epoch}`)
    }
    const [entry] = log.reader.read({ epoch, seq }, { entries: 1, bytes: 1 })
    if (entry === undefined || contentOf(entry) !== String(first + index)) tell('loss', `${seq} cannot be read back`)
  }
  const cursor = await log.cursor(READERS[0], { from: 'oldest' })
  await cursor.confirm([{ from: positions[0]!, to: positions[1]! }])
  const { stored: all, delivered, filtered, pending, quarantined, evicted } = cursor.receipt(log.reader.head)
  if (all !== delivered + filtered + pending + quarantined + evicted) tell('other', 'the receipt does not add up')
  const { state, counters } = log.report()
  if (!/full/.test(state.text)) tell('other', state.text)
  if (counters.damaged! > 0) tell('other', `${counters.damaged} times damaged`)
}

function readAll(log: Log): Entry[] {
  const entries: Entry[] = []
  for (let seq = 1; ; seq = entries.at(-1)!.position.seq + 1) {
    const some = log.reader.read({ epoch: 0, seq }, { entries: 500, bytes: 2 ** 20 })
    if (some.length === 0) return entries
    entries.push(...some)
  }
}
