/** The boards and hats that are shipped, and which of them the box is. */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isMap } from './check.ts'
import type { Kinds } from './kinds.ts'
import { readText } from './texts.ts'
import { parseTree } from './tree.ts'

/** The shipped boards that the box may be, by what it calls itself; the nearest first. */
export function fitting(boards: NonNullable<Kinds['boards']>): string[] {
  const { shipped } = boards
  const found = namesIn(shipped).flatMap((name) => {
    const rank = nearness(listIn(join(shipped, `${name}.yaml`), 'models'), boards)
    return rank === undefined ? [] : [{ name, rank }]
  })
  return found.sort((one, other) => one.rank - other.rank).map(({ name }) => name)
}

/** How near a board with these models is to the box: 0 is nearest. undefined: it is another. */
export function nearness(
  models: readonly string[],
  { model, compatible = [] }: NonNullable<Kinds['boards']>,
): number | undefined {
  const at = compatible.findIndex((word) => models.includes(word))
  if (at >= 0) return at
  return model !== null && models.some((beginning) => model.startsWith(beginning)) ? compatible.length : undefined
}

/** A list of names in a file that is shipped. */
export function listIn(file: string, key: 'models' | 'boards'): readonly string[] {
  const read = readText(file)
  const { value } = parseTree(read.ok ? read.text : '', { folder: dirname(file), env: {} })
  return isMap(value) && Array.isArray(value[key]) ? value[key].map(String) : []
}

/** `raspberry-pi` for several `raspberry-pi-…`. */
export function families(names: readonly string[]): string[] {
  const stems = names.flatMap((name) => (name.includes('-') ? [name.slice(0, name.lastIndexOf('-'))] : []))
  return [...new Set(stems)].filter((stem) => stems.indexOf(stem) !== stems.lastIndexOf(stem))
}

export function namesIn(folder: string): string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'))
    return files.map((file) => file.slice(0, -'.yaml'.length)).sort()
  } catch {
    return []
  }
}
