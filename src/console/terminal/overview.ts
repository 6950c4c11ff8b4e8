/** The full screen: lights, connections, sinks, log and values in exactly the rows there are. */
import type { GatewayReport } from '../../contracts/report.ts'
import { lights } from './lights.ts'
import { type ValueRow, valueTable } from './rows.ts'
import { connectionLines, headline, logLines, sinkLines } from './sections.ts'
import { ascii, cut, fixed, harmless, ink, type Style } from './text.ts'

export interface Screenful {
  readonly report: GatewayReport
  readonly values: readonly ValueRow[]
  readonly size: { readonly columns: number; readonly rows: number }
  readonly style: Style
  /** A clock that never steps, milliseconds: what the lights blink by. */
  readonly atMs: number
  /** The last line: keys, or what is happening. */
  readonly footer?: string
  /** Said above the footer, in bold: what the person just did. */
  readonly notice?: string
}

/** At most `rows` lines joined by line ends, none wider than `columns`. Values take what the other parts leave. */
export function render(screenful: Screenful): string {
  const { report, values, size, style, atMs } = screenful
  const { columns, rows } = size
  const top = [
    ink(cut(headline(report), columns), 'bold', style),
    ...lights(report.lights, { atMs, columns, style, most: rows >= 20 ? 2 : 1 }),
  ]
  const bottom: string[] = []
  if (screenful.notice) bottom.push(ink(cut(harmless(screenful.notice), columns), 'bold', style))
  if (screenful.footer) bottom.push(ink(cut(screenful.footer, columns), 'dim', style))

  // The log is one line here; its second, if it has one, is the forecast that the NET light says too.
  const log = logLines(report.log, columns, style).slice(0, 1)
  const least = 3
  let room = Math.max(0, rows - top.length - bottom.length - log.length - least)
  const connections = clip(connectionLines(report.connections, columns, style), Math.ceil(room * 0.6), 'connections')
  room -= connections.length
  const sinks = clip(sinkLines(report.sinks, report.at, columns, style), room, 'sinks')

  const middle = [...connections, ...sinks, ...log]
  const left = rows - top.length - middle.length - bottom.length
  const shown = clip(valueTable(values, columns, style), left, 'values')
  const lines = [...top, ...middle, ...shown]
  while (lines.length + bottom.length < rows) lines.push('')
  return [...lines, ...bottom]
    .slice(0, rows)
    .map((line) => (style.unicode ? line : ascii(line)))
    .map((line) => (line === '' ? '' : cut(line, columns)))
    .join('\n')
}

/** Head and as many lines as fit; the last says how many are not shown. A head alone is not worth its line. */
function clip(lines: readonly string[], most: number, what: string): string[] {
  if (lines.length <= 1 || most < 2) return []
  if (lines.length <= most) return [...lines]
  const hidden = lines.length - (most - 1)
  return [...lines.slice(0, most - 1), fixed(`  and ${hidden} more ${what}`, 40).trimEnd()]
}
