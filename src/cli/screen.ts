/** The terminal, pipe or file that a command writes to. */
import { WriteStream } from 'node:tty'
import { Exit, type Screen } from './command.ts'
import { isJournal } from './journal-stream.ts'

export class ProcessScreen implements Screen {
  readonly isTerminal: boolean
  readonly colour: boolean
  readonly unicode: boolean
  readonly #out: NodeJS.WriteStream
  readonly #err: NodeJS.WriteStream
  /** Put before each complaint: sd-daemon(3), where the journal reads it. */
  readonly #mark: string
  #documents = 0

  constructor(out: NodeJS.WriteStream, err: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.#out = out
    this.#err = err
    this.#mark = isJournal(2, env.JOURNAL_STREAM) ? '<3>' : ''
    this.isTerminal = out instanceof WriteStream && out.isTTY
    this.colour = this.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb'
    const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
    // The Linux console and serial terminals say so when they know UTF-8; a pipe or file is read by something that does.
    this.unicode = !this.isTerminal || /utf-?8/i.test(locale)
    for (const stream of [out, err]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        // The reader has seen enough (`| head`): not a failure of ours.
        if (error.code === 'EPIPE') process.exit(stream === out ? Exit.done : Exit.failed)
      })
    }
  }

  get columns(): number {
    return (this.#out as Partial<WriteStream>).columns || 80
  }

  get rows(): number {
    return (this.#out as Partial<WriteStream>).rows || 24
  }

  print(text: string): void {
    this.#out.write(`${text}\n`)
  }

  raw(text: string): void {
    this.#out.write(text)
  }

  document(value: unknown): void {
    this.#documents++
    this.#out.write(`${JSON.stringify(value, plain)}\n`)
  }

  complain(text: string): void {
    this.#err.write(`${this.#mark}${text.replaceAll('\n', `\n${this.#mark}`)}\n`)
  }

  /** The document of a command that failed before it printed its own. */
  failure(error: string, status: Exit): void {
    if (this.#documents === 0) this.document({ ok: false, error, status })
  }
}

/** What JSON cannot say: a bigint becomes its digits, bytes `{base64}` as on the sockets, NaN and infinities their names. */
function plain(this: Record<string, unknown>, key: string, given: unknown): unknown {
  // A Buffer has turned itself into an object by now; the holder still has the bytes.
  const value = this[key] instanceof Uint8Array ? this[key] : given
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  return value
}
