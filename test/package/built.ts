/** The package as `npm run package` makes it, compressed for speed. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

export interface Built {
  readonly file: string
  readonly sha256: string
}

export function build(output: string, architecture: 'arm64' | 'amd64', ...more: readonly string[]): Built {
  const words = ['scripts/package.ts', '--fast', '--output', output, '--arch', architecture, ...more]
  const said = execFileSync(process.execPath, words, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [, sha256, file] = /^([0-9a-f]{64}) {2}(.+)$/m.exec(said)!
  return { file: file!, sha256: sha256! }
}

/** What dpkg would make of it: `-rw-r--r-- 0/0 … ./path`, a line a file. */
export function namesIn(deb: string): readonly string[] {
  const list = execFileSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar --list --verbose --numeric-owner', deb], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return list.split('\n').filter((line) => line !== '')
}
