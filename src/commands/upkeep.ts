/** What follows a write: it is repeated for devices that want to be told again and again, it expires, and what was held is let
 *  go of with a value of its own. Bookkeeping of what is in force; each repetition is one write on the lane like any other. */
import { Reason, type Value } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import type { Counters } from '../contracts/component.ts'
import type { GroupPlan, Tag, Write } from '../contracts/driver.ts'
import { Rejected, Retryable, sentence } from '../contracts/errors.ts'
import { Held, keyOf } from './held.ts'

export interface UpkeepOptions {
  readonly clock: Clock
  /** One write on the wire; several are one request. */
  readonly write: (plan: GroupPlan, writes: readonly Write[], signal: AbortSignal) => Promise<string | undefined>
  readonly invert: (tag: Tag, value: Value, plan: GroupPlan) => Value
  readonly find: (device: string, group: string, tag: string) => { plan: GroupPlan; tag: Tag } | undefined
  /** Whether a device answers those who read it; undefined: nobody knows. */
  readonly answers: (device: string) => boolean | undefined
  readonly audit: (text: string, facts: Record<string, string | number | boolean>) => void
}

/** What the gateway writes by itself waits so long for the line at the most. */
const LONGEST_WAIT_MS = 10_000
/** A value that could not be let go of is tried again, less and less often. */
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

