/** The one way south: a write asks at the door, which authorises, limits, audits and routes it. */
import type { Value } from './batch.ts'

export interface WriteCommand {
  /** The caller's own, repeated in the answer. */
  readonly id: string
  /** Who asks: `sink:emqx`, `console:maria`. */
  readonly by: string
  readonly device: string
  readonly group: string
  /** Engineering units; carried out in this order, stopped at the first that fails. */
  readonly writes: readonly { readonly tag: string; readonly value: Value }[]
}

/** `unknown`: sent, but never answered; it is not repeated. */
export interface CommandResult {
  readonly id: string
  readonly outcome: 'done' | 'refused' | 'failed' | 'unknown'
  readonly text: string
  /** The first write that did not succeed. */
  readonly tag?: string
}

export interface CommandDoor {
  submit(command: WriteCommand, signal: AbortSignal): Promise<CommandResult>
}
