/** A configuration as it may be shown to somebody else: its structure, line by line, and of its values only those that cannot be
 *  secrets. What it hides is told apart, so that it can be looked for elsewhere. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Document, isAlias, isMap, isScalar, isSeq, Lexer, type Node, parseDocument, type Scalar } from 'yaml'
import { z } from 'zod'
import type { Kinds } from './kinds.ts'
import * as shapes from './shapes.ts'
import { substituted } from './substitution.ts'

export const REMOVED = '«removed»'

interface Shown {
  readonly text: string
  /** As they stand, and as what they stand for: what must not be seen anywhere. */
  readonly secrets: ReadonlySet<string>
}

interface Surroundings {
  /** Of the file. */
  readonly folder: string
  /** Environments that `${env:…}` may have been read from. */
  readonly environments: readonly NodeJS.ProcessEnv[]
  /** Keys whose values may be shown. */
  readonly harmless: ReadonlySet<string>
}

/** What people let each other in by. */
const SECRET = /pass|secret|token|(^|[a-z_-])key$|cred|auth|psk/i
/** Who they are, free texts, and what devices are unlocked with. */
const PRIVATE = /user|clientid|cert|^ca$|label|template|^value$/i
/** Maps of a person's own words below which nothing is secret. */
const WORDS = new Set(['enum', 'rename'])
/** A secret that is shorter than this keeps nobody out. */
const SHORTEST = 3

/** Every key of every schema whose values are not free texts. */
export function harmlessKeys({ drivers, sinks }: Pick<Kinds, 'drivers' | 'sinks'>): ReadonlySet<string> {
  const schemas: readonly z.ZodType[] = [
    shapes.gatewayShape,
    shapes.groupShape,
    shapes.tagShape,
    shapes.deviceShape,
    shapes.sinkShape,
    shapes.logShape,
    shapes.consoleShape,
    ...Object.values(drivers).flatMap((kind) => [kind.connection, kind.device, kind.tag]),
    ...Object.values(sinks).map((kind) => kind.settings),
  ]
  const keys = new Set(['driver', 'type', 'board', 'file', 'url'])
  for (const schema of schemas) collect(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), keys)
  return new Set([...keys].filter((key) => !SECRET.test(key) && !PRIVATE.test(key)))
}

function collect(json: unknown, keys: Set<string>): void {
  if (typeof json !== 'object' || json === null) return
  const { properties } = json as { properties?: object }
  for (const key of Object.keys(properties ?? {})) keys.add(key)
  for (const inner of Object.values(json)) collect(inner, keys)
}

export function withoutSecrets(text: string, surroundings: Surroundings): Shown {
  const document = parseDocument(text, { uniqueKeys: false, merge: true, prettyErrors: false })
  if (document.errors.length > 0) return skeleton(text)
  const hiding = new Hiding(text, document, surroundings)
  hiding.walk(document.contents as Node | null, [])
  return hiding.done()
}

class Hiding {
  readonly #text: string
  readonly #document: Document
  readonly #surroundings: Surroundings
  readonly #secrets = new Set<string>()
  readonly #edits: { readonly from: number; readonly to: number; readonly text: string }[] = []

  constructor(text: string, document: Document, surroundings: Surroundings) {
    this.#text = text
    this.#document = document
    this.#surroundings = surroundings
  }

  walk(node: Node | null | undefined, path: readonly string[]): void {
    if (isMap(node)) {
      for (const { key, value } of node.items as { key: unknown; value: Node | null }[]) {
        this.walk(value, [...path, isScalar(key) ? String(key.value) : ''])
      }
    } else if (isSeq(node)) for (const item of node.items) this.walk(item as Node, path)
    else if (isAlias(node)) {
      // What it stands for is shown or hidden where that stands; but a secret is a secret from both sides.
      const target = node.resolve(this.#document)
      if (isScalar(target) && SECRET.test(path.at(-1) ?? '')) this.#hold(String(target.value), true)
    } else if (isScalar(node) && node.value !== null) this.#scalar(node, path)
  }

  done(): Shown {
    const edits = [...this.#edits, ...comments(this.#text)].sort((a, b) => b.from - a.from)
    let text = this.#text
    for (const edit of edits) {
      // Places that problems name are to stay where they are.
      const lines = text.slice(edit.from, edit.to).split('\n').length - 1
      text = text.slice(0, edit.from) + edit.text + '\n'.repeat(lines) + text.slice(edit.to)
    }
    return { text, secrets: this.#secrets }
  }

  #scalar(node: Scalar, path: readonly string[]): void {
    const [from, to] = node.range!
    const value = String(node.value)
    const secret = SECRET.test(path.at(-1) ?? '')
    const hidden = secret || PRIVATE.test(path.at(-1) ?? '') || path.at(-2) === 'labels'
    for (const given of this.#meant(value)) if (given !== value) this.#hold(given, secret)
    const shown = hidden ? this.#inTheirPlace(value, path) : this.#isHarmless(path) ? addressed(value) : undefined
    for (const given of this.#meant(value)) for (const part of partsOf(given)) this.#hold(part, true)
    if (shown === value) return
    if (shown === undefined || !value.includes('://')) this.#hold(value, secret)
    this.#edits.push({ from, to, text: shown === undefined ? REMOVED : JSON.stringify(shown) })
  }

  #isHarmless(path: readonly string[]): boolean {
    if (path[0]?.startsWith('x-') === true) return false
    return this.#surroundings.harmless.has(path.at(-1) ?? '') || path.some((key) => WORDS.has(key))
  }

  /** Where a secret is, without it: `${env:NAME}`, or the file of a key. */
  #inTheirPlace(value: string, path: readonly string[]): string | undefined {
    if (/^(\$\{(env|file):[^}]*\})+$/.test(value)) return withoutPresets(value)
    if (path.at(-2) !== 'tls' || !/^[\w./@-]+$/.test(value) || !/[./]/.test(value)) return undefined
    this.#holdFile(resolve(this.#surroundings.folder, value))
    return value
  }

  #holdFile(path: string): void {
    try {
      for (const line of readFileSync(path, 'utf8').split(/\r?\n/))
        if (!line.startsWith('-----') && line.length >= 16) this.#hold(line, true)
    } catch {
      // What cannot be read cannot be shown either.
    }
  }

