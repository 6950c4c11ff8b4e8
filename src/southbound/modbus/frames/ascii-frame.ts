/** Modbus ASCII: a colon, two hex digits for each byte, LRC, CR LF (Modbus over serial line V1.02, 2.5.2). Pure. */

const COLON = 0x3a
const CR = 0x0d
const LF = 0x0a
/** Silence within a frame that ends it (2.5.2.1). */
const CHARACTER_TIMEOUT_MS = 1000
/** Unit, PDU, LRC. */
const LONGEST_BYTES = 1 + 253 + 1

/** Characters of a frame that carries unit and PDU of so many bytes. */
export function asciiCharacters(bytes: number): number {
  return 1 + 2 * (bytes + 1) + 2
}

/** Of unit and PDU. */
export function encodeAscii(body: Uint8Array): Uint8Array {
  const hex = Buffer.concat([body, Uint8Array.of(lrc(body))])
    .toString('hex')
    .toUpperCase()
  return Buffer.from(`:${hex}\r\n`, 'latin1')
}

/** Two's complement of the sum (6.2.1). */
function lrc(body: Uint8Array): number {
  let sum = 0
  for (const byte of body) sum += byte
  return -sum & 0xff
}

export interface AsciiEvents {
  /** Unit and PDU; `sound` is false where the LRC does not hold. Valid only while the listener runs. */
  frame(body: Uint8Array, sound: boolean): void
  /** Characters that belong to no frame. */
  garbage(characters: number): void
}

/** Finds frames in what arrives. A colon always begins a new one. */
export class AsciiDecoder {
  readonly #events: AsciiEvents
  readonly #bytes = new Uint8Array(LONGEST_BYTES)
  #open = false
  /** Digits of the frame under way. */
  #digits = 0
  #ended = false
  #lastAt = Number.NEGATIVE_INFINITY

  constructor(events: AsciiEvents) {
    this.#events = events
  }

  drop(): void {
    this.#open = false
  }

  hear(chunk: Uint8Array, at: number): void {
    if (this.#open && at - this.#lastAt > CHARACTER_TIMEOUT_MS) this.#abandon()
    this.#lastAt = at
    // With seven data bits the eighth may be anything.
    for (const byte of chunk) this.#character(byte & 0x7f)
  }

  #character(character: number): void {
    if (character === COLON) {
      if (this.#open) this.#abandon()
      this.#open = true
      this.#ended = false
      this.#digits = 0
      return
    }
    if (!this.#open) {
      this.#events.garbage(1)
      return
    }
    const digit = digitOf(character)
    if (!this.#ended && digit >= 0 && this.#digits < 2 * LONGEST_BYTES) {
      const at = this.#digits >> 1
      this.#bytes[at] = this.#digits & 1 ? (this.#bytes[at]! << 4) | digit : digit
      this.#digits++
    } else if (!this.#ended && character === CR) this.#ended = true
    else if (this.#ended && character === LF) this.#close()
    else {
      this.#abandon()
      this.#events.garbage(1)
    }
  }

  #close(): void {
    this.#open = false
    const length = this.#digits >> 1
    const body = this.#bytes.subarray(0, Math.max(0, length - 1))
    if ((this.#digits & 1) === 1 || length < 3) this.#events.garbage(this.#digits + 3)
    else this.#events.frame(body, lrc(body) === this.#bytes[length - 1])
  }

  #abandon(): void {
    this.#open = false
    this.#events.garbage(1 + this.#digits)
  }
}

function digitOf(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30
  const letter = character | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
