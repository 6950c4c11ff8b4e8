/** A YAML file as plain values that know where they stand, secrets put in, hexadecimal kept as it was written. */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
} from 'yaml'
import { type Substitution, substituted } from './substitution.ts'

export type Path = readonly (string | number)[]

export interface Found {
  readonly path: Path
  readonly text: string
  /** Characters from the beginning of the text. */
  readonly offset: number
}

export interface Tree {
  /** undefined: this is not YAML. */
  readonly value: unknown
  readonly problems: readonly Found[]
  /** What stands in place of `${…}`, by `keyOf` its path. */
  readonly substitutions: ReadonlyMap<string, Substitution>
  /** Offset of the value at a path, or of its key, or of the nearest thing above it. */
  locate(path: Path, what: 'key' | 'value'): number
  has(path: Path): boolean
  position(offset: number): { readonly line: number; readonly column: number }
}

/** Keys whose numbers are forms, not quantities: 0x8000 is a pattern of bits, 40001.10 is not 40001.1. */
const FORMS = new Set(['address', 'noValue'])

/** What aliases may unfold to: a file of a few lines must not fill the memory. */
const MOST_ALIASED = 200_000

export function keyOf(path: Path): string {
  return path.join('\0')
}

export function parseTree(text: string, options: { folder: string; env: NodeJS.ProcessEnv }): Tree {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, merge: true, prettyErrors: false })
  const reader = new Reader(options)
  const { errors } = document
  const value = errors.length > 0 ? undefined : reader.read(document.contents as Node | null, [])
  const first = errors[0]
  const site = new Site(document, reader.anchors)
  return {
    value,
    // What follows the first error of syntax is mostly its echo.
    problems: first === undefined ? reader.problems : [{ path: [], text: syntaxError(first), offset: first.pos[0] }],
    substitutions: reader.substitutions,
    has: (path) => site.nodeAt(path) !== undefined,
    locate: (path, what) => site.locate(path, what),
    position: (offset) => {
      const { line, col } = lines.linePos(Math.min(offset, text.length))
      return { line: Math.max(1, line), column: Math.max(1, col) }
    },
  }
}

function syntaxError({ code, message }: { code: string; message: string }): string {
  if (code === 'MULTIPLE_DOCS') return 'this is not YAML for one gateway: a second document begins here; keep one'
  if (code === 'TAB_AS_INDENT') return 'this is not YAML: a tab cannot indent; use spaces'
  return `this is not YAML: ${message.split('\n')[0]}`
}

class Reader {
  readonly problems: Found[] = []
  readonly substitutions = new Map<string, Substitution>()
  readonly anchors = new Map<Alias, Node>()
  readonly #named = new Map<string, Node>()
  readonly #open = new Set<Node>()
  readonly #options: { folder: string; env: NodeJS.ProcessEnv }
  #aliased = 0
  #inAlias = 0

  constructor(options: { folder: string; env: NodeJS.ProcessEnv }) {
    this.#options = options
  }

  read(node: Node | null | undefined, path: Path): unknown {
    if (node === null || node === undefined) return null
    if (isAlias(node)) return this.#alias(node, path)
    if (this.#inAlias > 0 && ++this.#aliased > MOST_ALIASED) {
      if (this.#aliased === MOST_ALIASED + 1) this.#say(path, 'aliases unfold to far too much here', node)
      return null
    }
    if (node.anchor !== undefined) this.#named.set(node.anchor, node)
    if (isScalar(node)) return this.#scalar(node, path)
    this.#open.add(node)
    const value = isSeq(node)
      ? node.items.map((item, at) => this.read(item as Node, [...path, at]))
      : isMap(node)
        ? this.#map(node.items as { key: unknown; value: unknown }[], path)
        : null
    this.#open.delete(node)
    return value
  }

  #alias(node: Alias, path: Path): unknown {
    const target = this.anchors.get(node) ?? this.#named.get(node.source)
    if (target === undefined || this.#open.has(target)) {
      const why = target === undefined ? 'there is no such anchor above' : 'it stands inside what it repeats'
      this.#say(path, `*${node.source} repeats nothing: ${why}`, node)
      return null
    }
    this.anchors.set(node, target)
    this.#inAlias++
    const value = this.read(target, path)
    this.#inAlias--
    return value
  }

