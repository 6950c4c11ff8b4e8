/** A driver whose exchanges take a set time on the manual clock: what the schedule's tests put on a wire. */
import { type BatchBuilder, type GroupRef, Reason, type Value } from '../../src/contracts/batch.ts'
import type { Clock } from '../../src/contracts/clock.ts'
import type { DevicePlan, Driver, GroupPlan, Request, Tag } from '../../src/contracts/driver.ts'
import { Retryable } from '../../src/contracts/errors.ts'

export class SlowDriver implements Driver {
  readonly name = 'slow'
  readonly lane = 'slow'
  readonly inFlight: number
  readonly clock: Clock
  readonly silent = new Set<string>()
  /** A gateway in front of them says that they do not answer (exception 0B). */
  readonly unreachable = new Set<string>()
  readonly log: { at: number; text: string }[] = []
  exchangeMs: number
  timeoutMs = 1000
  requestsPerGroup = 1
  busy = 0
  mostBusy = 0

  constructor(options: { clock: Clock; exchangeMs: number; inFlight?: number }) {
    this.clock = options.clock
    this.exchangeMs = options.exchangeMs
    this.inFlight = options.inFlight ?? 1
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  state() {
    return { condition: 'fine', text: 'a wire' } as const
  }
  counters() {
    return {}
  }

  plan(group: GroupPlan): readonly Request[] {
    return Array.from({ length: this.requestsPerGroup }, (_, part) => ({
      group: group.ref,
      device: group.device.name,
      tags: Uint32Array.of(part),
      wireMs: this.exchangeMs,
      text: `${group.device.name}/${group.ref.group}#${part}`,
    }))
  }

  async read(request: Request, into: BatchBuilder, signal: AbortSignal): Promise<void> {
    await this.#exchange(request.text, this.silent.has(request.device) ? this.timeoutMs : this.exchangeMs, signal)
    if (this.silent.has(request.device)) throw new Retryable('no answer within 1 s', { reason: Reason.timeout })
    if (this.unreachable.has(request.device)) {
      for (const tag of request.tags) into.bad(tag, Reason.gatewayTarget)
      return
    }
    for (const tag of request.tags) into.number(tag, this.clock.monotonic())
  }

  async write(device: DevicePlan, tag: Tag, value: Value, signal: AbortSignal): Promise<undefined> {
    await this.#exchange(`write ${device.name}/${tag.info.name}=${value}`, this.exchangeMs, signal)
  }

  async #exchange(text: string, ms: number, signal: AbortSignal): Promise<void> {
    this.log.push({ at: this.clock.monotonic(), text })
    this.mostBusy = Math.max(this.mostBusy, ++this.busy)
    try {
      await this.clock.sleep(ms, signal)
    } finally {
      this.busy--
    }
  }
}

let nextId = 1

export function groupPlan(options: {
  device: string
  group?: string
  everyMs: number
  phaseMs?: number
  priority?: number
  tags?: number
}): GroupPlan {
  const ref: GroupRef = {
    id: nextId++,
    revision: 1,
    device: options.device,
    group: options.group ?? 'g',
    path: { gateway: 'gw' },
    tags: Array.from({ length: options.tags ?? 1 }, (_, index) => ({
      name: `t${index}`,
      type: 'uint16',
      kind: 'integer' as const,
    })),
  }
  return {
    ref,
    device: { name: options.device, connection: 'c', path: ref.path, enabled: true, settings: {} },
    everyMs: options.everyMs,
    phaseMs: options.phaseMs ?? 0,
    priority: options.priority ?? 0,
    tags: [],
  }
}
