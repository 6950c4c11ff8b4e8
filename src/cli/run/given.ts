/** What a caller sent along: nothing of it can be relied upon. */
import { valueFrom } from '../../commands/socket.ts'
import type { WriteCommand } from '../../contracts/command.ts'
import { Rejected } from '../../contracts/errors.ts'

export function has(given: unknown, key: string): boolean {
  return typeof given === 'object' && given !== null && (given as Record<string, unknown>)[key] !== undefined
}

export function text(given: unknown, key: string): string {
  const value = has(given, key) ? (given as Record<string, unknown>)[key] : undefined
  if (typeof value !== 'string') throw new Rejected(`"${key}" is missing or is not a text`)
  return value
}

export function wordsOf(given: unknown): readonly string[] {
  const words = (given as { words?: unknown }).words
  if (!Array.isArray(words) || words.some((word) => typeof word !== 'string')) {
    throw new Rejected('"words" is missing or is not a list of texts')
  }
  return words
}

/** Tags of one group and the values they are to have. */
export function writesOf(given: unknown): WriteCommand['writes'] {
  const { writes } = given as { writes?: unknown }
  if (!Array.isArray(writes)) throw new Rejected('"writes" is missing or is not a list of { tag, value }')
  return writes.map((one: { value?: unknown } | null) => ({
    tag: text(one, 'tag'),
    value: valueFrom(one?.value ?? null),
  }))
}
