/** The medium that set-up comes on: what lies there, within limits, and how it is removed. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const MOST_FILES = 200
const MOST_BYTES = 16 * 1024 * 1024
const NOT_OURS = new Set(['how-to.txt', 'report.txt'])

export interface Taken {
  /** As it will be called beside gateway.yaml. */
  readonly name: string
  readonly path: string
  readonly content: Buffer
  readonly sha256: string
}

/** What the folder `fieldgate` of the medium holds, or the single files at its top; fieldgate.yaml is gateway.yaml. */
export function takenFrom(medium: string): { readonly taken: readonly Taken[]; readonly problems: readonly string[] } {
  const paths = [
    ...under(join(medium, 'fieldgate'), ''),
    ...['gateway.yaml', 'fieldgate.yaml', 'box.yaml'].map((name) => [name, join(medium, name)] as const),
  ]
  const taken = new Map<string, Taken>()
  const problems: string[] = []
  let bytes = 0
  for (const [given, path] of paths) {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined || NOT_OURS.has(given)) continue
    const name = given === 'fieldgate.yaml' ? 'gateway.yaml' : given
    bytes += stat.size
    if (!stat.isFile()) problems.push(`${given}:1:1: this is no plain file`)
    else if (taken.has(name)) problems.push(`${given}:1:1: there are two files that would be ${name}: remove one`)
    else if (taken.size >= MOST_FILES || bytes > MOST_BYTES) {
      return {
        taken: [],
        problems: [`${given}:1:1: this is more than ${MOST_FILES} files or 16 MB: keep only what gateway.yaml names`],
      }
    } else {
      const content = readFileSync(path)
      taken.set(name, { name, path, content, sha256: createHash('sha256').update(content).digest('hex') })
    }
  }
  return { taken: [...taken.values()], problems }
}

/** Name and path of every file below, without those that other systems leave behind. */
function under(folder: string, before: string): (readonly [string, string])[] {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && name !== 'System Volume Information')
    .flatMap((entry) => {
      const name = `${before}${entry.name}`
      return entry.isDirectory()
        ? under(join(folder, entry.name), `${name}/`)
        : [[name, join(folder, entry.name)] as const]
    })
    .slice(0, MOST_FILES + 1)
}

/** Puts a file where it belongs: whole or not at all. */
export function put(file: string, content: string | Buffer, mode: number): void {
  mkdirSync(dirname(file), { recursive: true })
  const handle = openSync(`${file}.new`, 'w', 0o600)
  const bytes = Buffer.from(content)
  for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at)
  fchmodSync(handle, mode)
  fsyncSync(handle)
  closeSync(handle)
  renameSync(`${file}.new`, file)
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** Overwrites and removes. What a flash chip keeps of the old blocks is beyond anybody's reach. */
export function consume(taken: readonly Taken[]): void {
  for (const { path, content } of taken) {
    const handle = openSync(path, 'r+')
    writeSync(handle, Buffer.alloc(content.length), 0, content.length, 0)
    fsyncSync(handle)
    closeSync(handle)
    rmSync(path)
  }
}
