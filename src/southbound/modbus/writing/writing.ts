/** Writing to devices: whole values in one frame, parts of registers without touching their neighbours, and what stands there
 *  afterwards read back where that was asked for. Writes to one unit go one after the other. */
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import { Rejected, Retryable, sentence } from '../../../contracts/errors.ts'
import type { Acquaintance, Asking } from '../asking.ts'
import { type Ask, exception } from '../frames/pdu.ts'
import { formatAddress } from '../schema/address.ts'
import type { TagSettings } from '../settings.ts'
import type { Tally } from '../tally.ts'
import { frameOf, type Image } from '../values/encode.ts'

/** Where a write goes. */
export interface Target {
  readonly device: string
  readonly unit: number
  readonly timeoutMs: number
  /** Of the reads around a write; the write itself is never repeated. */
  readonly retries: number
  readonly digits: 'one-based' | 'zero-based'
  /** Somebody names the unit: which device that is, is looked up. */
  readonly byHand?: true
}

export interface WriteOrder {
  readonly target: Target
  readonly image: Image
  readonly write: TagSettings['write']
  /** Wire addresses of words that stand apart, in the order in which they are written. */
  readonly words: readonly number[] | null
  /** Milliseconds after the confirmation; null: not read back. */
  readonly readBackMs: number | null
  /** The value that bytes of the image's registers hold, for people. */
  readonly shown: (bytes: Uint8Array) => string
}

const BROADCAST = 'sent; a broadcast is never answered'

export class Writing {
  readonly #asking: Asking
  readonly #clock: Clock
  readonly #tally: Tally
  /** Unit 0 addresses everybody and nobody answers: a serial line. */
  readonly #broadcasts: boolean
  /** Why a register may not be read, changed and written back; null: it may. */
  readonly #shared: string | null
  readonly #turns = new Map<number, Promise<void>>()

  constructor(options: { asking: Asking; clock: Clock; tally: Tally; broadcasts: boolean; shared: string | null }) {
    this.#asking = options.asking
    this.#clock = options.clock
    this.#tally = options.tally
    this.#broadcasts = options.broadcasts
    this.#shared = options.shared
  }

  /** Resolves with what there is to say beside that it was done. Throws Rejected when the device or a rule refuses it; Retryable
   *  when it failed, `ambiguous` when nobody knows. */
  write(order: WriteOrder, signal: AbortSignal): Promise<string | undefined> {
    const { unit } = order.target
    const written = (this.#turns.get(unit) ?? Promise.resolve()).then(() => this.#carry(order, signal))
    const over = written.then(
      () => {},
      () => {},
    )
    this.#turns.set(unit, over)
    void over.then(() => {
      if (this.#turns.get(unit) === over) this.#turns.delete(unit)
    })
    return written
  }

  async #carry(order: WriteOrder, signal: AbortSignal): Promise<string | undefined> {
    const { target, image, write, readBackMs } = order
    const toAll = target.unit === 0 && this.#broadcasts
    if (toAll && image.mask !== null) {
      throw refused('a broadcast writes whole registers: nobody answers what else stands in them')
    }
    if (image.mask === null) await this.#send(target, frameOf(image, write), signal)
    else if (isWhole(image.mask)) return this.#apart(order, image.mask, signal)
    else if (order.words !== null) throw refused(`${this.#where(order)}: part of a value whose registers stand apart`)
    else if (await this.#masked(order, image.mask, signal)) return this.#confirmed(order, readBackMs, signal)
    else return this.#guarded(order, image.mask, signal)
    if (toAll) return BROADCAST
    return this.#confirmed(order, readBackMs, signal)
  }

  /** Words that stand apart, one after the other. The value is torn for as long as it takes, so it is always read back. */
  async #apart(order: WriteOrder, mask: Uint8Array, signal: AbortSignal): Promise<undefined> {
    const { target, image, write, words } = order
    const all = Array.from({ length: image.quantity }, (_, at) => image.address + at)
    const own = (words ?? all).filter((address) => mask[2 * (address - image.address)] === 0xff)
    for (const [at, address] of own.entries()) {
      const from = 2 * (address - image.address)
      const word: Image = { ...image, address, quantity: 1, bytes: image.bytes.slice(from, from + 2), mask: null }
      try {
        await this.#send(target, frameOf(word, write), signal)
      } catch (thrown) {
        if (at === 0) throw thrown
        const [done, left] = [own.slice(0, at), own.slice(at)].map((part) =>
          part.map((one) => formatAddress('holding', one, target.digits)).join(', '),
        )
        const ambiguous = thrown instanceof Retryable && thrown.ambiguous
        throw new Retryable(`only a part of the value was written (${done}, not ${left}): ${sentence(thrown)}`, {
          reason: Reason.deviceFailure,
          ambiguous,
          cause: thrown,
        })
      }
    }
    return this.#confirmed(order, order.readBackMs ?? 0, signal)
  }

  /** By function 22, which the device carries out as one. False: it is not the way, nothing was sent or the device does not
   *  know the function. */
  async #masked({ target, image, write }: WriteOrder, mask: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const device = this.#deviceOf(target)
    const wanted = write === 'mask' || (write === 'auto' && image.quantity === 1 && device.knowsMaskWrite !== false)
    if (!wanted) return false
    const { bytes } = image
    // Result = (present AND and) OR (or AND NOT and): V1.1b3, 6.16.
    const payload = Uint8Array.of(~mask[0]! & 0xff, ~mask[1]! & 0xff, bytes[0]!, bytes[1]!)
    try {
      await this.#send(target, { function: 22, address: image.address, quantity: 1, bytes: payload }, signal)
    } catch (thrown) {
      if (thrown instanceof Retryable && thrown.ambiguous && device.knowsMaskWrite === null && write === 'auto') {
        const hint = 'a device that does not even refuse function 22 needs write: { function: single }'
        throw new Retryable(`${thrown.message}; ${hint}`, { reason: thrown.reason, ambiguous: true, cause: thrown })
      }
      const unknown = thrown instanceof Rejected && thrown.reason === Reason.illegalFunction
      if (unknown) device.knowsMaskWrite = false
      if (!unknown || write === 'mask') throw thrown
      return false
    }
    device.knowsMaskWrite = true
    device.tally.maskWrites++
    this.#tally.maskWrites++
    return true
  }

