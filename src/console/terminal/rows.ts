/** Live values as rows: the one shape in which consoles, `values` and the inspect socket show a tag. */
import { type Batch, qualityAt, Reason, tagAt, type Value, valueAt } from '../../contracts/batch.ts'
import { type Column, table } from './table.ts'
import { harmless, ink, type Style } from './text.ts'
import { age, quality, value } from './words.ts'

export interface ValueRow {
  readonly device: string
  readonly group: string
  readonly tag: string
  readonly value: Value
  readonly unit: string | null
  /** In words. */
  readonly quality: string
  readonly reason: Reason
  /** Acquisition, UTC ms. */
  readonly at: number
  readonly ageMs: number
  /** false: the disk refused it, it is shown and will not be delivered. */
  readonly stored: boolean
}

/** The rows of one batch. Ages are taken on the clock that never steps where batch and reader share a boot. */
export function rowsOf(
  batch: Batch,
  now: { wall: number; monotonic: number; boot: string },
  stored = true,
): ValueRow[] {
  const { at, group } = batch
  const ageMs = Math.max(0, Math.round(at.boot === now.boot ? now.monotonic - at.monotonic : now.wall - at.wall))
  return Array.from(batch.numbers, (_, entry) => {
    const tag = group.tags[tagAt(batch, entry)]!
    const reason = qualityAt(batch, entry)
    return {
      device: group.device,
      group: group.group,
      tag: tag.name,
      value: valueAt(batch, entry),
      unit: tag.unit ?? null,
      quality: quality(reason),
      reason,
      at: at.wall,
      ageMs,
      stored,
    }
  })
}

const COLUMNS: readonly Column[] = [
  { title: 'TAG', shrinksTo: 24 },
  { title: 'VALUE', right: true, shrinksTo: 10 },
  { title: 'UNIT', shrinksTo: 4 },
  { title: 'AGE', right: true },
  { title: 'QUALITY', shrinksTo: 8 },
]

/** A value this old is dimmed, and its age is in words beside it. */
const STALE_MS = 10_000

/** Head and one line a row, each at most `columns` wide. */
export function valueTable(rows: readonly ValueRow[], columns: number, style: Style): string[] {
  const [head, ...lines] = table(COLUMNS, rows.map(cells), columns)
  return [
    ink(head!, 'bold', style),
    ...lines.map((line, at) => {
      const row = rows[at]!
      if (row.reason !== Reason.good) return ink(line, row.reason === Reason.notYet ? 'dim' : 'red', style)
      return row.ageMs >= STALE_MS || !row.stored ? ink(line, 'dim', style) : line
    }),
  ]
}

/** One row on one line, for a listing that scrolls. */
export function valueLine(row: ValueRow): string {
  const good = row.reason === Reason.good
  const shown = good ? `${value(row.value)}${row.unit === null ? '' : ` ${harmless(row.unit)}`}` : row.quality
  return `${harmless(`${row.device}/${row.group}/${row.tag}`)} = ${shown}${row.stored ? '' : ' (not stored)'}`
}

function cells(row: ValueRow): string[] {
  return [
    harmless(`${row.device}/${row.group}/${row.tag}`),
    value(row.value),
    row.unit === null ? '' : harmless(row.unit),
    age(row.ageMs),
    row.stored ? row.quality : `${row.quality}, not stored`,
  ]
}
