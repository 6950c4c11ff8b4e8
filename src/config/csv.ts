/** Tags from a table (RFC 4180): one row a tag, a head with the tags' keys, `,` `;` or tab between the columns. */

export interface TagTable {
  /** By tag name: what the row says, keys as the configuration's. */
  readonly tags: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly problems: readonly { readonly line: number; readonly column: number; readonly text: string }[]
  /** Where a tag's key stands. */
  locate(tag: string, key: string | undefined): { readonly line: number; readonly column: number }
}

/** Keys whose cells are texts whatever they look like. */
const TEXTS = new Set([
  'name',
  'address',
  'type',
  'order',
  'unit',
  'byte',
  'access',
  'report',
  'charset',
  'layout',
  'timezone',
  'heartbeat',
])
const LISTS = new Set(['range', 'clamp', 'limits'])

interface Cell {
  readonly text: string
  readonly column: number
}

export function parseTagTable(text: string): TagTable {
  const rows = rowsOf(text.replace(/^\uFEFF/, ''))
  const problems: { line: number; column: number; text: string }[] = []
  const tags: Record<string, Record<string, unknown>> = {}
  const lines = new Map<string, number>()
  const columns = new Map<string, Cell[]>()
  const head = rows.shift()
  const keys = head?.cells.map((cell) => cell.text.trim()) ?? []
  if (!keys.includes('name')) {
    problems.push({ line: head?.line ?? 1, column: 1, text: 'the first row names the columns, "name" among them' })
    return { tags, problems, locate: () => ({ line: 1, column: 1 }) }
  }
  const nameAt = keys.indexOf('name')
  for (const { line, cells } of rows) {
    if (cells.every((cell) => cell.text.trim() === '')) continue
    const name = cells[nameAt]?.text.trim() ?? ''
    if (name === '') {
      problems.push({ line, column: cells[nameAt]?.column ?? 1, text: 'this row has no name' })
      continue
    }
    if (Object.hasOwn(tags, name)) {
      const before = lines.get(name)
      problems.push({
        line,
        column: cells[nameAt]!.column,
        text: `the tag "${name}" stands here twice, first in line ${before}`,
      })
      continue
    }
    if (cells.length > keys.length) {
      const column = cells[keys.length]!.column
      problems.push({
        line,
        column,
        text: `this row has ${cells.length} cells, the head has ${keys.length}: quote cells that contain the separator`,
      })
      continue
    }
    const tag: Record<string, unknown> = {}
    for (const [at, key] of keys.entries()) {
      const cell = cells[at]?.text.trim() ?? ''
      if (key === 'name' || cell === '') continue
      if (key.startsWith('labels.')) tag.labels = { ...(tag.labels as object), [key.slice(7)]: cell }
      else if (key === 'bit') tag.bits = typed('bits', cell)
      else tag[key] = typed(key, cell)
    }
    tags[name] = tag
    lines.set(name, line)
    columns.set(name, cells)
  }
  return {
    tags,
    problems,
    locate: (tag, key) => {
      const at = key === undefined ? nameAt : Math.max(keys.indexOf(key), keys.indexOf(key === 'bits' ? 'bit' : key))
      return { line: lines.get(tag) ?? 1, column: columns.get(tag)?.[at < 0 ? nameAt : at]?.column ?? 1 }
    },
  }
}

function typed(key: string, cell: string): unknown {
  if (TEXTS.has(key)) return cell
  if (key === 'labels' || key === 'enum') {
    return Object.fromEntries(
      cell.split(';').map((pair) => pair.split('=').map((part) => part.trim()) as [string, string]),
    )
  }
  if (LISTS.has(key))
    return cell
      .replace(/^\[|\]$/g, '')
      .split(/[;,]/)
      .map((part) => numeric(part.trim()))
  if (/^(true|false)$/i.test(cell)) return cell.toLowerCase() === 'true'
  return numeric(cell)
}

function numeric(cell: string): unknown {
  return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(cell) ? Number(cell) : cell
}

function rowsOf(text: string): { line: number; cells: Cell[] }[] {
  const first = text.slice(0, text.indexOf('\n') < 0 ? text.length : text.indexOf('\n'))
  const separator = [',', ';', '\t'].reduce((best, one) =>
    first.split(one).length > first.split(best).length ? one : best,
  )
  const rows: { line: number; cells: Cell[] }[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const row: { line: number; cells: Cell[] } = { line, cells: [] }
    let lineStart = at
    for (;;) {
      const column = at - lineStart + 1
      let cell = ''
      if (text[at] === '"') {
        at++
        for (; at < text.length; at++) {
          if (text[at] === '"') {
            if (text[at + 1] !== '"') break
            at++
          } else if (text[at] === '\n') {
            line++
            lineStart = at + 1
          }
          cell += text[at]
        }
        at++
        while (at < text.length && text[at] !== separator && text[at] !== '\n') at++
      } else {
        const from = at
        while (at < text.length && text[at] !== separator && text[at] !== '\n') at++
        cell = text.slice(from, at)
        if (cell.endsWith('\r')) cell = cell.slice(0, -1)
      }
      row.cells.push({ text: cell, column })
      if (text[at] !== separator) break
      at++
    }
    at++
    line++
    rows.push(row)
  }
  return rows
}
