/** How often a sink is sent a group: at most once in its interval, and only what left its own deadband. The answer for an entry
 *  stays the same when it is asked for again, since a delivery that failed is repeated from the log. */
import { type Batch, type GroupRef, Reason, tagAt } from '../contracts/batch.ts'
import { compare, type Position } from '../contracts/log.ts'
import { laidOver } from './columns.ts'
import { Reporting, type Wish } from './reporting.ts'

/** Polls jitter around their grid: a batch that is so little early is not made to wait for the next. */
const EARLY = 0.02
/** A value that stays within the sink's deadband is repeated after this, as a tag's is. */
const HEARTBEAT_MS = 600_000
/** Answers that are remembered: more than the largest call that is under way. */
const MOST_ANSWERS = 4096
const MOST_COLUMNS = 1 << 20

export interface Thinner {
  readonly deadband: Wish['deadband']
  readonly minIntervalMs: number
}

/** Entries in ascending order, of one group. */
class Flow {
  last: Position = { epoch: -1, seq: -1 }
  readonly #minIntervalMs: number
  readonly #reporting: Reporting | undefined
  readonly #quality: Uint8Array
  readonly #events: boolean
  #passed: Batch['at'] | undefined
  /** What came too early since: its values are part of the next batch that passes. */
  #owed: Batch | undefined

  constructor(ref: GroupRef, { deadband, minIntervalMs }: Thinner) {
    this.#minIntervalMs = minIntervalMs
    const wish: Wish = { deadband, report: 'always', heartbeatMs: HEARTBEAT_MS }
    const records: Wish = { ...wish, deadband: null, report: 'events' }
    if (deadband !== null) {
      this.#reporting = new Reporting(
        ref,
        ref.tags.map(({ events }) => (events === true ? records : wish)),
      )
    }
    this.#events = ref.tags.some(({ events }) => events === true)
    this.#quality = new Uint8Array(ref.tags.length)
  }

  pass(batch: Batch): Batch | null {
    const changed = this.#takeQuality(batch)
    if (!changed && !(this.#events && hasRecords(batch)) && this.#tooSoon(batch)) {
      this.#owed = this.#owed === undefined ? batch : laidOver(this.#owed, batch)
      return null
    }
    const whole = this.#owed === undefined ? batch : laidOver(this.#owed, batch)
    this.#owed = undefined
    this.#passed = batch.at
    return this.#reporting === undefined ? whole : (this.#reporting.report(whole) ?? null)
  }

  #tooSoon({ at }: Batch): boolean {
    const before = this.#passed
    if (before === undefined || before.boot !== at.boot) return false
    const elapsedMs = at.monotonic - before.monotonic
    return elapsedMs >= 0 && elapsedMs < this.#minIntervalMs * (1 - EARLY)
  }

  /** A change of quality is not kept waiting. */
  #takeQuality(batch: Batch): boolean {
    let changed = false
    for (let entry = 0; entry < batch.numbers.length; entry++) {
      const tag = batch.tags === null ? entry : batch.tags[entry]!
      const quality = batch.quality === null ? Reason.good : batch.quality[entry]!
      if (quality !== this.#quality[tag]) changed = true
      this.#quality[tag] = quality
    }
    return changed
  }
}

/** Records are not kept waiting: the next list would take their place. */
function hasRecords(batch: Batch): boolean {
  for (const [entry, value] of batch.others ?? []) {
    if (batch.group.tags[tagAt(batch, entry)]!.events === true && Array.isArray(value) && value.length > 0) return true
  }
  return false
}

export class Thinning {
  readonly #thinner: Thinner
  /** Live entries and the backlog come side by side: each is a row of its own. */
  readonly #flows = new WeakMap<GroupRef, { readonly live: Flow; readonly backlog: Flow }>()
  readonly #answers = new Map<string, Batch | null>()
  #columns = 0

  constructor(thinner: Thinner) {
    this.#thinner = thinner
  }

  /** What of the batch is sent; null: nothing. */
  thin(position: Position, batch: Batch): Batch | null {
    const key = `${position.epoch}:${position.seq}`
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const answer = this.#decide(position, batch)
    this.#answers.set(key, answer)
    this.#columns += answer?.numbers.length ?? 0
    for (const [oldest, kept] of this.#answers) {
      if (this.#answers.size <= MOST_ANSWERS && this.#columns <= MOST_COLUMNS) break
      if (oldest === key) break
      this.#answers.delete(oldest)
      this.#columns -= kept?.numbers.length ?? 0
    }
    return answer
  }

  #decide(position: Position, batch: Batch): Batch | null {
    let flows = this.#flows.get(batch.group)
    if (flows === undefined) {
      flows = { live: new Flow(batch.group, this.#thinner), backlog: new Flow(batch.group, this.#thinner) }
      this.#flows.set(batch.group, flows)
    }
    for (const flow of [flows.live, flows.backlog]) {
      if (compare(position, flow.last) <= 0) continue
      flow.last = position
      return flow.pass(batch)
    }
    // Asked for again so late that the answer is forgotten: rather too much than a value lost.
    return batch
  }
}
