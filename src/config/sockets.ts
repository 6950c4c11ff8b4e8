/** Where a gateway's sockets stand, and where its log is even when its file cannot be read. */
import { dirname, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
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
  const path = pathIn(logSection(read.text))
  return path === undefined ? DEFAULT_LOG : resolve(folder, substituted(path, { folder, env }).value)
}

/** As little YAML as will do: the section alone where it stands at the left margin and repeats nothing from above. */
function logSection(text: string): string {
  const section = /^log[ \t]*:.*(\r?\n([ \t#].*)?)*/m.exec(text)?.[0]
  if (section !== undefined) return /\*|<</.test(section) ? text : section
  return /^\s*\{|["']log["']\s*:/m.test(text) ? text : ''
}

function pathIn(yaml: string): string | undefined {
  try {
    const root = parseDocument(yaml, { uniqueKeys: false, merge: true }).toJS() as { log?: { path?: unknown } } | null
    const path = root?.log?.path
    return typeof path === 'string' ? path : undefined
  } catch {
    return undefined
  }
}
