/** The board as a configuration file has it, read past whatever else is wrong with the file: for what is to work when the service
 *  cannot. */
import { dirname } from 'node:path'
import type { BoardDescription } from '../../hal/contract.ts'
import { readBoard } from './boards.ts'
import { Check, isMap } from './check.ts'
import type { Kinds } from './kinds.ts'
import { Places } from './places.ts'
import { type Problem, sorted } from './problems.ts'
import { readText, Texts } from './texts.ts'
import { parseTree } from './tree.ts'

export interface BoardAlone {
  readonly board: BoardDescription
  /** What is wrong with the board, and with nothing else. */
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** undefined: the file, or its section, cannot be read. */
export function boardAlone(
  file: string,
  { boards, env, text }: { readonly boards: Kinds['boards']; readonly env: NodeJS.ProcessEnv; readonly text?: string },
): BoardAlone | undefined {
  const read = text === undefined ? readText(file) : { ok: true as const, text }
  if (!read.ok) return undefined
  const folder = dirname(file)
  const texts = new Texts({ folder, text: read.text })
  // The section alone where it stands at the left margin and repeats nothing from above. Lines stay as they are numbered.
  const match = /^board[ \t]*:.*(\r?\n([ \t#].*)?)*/m.exec(texts.own)
  const found = match?.[0] ?? ''
  const section = texts.own.slice(0, match?.index).replace(/[^\n]/g, '') + found
  const tree = parseTree(/\*|<</.test(found) ? texts.own : section, { folder, env })
  if (tree.value !== null && !isMap(tree.value)) return undefined
  const given = isMap(tree.value) ? tree.value.board : undefined
  const places = new Places(file, tree)
  const notices: string[] = []
  const board = readBoard(given, {
    check: new Check(places),
    texts,
    env,
    boards,
    notice: (text) => notices.push(text),
  })
  const problems = sorted(places.problems, file)
  return { board, problems, notices }
}
