/** Where a gateway's sockets stand, and where its log is even when its file cannot be read. */
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type * as Yaml from 'yaml'
import { substituted } from './substitution.ts'
import { readText } from './texts.ts'

const DEFAULT_LOG = '/var/lib/fieldgate/log'

/** `/run/fieldgate` for the log's usual place; a gateway of one's own has them inside its log's folder. */
export function socketDirectory(logPath: string, env: NodeJS.ProcessEnv = process.env): string {
  if (env.FIELDGATE_RUN !== undefined && env.FIELDGATE_RUN !== '') return env.FIELDGATE_RUN
  return logPath === DEFAULT_LOG ? '/run/fieldgate' : join(logPath, 'run')
}

/** The log's folder as a file names it, read past whatever else is wrong with the file, and without what else is in it. */
export function logPathOf(file: string, env: NodeJS.ProcessEnv = process.env): string {
  const read = readText(file)
  if (!read.ok) return DEFAULT_LOG
  const folder = dirname(file)
  const section = logSection(read.text)
  const plain = plainPath(section)
  const path = plain === UNUSUAL ? pathIn(section) : plain
  return path === undefined ? DEFAULT_LOG : resolve(folder, substituted(path, { folder, env }).value)
}

/** As little YAML as will do: the section alone where it stands at the left margin and repeats nothing from above. */
function logSection(text: string): string {
  const section = /^log[ \t]*:.*(\r?\n([ \t#].*)?)*/m.exec(text)?.[0]
  if (section !== undefined) return /\*|<</.test(section) ? text : section
  return /^\s*\{|["']log["']\s*:/m.test(text) ? text : ''
}

const UNUSUAL = Symbol('a section that only a parser can read')

/** The path in a section of plain words, as nearly all are: a service that runs for years then does without the parser's 13 MB. */
function plainPath(section: string): string | undefined | typeof UNUSUAL {
  const [first = '', ...rest] = section
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|[ \t]+)#.*$/, '').trimEnd())
    .filter((line) => line !== '')
  if (first === '') return undefined
  const flow = /^log: *\{([^{}]*)\}$/.exec(first)?.[1]
  if (flow === undefined ? first !== 'log:' : rest.length > 0) return UNUSUAL
  const indent = /^ */.exec(rest[0] ?? '')?.[0] ?? ''
  const entries =
    flow === undefined ? rest.map((line) => line.replace(indent, '')) : flow.split(',').map((one) => one.trim())
  const words = entries.map((entry) => /^(\w+): +([\w./-]+)$/.exec(entry))
  if (words.some((word) => word === null || (word[1] === 'path' && !word[2]!.startsWith('/')))) return UNUSUAL
  const paths = words.filter((word) => word?.[1] === 'path')
  return paths.length > 1 ? UNUSUAL : paths[0]?.[2]
}

function pathIn(yaml: string): string | undefined {
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof Yaml
  try {
    const root = parseDocument(yaml, { uniqueKeys: false, merge: true }).toJS() as { log?: { path?: unknown } } | null
    const path = root?.log?.path
    return typeof path === 'string' ? path : undefined
  } catch {
    return undefined
  }
}
