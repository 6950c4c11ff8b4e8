/** `fieldgate log export`: records of the log or of a quarantine as JSON lines, as they stand, however many there are. */
import { Rejected } from '../../contracts/errors.ts'
import type { Entry } from '../../contracts/log.ts'
import type { Archive } from '../../log/archive.ts'
import { momentIn } from '../../time/written.ts'
import { type Command, Exit, type Invocation } from '../command.ts'
import { usageError } from '../log.ts'
import { withArchive } from './opened.ts'
import { recordOf } from './record.ts'

interface Wish {
  /** UTC ms. */
  readonly from: number
  readonly to: number
  readonly device: string | undefined
  readonly group: string | undefined
  readonly quarantine: string | undefined
}

const READ_BYTES = 2 ** 18

export const command: Command = async (invocation) => {
  const wish = wishOf(invocation)
  if ('error' in wish) return usageError(invocation, wish.error)
  return withArchive(invocation, async (archive) => {
    const { screen, clock, signal } = invocation
    for (const portion of wish.quarantine === undefined ? stored(archive) : refused(archive, wish.quarantine)) {
      for (const { entry, why } of portion) {
        if (wants(wish, entry)) screen.document({ ...recordOf(entry), ...(why === undefined ? {} : { why }) })
      }
      // Whoever reads this may have gone, or Ctrl-C been pressed.
      await clock.sleep(0, signal).catch(() => undefined)
      if (signal.aborted) return Exit.failed
    }
    const damages = archive.damages.filter(({ missing }) => !missing)
    if (damages.length === 0) return Exit.done
    const lost = damages.reduce((sum, { entries }) => sum + entries, 0)
    screen.complain(`fieldgate: ${lost} records cannot be read and are left out: ${damages[0]!.text}`)
    return Exit.failed
  })
}

function wishOf({ options, clock }: Invocation): Wish | { readonly error: string } {
  const now = clock.wall()
  const moments = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }
  for (const name of ['from', 'to'] as const) {
    const given = options[name]
    if (typeof given !== 'string') continue
    const moment = momentIn(given, now)
    if (moment === undefined)
      return { error: `--${name} takes a time such as 2026-01-31T08:00:00Z, or 2h for two hours ago, not "${given}"` }
    moments[name] = moment
  }
  const text = (name: string): string | undefined => {
    const given = options[name]
    return typeof given === 'string' ? given : undefined
  }
  return { ...moments, device: text('device'), group: text('group'), quarantine: text('quarantine') }
}

/** Gaps, events and settings of the clock are of no device: whoever asks for one does not mean them. */
function wants({ from, to, device, group }: Wish, entry: Entry): boolean {
  const { wall } = entry.kind === 'batch' ? entry.batch.at : entry.at
  if (wall < from || wall >= to) return false
  if (device === undefined && group === undefined) return true
  if (entry.kind !== 'batch') return false
  const { group: ref } = entry.batch
  return (device === undefined || ref.device === device) && (group === undefined || ref.group === group)
}

type Portion = readonly { readonly entry: Entry; readonly why?: string }[]

/** Up to where the log ended when it was opened. */
function* stored({ reader, oldest }: Archive): Iterable<Portion> {
  const { head } = reader
  for (let seq = oldest.seq; seq <= head.seq; ) {
    const entries = reader.read({ epoch: 0, seq }, { entries: 1000, bytes: READ_BYTES })
    if (entries.length === 0) return
    yield entries.filter(({ position }) => position.seq <= head.seq).map((entry) => ({ entry }))
    seq = entries.at(-1)!.position.seq + 1
  }
}

/** Throws Rejected when there is no such sink. */
function* refused(archive: Archive, sink: string): Iterable<Portion> {
  const known = archive.places().map(({ reader }) => reader)
  if (!known.includes(sink)) {
    throw new Rejected(`the log knows no sink "${sink}"; it knows: ${known.join(', ') || 'none'}`)
  }
  for (const quarantined of archive.quarantine(sink)) yield [quarantined]
}
