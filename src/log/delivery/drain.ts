/** Brings the log's entries to one sink and the sink's answers to its cursor: retries, isolates what is refused, keeps
 *  order. Sinks need no locks: `deliver` is never called twice at once, and never after `stop`. */
import type { Clock } from '../../contracts/clock.ts'
import type { Counters, Logger, State } from '../../contracts/component.ts'
import { ConfigurationFault, Rejected, sentence } from '../../contracts/errors.ts'
import { type HealthLedger, type Line, unwatched } from '../../contracts/health.ts'
import type { Cursor, Entry, LogReader, Position, Quarantined, Receipt } from '../../contracts/log.ts'
import type { Rejection, Sink } from '../../contracts/sink.ts'
import { LiveCursor } from '../places/live-cursor.ts'
import { Backoff } from './backoff.ts'
import { isolate, quarantinedOf } from './isolate.ts'
import { type Call, NextCall } from './next-call.ts'
import { Rate } from './rate.ts'

export interface DrainOptions {
  readonly sink: Sink
  readonly reader: LogReader
  /** null: for a sink whose delivery is `live`. */
  readonly cursor: Cursor | null
  readonly clock: Clock
  readonly log: Logger
  readonly health?: HealthLedger | undefined
  /** In order, or the share (0–1) of what the sink takes that a backlog may have beside live entries. */
  readonly replay: 'in-order' | number
  /** What this sink wants of an entry; null: nothing. */
  readonly select?: ((entry: Entry) => Entry | null) | undefined
  readonly maxEntries?: number
  /** Bytes of the log that are read in one turn. */
  readonly maxBytes?: number
}

const MAX_ENTRIES = 500
/** Cold pages must not stall polling. */
const MAX_BYTES = 64 * 2 ** 10
/** Turns in which one call is read. A far side that is slow to confirm a call's last message is so once a call. */
const TURNS_A_CALL = 8
/** So many calls in a row with every entry refused are no fault of the entries. */
const STRIKES = 3
const HELD_MS = 60_000
/** A call that nothing has come of for so long beside twice its own timeouts hangs: a far side that is away ends it, and what
 *  follows is a pause, which is no work. */
const HANGS_MS = 60_000
const LONGEST_MS = 60_000
const BACKOFF = { firstMs: 1000, longestMs: 30_000 }

export class Drain {
  readonly #options: DrainOptions
  readonly #sink: Sink
  readonly #clock: Clock
  readonly #cursor: Cursor
  readonly #next: NextCall
  readonly #backoff = new Backoff(BACKOFF)
  readonly #rate: Rate
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined
  /** Due while the sink is asked for something. */
  readonly #line: Line
  /** Since when, monotonic. */
  #asked: number | undefined
  /** What stands in the way, beside what the sink says of itself. */
  #trouble: State | undefined
  /** Not answered yet: repeated as it is, because what a reader selects may depend on what it was given before. */
  #held: Call | undefined
  /** The link is away, so there is no use in waiting for the rest. */
  #away = false
  #strikes = 0
  /** Quarantined by the strikes so far: tried again when the sink takes anything at all. */
  #suspects: Position[] = []
  #durable: Promise<void> = Promise.resolve()
  #settled: (() => void) | undefined
  #poke: (() => void) | undefined
  #oldest: { readonly seq: number; readonly at: number } | undefined
  #answered = 0
  readonly #counters = { calls: 0, retried: 0, rejected: 0, quarantined: 0, refused: 0, unexpected: 0 }

