/** The first sheet of an xlsx workbook as rows of texts (ECMA-376 part 1, 18.3 and 18.4): what exports of tags need, no more. */
import { strFromU8, unzipSync } from 'fflate'
import { Rejected } from '../../contracts/errors.ts'

export interface SheetRow {
  readonly line: number
  readonly cells: readonly string[]
}

/** More than any export of tags; a workbook must not fill the memory. */
const MOST_BYTES = 64 * 2 ** 20

export function readSheet(bytes: Uint8Array, file: string): readonly SheetRow[] {
  let parts: Record<string, Uint8Array>
  try {
    parts = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        if (originalSize > MOST_BYTES)
          throw new Rejected(`${file}: ${name} in it is larger than ${MOST_BYTES / 2 ** 20} MiB`)
        return /^xl\/(workbook\.xml|_rels\/workbook\.xml\.rels|sharedStrings\.xml|worksheets\/[^/]+\.xml)$/.test(name)
      },
    })
  } catch (thrown) {
    if (thrown instanceof Rejected) throw thrown
    throw new Rejected(`${file}: this is no xlsx workbook: ${(thrown as Error).message}`)
  }
  const text = (name: string): string | undefined => (parts[name] === undefined ? undefined : strFromU8(parts[name]))
  const sheet = text(firstSheet(text('xl/workbook.xml') ?? '', text('xl/_rels/workbook.xml.rels') ?? ''))
  if (sheet === undefined) throw new Rejected(`${file}: there is no sheet in this workbook`)
  const shared = elements(text('xl/sharedStrings.xml') ?? '', 'si').map(({ body }) => plainText(body))
  return elements(sheet, 'row').map(({ attributes, body }, at) => ({
    line: Number(attributes.r ?? at + 1),
    cells: cellsOf(body, shared),
  }))
}

/** The path of the sheet that stands first in the workbook. */
function firstSheet(workbook: string, relations: string): string {
  const id = elements(workbook, 'sheet')[0]?.attributes['r:id']
  const target = elements(relations, 'Relationship').find(({ attributes }) => attributes.Id === id)?.attributes.Target
  if (target === undefined) return 'xl/worksheets/sheet1.xml'
  return target.startsWith('/') ? target.slice(1) : `xl/${target}`
}

function cellsOf(row: string, shared: readonly string[]): string[] {
  const cells: string[] = []
  for (const { attributes, body } of elements(row, 'c')) {
    const column = attributes.r === undefined ? cells.length : columnOf(attributes.r)
    const value = elements(body, 'v')[0]?.body ?? ''
    const text =
      attributes.t === 's' ? shared[Number(value)] : attributes.t === 'inlineStr' ? plainText(body) : unescaped(value)
    while (cells.length < column) cells.push('')
    cells[column] = attributes.t === 'b' ? String(value === '1') : (text ?? '')
  }
  return cells
}

/** `AB12`: the column, from 0. */
function columnOf(reference: string): number {
  let column = 0
  for (const letter of /^[A-Z]*/.exec(reference)![0]) column = column * 26 + letter.charCodeAt(0) - 64
  return Math.max(0, Math.min(column, 16_384) - 1)
}

/** All runs of a text, phonetic hints left out. */
function plainText(body: string): string {
  return elements(body.replace(/<(?:\w+:)?rPh\b[\s\S]*?<\/(?:\w+:)?rPh>/g, ''), 't')
    .map((one) => unescaped(one.body))
    .join('')
}

interface Element {
  readonly attributes: Readonly<Record<string, string>>
  readonly body: string
}

/** Elements of this name in their order, whatever their prefix; they never contain each other. */
function elements(xml: string, name: string): Element[] {
  const found: Element[] = []
  const open = new RegExp(`<(?:\\w+:)?${name}((?:\\s[^>]*?)?)(/?)>`, 'g')
  const close = new RegExp(`</(?:\\w+:)?${name}\\s*>`, 'g')
  for (let match = open.exec(xml); match !== null; match = open.exec(xml)) {
    const attributes = Object.fromEntries(
      [...match[1]!.matchAll(/([\w:]+)="([^"]*)"/g)].map(([, key, value]) => [key!, unescaped(value!)]),
    )
    if (match[2] === '/') {
      found.push({ attributes, body: '' })
      continue
    }
    close.lastIndex = open.lastIndex
    const end = close.exec(xml)
    found.push({ attributes, body: xml.slice(open.lastIndex, end?.index ?? xml.length) })
    if (end === null) break
    open.lastIndex = close.lastIndex
  }
  return found
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name] ?? whole
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    },
  )
}
