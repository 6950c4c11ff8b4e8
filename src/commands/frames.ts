/** What goes over the sockets between processes: JSON, one document a line, and what JSON has no words for. */
import type { Socket } from 'node:net'
import { Reason, type Value } from '../contracts/batch.ts'
import type { WriteCommand } from '../contracts/command.ts'
import { ConfigurationFault, Fatal, Rejected, Retryable, sentence } from '../contracts/errors.ts'

/** An error as it crosses a socket: what to do next, and the sentence. */
export interface Described {
  readonly remedy: string
  readonly text: string
  readonly reason?: number
  readonly ambiguous?: boolean
}

/** Bigints beyond 2^53 become their digits, bytes `{ base64 }`, NaN and infinities null. A replacer for `JSON.stringify`. */
export function jsonValue(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : String(value)
  }
  // `toJSON` of a Buffer has run by now; the holder still has the bytes themselves.
  const held = (this as Record<string, unknown> | undefined)?.[key]
  if (held instanceof Uint8Array) return { base64: Buffer.from(held).toString('base64') }
  return value
}

/** A list within a list is the most that a tag can hold. */
const DEEPEST = 2
const LONGEST_LIST = 10_000

/** The value that JSON from outside stands for: `{ base64 }` are bytes. Throws Rejected for what no tag can hold. */
export function valueFrom(json: unknown, depth = 0): Value {
  switch (typeof json) {
    case 'number':
    case 'boolean':
    case 'string':
      return json
    case 'object':
      if (json === null) return null
      if (Array.isArray(json)) {
        if (depth < DEEPEST && json.length <= LONGEST_LIST) return json.map((element) => valueFrom(element, depth + 1))
        throw new Rejected(`a value is a list of at most ${LONGEST_LIST} values, or a list of such lists`)
      }
      if ('base64' in json && typeof json.base64 === 'string') return new Uint8Array(Buffer.from(json.base64, 'base64'))
  }
  throw new Rejected('a value is a number, a text, true, false, a list of those, or {"base64": "…"}')
}

/** Tags of one group and the values they are to have, as JSON from outside names them. Throws Rejected. */
export function writesFrom(json: unknown): WriteCommand['writes'] {
  if (!Array.isArray(json)) throw new Rejected('"writes" is missing or is not a list of { tag, value }')
  return json.map((one: { tag?: unknown; value?: unknown } | null) => ({
    tag: textFrom(one, 'tag'),
    value: valueFrom(one?.value ?? null),
  }))
}

/** Throws Rejected where there is no text of this name. */
export function textFrom(json: unknown, key: string): string {
  const value = typeof json === 'object' && json !== null ? (json as Record<string, unknown>)[key] : undefined
  if (typeof value !== 'string') throw new Rejected(`"${key}" is missing or is not a text`)
  return value
}

/** Calls `take` for each line, and once with undefined when one grows beyond `longest` bytes: then nothing more is read. */
export function lines(socket: Socket, longest: number, take: (line: string | undefined) => void): void {
  let parts: Buffer[] = []
  let bytes = 0
  let over = false
  const check = (): boolean => {
    if (bytes <= longest) return true
    over = true
    parts = []
    take(undefined)
    return false
  }
  socket.on('data', (chunk: Buffer) => {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0 && !over; end = chunk.indexOf(10, from)) {
      bytes += end - from
      if (!check()) return
      parts.push(chunk.subarray(from, end))
      const line = parts.length === 1 ? parts[0]!.toString('utf8') : Buffer.concat(parts).toString('utf8')
      parts = []
      bytes = 0
      from = end + 1
      if (line !== '') take(line)
    }
    if (over || from === chunk.length) return
    bytes += chunk.length - from
    if (check()) parts.push(chunk.subarray(from))
  })
}

export function described(thrown: unknown): Described {
  const remedy = thrown instanceof Error && 'remedy' in thrown ? String(thrown.remedy) : undefined
  if (remedy === undefined) return { remedy: 'restart', text: `internal fault: ${sentence(thrown)}` }
  const text = sentence(thrown)
  if (thrown instanceof Retryable) return { remedy, text, reason: thrown.reason, ambiguous: thrown.ambiguous }
  const reason = thrown instanceof Rejected ? thrown.reason : undefined
  return reason === undefined ? { remedy, text } : { remedy, text, reason }
}

/** The error again, as the class it had on the other side. */
export function thrownAs({ remedy, text, reason, ambiguous }: Described): Error {
  const known = reason as Reason | undefined
  if (remedy === 'retry')
    return new Retryable(text, { reason: known ?? Reason.noConnection, ambiguous: ambiguous ?? false })
  if (remedy === 'configure') return new ConfigurationFault(text)
  if (remedy !== 'reject') return new Fatal(text)
  return new Rejected(text, known === undefined ? {} : { reason: known })
}
