/** Reads every group of one connection when it is due, and hands on one batch a cycle. Due times stay on the group's
 *  grid for ever: a slot that cannot be made is skipped and counted, never queued. */
import { type Batch, BatchBuilder, type GroupRef, Reason } from '../contracts/batch.ts'
import type { Budget } from '../contracts/budget.ts'
import type { Clock, Stop } from '../contracts/clock.ts'
import type { Counters } from '../contracts/component.ts'
import type { Driver, GroupPlan, Request } from '../contracts/driver.ts'
import { Retryable, sentence } from '../contracts/errors.ts'
import type { Progress } from '../contracts/health.ts'
import { budgetOf, costOf } from './budget.ts'
import { Heap } from './heap.ts'
import type { Lane } from './lane.ts'
import { Attendance, Silence } from './silence.ts'

const BUDGET_MS = 60_000

/** One group's place on its grid, and the cycle under way. */
class Round {
  readonly plan: GroupPlan
  readonly requests: readonly Request[]
  readonly device: Attendance
  /** The slot being served or waited for, monotonic. */
  due: number
  /** When it is looked at again: the slot, or a moment at which a silent or busy device may be asked again. */
  wakeAt: number
  builder: BatchBuilder
  /** A cycle is under way. */
  open = false
  issued = 0
  settled = 0
  /** Of the requests that were issued, those which the driver wants to repeat. */
  readonly again: Request[] = []
  dropped = false

  constructor(plan: GroupPlan, requests: readonly Request[], device: Attendance, due: number) {
    this.plan = plan
    this.requests = requests
    this.device = device
    this.due = due
    this.wakeAt = due
    this.builder = new BatchBuilder(plan.ref)
  }

  get deadline(): number {
    return this.due + this.plan.everyMs
  }

  /** Every request of the cycle has been put on the wire. */
  get spent(): boolean {
    return this.issued === this.requests.length && this.again.length === 0
  }
}

