/** A call that was refused without saying which entry is at fault: halves of it are tried, down to single entries. */
import { Rejected, sentence } from '../../contracts/errors.ts'
import type { Entry, Quarantined } from '../../contracts/log.ts'
import type { Rejection } from '../../contracts/sink.ts'

/** An entry that is refused alone is tried so often. */
const TRIES = 5

/** Entries that are to be tried together. */
interface Part {
  readonly entries: readonly Entry[]
  /** How often they were refused. */
  readonly tries: number
  readonly why: string
}

export interface Isolation {
  /** What was refused as one, and why. */
  readonly entries: readonly Entry[]
  readonly why: string
  deliver(entries: readonly Entry[]): Promise<readonly Rejection[]>
  /** Between tries of one entry. */
  rest(): Promise<void>
  /** After a failure that is no refusal; rejects when delivery is to end. */
  pause(thrown: unknown): Promise<void>
}

/** In the entries' order. Everything that is not refused in the end was taken. */
export async function isolate(
  options: Isolation,
): Promise<{ readonly refused: readonly Quarantined[]; readonly taken: number }> {
  const refused: Quarantined[] = []
  let taken = 0
  // The next part is the last of the list.
  const open: Part[] = partsOf({ entries: options.entries, tries: 1, why: options.why })
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    if (part.tries === TRIES) {
      refused.push({ entry: part.entries[0]!, why: part.why })
      continue
    }
    if (part.tries > 0) await options.rest()
    try {
      const rejected = quarantinedOf(part.entries, await options.deliver(part.entries))
      refused.push(...rejected)
      taken += part.entries.length - rejected.length
    } catch (thrown) {
      if (thrown instanceof Rejected) {
        open.push(...partsOf({ entries: part.entries, tries: part.tries + 1, why: sentence(thrown) }))
      } else {
        await options.pause(thrown)
        open.push(part)
      }
    }
  }
  return { refused, taken }
}

/** What a refused part is tried as: halves, the first one last; a single entry again. */
function partsOf(part: Part): Part[] {
  const { entries, why } = part
  if (entries.length === 1) return [part]
  const middle = entries.length >> 1
  return [
    { entries: entries.slice(middle), tries: 0, why },
    { entries: entries.slice(0, middle), tries: 0, why },
  ]
}

/** The entries that the far side named, with what it said of each. */
export function quarantinedOf(entries: readonly Entry[], rejected: readonly Rejection[]): readonly Quarantined[] {
  if (rejected.length === 0) return []
  const whys = new Map(rejected.map(({ position, why }) => [position.seq, why]))
  return entries.flatMap((entry) => {
    const why = whys.get(entry.position.seq)
    return why === undefined ? [] : [{ entry, why }]
  })
}
