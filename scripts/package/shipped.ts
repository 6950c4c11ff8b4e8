/** The modules that are in the package, with what the world should know of them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Architecture, npmName } from './architecture.ts'
import type { Locked, Modules } from './modules.ts'
import { isShipped } from './trim.ts'

export interface Shipped {
  /** `node_modules/@serialport/stream` */
  readonly path: string
  readonly name: string
  readonly version: string
  /** An SPDX expression. */
  readonly licence: string
  readonly folder: string
  readonly locked: Locked
  /** The texts of its licence files. */
  readonly texts: readonly string[]
  readonly author: string | undefined
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string | { readonly type: string }
  readonly licenses?: readonly { readonly type: string }[]
  readonly author?: string | { readonly name?: string }
}

export function shipped({ folder, locked }: Modules): readonly Shipped[] {
  return [...locked]
    .filter(([path]) => isShipped(nameIn(path)))
    .map(([path, entry]) => described(folder, path, entry))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The package with Node for an architecture. Throws where it was not fetched. */
export function nodeModule({ folder, locked }: Modules, architecture: Architecture): Shipped {
  const path = `node_modules/node-linux-${npmName(architecture)}`
  const entry = locked.get(path)
  if (entry === undefined)
    throw new Error(`package: ${path} is not there: it is an optional dependency of package.json`)
  return described(folder, path, entry)
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

function described(root: string, path: string, locked: Locked): Shipped {
  const folder = join(root, path)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const { license, licenses, author } = manifest
  const stated =
    typeof license === 'string' ? license : (license?.type ?? licenses?.map(({ type }) => type).join(' OR '))
  if (stated === undefined) throw new Error(`package: ${path} does not say its licence`)
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
  return {
    path,
    name: nameIn(path),
    version: manifest.version,
    licence: stated,
    folder,
    locked,
    texts: files.sort().map((name) => readFileSync(join(folder, name), 'utf8')),
    author: (typeof author === 'string' ? author.replace(/\s*[<(].*/, '') : author?.name) || undefined,
  }
}
