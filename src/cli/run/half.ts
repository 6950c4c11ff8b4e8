/** What one process of a gateway runs: both halves, or one of them. */
import { join } from 'node:path'
import type { Watchdog } from '../../../hal/contract.ts'
import { connectSocket } from '../../commands/socket.ts'
import type { Configuration } from '../../config/configuration.ts'
import type { Change } from '../../config/diff.ts'
import type { Clock } from '../../contracts/clock.ts'
import type { Logger } from '../../contracts/component.ts'
import type { GatewayReport, Light, UplinkReport } from '../../contracts/report.ts'
import type { Ledger } from '../../health/ledger.ts'
import type { Methods, Sockets } from './surfaces.ts'

export type Side = 'both' | 'field' | 'uplink'

export interface HalfOptions {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly log: Logger
  readonly version: string
  /** Where everything that runs says that it makes progress. */
  readonly ledger: Ledger
  /** Where the sockets of the halves have their folders, and where one wakes the other. */
  readonly run: string
  /** Aborted when it is to end before it has begun. */
  readonly signal: AbortSignal
}

export interface Half {
  readonly configuration: Configuration
  start(): Promise<void>
  stop(): Promise<void>
  /** `after` holds the objects of what is equal. */
  reload(after: Configuration): Promise<void>
  /** The changes with what each would cost. */
  consequences(changes: readonly Change[]): readonly Change[]
  report(notices: readonly string[]): GatewayReport | UplinkReport
  /** Worked out without the rest of the report; absent: it has none. */
  lights?(): readonly Light[]
  /** Of its board, armed as soon as it is opened; absent: it has no board. */
  watchdog?(): Watchdog | undefined
  /** What can be looked at beside its report. */
  readonly looks: Methods
  /** What can be changed beside its configuration. */
  readonly changes: Methods
  /** Further sockets, as the configuration in force has them. */
  sockets(): Sockets
}

/** Its own folder below that of the gateway. */
export function folderOf(side: Side, run: string): string {
  return side === 'both' ? run : join(run, side)
}

/** Somebody who does not answer within this does not run. */
const ANSWERS_MS = 2000

/** The revision that the other half has in force; undefined: it does not run. */
export async function othersRevision(side: Side, run: string, clock: Clock): Promise<string | undefined> {
  if (side === 'both') return undefined
  const path = join(folderOf(side === 'field' ? 'uplink' : 'field', run), 'inspect.sock')
  const client = await connectSocket(path).catch(() => undefined)
  if (client === undefined) return undefined
  const stop = clock.after(ANSWERS_MS, () => client.close())
  const { revision } = (await client.call('revision').catch(() => ({}))) as { readonly revision?: string }
  stop()
  client.close()
  return revision
}
