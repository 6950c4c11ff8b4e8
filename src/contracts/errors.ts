/** Errors by remedy: each class says what to do next. Nothing throws a plain Error. */
import type { Reason } from './batch.ts'

abstract class Fault extends Error {
  abstract readonly remedy: 'retry' | 'reject' | 'configure' | 'restart'
  override get name(): string {
    return this.constructor.name
  }
}

/** Try again, with back-off. `reason` becomes the quality of what could not be read. `ambiguous`: it was sent but not
 *  answered, so it may have been carried out; a write that ends so is unknown, and is never repeated by itself.
 *  `quietMs`: the same must not be asked again before; `repeat`: it is to be asked again then, in the same cycle. */
export class Retryable extends Fault {
  readonly remedy = 'retry'
  readonly reason: Reason
  readonly ambiguous: boolean
  readonly quietMs: number
  readonly repeat: boolean
  constructor(
    message: string,
    options: { reason: Reason; ambiguous?: boolean; quietMs?: number; repeat?: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.reason = options.reason
    this.ambiguous = options.ambiguous ?? false
    this.quietMs = options.quietMs ?? 0
    this.repeat = options.repeat ?? false
  }
}

/** This item never will be accepted: do not repeat it. */
export class Rejected extends Fault {
  readonly remedy = 'reject'
  readonly reason: Reason | undefined
  constructor(message: string, options: { reason?: Reason; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.reason = options.reason
  }
}

/** A person must act: the sentence says where, why and what to do. */
export class ConfigurationFault extends Fault {
  readonly remedy = 'configure'
}

/** This half cannot go on: stop it, the supervisor starts it again. */
export class Fatal extends Fault {
  readonly remedy = 'restart'
}

/** The text of anything that was thrown, for a line a technician reads. */
export function sentence(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
