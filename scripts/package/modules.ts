/** The modules of one architecture as the lockfile has them, in a folder of their own: fetched once a lockfile, no script of theirs run. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Architecture, npmName } from './architecture.ts'
import { ROOT } from './files.ts'

export interface Locked {
  readonly version?: string
  readonly integrity?: string
  readonly license?: string
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  readonly packages: Readonly<Record<string, Locked>>
}

/** A folder with `node_modules`, and what the lockfile says of each module in it. */
export interface Modules {
  readonly folder: string
  /** By path: `node_modules/mqtt`. */
  readonly locked: ReadonlyMap<string, Locked>
}

export function install(architecture: Architecture): Modules {
  const [manifest, lock] = ['package.json', 'package-lock.json'].map((name) => readFileSync(join(ROOT, name), 'utf8'))
  const key = createHash('sha256').update(`${architecture}\n${manifest}\n${lock}`).digest('hex').slice(0, 16)
  const folder = join(ROOT, 'node_modules/.cache/package', key)
  if (!existsSync(folder)) fetch(architecture, folder, JSON.parse(manifest!), JSON.parse(lock!))
  return { folder, locked: checked(folder, JSON.parse(lock!)) }
}

/** npm looks for all that a lockfile names, what only development needs and is made for other systems included: it gets a copy without. */
function fetch(architecture: Architecture, folder: string, manifest: Record<string, unknown>, lock: Lock): void {
  const aside = `${folder}.${process.pid}`
  mkdirSync(aside, { recursive: true })
  try {
    const { devDependencies: _, scripts: __, ...needed } = manifest
    const packages = Object.fromEntries(
      Object.entries(lock.packages)
        .filter(([, { dev }]) => dev !== true)
        .map(([path, entry]) => [path, path === '' ? { ...entry, devDependencies: {} } : entry]),
    )
    writeFileSync(join(aside, 'package.json'), JSON.stringify(needed))
    writeFileSync(join(aside, 'package-lock.json'), JSON.stringify({ ...lock, packages }))
    const target = [`--cpu=${npmName(architecture)}`, '--os=linux', '--libc=glibc']
    const quiet = ['--ignore-scripts', '--no-bin-links', '--no-audit', '--no-fund', '--loglevel=error']
    execFileSync('npm', ['install', ...target, '--omit=dev', ...quiet], { cwd: aside, stdio: ['ignore', 2, 'inherit'] })
    renameSync(aside, folder)
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
}

/** Nothing is in it that the lockfile does not name with the same hash. */
function checked(folder: string, lock: Lock): ReadonlyMap<string, Locked> {
  const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8')) as Lock
  for (const [path, { integrity }] of Object.entries(packages)) {
    const expected = lock.packages[path]?.integrity
    if (expected === undefined || expected !== integrity) {
      throw new Error(`package: ${path} is not what package-lock.json says: ${integrity} instead of ${expected}`)
    }
  }
  return new Map(Object.entries(packages))
}
