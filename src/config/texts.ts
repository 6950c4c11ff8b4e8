/** The texts a configuration is made of: the file, its profiles, its tables. Read strictly, and kept so that they can be frozen. */
import { readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { unreadable } from './substitution.ts'

export type Text =
  | { readonly ok: true; readonly text: string }
  /** `line` 0: it could not be read at all. */
  | { readonly ok: false; readonly line: number; readonly why: string }

/** `file`: its whole path. */
export type Beside = Text & { readonly file: string }

/** Between a file's own text and the other files it named, when it was put into force. */
const SEAM = '\n--- # the files it names, as they were when it was put into force\n'

export class Texts {
  readonly #folder: string
  /** By path relative to the folder. */
  readonly #frozen: Readonly<Record<string, readonly string[]>>
  readonly #used = new Map<string, string>()
  /** The file's own text. */
  readonly own: string

  /** `text`: the file's content, or what `frozen` once made of it. */
  constructor({ folder, text }: { readonly folder: string; readonly text: string }) {
    const seam = text.lastIndexOf(SEAM)
    this.#folder = folder
    this.own = seam < 0 ? text : text.slice(0, seam + 1)
    this.#frozen = seam < 0 ? {} : filesIn(text.slice(seam + SEAM.length))
  }

  /** A file that the configuration names, relative to `folder`; what was frozen with it, by its `name`, is taken from there. */
  read(path: string, folder = this.#folder, name = relative(this.#folder, resolve(folder, path))): Beside {
    const file = resolve(folder, path)
    const kept = this.#frozen[name]
    const found: Text = kept === undefined ? readText(file) : { ok: true, text: kept.join('\n') }
    if (found.ok) this.#used.set(name, found.text)
    return { ...found, file }
  }

  /** Whether a file of this name was frozen with the text. */
  kept(name: string): boolean {
    return Object.hasOwn(this.#frozen, name)
  }

  /** One text that needs no other file: loaded in the same folder, it is the same configuration. */
  frozen(): string {
    if (this.#used.size === 0) return this.own
    const files = Object.fromEntries([...this.#used].sort().map(([name, text]) => [name, text.split(/\r?\n/)]))
    const own = this.own.endsWith('\n') ? this.own.slice(0, -1) : this.own
    return `${own}${SEAM}${JSON.stringify({ files }, null, 1)}\n`
  }
}

function filesIn(json: string): Record<string, readonly string[]> {
  try {
    return (JSON.parse(json) as { files: Record<string, readonly string[]> }).files
  } catch {
    // What is not ours to read is read from its files.
    return {}
  }
}

/** A text file, without its byte order mark. */
export function readText(path: string): Text {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    return { ok: false, line: 0, why: unreadable(cause) }
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff) || bytes.includes(0)) {
    return { ok: false, line: 1, why: 'this is not text in UTF-8 (it may be UTF-16): save it as UTF-8' }
  }
  try {
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch {
    const text = bytes.toString('utf8')
    const line = text.slice(0, text.indexOf('\uFFFD')).split('\n').length
    return { ok: false, line, why: 'this is not text in UTF-8: a letter here is of another encoding; save it as UTF-8' }
  }
}
