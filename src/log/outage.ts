/** The outage calculator: how long the log lasts, when a backlog is gone, and when a link that stays down costs the first
 *  record. Pure; what comes in is given, and taken to go on as it does now. */
import type { Position, Range } from '../contracts/log.ts'

/** What the log has room for, and what fills it. */
export interface Filling {
  readonly bytes: number
  /** The quota, or less where the file system has less to give. */
  readonly limitBytes: number
  readonly evict: 'oldest' | 'newest'
  /** What comes in, a second; bytes on the disk. */
  readonly perSecond: { readonly entries: number; readonly bytes: number }
}

/** What a sink has not confirmed. */
export interface Backlog {
  readonly entries: number
  /** Of segments that cannot go before it has confirmed them. */
  readonly heldBytes: number
  /** Entries it takes, a second. */
  readonly perSecond: number
}

export interface Outlook {
  /** Until nothing is left of the backlog; null: it becomes no less. */
  readonly drainedInMs: number | null
  /** If the link stays down, until the first record of this sink is lost; null: never. */
  readonly lossInMs: number | null
}

/** Until there is no room for more, if nothing is confirmed meanwhile; null: never. */
export function fullInMs({ bytes, limitBytes, perSecond }: Filling): number | null {
  if (perSecond.bytes <= 0) return null
  return Math.max(0, ((limitBytes - bytes) / perSecond.bytes) * 1000)
}

export function outlookOf(filling: Filling, backlog: Backlog): Outlook {
  const { evict, limitBytes, perSecond } = filling
  const gaining = backlog.perSecond - perSecond.entries
  const drainedInMs = backlog.entries === 0 ? 0 : gaining > 0 ? (backlog.entries / gaining) * 1000 : null
  // The oldest go first: what others hold behind this sink's backlog, or in front of it, is none of its loss. Where the newest are
  // refused, they are refused for everybody once the log is full, whoever filled it.
  const bytes = evict === 'oldest' ? backlog.heldBytes : filling.bytes
  return { drainedInMs, lossInMs: fullInMs({ ...filling, bytes: Math.min(bytes, limitBytes) }) }
}

/** Bytes on disk of what is pending, and of all that is held for it. `segments`: oldest first. */
export function depthOf(
  pending: readonly Range[],
  segments: readonly { readonly base: Position; readonly bytes: number }[],
  head: Position,
): { readonly bytes: number; readonly heldBytes: number } {
  let [bytes, heldBytes] = [0, 0]
  for (const [at, segment] of segments.entries()) {
    const first = segment.base.seq
    const last = (segments[at + 1]?.base.seq ?? head.seq + 1) - 1
    let entries = 0
    for (const { from, to } of pending) entries += Math.max(0, Math.min(to.seq, last) - Math.max(from.seq, first) + 1)
    if (entries > 0) bytes += segment.bytes * (entries / (last - first + 1))
    // The newest segment stays in any case.
    if (entries > 0 || at === segments.length - 1) heldBytes += segment.bytes
  }
  return { bytes: Math.round(bytes), heldBytes }
}
