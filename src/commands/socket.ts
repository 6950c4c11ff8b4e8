/** A Unix socket that speaks JSON, one document a line: `{id, method, params}` is answered by `{id, result}` or `{id, error}`, and a
 *  stream sends `{id, event}` until either side ends it. */
import { chmodSync, closeSync, openSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { Reason } from '../contracts/batch.ts'
import type { Counters } from '../contracts/component.ts'
import { ConfigurationFault, Fatal, Rejected, Retryable, sentence } from '../contracts/errors.ts'

/** A caller must not make us hold more than this. */
const LONGEST_REQUEST = 1 << 20
/** What may wait for a slow reader before it is let go. */
const MOST_UNSENT = 8 << 20
const LONGEST_ANSWER = 256 << 20
/** `sun_path` holds 108 bytes with the closing zero. */
const LONGEST_PATH = 107

export interface Call {
  /** Sends one event; false: the reader is slow and should be given less. */
  send(event: unknown): boolean
  /** Aborted when the caller leaves or ends its stream. */
  readonly signal: AbortSignal
}

export type Method = (params: unknown, call: Call) => Promise<unknown>

export class SocketServer {
  readonly #path: string
  readonly #mode: number
  readonly #methods: Readonly<Record<string, Method>>
  readonly #callers = new Set<Socket>()
  #server: Server | undefined
  #calls = 0
  #refused = 0
  #tooSlow = 0

  constructor(options: { path: string; mode: number; methods: Readonly<Record<string, Method>> }) {
    this.#path = options.path
    this.#mode = options.mode
    this.#methods = options.methods
  }

  /** Throws ConfigurationFault when another process serves this socket, Fatal when it cannot be made. */
  async start(): Promise<void> {
    if (await answers(this.#path)) {
      throw new ConfigurationFault(
        `another gateway runs here: it serves ${this.#path}. Stop it, or give this one its own log.path`,
      )
    }
    try {
      unlinkSync(this.#path)
    } catch {
      // Nothing was left behind.
    }
    const server = createServer((socket) => this.#serve(socket))
    this.#server = server
    await reaching(this.#path, (path) => listening(server, path)).catch((cause) => {
      throw new Fatal(`${this.#path} cannot be made: ${sentence(cause)}`, { cause })
    })
    chmodSync(this.#path, this.#mode)
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const caller of this.#callers) caller.destroy()
    await closed
    try {
      unlinkSync(this.#path)
    } catch {
      // Closing has removed it already, unless it was bound by its longer way.
    }
  }

  counters(): Counters {
    return { calls: this.#calls, refused: this.#refused, tooSlow: this.#tooSlow }
  }

  #serve(socket: Socket): void {
    this.#callers.add(socket)
    const streams = new Map<unknown, AbortController>()
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#callers.delete(socket)
      for (const stream of streams.values()) stream.abort(gone())
    })
    const say = (document: object): boolean => {
      if (socket.destroyed) return false
      if (socket.writableLength > MOST_UNSENT) {
        this.#tooSlow++
        socket.destroy()
        return false
      }
      return socket.write(`${JSON.stringify(document, jsonValue)}\n`)
    }
    lines(socket, LONGEST_REQUEST, (line) => {
      if (line === undefined) {
        this.#refused++
        say({ id: null, error: { remedy: 'reject', text: `a request has at most ${LONGEST_REQUEST} bytes` } })
        socket.end()
        return
      }
      const request = parsed(line)
      if (request === undefined) {
        this.#refused++
        say({
          id: null,
          error: { remedy: 'reject', text: 'a request is {"id", "method", "params"} as JSON on one line' },
        })
        return
      }
      const { id, method, params } = request
      if (method === 'end') {
        streams.get(id)?.abort(gone())
        return
      }
      const run = Object.hasOwn(this.#methods, method) ? this.#methods[method] : undefined
      if (run === undefined) {
        this.#refused++
        const names = Object.keys(this.#methods).join(', ')
        say({ id, error: { remedy: 'reject', text: `there is no "${method}" here; there are: ${names}` } })
        return
      }
      this.#calls++
      const ending = new AbortController()
      streams.set(id, ending)
      const call: Call = { send: (event) => say({ id, event }), signal: ending.signal }
      Promise.try(run, params, call)
        .then(
          (result) => say({ id, result: result ?? null }),
          (thrown) => say({ id, error: described(thrown) }),
        )
        .finally(() => streams.delete(id))
    })
  }
}

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly event?: unknown
  readonly error?: { readonly remedy: string; readonly text: string }
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (why: unknown) => void
  readonly event: ((event: unknown) => void) | undefined
}

export class SocketClient {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      const why = new Retryable('the gateway closed the connection', { reason: Reason.noConnection })
      for (const waiting of this.#waiting.values()) waiting.reject(why)
      this.#waiting.clear()
    })
    lines(socket, LONGEST_ANSWER, (line) => {
      if (line === undefined) socket.destroy()
      else this.#take(JSON.parse(line) as Answer)
    })
  }

  /** Resolves with the method's result; throws what the other side threw, as the same class. */
  call(method: string, params: unknown = {}): Promise<unknown> {
    return this.#ask(method, params, undefined).done
  }

  /** Events as they come, until the signal aborts or the other side ends. */
  async *stream(method: string, params: unknown, signal: AbortSignal): AsyncIterable<unknown> {
    const events: unknown[] = []
    let wake: () => void = () => {}
    let over = false
    const { id, done } = this.#ask(method, params, (event) => {
      events.push(event)
      wake()
    })
    const leave = (): void => {
      if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify({ id, method: 'end' })}\n`)
      over = true
      wake()
    }
    let failure: unknown
    const settled = done.then(
      () => undefined,
      (thrown) => {
        if (!over) failure = thrown
      },
    )
    void settled.then(() => {
      over = true
      wake()
    })
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    try {
      for (;;) {
        while (events.length > 0) yield events.shift()
        if (failure !== undefined) throw failure
        if (over) return
        await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      signal.removeEventListener('abort', leave)
      if (!over) leave()
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #ask(method: string, params: unknown, event: Waiting['event']): { id: number; done: Promise<unknown> } {
    const id = this.#nextId++
    const done = new Promise<unknown>((resolve, reject) => {
      if (this.#socket.destroyed) {
        return reject(new Retryable('the gateway closed the connection', { reason: Reason.noConnection }))
      }
      this.#waiting.set(id, { resolve, reject, event })
      this.#socket.write(`${JSON.stringify({ id, method, params }, jsonValue)}\n`)
    })
    return { id, done }
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    if (answer.event !== undefined) {
      waiting.event?.(answer.event)
      return
    }
    this.#waiting.delete(answer.id)
    if (answer.error === undefined) waiting.resolve(answer.result)
    else waiting.reject(thrownAs(answer.error))
  }
}

/** Throws Retryable when nothing answers at this path, ConfigurationFault when it may not be opened. */
export function connectSocket(path: string): Promise<SocketClient> {
  return reaching(path, connecting).then(
    (socket) => new SocketClient(socket),
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EACCES')
        throw new Rejected(`${path} may not be opened by this user: join its group`, { cause })
      throw new Retryable(`no gateway answers at ${path}: start one with "fieldgate run"`, {
        reason: Reason.noConnection,
        cause,
      })
    },
  )
}

/** What JSON cannot say: bigints beyond 2^53 become their digits, bytes base64, NaN and infinities null. */
export function jsonValue(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : String(value)
  }
  // `toJSON` of a Buffer has run by now; the holder still has the bytes themselves.
  const held = (this as Record<string, unknown> | undefined)?.[key]
  if (held instanceof Uint8Array) return { base64: Buffer.from(held).toString('base64') }
  return value
}

function lines(socket: Socket, longest: number, take: (line: string | undefined) => void): void {
  let parts: Buffer[] = []
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      const line = Buffer.concat(parts).toString('utf8')
      parts = []
      bytes = 0
      from = end + 1
      if (line !== '') take(line)
    }
    if (from === chunk.length) return
    parts.push(chunk.subarray(from))
    bytes += chunk.length - from
    if (bytes > longest) {
      parts = []
      bytes = 0
      socket.pause()
      take(undefined)
    }
  })
}

function parsed(line: string): { id: unknown; method: string; params: unknown } | undefined {
  try {
    const { id, method, params } = JSON.parse(line) as Record<string, unknown>
    return typeof method === 'string' ? { id, method, params } : undefined
  } catch {
    return undefined
  }
}

function described(thrown: unknown): { remedy: string; text: string } {
  const remedy = thrown instanceof Error && 'remedy' in thrown ? String(thrown.remedy) : 'restart'
  return { remedy, text: sentence(thrown) }
}

function thrownAs({ remedy, text }: { readonly remedy: string; readonly text: string }): Error {
  if (remedy === 'retry') return new Retryable(text, { reason: Reason.noConnection })
  if (remedy === 'configure') return new ConfigurationFault(text)
  return remedy === 'reject' ? new Rejected(text) : new Fatal(text)
}

function gone(): Retryable {
  return new Retryable('the caller has left', { reason: Reason.noConnection })
}

/** Runs `use` with a path short enough for the kernel: a long one is reached through the folder's descriptor. */
async function reaching<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= LONGEST_PATH) return use(path)
  const folder = openSync(dirname(path), 'r')
  try {
    return await use(`/proc/self/fd/${folder}/${basename(path)}`)
  } finally {
    closeSync(folder)
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
}

function connecting(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => resolve(socket))
  })
}

/** Whether a living process serves the socket: a file that a dead one left behind refuses. */
async function answers(path: string): Promise<boolean> {
  try {
    const socket = await reaching(path, connecting)
    socket.destroy()
    return true
  } catch {
    return false
  }
}
