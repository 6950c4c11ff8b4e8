/** What a caller sent along: nothing of it can be relied upon. */
import { Rejected } from '../../contracts/errors.ts'

export function has(given: unknown, key: string): boolean {
  return typeof given === 'object' && given !== null && (given as Record<string, unknown>)[key] !== undefined
}

export function wordsOf(given: unknown): readonly string[] {
  const words = (given as { words?: unknown }).words
  if (!Array.isArray(words) || words.some((word) => typeof word !== 'string')) {
    throw new Rejected('"words" is missing or is not a list of texts')
  }
  return words
}