export class Poller {
  readonly #clock: Clock
  readonly #driver: Driver
  readonly #lane: Lane
  readonly #emit: (batch: Batch) => void
  /** Where the grids of all groups begin: when the first of them was configured. */
  #origin: number | undefined
  readonly #waiting = new Heap<Round>((a, b) => a.wakeAt < b.wakeAt)
  readonly #ready = new Heap<Round>(
    (a, b) => a.plan.priority > b.plan.priority || (a.plan.priority === b.plan.priority && a.deadline < b.deadline),
  )
  readonly #rounds = new Map<GroupRef, Round>()
  readonly #devices = new Map<string, Attendance>()
  readonly #silence = new Silence()
  #budget: { readonly until: number; readonly budget: Budget } | undefined
  #timer: Stop | undefined
  #timerDue = Number.POSITIVE_INFINITY
  #polls = 0
  #skipped = 0

  constructor(options: { clock: Clock; driver: Driver; lane: Lane; emit: (batch: Batch) => void }) {
    this.#clock = options.clock
    this.#driver = options.driver
    this.#lane = options.lane
    this.#emit = options.emit
    this.#driver.join?.(this.#lane)
  }

  start(): void {
    this.#lane.feed((signal) => this.#next(signal))
    this.#arm()
  }

  /** Replaces the set of groups. A group whose `GroupRef` is the same object keeps its slot, its plan and its cycle. */
  configure(groups: readonly GroupPlan[]): void {
    const wanted = new Set(groups.map((group) => group.ref))
    for (const [ref, round] of this.#rounds) {
      if (wanted.has(ref)) continue
      round.dropped = true
      this.#rounds.delete(ref)
    }
    this.#waiting.retain((round) => !round.dropped)
    this.#ready.retain((round) => !round.dropped)
    const names = new Set(groups.map((group) => group.device.name))
    for (const name of this.#devices.keys()) if (!names.has(name)) this.#devices.delete(name)
    const now = this.#clock.monotonic()
    this.#budget = undefined
    this.#origin ??= now
    for (const plan of groups) {
      if (this.#rounds.has(plan.ref)) continue
      const device = this.#devices.get(plan.device.name) ?? new Attendance()
      this.#devices.set(plan.device.name, device)
      const first = this.#origin + plan.phaseMs
      const late = Math.max(0, Math.ceil((now - first) / plan.everyMs))
      const round = new Round(plan, this.#driver.plan(plan), device, first + late * plan.everyMs)
      this.#rounds.set(plan.ref, round)
      if (round.requests.length > 0) this.#waiting.push(round)
    }
    this.#arm()
    this.#lane.wake()
  }

  /** A silent device is asked at once: somebody wants to know now. */
  askAgain(device: string): void {
    const attendance = this.#devices.get(device)
    if (attendance === undefined) return
    const now = this.#clock.monotonic()
    attendance.askAfter = 0
    for (const round of this.#rounds.values()) {
      if (round.device !== attendance || attendance.answers !== false || !this.#waiting.has(round)) continue
      this.#waiting.retain((other) => other !== round)
      round.wakeAt = now
      this.#waiting.push(round)
    }
    this.#arm()
    this.#lane.wake()
  }

  attendance(device: string): Attendance | undefined {
    return this.#devices.get(device)
  }

  /** Since when an exchange gives no sign of life, or a cycle has been due although there is a free place for it. */
  get progress(): Progress {
    const now = this.#clock.monotonic()
    // A group that is read once an hour is not late after a minute.
    const next = this.#lane.isFull ? undefined : (this.#ready.first ?? this.#waiting.first)
    const at = Math.min(this.#lane.since ?? now, next?.wakeAt ?? now)
    return { at, due: at < now }
  }

  /** By what is known of the devices' answers; worked out anew once a minute. */
  budget(): Budget {
    const now = this.#clock.monotonic()
    if (this.#budget === undefined || now >= this.#budget.until) {
      const items = [...this.#rounds.values()].map(({ plan, requests }) => ({
        plan,
        cost: costOf(this.#driver, requests),
      }))
      const { inFlight } = this.#driver
      this.#budget = { until: now + BUDGET_MS, budget: budgetOf(items, { inFlight }) }
    }
    return this.#budget.budget
  }

  counters(): Counters {
    return { polls: this.#polls, slotsSkipped: this.#skipped }
  }

  stop(): void {
    this.#timer?.()
    this.#timer = undefined
    for (const round of this.#rounds.values()) round.dropped = true
  }

  /** The most urgent exchange, started; undefined: nothing is due. */
  #next(signal: AbortSignal): Promise<void> | undefined {
    const now = this.#clock.monotonic()
    for (;;) {
      this.#collect(now)
      const round = this.#first()
      if (round === undefined) {
        this.#arm()
        return undefined
      }
      if (round.device.askAfter > now && (round.open || round.device.answers !== false)) {
        // In doubt or busy: not before that, and no slot is given up for it yet.
        this.#unready(round)
        this.#park(round, round.device.askAfter)
        continue
      }
      if (!round.open && !this.#begin(round, now)) continue
      const request = round.again.pop() ?? round.requests[round.issued++]!
      if (round.spent) this.#unready(round)
      return this.#read(round, request, now, signal)
    }
  }

  #first(): Round | undefined {
    const { missedAt } = this.#silence
    if (missedAt === null) return this.#ready.first
    const trusted = this.#ready.best(({ device, due }) => due <= missedAt && this.#silence.trusts(device))
    if (trusted !== undefined) return trusted
    this.#silence.goOn()
    return this.#ready.most(({ device }) => (device.answers === true ? device.answeredAt! : -1))
  }

  #unready(round: Round): void {
    if (this.#ready.first === round) this.#ready.pop()
    else this.#ready.retain((other) => other !== round)
  }

  /** Moves what is due to the ready ones. */
  #collect(now: number): void {
    for (let round = this.#waiting.first; round !== undefined && round.wakeAt <= now; round = this.#waiting.first) {
      this.#ready.push(this.#waiting.pop()!)
    }
  }

  /** Opens a cycle in the slot that is current now. False: no time is spent on a silent device. */
  #begin(round: Round, now: number): boolean {
    const late = Math.floor((now - round.due) / round.plan.everyMs)
    if (late > 0) {
      this.#skipped += late
      round.due += late * round.plan.everyMs
    }
    if (round.device.askAfter <= now) {
      round.builder = new BatchBuilder(round.plan.ref)
      round.open = true
      return true
    }
    this.#unready(round)
    // Woken between two slots to see whether the device is back, and another of its groups has just seen that it is not.
    if (now < round.due) this.#rest(round)
    else {
      round.device.notSpent()
      round.builder = new BatchBuilder(round.plan.ref)
      round.builder.quality.fill(Reason.deviceSilent)
      round.builder.numbers.fill(Number.NaN)
      this.#finish(round)
    }
    return false
  }

  #read(round: Round, request: Request, startedAt: number, signal: AbortSignal): Promise<void> {
    const { builder } = round
    return this.#driver.read(request, builder, signal).then(
      () => {
        const first = builder.quality[request.tags[0]!]
        if (first === Reason.notPrepared) round.device.unprepared(this.#clock.monotonic())
        else if (first === Reason.gatewayTarget) {
          this.#missed(round, startedAt, 'the gateway in front of it gets no answer from it', 0)
        } else {
          round.device.answer(this.#clock.monotonic())
        }
        this.#settle(round)
      },
      (thrown) => {
        if (signal.aborted) return
        const retryable = thrown instanceof Retryable ? thrown : undefined
        if (retryable?.repeat && !round.dropped) return this.#repeat(round, request, startedAt, retryable)
        const reason = retryable?.reason ?? Reason.badFrame
        for (const tag of request.tags) builder.bad(tag, reason)
        if (reason === Reason.noConnection) round.device.miss(sentence(thrown))
        else this.#missed(round, startedAt, sentence(thrown), retryable?.quietMs ?? 0)
        this.#giveUp(round, reason)
        this.#settle(round)
      },
    )
  }

  #missed(round: Round, startedAt: number, text: string, quietMs: number): void {
    round.device.miss(text)
    round.device.askAfter = Math.max(this.#costs(round, startedAt), this.#clock.monotonic() + quietMs)
  }

  /** Counts what a miss took from the others; when the device may be tried again. */
  #costs(round: Round, startedAt: number): number {
    const now = this.#clock.monotonic()
    let others = false
    for (const device of this.#devices.values()) if (device !== round.device && device.answers === true) others = true
    return this.#silence.after({ now, costMs: now - startedAt, others })
  }

  /** The cycle stays open and the wire is free for others until the request may be asked again. */
  #repeat(round: Round, request: Request, startedAt: number, why: Retryable): void {
    if (why.reason === Reason.timeout) this.#costs(round, startedAt)
    if (!round.spent) this.#unready(round)
    round.again.push(request)
    round.device.askAfter = this.#clock.monotonic() + why.quietMs
    this.#park(round, round.device.askAfter)
  }

  #park(round: Round, until: number): void {
    if (this.#waiting.has(round)) return
    round.wakeAt = until
    this.#waiting.push(round)
  }

  /** What is left of a cycle is not asked for when the device or the line is gone: it would only cost the others. */
  #giveUp(round: Round, reason: Reason): void {
    if (round.spent) return
    for (const request of [...round.again, ...round.requests.slice(round.issued)]) {
      for (const tag of request.tags) round.builder.bad(tag, reason)
      round.settled++
    }
    round.again.length = 0
    round.issued = round.requests.length
    this.#unready(round)
    this.#waiting.retain((other) => other !== round)
  }

  #settle(round: Round): void {
    round.settled++
    if (round.settled === round.requests.length) this.#finish(round)
  }

  #finish(round: Round): void {
    const at = this.#clock.now()
    const { builder } = round
    round.open = false
    round.issued = 0
    round.settled = 0
    if (round.dropped) return
    const { everyMs } = round.plan
    const past = Math.floor((at.monotonic - round.due) / everyMs)
    // The slot that has begun meanwhile can still be made, late; those before it are gone. A try between two slots takes none.
    if (past > 1) this.#skipped += past - 1
    if (past >= 0) round.due += Math.max(1, past) * everyMs
    this.#rest(round)
    this.#polls++
    this.#emit(builder.finish(at))
  }

  /** Until its slot; a silent device that may be tried before is not left waiting for a slot that is far. */
  #rest(round: Round): void {
    const { answers, askAfter } = round.device
    round.wakeAt = answers === false && askAfter > this.#clock.monotonic() ? Math.min(round.due, askAfter) : round.due
    this.#waiting.push(round)
  }

  /** One timer, for the next slot of the whole lane. */
  #arm(): void {
    const due = this.#waiting.first?.wakeAt ?? Number.POSITIVE_INFINITY
    if (due === this.#timerDue && this.#timer !== undefined) return
    this.#timer?.()
    this.#timer = undefined
    this.#timerDue = due
    if (due === Number.POSITIVE_INFINITY) return
    this.#timer = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () => {
      this.#timer = undefined
      this.#lane.wake()
    })
  }
}