  #map(items: readonly { key: unknown; value: unknown }[], path: Path): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    const own = new Map<string, Node>()
    for (const { key, value } of items) {
      const name = isScalar(key) ? keyText(key) : String(key)
      const below = [...path, name]
      if (name === '<<') {
        const merged = this.read(value as Node, path)
        for (const part of Array.isArray(merged) ? merged : [merged]) {
          for (const [inner, given] of Object.entries((part ?? {}) as object))
            if (!Object.hasOwn(map, inner)) map[inner] = given
        }
        continue
      }
      if (name === '__proto__') {
        this.#say(below, 'this key is not allowed', key as Node)
        continue
      }
      if (own.has(name)) {
        this.#say(below, `"${name}" stands here twice: keep one of them`, key as Node)
        continue
      }
      own.set(name, key as Node)
      map[name] = this.read(value as Node | null, below)
    }
    return map
  }

  #scalar(node: Scalar, path: Path): unknown {
    const { value, source = '' } = node
    if (typeof value === 'string') return value.includes('${') ? this.#substituted(value, path, node) : value
    if (typeof value !== 'number') return value
    const key = path.findLast((part) => typeof part === 'string') as string | undefined
    if (key === undefined || !FORMS.has(key)) return value
    if (/^[-+]?0[xX]/.test(source)) return source
    if (key === 'address' && (!Number.isInteger(value) || /^[-+]?0\d/.test(source) || /[eE.]|^0o/.test(source))) {
      this.#say(path, `quote it: "${source}"; without quotes YAML reads ${source} as ${value}`, node)
      // Read on as it was meant, so that the one mistake is reported once.
      return source
    }
    if (key === 'noValue' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.#say(path, `${source} is too long for a number: write its bits, such as 0x8000000000000000`, node)
    }
    return value
  }

  #substituted(text: string, path: Path, node: Node): string {
    const { value, problems } = substituted(text, this.#options)
    for (const problem of problems) this.#say(path, problem, node)
    if (value !== text) this.substitutions.set(keyOf(path), { written: text, value })
    return value
  }

  #say(path: Path, text: string, node: Node): void {
    this.problems.push({ path, text, offset: node.range?.[0] ?? 0 })
  }
}

function keyText(key: Scalar): string {
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
}

/** The way from a path back to the place in the text; walked only when something is wrong there. */
class Site {
  readonly #root: Node | undefined
  readonly #anchors: ReadonlyMap<Alias, Node>

  constructor(document: Document, anchors: ReadonlyMap<Alias, Node>) {
    this.#root = (document.contents ?? undefined) as Node | undefined
    this.#anchors = anchors
  }

  nodeAt(path: Path): Node | undefined {
    let node = this.#root
    for (const name of path) {
      const pair = this.#pairAt(node, name)
      if (pair === undefined) return undefined
      node = (pair.value ?? pair.key) as Node
    }
    return node
  }

  locate(path: Path, what: 'key' | 'value'): number {
    let parent = this.#root
    let offset = parent?.range?.[0] ?? 0
    for (const [at, name] of path.entries()) {
      const pair = this.#pairAt(parent, name)
      if (pair === undefined) return offset
      const key = (pair.key as Node).range?.[0] ?? offset
      const value = (pair.value as Node | null)?.range?.[0] ?? key
      // A map is found by its key: "devices: { oven: … }" is about `oven`, not about its brace.
      const last = at === path.length - 1
      offset = last && what === 'value' && !isMap(pair.value) && !isSeq(pair.value) ? value : key
      parent = (pair.value ?? undefined) as Node | undefined
    }
    return offset
  }

  #pairAt(parent: Node | undefined, name: string | number): { key: unknown; value: unknown } | undefined {
    const node = isAlias(parent) ? this.#anchors.get(parent) : parent
    if (isMap(node)) {
      const items = node.items as { key: unknown; value: unknown }[]
      const own = items.find(({ key }) => isScalar(key) && keyText(key) === String(name))
      if (own !== undefined) return own
      for (const { key, value } of items) {
        if (!isScalar(key) || keyText(key) !== '<<') continue
        const parts = isSeq(value) ? (value.items as Node[]) : [value as Node]
        for (const part of parts) {
          const merged = this.#pairAt(part, name)
          if (merged !== undefined) return merged
        }
      }
    }
    if (isSeq(node) && typeof name === 'number') {
      const item = node.items[name]
      return item === undefined ? undefined : { key: item, value: item }
    }
    return undefined
  }
}
