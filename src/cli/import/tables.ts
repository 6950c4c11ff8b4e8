/** Tables of tags: our own, whose columns are keys of tags, and Neuron's export, both as CSV or as a sheet. */
import { formsOf, putCell } from '../../config/cells.ts'
import { readTable } from '../../config/csv.ts'
import * as shapes from '../../config/shapes.ts'
import { Rejected } from '../../contracts/errors.ts'
import { modbusTcp } from '../../southbound/modbus/schema/schema.ts'
import { Findings, given, type Keys } from './findings.ts'
import { addNeuronTag, everyOf, type ImportOptions } from './neuron.ts'
import type { SheetRow } from './sheet.ts'

interface Rows {
  readonly head: readonly string[]
  readonly rows: readonly SheetRow[]
  readonly decimalComma: boolean
}

export function rowsOfCsv(text: string, file: string): Rows {
  const table = readTable(text)
  const rows = [
    ...table.rows(({ line, column, text: fault }) => {
      throw new Rejected(`${file}:${line}:${column}: ${fault}`)
    }),
  ]
  return { head: table.head.cells, rows, decimalComma: table.separator !== ',' }
}

export function rowsOfSheet(rows: readonly SheetRow[]): Rows {
  const [head, ...below] = rows.filter(({ cells }) => cells.some((cell) => cell.trim() !== ''))
  return { head: head?.cells ?? [], rows: below, decimalComma: false }
}

export function fromTable({ head, rows, decimalComma }: Rows, options: ImportOptions): Findings {
  const titles = head.map((title) => title.trim())
  const lower = titles.map((title) => title.toLowerCase())
  if (!lower.includes('name') || !lower.includes('address')) {
    throw new Rejected(
      `${options.file}: the first row names the columns, name and address among them; here: ${titles.slice(0, 8).join(', ') || 'nothing'}`,
    )
  }
  const neuron =
    lower.includes('attribute') || rows.some(({ cells }) => /^\s*\d+!/.test(cells[lower.indexOf('address')] ?? ''))
  return neuron ? neuronTable(lower, rows, options) : ownTable(titles, rows, { ...options, decimalComma })
}

function neuronTable(titles: readonly string[], rows: readonly SheetRow[], options: ImportOptions): Findings {
  const findings = new Findings()
  const devices = new Map<number, string>()
  for (const { line, cells } of rows) {
    const keys = Object.fromEntries(titles.map((title, at) => [title, cells[at]?.trim() ?? ''])) as Record<
      string,
      string
    >
    const place = `line ${line} "${keys.name ?? ''}"`
    const { '': _, ...tag } = keys
    addNeuronTag(findings, tag, {
      place,
      group: keys.group || 'tags',
      every: everyOf(keys.interval, place, findings),
      device: (unit) => {
        const known = devices.get(unit)
        if (known !== undefined) return known
        const name = findings.device(`unit-${unit}`, { connection: options.connection, unitId: unit }, place)
        devices.set(unit, name)
        return name
      },
    })
  }
  return findings
}

/** Columns that say where a tag belongs, beside those that are its keys. */
const BELONGING = ['name', 'device', 'group', 'unitId', 'every', 'connection']

function ownTable(
  titles: readonly string[],
  rows: readonly SheetRow[],
  options: ImportOptions & { readonly decimalComma: boolean },
): Findings {
  const findings = new Findings()
  const whole = shapes.tagShape.extend(modbusTcp.tag.shape)
  const forms = formsOf(whole)
  const columns = titles.map((title, at) => {
    const [outer = '', inner] = title.split(/\.(.*)/s)
    const key = outer === 'bit' ? 'bits' : outer
    const known = Object.hasOwn(whole.shape, key) && key !== 'fields'
    if (!known && title !== '' && !BELONGING.includes(title))
      findings.note(`column ${at + 1} "${title}"`, 'is no key of a tag: not carried over')
    return known
      ? { path: inner === undefined ? [key] : [key, inner], forms: forms.get(key) ?? new Set<string>() }
      : undefined
  })
  const devices = new Map<string, string>()
  for (const { line, cells } of rows) {
    const cell = (title: string): string => cells[titles.indexOf(title)]?.trim() ?? ''
    const place = `line ${line} "${cell('name')}"`
    if (cell('name') === '' || cell('address') === '') {
      findings.note(place, 'has no name or no address: left out')
      continue
    }
    const keys: Keys = {}
    columns.forEach((column, at) => {
      const text = cells[at]?.trim() ?? ''
      if (column !== undefined && text !== '')
        putCell(keys, column.path, text, { forms: column.forms, decimalComma: options.decimalComma })
    })
    const wished = cell('device') || 'device'
    let device = devices.get(wished)
    if (device === undefined) {
      const unit = cell('unitId')
      if (unit === '') findings.note(`device "${wished}"`, 'has no unitId: 1 is taken')
      device = findings.device(
        wished,
        { connection: cell('connection') || options.connection, unitId: unit === '' ? 1 : Number(unit) },
        place,
      )
      devices.set(wished, device)
    }
    const group = findings.name(cell('group') || 'tags', new Map(), place)
    findings.group(device, group, given({ every: cell('every') || undefined }))
    findings.tag(device, group, cell('name'), keys, place)
  }
  return findings
}