  /** A text, and what it is with `${…}` put in, whole and each alone. */
  #meant(value: string): readonly string[] {
    if (!value.includes('${')) return [value]
    const { folder, environments } = this.#surroundings
    const texts = [value, ...(value.match(/\$\{[a-zA-Z]+:[^}]*\}/g) ?? [])]
    const presets = [...value.matchAll(/\$\{env:[^}]*?:-([^}]*)\}/g)].map(([, preset]) => preset!)
    const given = environments.flatMap((env) => texts.map((text) => substituted(text, { folder, env }).value))
    return [value, ...presets, ...given.filter((text) => !text.includes('${'))]
  }

  /** `secret`: it stands where only secrets stand. Other texts are looked for elsewhere if they can be told from words. */
  #hold(value: string, secret: boolean): void {
    // A list of places is none of them.
    const isOne = secret ? value.length >= SHORTEST : isTelling(value)
    if (isOne && !/^(\$\{(env|file):[^}]*\})+$/.test(value)) this.#secrets.add(value)
    for (const line of value.split(/\r?\n/)) if (line.trim().length >= 16) this.#secrets.add(line.trim())
    // A key within a text of several words.
    for (const word of value.split(/[\s"'`{}[\](),;=]+/))
      if (isTelling(word) && /\d/.test(word)) this.#secrets.add(word)
  }
}

/** "admin", "mqtt" and "fieldgate" stand everywhere. */
function isTelling(text: string): boolean {
  return text.length >= 12 || (text.length >= 8 && /\d/.test(text))
}

/** User, password and what follows "?" of an address, as they stand and decoded. */
function partsOf(address: string): readonly string[] {
  const [, inside = '', rest = ''] = /^[a-z][a-z0-9+.-]*:\/\/(?:(.*)@)?([^@]*)$/is.exec(address) ?? []
  const [user = '', ...password] = inside.split(':')
  const pairs = rest.split('?').slice(1).join('?').split('&')
  const values = pairs.flatMap((pair) => {
    const [key = '', ...value] = pair.split('=')
    return SECRET.test(key) || isTelling(value.join('=')) ? [value.join('=')] : []
  })
  const path = rest.split('?')[0]!.split('/').slice(1)
  const telling = [user, ...path].filter(isTelling)
  return [password.join(':'), ...values, ...telling].flatMap((part) => [part, decoded(part)])
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** An address without who comes and what they bring along; any other text as it is. */
function addressed(value: string): string {
  const [, scheme, , host, path = '', query] =
    /^([a-z][a-z0-9+.-]*:\/\/)(.*@)?([^/?@]*)(\/[^?]*)?(\?.*)?$/is.exec(value) ?? []
  if (scheme === undefined) return value.includes('${') ? withoutPresets(value) : value
  const user = /:\/\/.*@/s.test(value) ? `${REMOVED}@` : ''
  const keptPath = /^\/(mqtt|ws)?$/.test(path) || path === '' ? path : `/${REMOVED}`
  return `${scheme}${user}${withoutPresets(host ?? '')}${keptPath}${query === undefined ? '' : `?${REMOVED}`}`
}

function withoutPresets(value: string): string {
  return value.replace(/(\$\{env:[^}]*?):-[^}]+\}/g, `$1:-${REMOVED}}`)
}

/** The lexer's own, which stand in no file: a document, the end of a flow, a scalar that follows. */
const MARKS = new Set(['\u0002', '\u0018', '\u001f'])

/** Comments are people's own words, too. */
function comments(text: string): { readonly from: number; readonly to: number; readonly text: string }[] {
  const found: { from: number; to: number; text: string }[] = []
  let at = 0
  let scalar = false
  for (const lexeme of new Lexer().lex(text)) {
    if (MARKS.has(lexeme)) {
      scalar = lexeme === '\u001f'
      continue
    }
    if (!scalar && lexeme.startsWith('#')) found.push({ from: at, to: at + lexeme.length, text: '#' })
    scalar = false
    at += lexeme.length
  }
  return found
}

/** Of a file that is no YAML: the keys that lines begin with. Everything else in it may be a secret. */
function skeleton(text: string): Shown {
  const secrets = new Set<string>()
  const lines = text.split('\n').map((line) => {
    const [kept = '', key] = /^\s*(?:- )?(["']?[\w.-]{1,64}["']?)\s*:(?=\s|$)/.exec(line) ?? []
    for (const word of line.slice(kept.length).split(/[\s"'{}[\],]+/)) if (isTelling(word)) secrets.add(word)
    return key === undefined ? (line.trim() === '' ? '' : REMOVED) : `${kept} ${REMOVED}`
  })
  return { text: lines.join('\n'), secrets }
}
