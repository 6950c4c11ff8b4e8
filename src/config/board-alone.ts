/** The board as a configuration file has it, read past whatever else is wrong with the file: for what is to work when the service
 *  cannot. */
import { dirname } from 'node:path'
import type { BoardDescription } from '../../hal/contract.ts'
import { readBoard } from './boards.ts'
import { Check, isMap } from './check.ts'
import type { Kinds } from './kinds.ts'
import { Places } from './places.ts'
import { readText, Texts } from './texts.ts'
import { parseTree } from './tree.ts'

/** undefined: the file, or its section, cannot be read. */
export function boardAlone(
  file: string,
  { boards, env }: { readonly boards: Kinds['boards']; readonly env: NodeJS.ProcessEnv },
): BoardDescription | undefined {
  const read = readText(file)
  if (!read.ok) return undefined
  const folder = dirname(file)
  const texts = new Texts({ folder, text: read.text })
  // The section alone where it stands at the left margin and repeats nothing from above.
  const section = /^board[ \t]*:.*(\r?\n([ \t#].*)?)*/m.exec(texts.own)?.[0] ?? ''
  const tree = parseTree(/\*|<</.test(section) ? texts.own : section, { folder, env })
  if (!isMap(tree.value)) return undefined
  return readBoard(tree.value.board, { check: new Check(new Places(file, tree)), texts, env, boards, notice: () => {} })
}
