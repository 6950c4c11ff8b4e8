/** One stage of the build: made once, kept under the hash of what it is made from, and its time said. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const REPOSITORY = resolve(import.meta.dirname, '..')
export const CACHE = join(REPOSITORY, 'node_modules/.cache/fieldgate-image')
export const OUTPUT = join(REPOSITORY, 'dist/image')

/** Runs a program and returns what it printed; throws with its last words. */
export function run(
  program: string,
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    cwd: options.cwd,
    input: options.input,
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8', ...options.env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (error !== undefined) throw new Error(`${program} cannot be started: ${error.message}`)
  if (status === 0) return stdout
  const last = `${stdout}\n${stderr}`.trim().split('\n').slice(-20).join('\n')
  throw new Error(`${program} ${words.slice(0, 6).join(' ')} … ended with ${status}:\n${last}`)
}

/** The hash of a file, of a folder with everything in it, or of a word. */
export function hashOf(...paths: readonly string[]): string {
  const hash = createHash('sha256')
  const add = (path: string): void => {
    const stat = lstatSync(path)
    hash.update(`\0${path.slice(path.lastIndexOf('/'))}\0${stat.mode}\0`)
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name))
    else hash.update(stat.isSymbolicLink() ? readlinkSync(path) : readFileSync(path))
  }
  for (const path of paths) add(path)
  return hash.digest('hex')
}

export interface Step {
  readonly name: string
  /** Everything the result depends on. */
  readonly from: unknown
  /** Makes the result in this empty folder. */
  readonly make: (folder: string) => void
}

/** The folder that holds the result of this stage. Results made from something else are removed: one is kept for each stage. */
export function step({ name, from, make }: Step): string {
  const key = createHash('sha256').update(JSON.stringify(from)).digest('hex').slice(0, 16)
  const folder = join(CACHE, `${name}-${key}`)
  if (existsSync(folder)) {
    process.stderr.write(`${name.padEnd(12)} kept\n`)
    return folder
  }
  const began = performance.now()
  mkdirSync(CACHE, { recursive: true })
  const making = `${folder}.${process.pid}`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making)
  try {
    make(making)
    for (const old of readdirSync(CACHE)) {
      if (old.startsWith(`${name}-`) && join(CACHE, old) !== making) rmSync(join(CACHE, old), { recursive: true })
    }
    renameSync(making, folder)
  } catch (thrown) {
    rmSync(making, { recursive: true, force: true })
    throw thrown
  }
  process.stderr.write(`${name.padEnd(12)} ${((performance.now() - began) / 1000).toFixed(1)} s\n`)
  return folder
}
