/** What is in force of the writes that were carried out: plain state, with the timers that belong to it. */
import { isDeepStrictEqual } from 'node:util'
import { Reason } from '../contracts/batch.ts'
import type { Stop } from '../contracts/clock.ts'
import type { GroupPlan, Tag, Write } from '../contracts/driver.ts'
import { Retryable } from '../contracts/errors.ts'

/** Writes that are in force, together when they were made together. */
export class Held {
  plan: GroupPlan
  writes: readonly Write[]
  readonly refreshMs: number | null
  readonly expiresMs: number | null
  /** It no longer holds: only the value to leave behind is still to be written. */
  over = false
  refreshes = 0
  failures = 0
  failedInRow = 0
  /** Before the next attempt, after one that failed. */
  pauseMs = 0
  /** Monotonic: not repeated before this. */
  tryAgainAt = 0
  ending = new AbortController()
  stopRefresh: Stop = () => {}
  stopExpiry: Stop = () => {}

  constructor(plan: GroupPlan, writes: readonly Write[]) {
    this.plan = plan
    this.writes = writes
    const least = (of: 'refreshMs' | 'expiresMs'): number | null => {
      const all = writes.flatMap(({ tag }) => tag.upkeep?.[of] ?? [])
      return all.length === 0 ? null : Math.min(...all)
    }
    this.refreshMs = least('refreshMs')
    this.expiresMs = least('expiresMs')
  }

  get name(): string {
    const { device, group } = this.plan.ref
    return `${device}/${group}/${this.writes.map(({ tag }) => tag.info.name).join('+')}`
  }

  get leaves(): boolean {
    return this.writes.some(({ tag }) => tag.upkeep !== undefined && tag.upkeep.onStop !== null)
  }

  /** By tag, within everything held. */
  get keys(): readonly string[] {
    return this.writes.map(({ tag }) => keyOf(this.plan, tag))
  }

  /** Nothing of it is written any more. */
  quiet(): void {
    this.stopRefresh()
    this.stopExpiry()
    this.ending.abort(new Retryable('another write has taken its place', { reason: Reason.refused }))
  }

  /** Its tags are still written to the same places in the same way. */
  isSame(found: readonly ({ plan: GroupPlan; tag: Tag } | undefined)[]): boolean {
    return found.every((one, at) => {
      const { tag } = this.writes[at]!
      if (one === undefined || !isDeepStrictEqual(one.plan.device, this.plan.device)) return false
      return isDeepStrictEqual({ ...one.tag, index: 0 }, { ...tag, index: 0 })
    })
  }
}

export function keyOf({ ref }: GroupPlan, { info }: Tag): string {
  return `${ref.device}/${ref.group}/${info.name}`
}
