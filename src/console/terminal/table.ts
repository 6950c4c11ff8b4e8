/** Columns that fit a width: the ones that may shrink give way, the others keep what they need. */
import { cut, fixed, padStart, width } from './text.ts'

export interface Column {
  readonly title: string
  readonly right?: boolean
  /** May be cut down to this many columns where the width does not suffice; absent: keeps what it needs. */
  readonly shrinksTo?: number
}

/** Lines of the table, each at most `columns` wide; the first is the head. */
export function table(shape: readonly Column[], rows: readonly (readonly string[])[], columns: number): string[] {
  const widths = shape.map(({ title }, at) => Math.max(width(title), ...rows.map((row) => width(row[at] ?? ''))))
  let over = widths.reduce((sum, each) => sum + each, 0) + 2 * (shape.length - 1) - columns
  for (const least of [false, true]) {
    // First those that may shrink, evenly from the widest; then, on a terminal that is too narrow at all, any.
    while (over > 0) {
      let widest = -1
      for (let at = 0; at < shape.length; at++) {
        const floor = least ? 1 : (shape[at]!.shrinksTo ?? Number.POSITIVE_INFINITY)
        if (widths[at]! > floor && (widest < 0 || widths[at]! > widths[widest]!)) widest = at
      }
      if (widest < 0) break
      widths[widest]!--
      over--
    }
  }
  const line = (cells: readonly string[]): string =>
    cut(
      shape
        .map(({ right }, at) => {
          const cell = fixed(cells[at] ?? '', widths[at]!)
          return right ? padStart(cell.trimEnd(), widths[at]!) : cell
        })
        .join('  '),
      columns,
    ).trimEnd()
  return [line(shape.map(({ title }) => title)), ...rows.map(line)]
}

/** `████░░░░`: how full something is. Never empty when there is something, never full when there is room. */
export function bar(share: number, columns: number): string {
  const bounded = Math.min(1, Math.max(0, share))
  let full = Math.round(bounded * columns)
  if (bounded > 0 && full === 0) full = 1
  if (bounded < 1 && full === columns) full = columns - 1
  return '█'.repeat(full) + '░'.repeat(columns - full)
}
