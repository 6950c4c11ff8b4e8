/** The one guarded door back: who may write what, in which limits, how often, how long it may wait, and what became of it. */
import { Reason, type Value } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import type { CommandDoor, CommandResult, WriteCommand } from '../contracts/command.ts'
import type { Counters } from '../contracts/component.ts'
import type { GroupPlan, Tag, Write } from '../contracts/driver.ts'
import { Rejected, Retryable, sentence } from '../contracts/errors.ts'
import type { Progress } from '../contracts/health.ts'
import { Allowances } from './allowances.ts'
import { allows, type Rules } from './rules.ts'

export interface DoorOptions {
  readonly clock: Clock
  readonly rules: Rules
  /** Engineering units to raw; throws Rejected with the reason. */
  readonly invert: (tag: Tag, value: Value, plan: GroupPlan) => Value
  readonly find: (device: string, group: string, tag: string) => { plan: GroupPlan; tag: Tag } | undefined
  /** Several writes are one request. Throws Rejected when the device refused, Retryable when it could not be done, `ambiguous`
   *  when nobody knows. Once the signal is aborted it sends nothing any more. Resolves with what there is to say beside that it
   *  was done. */
  readonly write: (plan: GroupPlan, writes: readonly Write[], signal: AbortSignal) => Promise<string | undefined>
  /** Called for every command, whatever became of it. */
  readonly audit: (text: string, facts: Record<string, string | number | boolean>) => void
  /** Writes each caller may ask for in a second. */
  readonly ratePerSecond?: number
  /** A write that could not be sent for so long is not sent any more. */
  readonly expiresMs?: number
}

/** Commands of one caller under way at once. */
const MOST_WAITING = 100
/** What is on the wire when a write expires gets so long to say what became of it. */
const GRACE_MS = 2000
/** Of a value that somebody sent, the audit shows so many characters. */
const MOST_SHOWN = 80
const MOST_SAID = 400

interface Checked extends Write {
  readonly plan: GroupPlan
}

export class Door implements CommandDoor {
  readonly #options: DoorOptions
  readonly #allowances: Allowances
  readonly #expiresMs: number
  readonly #outcomes = { done: 0, refused: 0, failed: 0, unknown: 0 }
  #rules: Rules
  #shut = false
  /** When each command under way came, monotonic, oldest first. */
  readonly #underWay = new Set<{ readonly since: number }>()

  constructor(options: DoorOptions) {
    const { clock, ratePerSecond = 50, expiresMs = 10_000, rules } = options
    this.#options = options
    this.#rules = rules
    this.#expiresMs = expiresMs
    this.#allowances = new Allowances({ clock, ratePerSecond, mostWaiting: MOST_WAITING })
  }

  configure(rules: Rules): void {
    this.#rules = rules
  }

  /** From now on every command is refused: the gateway stops. */
  shut(): void {
    this.#shut = true
  }

  /** Never rejects: what became of the command is the result. */
  async submit(command: WriteCommand, signal: AbortSignal): Promise<CommandResult> {
    const { id, by, writes } = command
    if (this.#shut) return this.#ended(command, { id, outcome: 'refused', text: 'the gateway is stopping' })
    if (writes.length === 0) return this.#ended(command, { id, outcome: 'refused', text: 'it names no tag to write' })
    const leave = this.#allowances.enter(by, writes.length)
    if ('why' in leave) {
      const result: CommandResult = { id, outcome: 'refused', text: leave.why }
      if (leave.speaksFor > 0) return this.#ended(command, result, leave.speaksFor)
      this.#outcomes.refused++
      return result
    }
    const one = { since: this.#options.clock.monotonic() }
    this.#underWay.add(one)
    try {
      return this.#ended(command, await this.#carriedOut(command, signal))
    } finally {
      this.#underWay.delete(one)
      leave()
    }
  }

  /** Of the oldest command that has not had its answer. */
  get progress(): Progress {
    for (const { since } of this.#underWay) return { at: since, due: true }
    return { at: 0, due: false }
  }

  counters(): Counters {
    const { done, refused, failed, unknown } = this.#outcomes
    return { writesDone: done, writesRefused: refused, writesFailed: failed, writesUnknown: unknown }
  }

  /** Counted and audited; `times`: how many commands that ended alike this one stands for. */
  #ended(command: WriteCommand, result: CommandResult, times = 1): CommandResult {
    this.#outcomes[result.outcome]++
    const { id, by, device, group, writes } = command
    const what = writes.map(({ tag, value }) => `${tag} = ${shown(value)}`).join(', ')
    const how = result.outcome === 'done' ? 'done' : `${result.outcome}: ${result.text}`
    const more = times > 1 ? ` (as ${times - 1} before it)` : ''
    const asked = cut(`write by ${by} to ${device}/${group}: ${what}`, MOST_SAID)
    this.#options.audit(`${asked}: ${how}${more}`, {
      id: cut(id),
      by,
      device: cut(device),
      group: cut(group),
      writes: writes.length,
      outcome: result.outcome,
      text: result.text,
    })
    return result
  }

