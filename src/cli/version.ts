/** The version as the package says it, from the sources and from the build alike. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

let known: string | undefined

export function version(): string {
  known ??= find(import.meta.dirname)
  return known
}

function find(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Record<string, unknown>
      if (name === 'fieldgate' && typeof version === 'string') return version
    } catch {
      // No package here: look one folder up.
    }
    if (dirname(at) === at) return 'unknown'
  }
}
