/** Whose work is in the package and under which terms, in the form of DEP-5
 *  (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/). */
import type { Shipped } from './shipped.ts'

const HEAD = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: fieldgate
Comment: The terms of each module are those of its licence file; modules under
 the same words share a paragraph below. Node.js contains works of others: their
 terms are in LICENSE.node.gz beside this file.

Files: *
Copyright: The Fieldgate contributors
License: Apache-2.0
`

const COMMON = new Set(['Apache-2.0'])

export function copyright(modules: readonly Shipped[], node: Shipped): string {
  const terms = new Terms(modules)
  const files = modules.map((module) => stanza(`usr/lib/fieldgate/${module.path}/*`, module, terms.of(module)))
  // The first words of Node's licence file are its own terms, all that follows are others'.
  const own = { ...node, texts: node.texts.map((text) => text.split(/\n"""\n/)[1] ?? text) }
  return [HEAD, stanza('usr/lib/fieldgate/bin/node', own, 'MIT'), ...files, ...terms.paragraphs()].join('\n')
}

function stanza(files: string, module: Shipped, licence: string): string {
  const [first, ...rest] = holders(module)
  return `Files: ${files}\nCopyright: ${first}\n${rest.map((line) => `           ${line}\n`).join('')}License: ${licence}\n`
}

/** A line that says whose it is, not one that speaks of copyright. */
const HOLDER = /^[\s*#]*(?:copyright\b(?!\s+(?:notice|holder|owner|license|and))|\(c\)|©).*$/gim

function holders({ name, texts, author, licence }: Shipped): readonly string[] {
  // The text of this licence says "Copyright" of an example.
  const lines = COMMON.has(licence) ? [] : texts.flatMap((text) => text.match(HOLDER) ?? [])
  const said = lines.map((line) =>
    line
      .replace(/[\s*#]*copyright\b:?/i, '')
      .replace(/all rights reserved\.?/i, '')
      .trim(),
  )
  const distinct = [...new Set(said.filter((line) => line !== ''))]
  return distinct.length > 0 ? distinct : [author ?? `The authors of ${name}`]
}

/** Which words each licence has: the same name may stand for slightly different ones. */
class Terms {
  readonly #texts = new Map<string, string>()
  readonly #names = new Map<string, string>()

  constructor(modules: readonly Shipped[]) {
    for (const { licence, texts } of modules) {
      for (const text of texts.length > 0 && !COMMON.has(licence) ? [texts[0]!] : []) this.#add(licence, text)
    }
    for (const { licence } of modules) {
      if (!COMMON.has(licence) && !this.#texts.has(licence))
        throw new Error(`package: nobody has the text of ${licence}`)
    }
  }

  of({ licence, texts }: Shipped): string {
    return this.#names.get(key(licence, texts[0] ?? '')) ?? licence
  }

  paragraphs(): readonly string[] {
    const common = `License: Apache-2.0\n On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.\n`
    return [common, ...[...this.#texts].map(([name, text]) => `License: ${name}\n${indented(text)}`)]
  }

  #add(licence: string, text: string): void {
    const known = key(licence, text)
    if (this.#names.has(known)) return
    const count = [...this.#names.values()].filter((name) => name.replace(/~.*/, '') === licence).length
    const name = count === 0 ? licence : `${licence}~${count + 1}`
    this.#names.set(known, name)
    this.#texts.set(name, words(text))
  }
}

function words(text: string): string {
  return text
    .replace(HOLDER, '')
    .replace(/^#+ |^[=-]+$/gm, '')
    .replace(/^\W*(the )?(mit|isc|bsd 3-clause|bsd zero clause)( license)?( \(mit\)| \(isc\))?\W*$/gim, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

function key(licence: string, text: string): string {
  return `${licence} ${words(text)
    .replace(/[^a-z0-9]+/gi, ' ')
    .toLowerCase()}`
}

function indented(text: string): string {
  return `${text
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trim()}`))
    .join('\n')}\n`
}
