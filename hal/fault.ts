/** What is thrown when a device cannot be had or fails. */
import { Retryable } from '../src/contracts/errors.ts'

/** `Reason.noConnection`: this folder knows the fault classes, not the batch. */
const NO_CONNECTION = 11

/** It may come to work by itself. */
export function unavailable(text: string, cause?: unknown): Retryable {
  return new Retryable(text, { reason: NO_CONNECTION, cause })
}

/** `ENOENT`, `EACCES`, … of a file or of a call; empty for anything else. */
export function codeOf(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : ''
}
