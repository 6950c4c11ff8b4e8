/** What the lights are made from: as much of the gateway's report as they need, and what is known of the box. */
import type { Machine, PartReport } from '../../../hal/contract.ts'
import type { ClockQuality } from '../../contracts/clock.ts'
import type { ConnectionReport, DeviceReport, LogReport, SinkReport } from '../../contracts/report.ts'

export type DeviceFacts = Pick<DeviceReport, 'name' | 'connection' | 'enabled' | 'answers' | 'text' | 'groups'> & {
  readonly trouble?: string | undefined
}

/** What the gateway says of itself. */
export interface GatewayFacts {
  readonly connections: readonly Pick<ConnectionReport, 'name' | 'state'>[]
  /** Looked at once, one after the other: each may be the same object with other values in it. */
  readonly devices: Iterable<DeviceFacts>
  readonly sinks: readonly Pick<SinkReport, 'name' | 'state' | 'receipt'>[]
  readonly log: Pick<LogReport, 'state' | 'bytes' | 'quotaBytes'>
  /** Absent: running. */
  readonly phase?: 'starting' | 'running' | 'stopping'
  readonly clock?: ClockQuality
  /** Components that should have made progress and did not: the ledger's sentences. */
  readonly stalled?: readonly string[]
}

/** What is known of the box around it. Absent: nothing is. */
export interface BoxFacts {
  readonly machine?: Machine
  /** Of the board: what is not as the board file says. */
  readonly parts?: readonly PartReport[]
  /** Lamps that do not do what they are told, and a button that is stuck: sentences. */
  readonly faults?: readonly string[]
  readonly certificates?: readonly CertificateFacts[]
  /** The other half of the service says nothing: why that is taken for so. */
  readonly halfAway?: string
  readonly setUp?: boolean
  readonly updating?: boolean
  /** Of a pair; absent: a gateway of its own. */
  readonly pair?: PairFacts
}

export interface CertificateFacts {
  /** Whose it is, and the file: `sink emqx: /etc/fieldgate/tls/client.pem`. */
  readonly name: string
  readonly daysLeft: number
}

export interface PairFacts {
  readonly role: 'active' | 'ready' | 'alone' | 'switching' | 'fenced'
  readonly text?: string
}

export type Facts = GatewayFacts & BoxFacts

/** From these shares of the quota on NET blinks 1, 2, 3 and 4 times. */
export const FILL_STEPS = [0.25, 0.5, 0.75, 0.9] as const

export function fill({ bytes, quotaBytes }: Facts['log']): number {
  return quotaBytes > 0 ? bytes / quotaBytes : 0
}