  async #carriedOut(command: WriteCommand, signal: AbortSignal): Promise<CommandResult> {
    const { id, device, group } = command
    // All is checked before the first is sent: a mistake in the third value must not leave two written.
    const checked: Checked[] = []
    for (const { tag, value } of command.writes) {
      try {
        checked.push(this.#checked(command, tag, value))
      } catch (thrown) {
        return { id, outcome: 'refused', text: sentence(thrown), tag }
      }
    }
    const units = unitsOf(checked)
    if ('tag' in units) return { id, outcome: 'refused', ...units }
    const notes = new Set<string>()
    const written: string[] = []
    const from = this.#options.clock.monotonic()
    for (const unit of units) {
      const names = unit.map(({ tag }) => tag.info.name)
      try {
        const said = await this.#write(unit, from, signal)
        if (said !== undefined) notes.add(said)
        written.push(...names)
      } catch (thrown) {
        const rest = written.length === 0 ? '' : ` (written before: ${written.join(', ')})`
        return { id, outcome: outcomeOf(thrown), text: sentence(thrown) + rest, tag: names[0]! }
      }
    }
    const what = command.writes.map(({ tag, value }) => `${tag} = ${shown(value)}`).join(', ')
    return { id, outcome: 'done', text: [`${device}/${group}: ${what}`, ...notes].join('; ') }
  }

  #checked({ by, device, group }: WriteCommand, name: string, value: Value): Checked {
    const path = `${device}/${group}/${name}`
    if (!allows(this.#rules, by, path)) {
      throw new Rejected(`${by} may not write ${cut(path)}: allow it under "commands" of the sink`)
    }
    const found = this.#options.find(device, group, name)
    if (found === undefined) throw new Rejected(`there is no tag ${cut(path)}`)
    if (!found.plan.device.enabled) throw new Rejected(`device ${device} is switched off in the configuration`)
    if (found.tag.access === 'r') throw new Rejected(`${path} is read-only: give it "access: rw" if it may be written`)
    return { ...found, value: this.#options.invert(found.tag, value, found.plan) }
  }

  /** One request, given up when its time is over or the caller has left. A tag's own `expires` counts from the command on. */
  #write(unit: readonly Checked[], from: number, caller: AbortSignal): Promise<string | undefined> {
    const { clock, write } = this.#options
    const { plan } = unit[0]!
    const expiry = new AbortController()
    const own = Math.min(...unit.map(({ tag }) => tag.upkeep?.expiresMs ?? Number.POSITIVE_INFINITY))
    const expiresMs = Math.min(this.#expiresMs, Math.max(0, own - (clock.monotonic() - from)))
    const seconds = Math.min(this.#expiresMs, own) / 1000
    const expired = new Retryable(`the line was busy for ${seconds} s: the write has expired and was not sent`, {
      reason: Reason.timeout,
    })
    const signal = AbortSignal.any([caller, expiry.signal])
    return new Promise((resolve, reject) => {
      let stop = clock.after(expiresMs, () => expiry.abort(expired))
      const giveUp = (): void => {
        stop()
        // What is on the wire ends by itself now. What is still in line is never sent: the signal is aborted.
        stop = clock.after(GRACE_MS, () => end(() => reject(leftBehind(signal.reason))))
      }
      const end = (settle: () => void): void => {
        stop()
        signal.removeEventListener('abort', giveUp)
        settle()
      }
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) return end(() => reject(leftBehind(signal.reason)))
      Promise.try(write, plan, unit, signal).then(
        (said) => end(() => resolve(said)),
        (thrown) => end(() => reject(thrown === signal.reason ? leftBehind(thrown) : thrown)),
      )
    })
  }
}

/** What goes in one request, in the order of the command; or what is missing for that. */
function unitsOf(
  checked: readonly Checked[],
): (readonly Checked[])[] | { readonly tag: string; readonly text: string } {
  const byName = new Map(checked.map((one) => [one.tag.info.name, one]))
  const taken = new Set<Checked>()
  const sets = new Map<Checked, readonly Checked[]>()
  for (const one of checked) {
    const others = one.tag.upkeep?.with ?? []
    const { name } = one.tag.info
    const missing = others.filter((other) => !byName.has(other))
    if (missing.length > 0) {
      return {
        tag: name,
        text: `${name} is written together with ${others.join(', ')}: give ${missing.join(', ')}, too`,
      }
    }
    if (others.length === 0 || taken.has(one)) continue
    const set = [one, ...others.map((other) => byName.get(other)!)]
    for (const member of set) taken.add(member)
    sets.set(checked.find((first) => set.includes(first))!, set)
  }
  const twice = checked.find((one) => byName.get(one.tag.info.name) !== one)
  if (twice !== undefined && sets.size > 0) {
    const { name } = twice.tag.info
    return { tag: name, text: `${name} is named twice, in a command that writes tags together` }
  }
  return checked.flatMap((one) => (sets.has(one) ? [sets.get(one)!] : taken.has(one) ? [] : [[one]]))
}

/** What a signal carries as its reason may be anything: a write that was not sent failed. */
function leftBehind(reason: unknown): Retryable {
  if (reason instanceof Retryable) return reason
  return new Retryable('the caller left before the write was sent', { reason: Reason.refused, cause: reason })
}

function outcomeOf(thrown: unknown): CommandResult['outcome'] {
  if (thrown instanceof Rejected) return 'refused'
  return thrown instanceof Retryable && thrown.ambiguous ? 'unknown' : 'failed'
}

function shown(value: Value): string {
  if (value instanceof Uint8Array) return cut(Buffer.from(value).toString('hex'))
  if (Array.isArray(value)) return cut(`[${value.map(shown).join(', ')}]`)
  return cut(typeof value === 'string' ? JSON.stringify(value) : String(value))
}

function cut(text: string, most = MOST_SHOWN): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`
}
