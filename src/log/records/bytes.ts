/** Bytes in and out, little-endian, with every length checked: what the log's records are made of. */
import { Rejected } from '../../contracts/errors.ts'

/** Grows as needed. What was written stands in `buffer` up to `length`. */
export class ByteWriter {
  buffer: Buffer
  view: DataView
  length = 0

  constructor(capacity = 256) {
    this.buffer = Buffer.allocUnsafeSlow(capacity)
    this.view = new DataView(this.buffer.buffer)
  }

  /** Makes room for `bytes` more; `buffer` and `view` may be others afterwards. */
  reserve(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
    this.view = new DataView(grown.buffer)
  }

  u8(value: number): void {
    this.reserve(1)
    this.buffer[this.length++] = value
  }

  u16(value: number): void {
    this.reserve(2)
    this.view.setUint16(this.length, value, true)
    this.length += 2
  }

  u32(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.length, value, true)
    this.length += 4
  }

  f64(value: number): void {
    this.reserve(8)
    this.view.setFloat64(this.length, value, true)
    this.length += 8
  }

  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  block(bytes: Uint8Array): void {
    this.u32(bytes.length)
    this.bytes(bytes)
  }

  text(text: string): void {
    const size = Buffer.byteLength(text)
    this.u32(size)
    this.reserve(size)
    this.length += this.buffer.write(text, this.length, size, 'utf8')
  }

  /** A copy of what was written. */
  copy(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.length))
  }
}

/** Throws Rejected wherever more is asked for than there is. */
export class ByteReader {
  readonly buffer: Uint8Array
  readonly view: DataView
  end: number
  position: number

  constructor(buffer: Uint8Array, from = 0, end = buffer.length) {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.position = from
    this.end = Math.min(end, buffer.length)
  }

  /** Goes on at `from`, for no further than `end`. */
  seek(from: number, end: number): this {
    this.position = from
    this.end = Math.min(end, this.buffer.length)
    return this
  }

  /** The offset of the next `bytes`, which are then passed. */
  take(bytes: number): number {
    const at = this.position
    if (!(bytes >= 0) || at + bytes > this.end) throw damaged('a record is shorter than it says')
    this.position = at + bytes
    return at
  }

  u8(): number {
    return this.buffer[this.take(1)]!
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true)
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true)
  }

  f64(): number {
    return this.view.getFloat64(this.take(8), true)
  }

  /** A copy: what is read from a mapped page must not outlive the turn. */
  bytes(size: number): Uint8Array {
    const at = this.take(size)
    const copy = new Uint8Array(size)
    copy.set(this.buffer.subarray(at, at + size))
    return copy
  }

  block(): Uint8Array {
    return this.bytes(this.u32())
  }

  text(): string {
    const size = this.u32()
    const at = this.take(size)
    return Buffer.from(this.buffer.buffer, this.buffer.byteOffset + at, size).toString('utf8')
  }
}

export function damaged(text: string): Rejected {
  return new Rejected(text)
}
