/** Who a device says it is: read device identification, FC43/14 (Modbus application protocol V1.1b3, 6.21). */
import { Rejected, Retryable } from '../../../contracts/errors.ts'
import type { Asking } from '../asking.ts'
import { isRefusal } from '../frames/exceptions.ts'
import { type Ask, exception } from '../frames/pdu.ts'

export interface Identity {
  /** The device's conformity level as it stands in its answer: 1 basic, 2 regular, 3 extended; 0x80 more: single objects. */
  readonly conformity: number
  /** Every object it gave, by its id; what is no text stands as hex digits. */
  readonly objects: ReadonlyMap<number, string>
  /** Objects 0 to 6. An empty object counts as none. */
  readonly vendor?: string
  readonly productCode?: string
  readonly version?: string
  readonly vendorUrl?: string
  readonly productName?: string
  readonly model?: string
  readonly application?: string
}

type Category = 1 | 2 | 3 | 4

const NAMES = ['vendor', 'productCode', 'version', 'vendorUrl', 'productName', 'model', 'application'] as const
/** Where the objects of a category begin: each stream is asked for what the one before did not bring. */
const FIRST: Readonly<Record<1 | 2 | 3, number>> = { 1: 0, 2: 3, 3: 0x80 }
/** No device has so much to say that it takes longer; one that goes in circles is left. */
const MOST_REQUESTS = 32

interface Identifying {
  readonly asking: Asking
  /** As configured, or any name for a unit nobody configured. */
  readonly device: string
  readonly unit: number
  readonly timeoutMs: number
  readonly retries: number
  readonly signal: AbortSignal
  /** Reads the objects of the vendor's own, too. */
  readonly extended?: boolean
}

/** null: the device answers, but does not identify itself. Throws Retryable when nobody answers, or a gateway or a busy
 *  device says that it cannot answer now. */
export async function identify(options: Identifying): Promise<Identity | null> {
  const reading = new Reading(options)
  const refusal = await reading.stream(1)
  if (refusal === 1) return null
  // Some devices give single objects only.
  if (refusal !== 0) for (const object of [0, 1, 2]) await reading.ask(4, object)
  if (reading.objects.size === 0) return null
  const level = reading.conformity & 0x7f
  if (refusal === 0 && level >= 2) await reading.stream(2)
  if (refusal === 0 && level >= 3 && options.extended === true) await reading.stream(3)
  return reading.identity()
}

/** `Acme PM5000 V1.2`. */
export function nameOfIdentity(identity: Identity): string {
  const { vendor, productName, productCode, model, version } = identity
  const product = productName ?? model ?? productCode
  return [vendor, product, version].filter((word) => word !== undefined).join(' ') || 'nameless'
}

class Reading {
  readonly objects = new Map<number, string>()
  conformity = 0
  readonly #options: Identifying
  #left = MOST_REQUESTS
  #next: number | null = null

  constructor(options: Identifying) {
    this.#options = options
  }

  /** All objects of a category; 0, or the exception the first request drew. */
  async stream(category: 1 | 2 | 3): Promise<number> {
    for (let object: number = FIRST[category]; ; ) {
      const refusal = await this.ask(category, object)
      if (refusal !== 0) return object === FIRST[category] ? refusal : 0
      if (this.#next === null || this.#next <= object || this.#left === 0) return 0
      object = this.#next
    }
  }

  /** 0, or an exception that is the device's last word. */
  async ask(category: Category, object: number): Promise<number> {
    if (this.#left === 0) return 0
    this.#left--
    const { asking, device, unit, timeoutMs, retries, signal } = this.#options
    const ask: Ask = { device, unit, function: 43, category, address: object, quantity: 1, timeoutMs }
    const acquaintance = asking.stranger(unit)
    const code = await asking.attempts({
      ask,
      retries,
      device: acquaintance,
      signal,
      take: (bytes, offset) => this.#take(bytes, offset),
    })
    const { reason, text } = exception(code)
    if (code === 0 || isRefusal(code)) return code
    if (code === 5 || code === 6 || code === 10 || code === 11) {
      throw new Retryable(`unit ${unit} ${text} (exception ${code})`, { reason })
    }
    throw new Rejected(`unit ${unit} ${text} (exception ${code})`, { reason })
  }

  /** Category, conformity, more follows, next object, number of objects; then id, length, bytes of each. */
  #take(bytes: Uint8Array, offset: number): void {
    this.conformity = bytes[offset + 1]!
    this.#next = bytes[offset + 2] === 0xff ? bytes[offset + 3]! : null
    let at = offset + 5
    for (let left = bytes[offset + 4]!; left > 0; left--) {
      const [id, length] = [bytes[at]!, bytes[at + 1]!]
      const text = textOf(bytes.subarray(at + 2, at + 2 + length))
      if (text !== '' && !this.objects.has(id)) this.objects.set(id, text)
      at += 2 + length
    }
  }

  identity(): Identity {
    const { objects, conformity } = this
    const named = NAMES.flatMap((name, id) => (objects.has(id) ? [[name, objects.get(id)!]] : []))
    return { conformity, objects: new Map(objects), ...Object.fromEntries(named) }
  }
}

const control = /\p{Cc}/u

/** Text with its padding taken off; bytes that are no text as hex digits. */
function textOf(bytes: Uint8Array): string {
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === 0 || bytes[end - 1] === 0x20)) end--
  const own = Buffer.from(bytes.subarray(0, end))
  const utf8 = own.toString('utf8')
  const text = (utf8.includes('\ufffd') ? own.toString('latin1') : utf8).trim()
  return control.test(text) ? `0x${Buffer.from(bytes).toString('hex')}` : text
}
