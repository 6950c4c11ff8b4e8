/** A table of text (RFC 4180): `,` `;` or tab between the columns, a head, one record a line. Read as it is walked, kept nowhere. */

export interface Place {
  readonly line: number
  readonly column: number
}

export interface Fault extends Place {
  readonly text: string
}

export interface Row {
  readonly line: number
  readonly cells: readonly string[]
  /** Where the row begins, in characters. */
  readonly start: number
  /** Its quotes are wrong: what its cells say is a guess. */
  readonly faulty?: boolean
}

export interface Table {
  readonly separator: ',' | ';' | '\t'
  readonly head: Row
  /** The rows below the head that are not empty. */
  rows(fault: (fault: Fault) => void): Iterable<Row>
  /** The column, in characters from 1, at which a cell of a row stands. */
  columnOf(row: Row, cell: number): number
}

export function readTable(text: string): Table {
  const [first] = records(text, ',')
  const line = first === undefined ? '' : text.slice(0, text.indexOf('\n') + 1 || undefined)
  const separator = ([',', ';', '\t'] as const).reduce((best, one) =>
    line.split(one).length > line.split(best).length ? one : best,
  )
  const [head] = records(text, separator)
  return {
    separator,
    head: head ?? { line: 1, cells: [], start: 0 },
    *rows(fault) {
      let top = true
      for (const row of records(text, separator, fault)) {
        const empty = row.cells.every((cell) => cell.trim() === '')
        if (!top && !empty) yield row
        top = false
      }
    },
    columnOf: ({ start }, cell) => {
      let at = start
      for (let passed = 0; passed < cell; passed++) at = cellAt(text, at, separator).next
      return at - text.lastIndexOf('\n', at - 1)
    },
  }
}

function* records(text: string, separator: string, fault?: (fault: Fault) => void): Iterable<Row> {
  let line = 1
  let at = 0
  while (at < text.length) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    const whole = text.slice(at, text[end - 1] === '\r' ? end - 1 : end)
    if (!whole.includes('"')) {
      yield { line, cells: whole.split(separator), start: at }
      at = end + 1
      line++
      continue
    }
    const row = { line, cells: [] as string[], start: at, faulty: false }
    for (;;) {
      const cell = cellAt(text, at, separator)
      row.cells.push(cell.text)
      if (cell.fault !== undefined) {
        row.faulty = true
        fault?.({ line, column: at - text.lastIndexOf('\n', at - 1), text: cell.fault })
      }
      line += cell.lines
      at = cell.next
      if (cell.last) break
    }
    yield row
    line++
  }
}

interface Cell {
  readonly text: string
  /** Where the next cell, or the next row, begins. */
  readonly next: number
  readonly last: boolean
  /** Line ends within its quotes. */
  readonly lines: number
  readonly fault?: string
}

function cellAt(text: string, at: number, separator: string): Cell {
  if (text[at] !== '"') return upTo(text, at, separator, text.slice(at, endOf(text, at, separator)))
  let value = ''
  let from = at + 1
  for (;;) {
    const quote = text.indexOf('"', from)
    if (quote < 0) {
      // The rest of the file is not this cell: the next line is read as a row again.
      const cell = upTo(text, at, '\n', text.slice(at + 1, endOf(text, at, '\n')))
      return { ...cell, last: true, fault: 'the quote that begins here has no end' }
    }
    value += text.slice(from, quote)
    if (text[quote + 1] !== '"') {
      const cell = upTo(text, quote + 1, separator, value)
      const behind = text.slice(quote + 1, endOf(text, quote + 1, separator)).trim()
      const lines = value.split('\n').length - 1
      return behind === '' ? { ...cell, lines } : { ...cell, lines, fault: 'double the quotes within quotes: ""' }
    }
    value += '"'
    from = quote + 2
  }
}

function upTo(text: string, at: number, separator: string, value: string): Cell {
  const end = endOf(text, at, separator)
  const last = end >= text.length || text[end] === '\n'
  return { text: value.endsWith('\r') && last ? value.slice(0, -1) : value, next: end + 1, last, lines: 0 }
}

function endOf(text: string, at: number, separator: string): number {
  const newline = text.indexOf('\n', at)
  const end = newline < 0 ? text.length : newline
  const next = text.indexOf(separator, at)
  return next < 0 || next > end ? end : next
}