export class WriteUpkeep {
  readonly #options: UpkeepOptions
  readonly #clock: Clock
  readonly #held = new Map<string, Held>()
  /** Commands under way, by tag: meanwhile nothing else is written to it. */
  readonly #commands = new Map<string, number>()
  readonly #commandEnds = new Set<() => void>()
  readonly #counts = { refreshes: 0, refreshesFailed: 0, writesExpired: 0, lettingsGo: 0, lettingsGoFailed: 0 }
  #stopped = false

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#clock = options.clock
  }

  counters(): Counters {
    return { ...this.#counts }
  }

  /** A command's write. What was held of its tags gives way to it, once it is done or nobody knows. */
  async write(plan: GroupPlan, writes: readonly Write[], signal: AbortSignal): Promise<string | undefined> {
    const keys = writes.map(({ tag }) => keyOf(plan, tag))
    for (const key of keys) this.#commands.set(key, (this.#commands.get(key) ?? 0) + 1)
    let outcome: 'done' | 'unknown' | 'not sent' = 'not sent'
    try {
      const said = await this.#options.write(plan, writes, signal)
      outcome = 'done'
      return said
    } catch (thrown) {
      if (thrown instanceof Retryable && thrown.ambiguous) outcome = 'unknown'
      throw thrown
    } finally {
      for (const key of keys) {
        const left = this.#commands.get(key)! - 1
        if (left > 0) this.#commands.set(key, left)
        else this.#commands.delete(key)
      }
      if (outcome !== 'not sent') this.#hold(plan, writes, outcome === 'unknown')
      for (const wake of this.#commandEnds) wake()
    }
  }

  /** What is held of tags that are gone or have become others is let go of, as far as that can be done in `boundMs`. */
  async configure(boundMs: number): Promise<void> {
    const gone: Held[] = []
    for (const held of this.#distinct()) {
      const { ref } = held.plan
      const found = held.writes.map(({ tag }) => this.#options.find(ref.device, ref.group, tag.info.name))
      if (!held.isSame(found)) gone.push(held)
      else {
        held.plan = found[0]!.plan
        held.writes = held.writes.map(({ value }, at) => ({ tag: found[at]!.tag, value }))
      }
    }
    await this.#letGoWithin(gone, 'its configuration has changed', boundMs)
  }

  /** The gateway stops in an orderly way, no command comes any more: everything held is let go of, as far as that can be done
   *  in `boundMs`. */
  async stop(boundMs: number): Promise<void> {
    const from = this.#clock.monotonic()
    const late = new AbortController()
    const stop = this.#clock.after(boundMs, () => late.abort())
    while (this.#commands.size > 0 && !late.signal.aborted) await this.#commandEnded(late.signal)
    stop()
    this.#stopped = true
    const leftMs = Math.max(0, boundMs - (this.#clock.monotonic() - from))
    await this.#letGoWithin([...this.#distinct()], 'the gateway stops', leftMs)
  }

  #hold(plan: GroupPlan, writes: readonly Write[], uncertain: boolean): void {
    const before = new Set(writes.flatMap(({ tag }) => this.#held.get(keyOf(plan, tag)) ?? []))
    const values = new Map<string, Write>()
    // What was written together stays together when one of it is written anew.
    for (const { over, writes } of before) if (!over) for (const one of writes) values.set(one.tag.info.name, one)
    for (const one of writes) values.set(one.tag.info.name, one)
    for (const old of before) this.#forget(old)
    const held = new Held(plan, [...values.values()])
    const { refreshMs, expiresMs, leaves } = held
    // What may not be what stands in the device is not repeated, but it is let go of.
    const repeats = refreshMs !== null && !uncertain
    if (this.#stopped || !(repeats || leaves)) return
    for (const key of held.keys) this.#held.set(key, held)
    if (repeats) this.#refreshAfter(held, refreshMs)
    if (expiresMs !== null) held.stopExpiry = this.#clock.after(expiresMs, () => this.#expire(held))
    if (before.size > 0) return
    const again = repeats ? `is written again every ${seconds(refreshMs)}` : 'is in force'
    const until = expiresMs === null ? '' : `, until ${seconds(expiresMs)} have passed without another write`
    this.#audit(held, again + until)
  }

  #refreshAfter(held: Held, ms: number): void {
    if (held.over || held.ending.signal.aborted) return
    held.stopRefresh = this.#clock.after(ms, () => void this.#refresh(held, held.refreshMs!))
  }

  async #refresh(held: Held, everyMs: number): Promise<void> {
    const { ending } = held
    const from = this.#clock.monotonic()
    while (this.#isCommanded(held) && !ending.signal.aborted) await this.#commandEnded(ending.signal)
    if (ending.signal.aborted) return
    if (this.#isSilent(held)) {
      // Whoever reads it finds out when it is back, and then it is told at once.
      held.tryAgainAt = 0
      held.pauseMs = 0
      this.#notRefreshed(held, `${held.plan.ref.device} does not answer`)
    } else if (from >= held.tryAgainAt) {
      try {
        await this.#send(held, held.writes, ending.signal)
        held.refreshes++
        this.#counts.refreshes++
        if (held.failedInRow > 0) this.#audit(held, 'is written again, after it could not be')
        held.failedInRow = 0
        held.pauseMs = 0
      } catch (thrown) {
        if (ending.signal.aborted) return
        // The wire belongs to others, too: what fails again and again is tried less and less often.
        held.pauseMs = Math.min(held.pauseMs === 0 ? everyMs : 2 * held.pauseMs, Math.max(everyMs, LONGEST_RETRY_MS))
        held.tryAgainAt = from + held.pauseMs
        this.#notRefreshed(held, sentence(thrown))
      }
    }
    this.#refreshAfter(held, Math.max(0, everyMs - (this.#clock.monotonic() - from)))
  }

  #notRefreshed(held: Held, why: string): void {
    held.failures++
    this.#counts.refreshesFailed++
    if (held.failedInRow++ === 0) this.#audit(held, `could not be written again: ${why}; tried on`)
  }

  /** It is read, and gives no answer. */
  #isSilent({ plan }: Held): boolean {
    return this.#options.answers(plan.ref.device) === false
  }

  #expire(held: Held): void {
    this.#counts.writesExpired++
    void this.#letGo(held, `no other write came in ${seconds(held.expiresMs!)}`, FIRST_RETRY_MS)
  }

  /** Ends it, and writes the value to leave behind until that is done, refused, or another write comes. `retryMs` null: tried
   *  once. */
  async #letGo(held: Held, reason: string, retryMs: number | null): Promise<void> {
    const { ending } = held
    held.over = true
    held.stopRefresh()
    held.stopExpiry()
    const times = held.refreshMs === null ? '' : ` (written again ${held.refreshes} times, ${held.failures} failed)`
    const why = `no longer holds: ${reason}${times}`
    for (let waitMs = retryMs, first = true; ; first = false) {
      while (this.#isCommanded(held) && !ending.signal.aborted) await this.#commandEnded(ending.signal)
      if (ending.signal.aborted) return
      if (!held.leaves) return this.#ended(held, why)
      const silent = waitMs !== null && this.#isSilent(held)
      try {
        if (silent) throw new Retryable(`${held.plan.ref.device} does not answer`, { reason: Reason.timeout })
        const rest = this.#rest(held)
        await this.#send(held, rest, ending.signal)
        this.#counts.lettingsGo++
        const left = rest.map(({ tag }) => `${tag.info.name} = ${shown(tag.upkeep!.onStop)}`).join(', ')
        return this.#ended(held, `${why}; ${left} was written`)
      } catch (thrown) {
        if (ending.signal.aborted) return
        this.#counts.lettingsGoFailed++
        const text = `${why}; the value to leave behind could not be written: ${sentence(thrown)}`
        if (thrown instanceof Rejected || waitMs === null) return this.#ended(held, text)
        if (first) this.#audit(held, `${text}; tried on`)
        if (silent) waitMs = FIRST_RETRY_MS
        await this.#clock.sleep(waitMs, ending.signal).catch(() => {})
        if (!silent) waitMs = Math.min(2 * waitMs, LONGEST_RETRY_MS)
      }
    }
  }

  async #letGoWithin(all: readonly Held[], reason: string, boundMs: number): Promise<void> {
    if (all.length === 0) return
    // What is being let go of already begins anew, without further attempts.
    for (const held of all) {
      held.quiet()
      held.ending = new AbortController()
    }
    const stop = this.#clock.after(boundMs, () => {
      for (const held of all) {
        if (this.#isHeld(held))
          this.#ended(held, `no longer holds: ${reason}; there was no time to write the value to leave behind`)
      }
    })
    const bounded = all.map(
      (held) =>
        new Promise<void>((resolve) => {
          held.ending.signal.addEventListener('abort', () => resolve(), { once: true })
          void this.#letGo(held, reason, null).then(resolve)
        }),
    )
    await Promise.all(bounded)
    stop()
  }

  /** The values to leave behind, raw. Throws Rejected where the scale of one is not known. */
  #rest({ plan, writes }: Held): readonly Write[] {
    const left = writes.filter(({ tag }) => tag.upkeep !== undefined && tag.upkeep.onStop !== null)
    return left.map(({ tag }) => ({ tag, value: this.#options.invert(tag, tag.upkeep!.onStop, plan) }))
  }

  async #send(held: Held, writes: readonly Write[], ending: AbortSignal): Promise<void> {
    const late = new AbortController()
    const why = new Retryable(`the line was busy for ${seconds(LONGEST_WAIT_MS)}`, { reason: Reason.timeout })
    const stop = this.#clock.after(LONGEST_WAIT_MS, () => late.abort(why))
    try {
      await this.#options.write(held.plan, writes, AbortSignal.any([ending, late.signal]))
    } finally {
      stop()
    }
  }

  #ended(held: Held, text: string): void {
    this.#forget(held)
    this.#audit(held, text)
  }

  #forget(held: Held): void {
    held.quiet()
    for (const key of held.keys) if (this.#held.get(key) === held) this.#held.delete(key)
  }

  #isHeld(held: Held): boolean {
    return held.keys.some((key) => this.#held.get(key) === held)
  }

  #isCommanded(held: Held): boolean {
    return held.keys.some((key) => this.#commands.has(key))
  }

  /** Resolves when some command has ended, or the signal is aborted. */
  #commandEnded(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#commandEnds.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#commandEnds.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #distinct(): Set<Held> {
    return new Set(this.#held.values())
  }

  #audit(held: Held, text: string): void {
    const { device, group } = held.plan.ref
    const { refreshes, failures } = held
    this.#options.audit(`write to ${held.name} ${text}`, { device, group, refreshes, failures })
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`
}

function shown(value: Value): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