  constructor(options: DrainOptions) {
    const { sink, reader, clock, replay, select, maxEntries = MAX_ENTRIES, maxBytes = MAX_BYTES } = options
    this.#options = options
    this.#sink = sink
    this.#clock = clock
    this.#cursor = options.cursor ?? new LiveCursor({ reader: sink.name, from: reader.head })
    this.#next = new NextCall({ reader, cursor: this.#cursor, clock, replay, select, maxEntries, maxBytes })
    this.#rate = new Rate({ clock, windowMs: 10_000 })
    const { health = unwatched } = options
    this.#line = health.enrol({
      name: `sink ${sink.name}`,
      get allowanceMs() {
        return HANGS_MS + 2 * (sink.longestMs ?? LONGEST_MS)
      },
      state: () => this.#trouble ?? sink.state(),
      progress: () => {
        const since = this.#asked
        return { at: Math.max(since ?? 0, sink.movedAt ?? 0), due: since !== undefined }
      },
    })
  }

  start(): void {
    this.#running ??= this.#run().catch((thrown: unknown) => {
      if (this.#signal.aborted) return
      const text = `delivery to ${this.#sink.name} ended: ${sentence(thrown)}`
      this.#options.log.error(text)
      // Nothing comes of it any more, and nothing is to be expected: only who starts the service again helps.
      this.#trouble = { condition: 'fault', text }
      this.#asked = this.#clock.monotonic()
    })
  }

  /** Nothing is in flight when it resolves; what was confirmed is durable. */
  async stop(): Promise<void> {
    this.#ending.abort(new ConfigurationFault(`delivery to ${this.#sink.name} is stopping`))
    await this.#running
    await this.#durable
    this.#line.leave()
  }

  /** Delivers what is stored now, for at most `withinMs`, then stops. Does not wait for a link that is away. */
  async finish(withinMs: number): Promise<void> {
    const { head } = this.#options.reader
    this.#next.hurry()
    this.#poke?.()
    let late = false
    const stopTimer = this.#clock.after(withinMs, () => {
      late = true
      this.#settled?.()
    })
    while (this.#running !== undefined && !late && !this.#away && this.#cursor.pending(head).length > 0) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve
      })
    }
    stopTimer()
    await this.stop()
  }

  /** Tries quarantined entries once more; null: all. Returns how many. */
  retry(positions: readonly Position[] | null): number {
    const marked = this.#cursor.retry(positions)
    this.#poke?.()
    return marked
  }

  /** The pieces of a SinkReport that delivery knows. */
  report(): {
    readonly state: State
    readonly receipt: Receipt
    readonly oldest: number | null
    readonly rate: number
  } {
    const { reader } = this.#options
    return {
      state: this.#trouble ?? this.#sink.state(),
      receipt: this.#cursor.receipt(reader.head),
      oldest: this.#oldestAt(),
      rate: this.#rate.perSecond(),
    }
  }

  counters(): Counters {
    return { ...this.#counters }
  }

  /** Calls that the far side has answered. */
  get answered(): number {
    return this.#answered
  }

  get #signal(): AbortSignal {
    return this.#ending.signal
  }

  async #run(): Promise<void> {
    await this.#resume()
    if (this.#sink.delivery === 'live') await this.#deliverSnapshot()
    while (!this.#signal.aborted) {
      try {
        // A sink that answers at once must not keep others from their turn.
        if (await this.#turn()) await this.#clock.sleep(0, this.#signal)
      } catch (thrown) {
        // The log that cannot be read now is no different from a link that is away.
        await this.#pause(thrown)
      }
    }
  }

  /** One call, or a wait: false. */
  async #turn(): Promise<boolean> {
    const { head } = this.#options.reader
    const first = this.#held ?? this.#next.next()
    if (first === undefined) {
      // Nothing comes between that and the waiting, or a wake-up could be missed.
      await this.#wait(head)
      return false
    }
    const call = this.#held ?? (await this.#filled(first))
    this.#held = (await this.#carry(call)) ? undefined : this.#next.anew(call)
    this.#settled?.()
    return true
  }

  /** As much as goes in one call, with a turn for others after each portion that was read. */
  async #filled(first: Call): Promise<Call> {
    this.#held = first
    for (let turns = 1; turns < TURNS_A_CALL; turns++) {
      if (this.#next.behind(this.#held) === undefined) break
      await this.#clock.sleep(0, this.#signal)
      const behind = this.#next.behind(this.#held)
      if (behind === undefined) break
      this.#held = this.#next.longer(this.#held, behind)
    }
    return this.#held
  }

  /** For the next entry, or so long. */
  async #wait(head: Position, waitMs = this.#next.waitMs): Promise<void> {
    await this.#first((signal) => {
      const poked = new Promise<void>((resolve) => {
        this.#poke = resolve
      })
      const ends = [this.#options.reader.next(head, signal), poked]
      if (Number.isFinite(waitMs)) ends.push(this.#clock.sleep(waitMs, signal))
      return Promise.race(ends.map((end) => quietly(end)))
    })
  }

  /** Waits under a signal of their own, which ends all of them when the first has ended. */
  async #first(wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const turn = new AbortController()
    const stop = (): void => turn.abort(this.#signal.reason)
    this.#signal.addEventListener('abort', stop, { once: true })
    try {
      if (this.#signal.aborted) throw this.#signal.reason
      await wait(turn.signal)
    } finally {
      this.#signal.removeEventListener('abort', stop)
      turn.abort(new ConfigurationFault('no longer waited for'))
    }
  }

  /** What the far side has already, it says itself. */
  async #resume(): Promise<void> {
    while (this.#sink.resume !== undefined) {
      try {
        const ranges = await this.#under(this.#sink.resume())
        if (ranges.length > 0) this.#confirm(ranges)
        this.#next.interrupted()
        this.#trouble = undefined
        this.#away = false
        return
      } catch (thrown) {
        await this.#pause(thrown)
      }
    }
  }

  async #deliverSnapshot(): Promise<void> {
    const { at, batches } = this.#options.reader.snapshot()
    const entries = batches.map((batch): Entry => ({ kind: 'batch', position: at, batch }))
    while (entries.length > 0) {
      try {
        await this.#under(this.#sink.deliver(entries, { historical: false }, this.#signal))
        return
      } catch (thrown) {
        await this.#pause(thrown)
      }
    }
  }

  /** One call, to the end of its story; false: it is to be repeated. */
  async #carry(call: Call): Promise<boolean> {
    if (call.entries.length === 0) return this.#done(call, [])
    await this.#next.mark(call)
    let tookMs = 0
    const deliver = async (entries: readonly Entry[]): Promise<readonly Rejection[]> => {
      const began = this.#clock.monotonic()
      const rejected = await this.#deliver(entries, call.historical)
      tookMs += this.#clock.monotonic() - began
      return rejected
    }
    let refused: readonly Quarantined[]
    let taken: number
    let delayed = false
    try {
      refused = quarantinedOf(call.entries, await deliver(call.entries))
      taken = call.entries.length - refused.length
    } catch (thrown) {
      if (!(thrown instanceof Rejected)) {
        await this.#pause(thrown)
        return false
      }
      // A call was refused without a name.
      const why = sentence(thrown)
      const backoff = new Backoff(BACKOFF)
      const rest = () => this.#rest(backoff.next(), call)
      const parts = { entries: call.entries, why, deliver, rest, pause: (failure: unknown) => this.#pause(failure) }
      ;({ refused, taken } = await isolate(parts))
      delayed = !call.historical
    }
    this.#next.took(call, tookMs)
    const done = await this.#judge(call, refused, taken > 0)
    if (delayed) this.#next.interrupted()
    return done
  }

  /** Between two tries of an entry. Live ones do not wait for one of a backlog. */
  async #rest(restMs: number, { historical }: Call): Promise<void> {
    if (!historical) return this.#clock.sleep(restMs, this.#signal)
    const end = this.#clock.monotonic() + restMs
    for (let leftMs = restMs; leftMs > 0; leftMs = end - this.#clock.monotonic()) {
      const { head } = this.#options.reader
      const live = this.#next.live()
      if (live === undefined) await this.#wait(head, leftMs)
      else while (!(await this.#carry(live)));
    }
  }

  /** While the sink is at work, it is expected to come to an end. */
  async #under<T>(work: Promise<T>): Promise<T> {
    this.#asked = this.#clock.monotonic()
    try {
      return await work
    } finally {
      this.#asked = undefined
    }
  }

  #deliver(entries: readonly Entry[], historical: boolean): Promise<readonly Rejection[]> {
    this.#counters.calls++
    return this.#under(this.#sink.deliver(entries, { historical }, this.#signal)).then(({ rejected }) => {
      this.#away = false
      this.#backoff.reset()
      return rejected
    })
  }

  /** The sink takes something: what was refused before, when it took nothing, is worth another try. */
  #accepted(): void {
    if (this.#strikes >= STRIKES && this.#suspects.length > 0) this.#cursor.retry(this.#suspects)
    this.#strikes = 0
    this.#suspects = []
    this.#trouble = undefined
  }

  /** Every entry refused, call after call: that is no fault of the entries. Nothing more goes to quarantine. */
  async #hold(why: string): Promise<false> {
    const text = `refuses every record: ${why}; the log holds what follows, correct it there and delivery resumes by itself`
    if (this.#trouble?.text !== text) this.#options.log.error(`${this.#sink.name} ${text}`)
    this.#trouble = { condition: 'refused', text }
    this.#counters.refused++
    this.#away = true
    this.#settled?.()
    await this.#clock.sleep(HELD_MS, this.#signal)
    this.#next.interrupted()
    return false
  }

  #done(call: Call, refused: readonly Quarantined[]): true {
    this.#counters.quarantined += refused.length
    this.#answered++
    this.#rate.add(call.entries.length - refused.length)
    if (call.again) {
      const whys = new Map(refused.map(({ entry, why }) => [entry.position.seq, why]))
      for (const { position } of call.entries)
        this.#follow(this.#cursor.settle(position, whys.get(position.seq) ?? null))
      return true
    }
    for (const { entry, why } of refused) {
      this.#options.log.warn(`${this.#sink.name} refused a record, it is in quarantine: ${why}`, {
        position: entry.position,
      })
    }
    this.#confirm(call.ranges, { filtered: call.filtered, evicted: call.evicted, quarantined: refused })
    return true
  }

  #confirm(...confirmed: Parameters<Cursor['confirm']>): void {
    this.#follow(this.#cursor.confirm(...confirmed))
  }

  /** Delivery does not wait for what it confirmed to be durable; the cursor stores it later if it cannot now. */
  #follow(durable: Promise<void>): void {
    this.#durable = durable.catch(() => undefined)
  }

  /** Whether it is the entries that are at fault, or everything; then what becomes of them. */
  async #judge(call: Call, refused: readonly Quarantined[], taken: boolean): Promise<boolean> {
    this.#counters.rejected += refused.length
    if (taken) this.#accepted()
    else if (!call.again) {
      if (++this.#strikes >= STRIKES) return this.#hold(refused[0]!.why)
      this.#suspects.push(...refused.map(({ entry }) => entry.position))
    }
    return this.#done(call, refused)
  }

  /** After a failure: for longer each time, but at once when the link comes back. Rejects when delivery is stopped. */
  async #pause(thrown: unknown): Promise<void> {
    if (this.#signal.aborted) throw this.#signal.reason
    const text = sentence(thrown)
    if (thrown instanceof ConfigurationFault) {
      this.#counters.refused++
      this.#trouble = { condition: 'refused', text }
    } else {
      this.#counters.retried++
      this.#trouble = undefined
      if ((thrown as { remedy?: string })?.remedy !== 'retry') {
        this.#counters.unexpected++
        this.#options.log.error(`${this.#sink.name} failed unexpectedly: ${text}`)
        this.#trouble = { condition: 'fault', text }
      }
    }
    this.#away = true
    this.#settled?.()
    await this.#first(async (signal) => {
      let up = false
      const link = this.#sink.ready?.(signal).then(() => {
        up = true
      })
      link?.catch(() => undefined)
      // A link that is up all the same is not what failed: then only time helps.
      for (let turns = 0; link !== undefined && turns < 4; turns++) await undefined
      const rest = quietly(this.#clock.sleep(this.#backoff.next(), signal))
      await (link === undefined || up ? rest : Promise.race([link.catch(() => rest), rest]))
    })
    this.#next.interrupted()
  }

  /** When the oldest entry was acquired that is not confirmed, UTC ms. */
  #oldestAt(): number | null {
    const { reader } = this.#options
    const from = this.#cursor.pending(reader.head)[0]?.from
    if (from === undefined) return null
    if (this.#oldest?.seq !== from.seq) {
      const entry = readOne(reader, from)
      if (entry === undefined) return null
      this.#oldest = { seq: from.seq, at: entry.kind === 'batch' ? entry.batch.at.wall : entry.at.wall }
    }
    return this.#oldest.at
  }
}

/** A rejection that others wait for as well is not unheard. */
function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

function readOne(reader: LogReader, from: Position): Entry | undefined {
  try {
    return reader.read(from, { entries: 1, bytes: 1 })[0]
  } catch {
    return undefined
  }
}
