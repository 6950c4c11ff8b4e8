/** The configuration in force, kept beside the log: a half that was down takes it, and a file that cannot be read does not
 *  keep a plant from running on the last good one. */
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Configuration } from '../../config/configuration.ts'
import type { Problem } from '../../config/problems.ts'
import { logPathOf } from '../../config/sockets.ts'
import type { Loader, LoadRequest } from './loading.ts'

/** What stands in `active.json` beside `active.yaml`. */
interface Origin {
  /** The file whose text it was. */
  readonly file: string
  /** What the service's own file held when it was put into force: while that is unchanged, the active one wins. */
  readonly seen: string
}

export type Start =
  | {
      readonly ok: true
      readonly configuration: Configuration
      readonly notices: readonly string[]
      /** It is the active one: there is nothing to keep. */
      readonly isActive?: true
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Which configuration a starting service takes: the active one where the other half runs with it. Else its file, unless
 *  another one was applied since the file last changed, or the file is not valid and a last good one is known.
 *  `others`: the revision that the other half has in force. */
export async function choose({
  file,
  loader,
  others,
}: {
  readonly file: string
  readonly loader: Pick<Loader, 'load'>
  readonly others?: string
}): Promise<Start> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  const origin = await originIn(logPathOf(file))
  const active = (): LoadRequest => ({ file: origin!.file, text: origin!.text })
  if (origin !== undefined && others !== undefined && others === digest(origin.text)) {
    const same = await loader.load(active())
    const changed = text === undefined || origin.seen === digest(text) ? [] : [`${file} has changed and is not applied`]
    if (same.ok) return { ...same, notices: [...same.notices, ...changed], isActive: true }
  }
  if (text !== undefined && origin !== undefined && origin.seen === digest(text) && origin.file !== file) {
    const applied = await loader.load(active())
    if (applied.ok) {
      const notice = `the configuration applied from ${origin.file} is in force; ${file} has not changed since`
      return { ...applied, notices: [...applied.notices, notice] }
    }
  }
  const loaded = await loader.load({ file })
  if (loaded.ok) return loaded
  if (origin !== undefined) {
    const last = await loader.load(active())
    if (last.ok) {
      const first = loaded.problems[0]
      const where = first === undefined ? file : `${first.file}:${first.line}:${first.column}: ${first.text}`
      const notice = `${file} is not valid, the last good configuration is in force; run "fieldgate check" (${where})`
      return { ...last, notices: [...last.notices, notice] }
    }
  }
  return loaded
}

/** Durable before it is in force: written aside, synced, renamed into place. `side`: two halves may do so at once. */
export async function keep(options: { configuration: Configuration; file: string; side: string }): Promise<void> {
  const { configuration, file, side } = options
  const state = configuration.log.path
  const own = await readFile(file, 'utf8').catch(() => '')
  const origin: Origin = { file: configuration.source.file, seen: digest(own) }
  await mkdir(state, { recursive: true })
  await replace(join(state, 'active.yaml'), configuration.frozen, side)
  await replace(join(state, 'active.json'), `${JSON.stringify(origin)}\n`, side)
}

/** Of the configuration that is kept beside the log. */
export async function activeRevision(state: string): Promise<string | undefined> {
  const text = await readFile(join(state, 'active.yaml'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : digest(text)
}

async function originIn(state: string): Promise<(Origin & { readonly text: string }) | undefined> {
  try {
    const origin = JSON.parse(await readFile(join(state, 'active.json'), 'utf8')) as Origin
    return { ...origin, text: await readFile(join(state, 'active.yaml'), 'utf8') }
  } catch {
    return undefined
  }
}

async function replace(path: string, text: string, side: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  const aside = `${path}.${side}`
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
