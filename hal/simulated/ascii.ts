/** Puts a station on a line of Modbus ASCII: a colon, hex digits, LRC, CR LF around what it hears and says. */
import { seal } from './station.ts'
import type { Listener } from './wire.ts'

export class AsciiStation implements Listener {
  readonly #station: Listener
  /** Digits as lower-case letters. */
  readonly #lower: boolean
  /** Changes the characters of an answer before they are sent. */
  alter: ((characters: string) => string) | null = null

  constructor(station: Listener, options: { lower?: boolean } = {}) {
    this.#station = station
    this.#lower = options.lower ?? false
  }

  hear(characters: Uint8Array): { readonly frame: Uint8Array; readonly afterMs: number } | null {
    const [, digits] = /^:((?:[0-9A-Fa-f]{2})+)\r\n$/.exec(Buffer.from(characters).toString('latin1')) ?? []
    if (digits === undefined) return null
    const bytes = Buffer.from(digits, 'hex')
    if (bytes.reduce((sum, byte) => sum + byte, 0) % 256 !== 0) return null
    const answer = this.#station.hear(seal(bytes[0]!, bytes.subarray(1, bytes.length - 1)))
    if (answer === null) return null
    const body = answer.frame.subarray(0, answer.frame.length - 2)
    const sum = body.reduce((total, byte) => total + byte, 0)
    const hex = Buffer.from([...body, (256 - (sum % 256)) % 256]).toString('hex')
    const said = `:${this.#lower ? hex : hex.toUpperCase()}\r\n`
    return { frame: Buffer.from(this.alter?.(said) ?? said, 'latin1'), afterMs: answer.afterMs }
  }
}
