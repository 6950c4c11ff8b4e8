/** One question to a unit of which nothing is taken for granted: whatever becomes of it is a finding. */
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import { Retryable } from '../../../contracts/errors.ts'
import { Acquaintance, type Asking } from '../asking.ts'
import type { FunctionCode } from '../frames/pdu.ts'

/** `nobody`: a gateway in between says that nobody is there. */
export type Probed =
  | { readonly outcome: 'answer'; readonly content: Uint8Array; readonly text: '' }
  | { readonly outcome: 'exception'; readonly code: number; readonly text: '' }
  | { readonly outcome: 'damaged' | 'silent' | 'nobody'; readonly text: string }

export interface Question {
  readonly unit: number
  readonly function: FunctionCode
  readonly address?: number
  readonly quantity?: number
  readonly timeoutMs: number
}

/** A connection that was lost is waited for so often and so long. */
const PATIENCE = 20
const AGAIN_MS = 500

/** Throws Retryable when there is no connection, and does not come back. */
export async function probe(
  asking: Asking,
  clock: Clock,
  question: Question,
  signal: AbortSignal,
  patience: number = PATIENCE,
): Promise<Probed> {
  const { unit, function: code, address = 0, quantity = 1, timeoutMs } = question
  const ask = { device: `unit ${unit}`, unit, function: code, address, quantity, timeoutMs, stranger: true } as const
  for (let left = patience; ; left--) {
    let content = new Uint8Array(0)
    const take = (bytes: Uint8Array, offset: number, length: number): void => {
      content = bytes.slice(offset, offset + length)
    }
    try {
      const exception = await asking.once(ask, null, new Acquaintance(unit), take, signal)
      if (exception === 0) return { outcome: 'answer', content, text: '' }
      if (exception === 10 || exception === 11) {
        return { outcome: 'nobody', text: `the gateway says so (exception ${exception})` }
      }
      return { outcome: 'exception', code: exception, text: '' }
    } catch (thrown) {
      if (!(thrown instanceof Retryable)) throw thrown
      if (thrown.reason === Reason.timeout) return { outcome: 'silent', text: thrown.message }
      if (thrown.reason === Reason.badFrame) return { outcome: 'damaged', text: thrown.message }
      if (left <= 0) throw thrown
      await clock.sleep(AGAIN_MS, signal)
    }
  }
}

/** Somebody is there. */
export function isThere({ outcome }: Probed): boolean {
  return outcome === 'answer' || outcome === 'exception'
}
