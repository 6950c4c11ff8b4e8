/** The planner: which requests read a group, and how each answer becomes values. Pure. */
import type { BatchBuilder } from '../../contracts/batch.ts'
import type { Request, Tag } from '../../contracts/driver.ts'

export interface ModbusRequest extends Request {
  readonly unit: number
  readonly function: 1 | 2 | 3 | 4
  /** Wire address of the first register or coil. */
  readonly address: number
  /** Registers or coils. */
  readonly quantity: number
  readonly timeoutMs: number
  readonly retries: number
  /** The tags this request fills, in the order of `tags`. */
  readonly members: readonly Tag[]
  /** `bytes` from `offset` on: the registers or coils of the answer as on the wire. Its length was checked before. */
  decode(bytes: Uint8Array, offset: number, into: BatchBuilder): void
}
