/** The one guarded door back: who may write what, in which limits, how often, and what became of it. */
import type { Value } from '../contracts/batch.ts'
import type { Clock } from '../contracts/clock.ts'
import type { CommandDoor, CommandResult, WriteCommand } from '../contracts/command.ts'
import type { Counters } from '../contracts/component.ts'
import type { GroupPlan, Tag } from '../contracts/driver.ts'
import { Rejected, Retryable, sentence } from '../contracts/errors.ts'

/** Patterns `device/group/tag` with `*`, by who asks: `sink:emqx`, `console`. Who is not named may nothing. */
export type Rules = ReadonlyMap<string, readonly string[]>

export interface DoorOptions {
  readonly clock: Clock
  readonly rules: Rules
  /** Engineering units to raw; throws Rejected with the reason. */
  readonly invert: (tag: Tag, value: Value) => Value
  readonly find: (device: string, group: string, tag: string) => { plan: GroupPlan; tag: Tag } | undefined
  /** Throws Rejected when the device refused, Retryable when it could not be done or nobody knows. */
  readonly write: (plan: GroupPlan, tag: Tag, raw: Value, signal: AbortSignal) => Promise<void>
  readonly audit: (text: string, facts: Record<string, string | number | boolean>) => void
}

/** Writes each caller may ask for in a second, and may have waiting. */
const RATE = 50
const MOST_WAITING = 100

/** What one caller has used of its second. */
interface Allowance {
  second: number
  used: number
  waiting: number
}

export class Door implements CommandDoor {
  readonly #options: DoorOptions
  readonly #allowances = new Map<string, Allowance>()
  #rules: Rules
  #done = 0
  #refused = 0
  #failed = 0
  #unknown = 0

  constructor(options: DoorOptions) {
    this.#options = options
    this.#rules = options.rules
  }

  configure(rules: Rules): void {
    this.#rules = rules
  }

  /** Never rejects: what became of the command is the result. */
  async submit(command: WriteCommand, signal: AbortSignal): Promise<CommandResult> {
    const { id, by, device, group } = command
    const allowance = this.#allowance(by)
    if (allowance.waiting >= MOST_WAITING || allowance.used + command.writes.length > RATE) {
      return this.#end(command, { id, outcome: 'refused', text: `more than ${RATE} writes a second from ${by}` })
    }
    allowance.used += command.writes.length
    allowance.waiting++
    try {
      // All is checked before the first is sent: a mistake in the third value must not leave two written.
      const writes: { plan: GroupPlan; tag: Tag; raw: Value; name: string }[] = []
      for (const { tag: name, value } of command.writes) {
        try {
          writes.push({ ...this.#checked(by, device, group, name, value), name })
        } catch (thrown) {
          return this.#end(command, { id, outcome: 'refused', text: sentence(thrown), tag: name })
        }
      }
      for (const { plan, tag, raw, name } of writes) {
        try {
          await this.#options.write(plan, tag, raw, signal)
        } catch (thrown) {
          return this.#end(command, { id, outcome: outcomeOf(thrown), text: sentence(thrown), tag: name })
        }
      }
      const what = command.writes.map(({ tag, value }) => `${tag} = ${shown(value)}`).join(', ')
      return this.#end(command, { id, outcome: 'done', text: `${device}/${group}: ${what}` })
    } finally {
      allowance.waiting--
    }
  }

  counters(): Counters {
    return {
      writesDone: this.#done,
      writesRefused: this.#refused,
      writesFailed: this.#failed,
      writesUnknown: this.#unknown,
    }
  }

  #checked(
    by: string,
    device: string,
    group: string,
    name: string,
    value: Value,
  ): { plan: GroupPlan; tag: Tag; raw: Value } {
    const path = `${device}/${group}/${name}`
    const caller = by.startsWith('console') ? 'console' : by
    const patterns = this.#rules.get(caller) ?? []
    if (!patterns.some((pattern) => matches(pattern, path))) {
      throw new Rejected(`${by} may not write ${path}: allow it under "commands"`)
    }
    const found = this.#options.find(device, group, name)
    if (found === undefined) throw new Rejected(`there is no tag ${path}`)
    if (!found.plan.device.enabled) throw new Rejected(`device ${device} is switched off in the configuration`)
    if (found.tag.access === 'r') throw new Rejected(`${path} is read-only: give it "access: rw" if it may be written`)
    return { ...found, raw: this.#options.invert(found.tag, value) }
  }

  #allowance(by: string): Allowance {
    const second = Math.floor(this.#options.clock.monotonic() / 1000)
    let allowance = this.#allowances.get(by)
    if (allowance === undefined) {
      allowance = { second, used: 0, waiting: 0 }
      this.#allowances.set(by, allowance)
    }
    if (allowance.second !== second) {
      allowance.second = second
      allowance.used = 0
    }
    return allowance
  }

  #end(command: WriteCommand, result: CommandResult): CommandResult {
    if (result.outcome === 'done') this.#done++
    else if (result.outcome === 'refused') this.#refused++
    else if (result.outcome === 'unknown') this.#unknown++
    else this.#failed++
    const asked = command.writes.map(({ tag, value }) => `${tag} = ${shown(value)}`).join(', ')
    this.#options.audit(`write by ${command.by} to ${command.device}/${command.group}: ${asked}: ${result.outcome}`, {
      by: command.by,
      device: command.device,
      group: command.group,
      outcome: result.outcome,
      text: result.text,
    })
    return result
  }
}

function outcomeOf(thrown: unknown): CommandResult['outcome'] {
  if (thrown instanceof Rejected) return 'refused'
  return thrown instanceof Retryable && thrown.ambiguous ? 'unknown' : 'failed'
}

/** `*` stands for any name; a pattern that is shorter than the path covers everything below it. */
function matches(pattern: string, path: string): boolean {
  const names = path.split('/')
  const parts = pattern.split('/')
  return parts.length <= names.length && parts.every((part, at) => wildcard(part).test(names[at]!))
}

function wildcard(part: string): RegExp {
  return new RegExp(`^${part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`)
}

function shown(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
