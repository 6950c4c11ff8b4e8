/** Where each problem of a configuration stands: in the file, in a profile, or in a table of tags. No secret gets out here. */
import type { Problem } from './problems.ts'
import type { Substitution } from './substitution.ts'
import { keyOf, type Path, type Tree } from './tree.ts'

interface Place {
  readonly line: number
  readonly column: number
}

/** Text that stands elsewhere: a profile or a tag table, by where it was put in. */
export interface Origin {
  readonly at: Path
  readonly file: string
  readonly tree?: Tree
  locate(path: Path, what: 'key' | 'value'): Place | undefined
}

export class Places {
  readonly problems: Problem[] = []
  readonly #origins: Origin[] = []
  readonly #taken = new Set<string>()
  readonly #moved = new Map<string, Path>()
  readonly #secrets: Substitution[] = []
  readonly #file: string
  readonly #tree: Tree

  constructor(file: string, tree: Tree) {
    this.#file = file
    this.#tree = tree
    this.#secrets.push(...tree.substitutions.values())
    for (const { path, text, offset } of tree.problems) this.at(file, tree.position(offset), path, text)
  }

  /** From now on what lies below its place is looked for there first. */
  add(origin: Origin): void {
    this.#origins.unshift(origin)
    if (origin.tree === undefined) return
    this.#secrets.push(...origin.tree.substitutions.values())
    for (const { path, text, offset } of origin.tree.problems) {
      this.at(origin.file, origin.tree.position(offset), [...origin.at, ...path], text, keyOf(path))
    }
  }

  /** What is said about `path` is about `place`: a key that is spelled otherwise there, or that is inherited. */
  move(path: Path, place: Path): void {
    this.#moved.set(keyOf(path), place)
  }

  /** A problem about the value at a path, or about its key. `about` tells problems apart that stand at one place. */
  say(path: Path, text: string, what: 'key' | 'value', about = ''): void {
    const actual = this.#actual(path)
    const shown = this.#harmless(actual, text)
    const tree = this.#tree
    if (!tree.has(actual)) {
      for (const { at, file, locate } of this.#origins) {
        if (!at.every((part, depth) => actual[depth] === part)) continue
        const below = actual.slice(at.length)
        const place = locate(below, what)
        if (place !== undefined) {
          this.at(file, place, actual, shown, keyOf([...below, about]))
          return
        }
      }
    }
    this.at(this.#file, tree.position(tree.locate(actual, what)), actual, shown, keyOf([...actual, about]))
  }

  /** One problem a place: what follows from a mistake is not a mistake of its own. */
  at(file: string, { line, column }: Place, path: Path, text: string, identity = keyOf([...path, ''])): void {
    const key = `${file}:${line}:${column}:${identity}`
    if (this.#taken.has(key)) return
    this.#taken.add(key)
    this.problems.push({ file, line, column, path: path.join('.'), text })
  }

  /** Whether something has been said of the very path. */
  has(path: Path): boolean {
    const said = this.#actual(path).join('.')
    return this.problems.some((problem) => problem.path === said)
  }

  /** What `${…}` gave at a path. */
  substitution(path: Path): Substitution | undefined {
    if (this.#secrets.length === 0) return undefined
    const actual = this.#actual(path)
    for (const { at, tree } of this.#origins) {
      if (tree === undefined || !at.every((part, depth) => actual[depth] === part)) continue
      const found = tree.substitutions.get(keyOf(actual.slice(at.length)))
      if (found !== undefined && !this.#tree.has(actual)) return found
    }
    return this.#tree.substitutions.get(keyOf(actual))
  }

  #actual(path: Path): Path {
    if (this.#moved.size === 0) return path
    for (let length = path.length; length > 0; length--) {
      const place = this.#moved.get(keyOf(path.slice(0, length)))
      // What it was moved to may lie below something that was moved as well.
      if (place !== undefined) return [...this.#actual(place), ...path.slice(length)]
    }
    return path
  }

  #harmless(path: Path, text: string): string {
    let shown = text
    for (const { written, value } of this.#secrets) {
      if (value.length > 3) shown = shown.replaceAll(value, written)
      else if (value !== '') shown = shown.replaceAll(`"${value}"`, `"${written}"`)
    }
    const here = this.substitution(path)
    if (here === undefined || !sharesWith(shown.replaceAll(here.written, ''), here.value)) return shown
    return `what ${here.written} gives is not accepted here`
  }
}

/** Whether a piece of the secret that is worth hiding stands in the text. */
function sharesWith(text: string, secret: string): boolean {
  const length = 6
  for (let at = 0; at + length <= secret.length; at++) if (text.includes(secret.slice(at, at + length))) return true
  return false
}
