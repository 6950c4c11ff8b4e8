/** Where each problem of a configuration stands: in the file, in a profile, or in a table of tags. */
import type { Problem } from './problems.ts'
import type { Path, Tree } from './tree.ts'

/** Text that stands elsewhere: a profile or a tag table, by where it was put in. */
export interface Origin {
  readonly at: Path
  readonly file: string
  locate(path: Path, what: 'key' | 'value'): { line: number; column: number } | undefined
}

export class Places {
  readonly problems: Problem[] = []
  readonly origins: Origin[] = []
  readonly #taken = new Set<string>()
  readonly #file: string
  readonly #tree: Tree

  constructor(file: string, tree: Tree) {
    this.#file = file
    this.#tree = tree
    for (const found of tree.problems) this.#at(tree.position(found.offset), found.path, found.text)
  }

  /** A problem about the value at a path, or about its key. */
  say(path: Path, text: string, what: 'key' | 'value'): void {
    const tree = this.#tree
    if (!tree.has(path)) {
      for (const origin of this.origins) {
        if (!origin.at.every((part, at) => path[at] === part)) continue
        const place = origin.locate(path.slice(origin.at.length), what)
        if (place !== undefined) {
          this.push({ file: origin.file, ...place, path: path.join('.'), text })
          return
        }
      }
    }
    this.#at(tree.position(tree.locate(path, what)), path, text)
  }

  #at(place: { line: number; column: number }, path: Path, text: string): void {
    this.push({ file: this.#file, ...place, path: path.join('.'), text })
  }

  /** One problem a place: what follows from a mistake is not a mistake of its own. */
  push(problem: Problem): void {
    const { file, line, column, path } = problem
    const key = `${file}:${line}:${column}:${path}`
    if (path !== '' && this.#taken.has(key)) return
    this.#taken.add(key)
    this.problems.push(problem)
  }
}
