/** Where a gateway's sockets stand, and where its log is even when its file cannot be read. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'

const DEFAULT_LOG = '/var/lib/fieldgate/log'

/** `/run/fieldgate` for the log's usual place; a gateway of one's own has them inside its log's folder. */
export function socketDirectory(logPath: string, env: NodeJS.ProcessEnv = process.env): string {
  if (env.FIELDGATE_RUN !== undefined && env.FIELDGATE_RUN !== '') return env.FIELDGATE_RUN
  return logPath === DEFAULT_LOG ? '/run/fieldgate' : join(logPath, 'run')
}

/** The log's folder as a file names it, read past whatever else is wrong with the file. */
export function logPathOf(file: string): string {
  if (!existsSync(file)) return DEFAULT_LOG
  try {
    const document = parseDocument(readFileSync(file, 'utf8'), { uniqueKeys: false })
    const path = document.getIn(['log', 'path'])
    return typeof path === 'string' ? resolve(dirname(file), path) : DEFAULT_LOG
  } catch {
    return DEFAULT_LOG
  }
}
