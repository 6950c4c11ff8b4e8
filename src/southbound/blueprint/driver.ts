/** The copy-me driver: a connection to a server that answers lines of text. README.md beside it says how to copy it. */
import { type BatchBuilder, Reason, type Value } from '../../contracts/batch.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Counters, State } from '../../contracts/component.ts'
import type { DevicePlan, Driver, GroupPlan, Request, Tag } from '../../contracts/driver.ts'
import { Rejected, Retryable } from '../../contracts/errors.ts'
import { type Asked, type BlueprintDevice, type BlueprintTag, order, question, take } from './protocol.ts'
import type { BlueprintConnection } from './schema.ts'
import { TextLine } from './text-line.ts'

/** As many names as one line asks for. */
const NAMES_PER_LINE = 50

/** A request as planned: the contract's, and what this driver needs to carry it out. */
interface BlueprintRequest extends Request {
  readonly line: string
  readonly asked: readonly Asked[]
}

interface Surroundings {
  readonly name: string
  readonly settings: unknown
  readonly clock: Clock
}

export function createBlueprintDriver(surroundings: Surroundings): Driver {
  return new BlueprintDriver(surroundings)
}

class BlueprintDriver implements Driver {
  readonly name: string
  readonly lane: string
  readonly inFlight = 1
  readonly #line: TextLine
  readonly #counts = { requests: 0, writes: 0, refusals: 0, badAnswers: 0 }

  constructor({ name, settings, clock }: Surroundings) {
    const { host, port, timeout } = settings as BlueprintConnection
    this.name = name
    this.lane = name
    this.#line = new TextLine({ host, port, timeoutMs: timeout, clock })
  }

  /** Takes its resources and begins trying. That nobody is there is a state, not an error. */
  async start(): Promise<void> {
    this.#line.open()
  }

  stop(): Promise<void> {
    return this.#line.close()
  }

  state(): State {
    return this.#line.state()
  }

  counters(): Counters {
    return { ...this.#counts, ...this.#line.counters() }
  }

  /** Pure: the fewest requests. All that `read` will need is made here, once. */
  plan(group: GroupPlan): readonly Request[] {
    const { station } = group.device.settings as BlueprintDevice
    const readable = group.tags.filter((tag) => tag.index >= 0)
    const requests: BlueprintRequest[] = []
    for (let start = 0; start < readable.length; start += NAMES_PER_LINE) {
      const asked = readable
        .slice(start, start + NAMES_PER_LINE)
        .map(({ index, settings }): Asked => ({ index, ...(settings as BlueprintTag) }))
      const names = [...new Set(asked.map((tag) => tag.name))]
      requests.push({
        group: group.ref,
        device: group.device.name,
        tags: Uint32Array.from(asked, (tag) => tag.index),
        wireMs: 0,
        text:
          names.length > 1
            ? `GET station ${station}, ${names[0]} and ${names.length - 1} more`
            : `GET station ${station}, ${names[0]}`,
        line: question(station, names),
        asked,
      })
    }
    return requests
  }

  /** Device fault: bad quality in `into`. Line fault: throws Retryable. */
  async read(request: Request, into: BatchBuilder, signal: AbortSignal): Promise<void> {
    const { line, asked } = request as BlueprintRequest
    this.#counts.requests++
    const answer = await this.#line.ask(line, signal)
    try {
      if (take(answer, asked, into) === 'refused') this.#counts.refusals++
    } catch (thrown) {
      this.#counts.badAnswers++
      throw thrown
    }
  }

  /** Sent once, whatever happens: who asked is told whether it was done, refused, or is unknown. */
  async write(device: DevicePlan, tag: Tag, value: Value, signal: AbortSignal): Promise<undefined> {
    const { station } = device.settings as BlueprintDevice
    const line = order(station, tag.settings as BlueprintTag, value)
    this.#counts.writes++
    const answer = await this.#line.ask(line, signal, { sends: true })
    if (answer === 'OK') return
    if (answer.startsWith('ERROR')) {
      this.#counts.refusals++
      throw new Rejected(`${device.name} refuses: ${answer.slice(6)}`, { reason: Reason.illegalValue })
    }
    this.#counts.badAnswers++
    const text = `${device.name} answered neither OK nor ERROR: whether it was written is unknown`
    throw new Retryable(text, { reason: Reason.badFrame, ambiguous: true })
  }
}
