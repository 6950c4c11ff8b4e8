/** `timeFrom`: a group's batches carry the time that the device's own clock shows, where that can be true. Pure. */
import { type Batch, type GroupRef, qualityAt, Reason, valueAt } from '../contracts/batch.ts'
import type { GroupPlan } from '../contracts/driver.ts'
import type { EventNote } from '../contracts/log.ts'

const DAY_MS = 86_400_000
/** 2000 and 2100: a clock that shows another century was never set. */
const EARLIEST = 946_684_800_000
const LATEST = 4_102_444_800_000

export class DeviceTimes {
  readonly #note: (event: EventNote) => void
  #clocks = new Map<GroupRef, DeviceClock>()
  /** Batches whose device's time could not be true. */
  refused = 0

  constructor(note: (event: EventNote) => void) {
    this.#note = note
  }

  configure(plans: readonly GroupPlan[]): void {
    const before = this.#clocks
    this.#clocks = new Map()
    for (const { ref, timeFrom } of plans) {
      if (timeFrom !== undefined) this.#clocks.set(ref, before.get(ref) ?? { tag: timeFrom, wrong: false })
    }
  }

  /** The batch with the device's time in place of the gateway's; the very batch where there is none, or it cannot be true. */
  stamp(batch: Batch): Batch {
    const clock = this.#clocks.size === 0 ? undefined : this.#clocks.get(batch.group)
    if (clock === undefined) return batch
    const entry = batch.tags === null ? clock.tag : batch.tags.indexOf(clock.tag)
    if (entry < 0 || qualityAt(batch, entry) !== Reason.good) return batch
    const value = valueAt(batch, entry)
    const wall = typeof value === 'string' ? instantOf(value) : undefined
    const why = wall === undefined ? 'which is no time' : objection(wall, batch.at)
    if (why !== undefined) this.refused++
    if ((why !== undefined) !== clock.wrong) {
      clock.wrong = why !== undefined
      this.#tell(batch, String(value), why)
    }
    return why === undefined ? { ...batch, at: { ...batch.at, wall: wall!, clock: 'device' } } : batch
  }

  #tell({ group, at }: Batch, shown: string, why: string | undefined): void {
    const { device, group: name } = group
    const text =
      why === undefined
        ? `the clock of ${device} is right again: ${name} carries its time`
        : `the clock of ${device} shows ${shown}, ${why}: ${name} carries the gateway's time until it is right`
    const event = why === undefined ? 'device-time.accepted' : 'device-time.refused'
    this.#note({ at, name: event, text, facts: { device, group: name, shown } })
  }
}

interface DeviceClock {
  readonly tag: number
  /** What it showed last could not be true. */
  wrong: boolean
}

/** Why a moment cannot be the device's present; undefined: it can. A gateway that does not know the time cannot tell a clock that is
 *  ahead. */
function objection(wall: number, at: Batch['at']): string | undefined {
  if (wall < EARLIEST || wall >= LATEST) return 'a time it was never set to'
  return at.clock !== 'unsynced' && wall > at.wall + DAY_MS ? 'more than a day ahead' : undefined
}

/** Milliseconds since 1970 of `2026-03-01T12:00:00.5Z`, as datetime tags are read; undefined: no such time. */
function instantOf(text: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?Z$/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  // Years that begin in March, so that the leap day is their last (H. Hinnant, days_from_civil).
  const years = month > 2 ? year : year - 1
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const days =
    years * 365 + Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400) + ofYear - 719_468
  return days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + Number((match[7] ?? '').padEnd(3, '0'))
}
