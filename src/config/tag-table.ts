/** Tags from a table: one row a tag, the columns named by the tags' keys. */
import { formsOf, putCell } from './cells.ts'
import type { Check, Keys } from './check.ts'
import { type Place, type Row, readTable, type Table } from './csv.ts'
import { unknownKey } from './spelling.ts'
import type { TagKeys } from './tag-keys.ts'
import type { Path } from './tree.ts'

interface Column {
  readonly index: number
  /** `['scale']`, or `['labels', 'site']`. */
  readonly key: readonly string[]
  readonly forms: ReadonlySet<string>
}

export class TagTable {
  readonly file: string
  readonly #table: Table
  readonly #head: readonly string[]
  readonly #name: number
  readonly #places = new Map<string, Row>()
  readonly #columns = new Map<TagKeys, readonly Column[]>()

  constructor(file: string, text: string) {
    this.file = file
    this.#table = readTable(text)
    this.#head = this.#table.head.cells.map((cell) => cell.trim())
    this.#name = this.#head.indexOf('name')
  }

  /** All rows as tags. `path`: where the group's tags belong in the configuration. */
  tags(tagKeys: TagKeys, check: Check, path: Path): readonly (readonly [string, Keys])[] {
    const fault = (place: Place, text: string) => check.places.at(this.file, place, path, text, text)
    if (this.#name < 0) {
      fault({ line: 1, column: 1 }, 'the first row names the columns, "name" among them')
      return []
    }
    const columns = this.#columnsFor(tagKeys, fault)
    // Spreadsheets that separate by ";" write 0,1 for 0.1.
    const decimalComma = this.#table.separator !== ','
    const tags: [string, Keys][] = []
    this.#places.clear()
    for (const row of this.#table.rows((found) => fault(found, found.text))) {
      const { line, cells, start } = row
      if (row.faulty === true) continue
      const name = cells[this.#name]?.trim() ?? ''
      const at = () => this.#place(row, Math.min(this.#name, cells.length - 1))
      const before = this.#places.get(name)
      if (name !== '' && before === undefined) this.#places.set(name, { line, start, cells: NONE })
      if (name === '') fault(at(), 'this row has no name')
      else if (before !== undefined) {
        fault(at(), `the tag "${name}" stands here twice, first in line ${before.line}`)
      } else if (
        cells.length > this.#head.length &&
        cells.slice(this.#head.length).some((cell) => cell.trim() !== '')
      ) {
        const text = `this row has ${cells.length} cells, the head has ${this.#head.length}: quote cells that contain the separator`
        fault(this.#place(row, this.#head.length), text)
      } else if (check.name(name, [...path, name])) {
        const keys: Keys = {}
        for (const { index, key, forms } of columns) {
          const cell = cells[index]?.trim()
          if (cell !== undefined && cell !== '') putCell(keys, key, cell, { forms, decimalComma })
        }
        tags.push([name, keys])
      }
    }
    return tags
  }

  /** Where a tag's key stands; `below`: the tag's name, its key, … */
  locate(below: Path): Place | undefined {
    const row = this.#places.get(String(below[0]))
    if (row === undefined) return undefined
    const [, key, inner] = below.map(String)
    const names = key === undefined ? [] : [`${key}.${inner}`, key, key === 'bits' ? 'bit' : key]
    const index = names.map((name) => this.#head.indexOf(name)).find((at) => at >= 0)
    return this.#place(row, index ?? this.#name)
  }

  #columnsFor(tagKeys: TagKeys, fault: (place: Place, text: string) => void): readonly Column[] {
    const known = this.#columns.get(tagKeys)
    if (known !== undefined) return known
    const forms = formsOf(tagKeys.whole)
    const allowed = tagKeys.known.filter((key) => key !== 'fields')
    const columns: Column[] = []
    const taken = new Set(['name'])
    for (const [index, title] of this.#head.entries()) {
      if (index === this.#name || title === '') continue
      const place = this.#place(this.#table.head, index)
      const [outer = '', inner] = title.split(/\.(.*)/s)
      let key = title === 'bit' && allowed.includes('bits') ? 'bits' : outer
      if (!allowed.includes(key) || (inner !== undefined && !forms.get(key)?.has('object'))) {
        const { text, meant } = unknownKey(title, ['name', ...allowed])
        fault(place, text.replace('unknown key', 'unknown column'))
        if (meant === undefined) continue
        key = meant
      }
      const whole = inner === undefined ? key : `${key}.${inner}`
      if (taken.has(whole)) fault(place, `the column "${whole}" stands here twice: keep one of them`)
      taken.add(whole)
      columns.push({ index, key: inner === undefined ? [key] : [key, inner], forms: forms.get(whole) ?? new Set() })
    }
    this.#columns.set(tagKeys, columns)
    return columns
  }

  #place(row: Row, cell: number): Place {
    return { line: row.line, column: this.#table.columnOf(row, cell) }
  }
}

const NONE: readonly string[] = []
