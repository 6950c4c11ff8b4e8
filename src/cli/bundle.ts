/** `fieldgate bundle`: one file with all that somebody needs who is to find out what is wrong, and without what lets people in. */
import { createHash } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as catalog from '../catalog.ts'
import { harmlessKeys, withoutSecrets } from '../config/secrets.ts'
import { logPathOf } from '../config/sockets.ts'
import { readText, Texts } from '../config/texts.ts'
import { Rejected, sentence } from '../contracts/errors.ts'
import { isoOf } from '../time/written.ts'
import { type Part, partsOf } from './bundle/parts.ts'
import { hasSystemd, unitEnvironment } from './bundle/programs.ts'
import { Scrubber } from './bundle/scrub.ts'
import { type File, tar } from './bundle/tar.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { locate } from './location.ts'
import { version } from './version.ts'

/** Of one part, and of all of them, before they are packed. */
const MOST_BYTES = 2 << 20
const MOST_IN_ALL = 32 << 20
/** Variables of this process whose names say what they hold. */
const TELLING_NAME = /pass|secret|token|key|cred|auth/i
const SHORTEST = 6

interface Made {
  readonly name: string
  readonly bytes: number
  /** Why it is not there, or not whole. */
  readonly why?: string
}

export const command: Command = async (invocation) => {
  const { options, json, screen, clock, signal } = invocation
  const at = clock.wall()
  const stamp = isoOf(at).replace(/[-:]|\.\d+/g, '')
  const file = locate(typeof options.out === 'string' ? options.out : `fieldgate-bundle-${stamp}.tar.gz`, process.env)
  const { parts, scrubber } = await prepared(invocation)
  const files: File[] = []
  const made: Made[] = []
  let left = MOST_IN_ALL
  const add = (name: string, text: string, why?: string): void => {
    const bytes = Buffer.from(text)
    left -= bytes.length
    files.push({ name: `fieldgate-bundle/${name}`, bytes })
    made.push({ name, bytes: bytes.length, ...(why === undefined ? {} : { why }) })
  }
  for (const part of parts) {
    if (signal.aborted) throw new Rejected('interrupted')
    if (!json) screen.complain(part.name)
    try {
      const whole = scrubber.scrub(await part.make(), part.structured && 'known')
      const text = bounded(whole, Math.min(MOST_BYTES, left), part.keep)
      add(part.name, text, text.length < whole.length ? 'too long: a part of it' : undefined)
    } catch (thrown) {
      const why = scrubber.scrub(sentence(thrown))
      add(part.name, `not there: ${why}\n`, why)
    }
  }
  add('contents.json', `${JSON.stringify({ at: isoOf(at), version: version(), parts: made }, null, 1)}\n`)
  write(file, gzipSync(tar(files, at)))
  const { size } = statSync(file)
  const missing = made.filter(({ why }) => why !== undefined)
  if (json) screen.document({ ok: true, file, bytes: size, parts: made })
  else {
    for (const { name, why } of missing) screen.complain(`${name}: ${why}`)
    screen.print(`${file}: ${made.length} parts, ${Math.ceil(size / 1024)} KiB, without passwords and keys`)
  }
  return Exit.done
}

/** What must not come out is known before anything is collected. */
async function prepared(invocation: Invocation): Promise<{ parts: readonly Part[]; scrubber: Scrubber }> {
  const { file } = invocation
  const harmless = harmlessKeys(await catalog.kinds())
  const environments = [process.env, ...(hasSystemd() ? [{ ...process.env, ...(await unitEnvironment()) }] : [])]
  const secrets = new Set<string>()
  for (const environment of environments) {
    for (const [name, value = ''] of Object.entries(environment)) {
      if (TELLING_NAME.test(name) && value.length >= SHORTEST) secrets.add(value)
    }
  }
  const shown = (path: string, folder: string): Part['make'] => {
    const read = readText(path)
    if (!read.ok) {
      return () => Promise.reject(new Rejected(`${path} ${read.why}`))
    }
    const { own } = new Texts({ folder, text: read.text })
    const hidden = withoutSecrets(own, { folder, environments, harmless })
    for (const secret of hidden.secrets) secrets.add(secret)
    const digest = createHash('sha256').update(read.text).digest('hex')
    return async () =>
      `# ${path}, revision ${digest}: values that may be secrets, and comments, are removed\n${hidden.text}`
  }
  const folder = dirname(file)
  const configuration: Part[] = [
    { name: 'configuration/gateway.yaml', make: shown(file, folder), structured: true },
    // In force, which need not be what the file says.
    { name: 'configuration/active.yaml', make: shown(join(logPathOf(file), 'active.yaml'), folder), structured: true },
  ]
  return { parts: partsOf(invocation, configuration), scrubber: new Scrubber(secrets) }
}

/** At most so many bytes, with a word where something is missing. */
function bounded(text: string, most: number, keep?: 'end'): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= most) return text
  const room = Math.max(0, most - 200)
  const word = `\n… ${bytes.length - room} bytes are left out …\n`
  return keep === 'end'
    ? word + bytes.subarray(bytes.length - room).toString('utf8')
    : bytes.subarray(0, room).toString('utf8') + word
}

/** Only its owner may read it. */
function write(file: string, bytes: Uint8Array): void {
  try {
    writeFileSync(file, bytes, { flag: 'wx', mode: 0o600, flush: true })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new Rejected(`${file} exists already: name another file with --out, or remove it`)
    if (code !== 'ENOENT' && code !== 'EACCES') rmSync(file, { force: true })
    throw new Rejected(`${file} cannot be written: ${sentence(cause)}`)
  }
}
