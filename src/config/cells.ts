/** Cells of a table as the values their columns stand for. A cell is text: what a number is, the column's schema says. */
import { z } from 'zod'
import type { Keys } from './check.ts'

/** The forms a key takes in YAML. */
type Forms = ReadonlySet<string>

/** By key, and by `key.inner` for keys of maps: the forms its schema accepts. */
export function formsOf(schema: z.ZodObject): ReadonlyMap<string, Forms> {
  const forms = new Map<string, Forms>()
  const add = (json: unknown, prefix: string): void => {
    const { properties = {}, anyOf = [] } = json as { properties?: object; anyOf?: unknown[] }
    for (const branch of prefix === '' ? [] : anyOf) add(branch, prefix)
    for (const [key, value] of Object.entries(properties)) {
      forms.set(prefix + key, new Set(typesIn(value)))
      if (prefix === '') add(value, `${key}.`)
    }
  }
  add(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), '')
  return forms
}

function typesIn(json: unknown): string[] {
  const { type, anyOf, oneOf, enum: values, const: value } = json as Keys
  const branches = [...((anyOf as unknown[]) ?? []), ...((oneOf as unknown[]) ?? [])]
  if (branches.length > 0) return branches.flatMap(typesIn)
  const types = (Array.isArray(type) ? type : type === undefined ? [] : [type]) as string[]
  if (types.length > 0) return types.map((one) => (one === 'integer' ? 'number' : one))
  return [...((values as unknown[]) ?? []), ...(value === undefined ? [] : [value])].map((one) => typeof one)
}

/** Puts a cell's value under its column's key; `labels.site` is the key `site` of the map `labels`. */
export function putCell(
  keys: Keys,
  column: readonly string[],
  cell: string,
  options: { readonly forms: Forms; readonly decimalComma: boolean },
): void {
  const [key, inner] = column as [string, string | undefined]
  if (inner === undefined) {
    keys[key] = valueIn(key, cell, options.forms, options.decimalComma)
    return
  }
  const map = (keys[key] ?? {}) as Keys
  if (key === 'labels') map[inner] = cell
  else map[inner] = valueIn(inner, cell, options.forms, options.decimalComma)
  keys[key] = map
}

function valueIn(key: string, cell: string, forms: Forms, decimalComma: boolean): unknown {
  const commas = cell.startsWith('[') || (!decimalComma && !forms.has('number') && cell.includes(','))
  if (forms.has('array') && (commas || forms.size === 1 || /[;|]/.test(cell))) {
    const parts = cell.replace(/^\[|\]$/g, '').split(commas && !/[;|]/.test(cell) ? ',' : /[;|]/)
    const asText = key === 'address' || key === 'with'
    return parts.map((part) => (asText ? part.trim() : numberIn(part.trim(), decimalComma)))
  }
  if (key === 'address') return cell
  if (forms.has('object') && (cell.includes('=') || cell === '{}')) {
    return Object.fromEntries(
      cell
        .replace(/^\{|\}$/g, '')
        .split(/[;|]/)
        .filter((pair) => pair.trim() !== '')
        .map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]),
    )
  }
  if (forms.has('boolean') && /^(true|false)$/i.test(cell)) return cell.toLowerCase() === 'true'
  return forms.has('number') || forms.size === 0 ? numberIn(cell, decimalComma) : cell
}

/** The number a cell shows, or its text. */
function numberIn(cell: string, decimalComma: boolean): number | string {
  if (/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(cell)) return Number(cell)
  return decimalComma && /^[-+]?\d+,\d+$/.test(cell) ? Number(cell.replace(',', '.')) : cell
}
