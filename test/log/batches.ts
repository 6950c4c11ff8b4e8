/** Groups and batches for tests of the log. */
import type { Batch, GroupRef } from '../../src/contracts/batch.ts'
import type { Instant } from '../../src/contracts/clock.ts'
import type { Logger } from '../../src/contracts/component.ts'
import type { Entry } from '../../src/contracts/log.ts'

export const at: Instant = { wall: Date.UTC(2026, 0, 1), monotonic: 5000.25, boot: 'boot-1', clock: 'synced' }

export function groupOf(device: string, tags = 3, revision = 0): GroupRef {
  return {
    id: 1,
    revision,
    device,
    group: 'g',
    path: { gateway: 'gw', site: 'north' },
    tags: Array.from({ length: tags }, (_, tag) => ({ name: `t${tag}`, type: 'float64', kind: 'real' as const })),
  }
}

export function batchOf(group: GroupRef, ...numbers: readonly number[]): Batch {
  const filled = numbers.length === 0 ? group.tags.map((_, tag) => tag) : numbers
  return { group, at, tags: null, numbers: Float64Array.from(filled), others: null, quality: null, carry: null }
}

/** A batch whose every value is `count`. */
export function counted(group: GroupRef, count: number): Batch {
  return batchOf(group, ...group.tags.map(() => count))
}

/** What `counted` counted. */
export function countsOf(entries: readonly Entry[]): number[] {
  return entries.flatMap((entry) => (entry.kind === 'batch' ? [entry.batch.numbers[0]!] : []))
}

/** Keeps what was said, so that a test can ask. */
export class Said implements Logger {
  readonly lines: string[] = []
  debug(): void {}
  info(text: string): void {
    this.lines.push(text)
  }
  warn(text: string): void {
    this.lines.push(text)
  }
  error(text: string): void {
    this.lines.push(text)
  }
}
