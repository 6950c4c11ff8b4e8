/** `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` inside a text. What is put in is never shown in a problem. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export interface Substitution {
  /** As it stands in the file, `${…}` and all. */
  readonly written: string
  readonly value: string
}

export function substituted(
  text: string,
  { folder, env }: { readonly folder: string; readonly env: NodeJS.ProcessEnv },
): { readonly value: string; readonly problems: readonly string[] } {
  const problems: string[] = []
  const value = text.replace(/\$\{([a-zA-Z]+):([^}]*)\}/g, (whole, kind: string, inside: string) => {
    if (kind === 'env') {
      const [, name = '', preset] = /^(.*?)(?::-(.*))?$/s.exec(inside)!
      const given = env[name]
      if (given !== undefined && (given !== '' || preset === undefined)) return given
      if (preset !== undefined) return preset
      problems.push(`the environment has no variable ${name}: set it, or write the value here`)
    } else if (kind === 'file') {
      try {
        return readFileSync(resolve(folder, inside), 'utf8').replace(/\r?\n$/, '')
      } catch (cause) {
        problems.push(`the file ${inside} ${unreadable(cause)}`)
      }
    } else problems.push(`"${whole}" is not known: expected \${env:NAME} or \${file:PATH}`)
    return whole
  })
  return { value, problems }
}

/** Why a file could not be read, after its name. */
export function unreadable(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'does not exist'
  if (code === 'EACCES') return 'may not be read: this user has no right to'
  if (code === 'EISDIR') return 'is a folder'
  return 'cannot be read'
}
