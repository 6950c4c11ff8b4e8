/** Queues and files that give each record once: what is read is kept in order, and the device is told to drop it only when
 *  its batch has gone on. Why it is as it is: docs/decisions/0016. */
import { type BatchBuilder, Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import type { Logger } from '../../../contracts/component.ts'
import { Retryable, sentence } from '../../../contracts/errors.ts'
import type { Acquaintance, Asking } from '../asking.ts'
import type { Ask } from '../frames/pdu.ts'
import type { ModbusRequest } from '../plan/plan.ts'
import { LIMITS, type TagSettings } from '../settings.ts'
import { fillList } from '../values/registers.ts'
import { Handed } from './drain-handed.ts'

/** What is remembered of one queue between cycles. A configuration that is another forgets it: its records are read again. */
interface Queue {
  readonly handed: Handed
  /** It has given a record. */
  proven: boolean
  /** The device does not drop what was read, or seems not to, and that has been said. */
  stuck: boolean
}

/** What was handed on so long ago is in the log, however fast the group is read: batches are committed each 200 ms. */
const SETTLED_MS = 500
const NOTHING = new Uint8Array(0)

export class Drains {
  readonly #asking: Asking
  readonly #clock: Clock
  readonly #log: Logger
  readonly #between: () => Promise<void> | undefined
  readonly #queues = new WeakMap<ModbusRequest, Queue>()

  /** `between`: lets writes that wait go first. */
  constructor(options: {
    asking: Asking
    clock: Clock
    log: Logger
    between: () => Promise<void> | undefined
  }) {
    this.#between = options.between
    this.#asking = options.asking
    this.#clock = options.clock
    this.#log = options.log
  }

  /** Fills the request's tags with everything there was, in order; an empty list when there was nothing. 0, or the exception
   *  with which the device refuses. Throws Retryable when the line failed before anything was read. */
  async read(request: ModbusRequest, into: BatchBuilder, signal: AbortSignal): Promise<number> {
    const { most, acknowledge } = request.drain!
    const queue = this.#queueOf(request)
    const device = this.#asking.device(request)
    const { handed } = queue
    const taken: Uint8Array[] = []
    let code = 0
    const verified = isVerified(request)
    const settled = handed.since(this.#clock.monotonic()) >= SETTLED_MS
    if (!verified && !settled && handed.bytes.length > 0) return this.#fill(request, queue, taken, into)
    try {
      // A queue that was full of what is dropped now is read once more.
      for (let reads = 0; taken.length < most && reads <= most; reads++) {
        if (!verified && handed.bytes.length > 0 && !handed.unsure) {
          await this.#acknowledge(request, queue, handed.bytes.length, signal)
        }
        if (reads > 0) await this.#between()
        const answer = await this.#ask(request, device, signal)
        if (typeof answer === 'number') {
          code = answer
          break
        }
        const known = acknowledge === null ? 0 : this.#knownOf(answer, queue, device)
        const fresh = answer.subarray(known)
        if (fresh.length > 0) taken.push(fresh)
        if (acknowledge !== null && fresh.length > 0) handed.hold(answer, this.#clock.monotonic())
        else handed.keep(acknowledge === null ? NOTHING : answer)
        const full = verified && answer.length === 2 * LIMITS.readFifo
        const due = full && fresh.length > 0 && taken.length < most ? answer.length : settled ? known : 0
        const more = verified && due > 0 && (await this.#acknowledge(request, queue, due, signal)) && full
        if (verified ? !more : fresh.length === 0) break
      }
    } catch (thrown) {
      // What the device read out last may be more than came here: it is looked at again before anything is dropped.
      if (!verified) handed.perhapsDropped(handed.bytes.length)
      this.#doubt(request, thrown, device)
      if (taken.length === 0) throw thrown
    }
    const end = request.function === 20 && queue.proven && (code === 2 || code === 3)
    if (taken.length === 0 && code !== 0 && !end) return code
    queue.proven ||= taken.length > 0
    if (acknowledge === null && most > 2 && taken.length === most) this.#suspect(request, queue, taken)
    return this.#fill(request, queue, taken, into)
  }

  #queueOf(request: ModbusRequest): Queue {
    let queue = this.#queues.get(request)
    if (queue === undefined) {
      queue = { handed: new Handed(), proven: false, stuck: false }
      this.#queues.set(request, queue)
    }
    return queue
  }

  /** The registers of one answer, or the exception. A read that itself empties the queue is not repeated, and its answer is waited
   *  for as long as configured: one that is lost may have held records, and that must show. */
  async #ask(request: ModbusRequest, device: Acquaintance, signal: AbortSignal): Promise<Uint8Array | number> {
    let answer = new Uint8Array(0)
    const once = request.drain!.acknowledge === null
    const code = await this.#asking.read({
      ask: request,
      retries: once ? 0 : request.retries,
      patient: once,
      device,
      take: (bytes, offset, length) => {
        answer = bytes.slice(offset, offset + length)
      },
      signal,
    })
    return code === 0 ? answer : code
  }

  #knownOf(answer: Uint8Array, { handed }: Queue, device: Acquaintance): number {
    const { unsure, bytes } = handed
    const known = handed.known(answer)
    if (unsure && known === bytes.length) this.#asking.count(device, 'recordsReadAgain')
    // The device has dropped records by itself, and perhaps some that nobody read.
    if (!unsure && known < bytes.length) this.#asking.count(device, 'recordsInDoubt')
    return known
  }

  /** Tells the device that so many bytes of what was read may go. False: it refuses. Throws Retryable. */
  async #acknowledge(request: ModbusRequest, queue: Queue, bytes: number, signal: AbortSignal): Promise<boolean> {
    const { function: code, address, value } = request.drain!.acknowledge!
    const { device, unit, timeoutMs } = request
    const ask: Ask = { device, unit, function: code, address, quantity: 1, timeoutMs }
    const word = value === 'count' ? bytes / 2 : value
    const payload = code === 5 ? Uint8Array.of(word === 0 ? 0 : 0xff, 0) : Uint8Array.of(word >> 8, word & 0xff)
    try {
      await this.#asking.write(ask, payload, signal)
      queue.handed.dropped(bytes)
      queue.stuck = false
      return true
    } catch (thrown) {
      if (thrown instanceof Retryable) {
        if (thrown.ambiguous) queue.handed.perhapsDropped(bytes)
        throw thrown
      }
      // It was not carried out: the queue still begins with what was read, which is left out then.
      if (!queue.stuck) {
        queue.stuck = true
        this.#log.warn(`${device} does not take the acknowledgement of ${request.text}: ${sentence(thrown)}`)
      }
      return false
    }
  }

  /** By the standard, reading leaves a queue as it is: then every answer of the cycle was the same. */
  #suspect(request: ModbusRequest, queue: Queue, taken: readonly Uint8Array[]): void {
    if (queue.stuck || taken.some((answer) => Buffer.compare(answer, taken[0]!) !== 0)) return
    queue.stuck = true
    const text = `${request.text} gave the same ${taken.length} times in a row. If reading does not empty it, its records come twice`
    this.#log.warn(`${request.device}: ${text}: give drain an acknowledge, or leave drain off`)
  }

  #doubt(request: ModbusRequest, thrown: unknown, device: Acquaintance): void {
    if (request.drain!.acknowledge !== null || !(thrown instanceof Retryable) || thrown.reason === Reason.noConnection)
      return
    this.#asking.count(device, 'recordsInDoubt')
    const text = `an answer to ${request.text} was lost, and reading empties it: records may be missing`
    this.#log.warn(`${request.device}: ${text} (${sentence(thrown)})`)
  }

  #fill(request: ModbusRequest, queue: Queue, taken: readonly Uint8Array[], into: BatchBuilder): number {
    for (const tag of request.members) {
      const unit = 2 * (tag.settings as TagSettings).format.units
      // Half a record says that the type is wrong, or that the next answer begins in the middle of one.
      if (taken.some((answer) => answer.length % unit !== 0)) {
        into.bad(tag.index, Reason.notDecodable)
        queue.handed.forget()
      } else {
        const all = Buffer.concat(taken)
        fillList(tag, all, 0, all.length, into)
      }
    }
    return 0
  }
}

/** The device drops as many as it is told: what it holds is looked at again right before, so that a queue which was emptied or
 *  ran over meanwhile loses nothing that nobody read. Any other acknowledgement drops what was read last. */
function isVerified({ function: code, drain }: ModbusRequest): boolean {
  return code === 24 && drain!.acknowledge?.value === 'count'
}
