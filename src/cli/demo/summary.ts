/** What the demo proved: the devices' own numbers against what the broker has, and the log's books. */
import type { GatewayReport } from '../../contracts/report.ts'

/** One group of one device: what the device handed out and what of it the broker has. */
export interface SequenceProof {
  readonly device: string
  readonly group: string
  readonly handedOut: number
  readonly missing: number
  readonly repeated: number
}

export interface Summary {
  /** Everything that was stored was delivered, no number of a device is missing, and the log's receipts hold. */
  readonly ok: boolean
  readonly seconds: number
  readonly stored: number
  readonly delivered: number
  readonly pending: number
  readonly quarantined: number
  readonly evicted: number
  /** Messages at the broker, repeats included. */
  readonly messages: number
  readonly missing: number
  readonly repeated: number
  /** The most that ever waited for the broker. */
  readonly largestBacklog: number
  readonly cablePulls: number
  readonly deviceDeaths: number
  readonly adapterUnplugs: number
  /** The log's receipts, counted again from its files. */
  readonly audit: Audit
  readonly sequences: readonly SequenceProof[]
}

export interface Audit {
  readonly holds: boolean
  readonly differences: readonly string[]
}

export interface Happenings {
  cablePulls: number
  deviceDeaths: number
  adapterUnplugs: number
  largestBacklog: number
}

export function summarise(given: {
  readonly seconds: number
  readonly report: GatewayReport
  readonly sequences: readonly SequenceProof[]
  readonly messages: number
  readonly happenings: Happenings
  readonly audit: Audit
}): Summary {
  const { report, sequences, audit } = given
  const sum = (of: 'stored' | 'delivered' | 'pending' | 'quarantined' | 'evicted' | 'filtered'): number =>
    report.sinks.reduce((total, sink) => total + (sink.receipt?.[of] ?? 0), 0)
  // What the sink is configured not to send was never meant to arrive.
  const stored = sum('stored') - sum('filtered')
  const delivered = sum('delivered')
  const missing = sequences.reduce((total, each) => total + each.missing, 0)
  const handedOut = sequences.reduce((total, each) => total + each.handedOut, 0)
  return {
    ok: stored === delivered && missing === 0 && handedOut > 0 && given.messages >= handedOut && audit.holds,
    seconds: Math.round(given.seconds * 10) / 10,
    stored,
    delivered,
    pending: sum('pending'),
    quarantined: sum('quarantined'),
    evicted: sum('evicted'),
    messages: given.messages,
    missing,
    repeated: sequences.reduce((total, each) => total + each.repeated, 0),
    ...given.happenings,
    audit: { holds: audit.holds, differences: audit.differences },
    sequences,
  }
}

/** For people, a few lines. */
export function summaryText(summary: Summary): string {
  const { cablePulls, deviceDeaths, adapterUnplugs, sequences } = summary
  const handedOut = sequences.reduce((total, each) => total + each.handedOut, 0)
  const lines = [
    `After ${summary.seconds} s: cable pulled ${cablePulls} ×, device dead ${deviceDeaths} ×, adapter unplugged ${adapterUnplugs} ×.`,
    `Log     stored ${summary.stored}, delivered ${summary.delivered}, pending ${summary.pending}, quarantined ${summary.quarantined}, evicted ${summary.evicted}; largest backlog ${summary.largestBacklog}`,
    `Broker  ${summary.messages} messages`,
    `Devices handed out ${handedOut} numbers; at the broker missing ${summary.missing}, repeated ${summary.repeated}`,
    ...sequences.map(
      (each) =>
        `        ${`${each.device}/${each.group}`.padEnd(16)} 1–${each.handedOut}: missing ${each.missing}, repeated ${each.repeated}`,
    ),
    summary.audit.holds
      ? 'Audit   holds: every receipt of the log, counted again from its files'
      : `Audit   differs: ${summary.audit.differences.join('; ')}`,
    summary.ok ? 'Nothing was lost: stored = delivered.' : 'NOT everything that was stored arrived.',
  ]
  return lines.join('\n')
}
