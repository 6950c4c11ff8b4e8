/** A YAML file as plain values that know where they stand, secrets put in, hexadecimal kept as it was written. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
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

export type Path = readonly (string | number)[]

export interface Found {
  readonly path: Path
  readonly text: string
  /** Characters from the beginning of the text. */
  readonly offset: number
}

export interface Tree {
  readonly value: unknown
  readonly problems: readonly Found[]
  /** Offset of the value at a path, or of its key, or of the nearest thing above it. */
  locate(path: Path, what: 'key' | 'value'): number
  has(path: Path): boolean
  position(offset: number): { readonly line: number; readonly column: number }
  /** The values as they were written, without substitution. */
  readonly written: unknown
}

/** Keys whose numbers are forms, not quantities: 0x8000 is a pattern of bits, 40001.10 is not 40001.1. */
const FORMS = new Set(['address', 'noValue'])

export function parseTree(text: string, options: { folder: string; env: NodeJS.ProcessEnv }): Tree {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, merge: true, prettyErrors: false })
  const problems: Found[] = document.errors.map((error) => ({
    path: [],
    text: `this is not YAML: ${error.message.split('\n')[0]}`,
    offset: error.pos[0],
  }))
  const reader = new Reader(document, options, problems)
  const broken = problems.length > 0
  return {
    value: broken ? undefined : reader.read(document.contents as Node | null, [], true),
    written: broken ? undefined : new Reader(document, options, []).read(document.contents as Node | null, [], false),
    problems,
    has: (path) => nodeAt(document, path) !== undefined,
    locate: (path, what) => locate(document, path, what),
    position: (offset) => {
      const { line, col } = lines.linePos(offset)
      return { line: Math.max(1, line), column: Math.max(1, col) }
    },
  }
}

class Reader {
  readonly #document: Document
  readonly #folder: string
  readonly #env: NodeJS.ProcessEnv
  readonly #problems: Found[]

  constructor(document: Document, options: { folder: string; env: NodeJS.ProcessEnv }, problems: Found[]) {
    this.#document = document
    this.#folder = options.folder
    this.#env = options.env
    this.#problems = problems
  }

  read(node: Node | null | undefined, path: Path, substitute: boolean): unknown {
    if (node === null || node === undefined) return null
    if (isAlias(node)) return this.read(node.resolve(this.#document) as Node | undefined, path, substitute)
    if (isSeq(node)) return node.items.map((item, at) => this.read(item as Node, [...path, at], substitute))
    if (isScalar(node)) return this.#scalar(node, path, substitute)
    if (!isMap(node)) return null
    const map: Record<string, unknown> = {}
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? keyText(key) : String(key)
      const below = [...path, name]
      if (name === '<<') {
        const merged = this.read(value as Node, below, substitute)
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
      if (
        Object.hasOwn(map, name) &&
        node.items.filter((item) => isScalar(item.key) && keyText(item.key) === name).length > 1
      ) {
        this.#say(below, `"${name}" stands here twice: keep one of them`, key as Node)
        continue
      }
      map[name] = this.read(value as Node | null, below, substitute)
    }
    return map
  }

  #scalar(node: Scalar, path: Path, substitute: boolean): unknown {
    const { value, source = '' } = node
    if (typeof value === 'string')
      return substitute && value.includes('${') ? this.#substituted(value, path, node) : value
    if (typeof value !== 'number') return value
    const key = path.findLast((part) => typeof part === 'string') as string | undefined
    if (key === undefined || !FORMS.has(key)) return value
    if (/^[-+]?0[xX]/.test(source)) return source
    if (key === 'address' && (!Number.isInteger(value) || /^[-+]?0\d/.test(source) || /[eE.]/.test(source))) {
      this.#say(path, `quote it: "${source}"; without quotes YAML reads ${source} as ${value}`, node)
      // Read on as it was meant, so that the one mistake is reported once.
      return source
    }
    return value
  }

  /** `${env:NAME}` and `${file:PATH}`; the text of a problem never shows what was put in. */
  #substituted(text: string, path: Path, node: Node): string {
    return text.replace(/\$\{([^}]*)\}/g, (whole, inside: string) => {
      const [, kind, name = ''] = /^(env|file):(.*)$/.exec(inside) ?? []
      if (kind === 'env') {
        const given = this.#env[name]
        if (given !== undefined) return given
        this.#say(path, `the environment has no variable ${name}: set it, or write the value here`, node)
      } else if (kind === 'file') {
        try {
          return readFileSync(resolve(this.#folder, name), 'utf8').replace(/\r?\n$/, '')
        } catch (cause) {
          const why = (cause as NodeJS.ErrnoException).code === 'EACCES' ? 'may not be read' : 'cannot be read'
          this.#say(path, `the file ${name} ${why}`, node)
        }
      } else if (/^[a-zA-Z]+:/.test(inside)) {
        this.#say(path, `"${whole}" is not known: expected \${env:NAME} or \${file:PATH}`, node)
      }
      return whole
    })
  }

  #say(path: Path, text: string, node: Node): void {
    this.#problems.push({ path, text, offset: node.range?.[0] ?? 0 })
  }
}

function keyText(key: Scalar): string {
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
}

function pairAt(document: Document, parent: Node | undefined, name: string | number) {
  const node = isAlias(parent) ? (parent.resolve(document) as Node | undefined) : parent
  if (isMap(node)) return node.items.find((item) => isScalar(item.key) && keyText(item.key) === String(name))
  if (isSeq(node) && typeof name === 'number') {
    const item = node.items[name]
    return item === undefined ? undefined : { key: item, value: item }
  }
  return undefined
}

function nodeAt(document: Document, path: Path): Node | undefined {
  let node = (document.contents ?? undefined) as Node | undefined
  for (const name of path) {
    const pair = pairAt(document, node, name)
    if (pair === undefined) return undefined
    node = (pair.value ?? pair.key) as Node
  }
  return node
}

function locate(document: Document, path: Path, what: 'key' | 'value'): number {
  let parent = (document.contents ?? undefined) as Node | undefined
  let offset = parent?.range?.[0] ?? 0
  for (const [at, name] of path.entries()) {
    const pair = pairAt(document, parent, name)
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
