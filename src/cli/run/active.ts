/** The configuration in force, kept beside the log: a half that was down takes it, and a file that cannot be read does not
 *  keep a plant from running on the last good one. */
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '../../config/configuration.ts'
import type { Problem } from '../../config/problems.ts'
import { logPathOf } from '../../config/sockets.ts'
import type { LoadRequest } from './loading.ts'
import { loadApart } from './loading.ts'

/** What stands in `active.json` beside `active.yaml`. */
interface Origin {
  /** The file whose text it was. */
  readonly file: string
  /** What the service's own file held when it was put into force: while that is unchanged, the active one wins. */
  readonly seen: string
}

export type Start =
  | { readonly ok: true; readonly configuration: Configuration; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Which configuration a starting service takes: its file, unless another one was applied since the file last changed, or the
 *  file is not valid and a last good one is known. */
export async function choose({ file }: { readonly file: string }): Promise<Start> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  const origin = await originIn(logPathOf(file))
  const active = (): LoadRequest => ({ file: origin!.file, text: origin!.text })
  if (text !== undefined && origin !== undefined && origin.seen === digest(text) && origin.file !== file) {
    const applied = await loadApart(active())
    if (applied.ok) {
      const notice = `the configuration applied from ${origin.file} is in force; ${file} has not changed since`
      return { ...applied, notices: [...applied.notices, notice] }
    }
  }
  const loaded = await loadApart({ file })
  if (loaded.ok) return loaded
  if (origin !== undefined) {
    const last = await loadApart(active())
    if (last.ok) {
      const first = loaded.problems[0]
      const where = first === undefined ? file : `${first.file}:${first.line}:${first.column}: ${first.text}`
      const notice = `${file} is not valid, the last good configuration is in force; run "fieldgate check" (${where})`
      return { ...last, notices: [...last.notices, notice] }
    }
  }
  return loaded
}

/** Durable before it is in force: written aside, synced, renamed into place. */
export async function keep(options: { configuration: Configuration; file: string }): Promise<void> {
  const { configuration, file } = options
  const state = configuration.log.path
  const own = await readFile(file, 'utf8').catch(() => '')
  const origin: Origin = { file: configuration.source.file, seen: digest(own) }
  await mkdir(state, { recursive: true })
  await replace(join(state, 'active.yaml'), configuration.frozen)
  await replace(join(state, 'active.json'), `${JSON.stringify(origin)}\n`)
}

async function originIn(state: string): Promise<(Origin & { readonly text: string }) | undefined> {
  try {
    const origin = JSON.parse(await readFile(join(state, 'active.json'), 'utf8')) as Origin
    return { ...origin, text: await readFile(join(state, 'active.yaml'), 'utf8') }
  } catch {
    return undefined
  }
}

async function replace(path: string, text: string): Promise<void> {
  const aside = `${path}.new`
  const handle = await open(aside, 'w', 0o640)
  try {
    await handle.writeFile(text)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(aside, path)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