  /** Read, changed, written, and read again. Whoever changes the register in between loses: so nobody else may be on the wire;
   *  of the device itself nobody knows. */
  async #guarded(order: WriteOrder, mask: Uint8Array, signal: AbortSignal): Promise<undefined> {
    const { target, image, write } = order
    if (this.#shared !== null) throw refused(`${this.#where(order)} is part of a register: ${this.#shared}`)
    const present = await this.#read(order, signal)
    if (typeof present === 'number') {
      const { text, reason } = exception(present)
      const why = `${target.device} ${text} (exception ${present})`
      throw new Rejected(`what else stands in ${this.#where(order)} cannot be read, so it was not written: ${why}`, {
        reason,
      })
    }
    const bytes = image.bytes.map((byte, at) => (present[at]! & ~mask[at]!) | (byte & mask[at]!))
    await this.#send(target, frameOf({ ...image, bytes, mask: null }, write), signal)
    this.#deviceOf(target).tally.guardedWrites++
    this.#tally.guardedWrites++
    return this.#confirmed(order, order.readBackMs ?? 0, signal)
  }

  async #send(
    target: Target,
    frame: { function: Ask['function']; address: number; quantity: number; bytes: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const { device, unit, timeoutMs } = target
    const { function: code, address, quantity } = frame
    const ask: Ask = { device, unit, function: code, address, quantity, timeoutMs }
    await this.#asking.write(ask, frame.bytes, signal, { device: this.#deviceOf(target) })
  }

  /** What stands in the device, as far as it is the value's, is what was written. */
  async #confirmed(order: WriteOrder, afterMs: number | null, signal: AbortSignal): Promise<undefined> {
    if (afterMs === null) return
    const { target, image } = order
    let found: Uint8Array | number
    try {
      if (afterMs > 0) await this.#clock.sleep(afterMs, signal)
      found = await this.#read(order, signal)
    } catch (thrown) {
      throw unproven(sentence(thrown), thrown)
    }
    if (typeof found === 'number') throw unproven(`${target.device} ${exception(found).text} (exception ${found})`)
    const mask = image.mask ?? new Uint8Array(found.length).fill(0xff)
    if (found.every((byte, at) => ((byte ^ image.bytes[at]!) & mask[at]!) === 0)) return
    this.#deviceOf(target).tally.readBackDiffers++
    this.#tally.readBackDiffers++
    const text = `${this.#where(order)} reads back ${order.shown(found)} where ${order.shown(image.bytes)} was written`
    throw new Retryable(text, { reason: Reason.deviceFailure })
  }

  /** The image's registers or coils as they are now, or the exception. */
  async #read({ target, image }: WriteOrder, signal: AbortSignal): Promise<Uint8Array | number> {
    const { device, unit, timeoutMs, retries } = target
    const code = image.area === 'coil' ? 1 : 3
    let found = new Uint8Array(0)
    const exceptionCode = await this.#asking.read({
      ask: { device, unit, function: code, address: image.address, quantity: image.quantity, timeoutMs },
      retries,
      device: this.#deviceOf(target),
      take: (bytes, offset, length) => {
        found = bytes.slice(offset, offset + length)
      },
      signal,
    })
    if (exceptionCode !== 0) return exceptionCode
    // Bits beyond the last coil are the device's to fill.
    const rest = image.area === 'coil' ? image.quantity & 7 : 0
    if (rest > 0) found[found.length - 1]! &= (1 << rest) - 1
    return found
  }

  #deviceOf(target: Target): Acquaintance {
    return target.byHand === true ? this.#asking.stranger(target.unit) : this.#asking.device(target)
  }

  #where({ target, image }: WriteOrder): string {
    return formatAddress(image.area, image.address, target.digits)
  }
}

/** Each register is the value's, or nothing of it. */
function isWhole(mask: Uint8Array): boolean {
  for (let at = 0; at < mask.length; at += 2) {
    const word = (mask[at]! << 8) | mask[at + 1]!
    if (word !== 0 && word !== 0xffff) return false
  }
  return true
}

function refused(text: string): Rejected {
  return new Rejected(text, { reason: Reason.refused })
}

function unproven(why: string, cause?: unknown): Retryable {
  const text = `unknown: confirmed, but what stands there could not be read back (${why})`
  return new Retryable(text, { reason: Reason.timeout, ambiguous: true, cause })
}
