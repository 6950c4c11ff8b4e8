/** A Unix socket that answers: `{id, method, params}` on a line gets `{id, result}` or `{id, error}`, and a stream sends
 *  `{id, event}` until the method ends or the caller sends `{id, method: "end"}`. */
import { chmodSync, chownSync, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Counters } from '../contracts/component.ts'
import { ConfigurationFault, Fatal, Rejected, sentence } from '../contracts/errors.ts'
import { type Described, described, jsonValue, lines } from './frames.ts'
import { foundAt, type Place, placeOf } from './place.ts'

/** A caller must not make us hold more than this. */
const LONGEST_REQUEST = 1 << 20
const MOST_CALLERS = 100
/** Of one caller, under way at once. */
const MOST_CALLS = 100

interface Call {
  /** Sends one event. false: the reader is slow and should be given less, or has left. */
  send(event: unknown): boolean
  /** Aborted when the caller leaves or ends its stream. */
  readonly signal: AbortSignal
}

/** Throws what the caller is to be told. */
export type Method = (params: unknown, call: Call) => Promise<unknown>

interface SocketServerOptions {
  readonly path: string
  /** Who may connect: connecting takes the right to write. */
  readonly mode: number
  /** Number of the group it belongs to; undefined: the process's. */
  readonly group?: number | undefined
  readonly methods: Readonly<Record<string, Method>>
  /** What may wait for a slow reader before it is let go. */
  readonly mostUnsentBytes?: number
}

interface Request {
  readonly id: number | string
  readonly method: string
  readonly params: unknown
}

interface Answer {
  readonly id: number | string | null
  readonly event?: unknown
  readonly result?: unknown
  readonly error?: Described
}

export class SocketServer {
  readonly #options: SocketServerOptions
  readonly #mostUnsentBytes: number
  readonly #callers = new Set<Socket>()
  readonly #counts = { calls: 0, refused: 0, faults: 0, tooSlow: 0, callersRefused: 0 }
  #server: Server | undefined
  #place: Place | undefined

  constructor(options: SocketServerOptions) {
    this.#options = options
    this.#mostUnsentBytes = options.mostUnsentBytes ?? 8 << 20
  }

  /** Throws ConfigurationFault when another process serves this socket or something else is in its place, Fatal when it cannot
   *  be made. */
  async start(): Promise<void> {
    const { path, mode, group } = this.#options
    const found = await foundAt(path)
    if (found === 'served') {
      throw new ConfigurationFault(
        `another gateway runs here: it serves ${path}. Stop it, or give this one its own log.path`,
      )
    }
    if (found === 'foreign') throw new ConfigurationFault(`${path} is in the way and no socket: move it elsewhere`)
    try {
      if (found === 'stale') unlinkSync(path)
      this.#place = placeOf(path)
      const { path: place } = this.#place
      const open = (): Promise<Server> => listening(place, (socket) => this.#serve(socket))
      this.#server = await (group === undefined ? open() : closedToOthers(open))
      this.#server.maxConnections = MOST_CALLERS
      this.#server.on('drop', () => this.#counts.callersRefused++)
      this.#server.on('error', () => this.#counts.faults++)
      if (group !== undefined) chownSync(path, process.getuid!(), group)
      chmodSync(path, mode)
    } catch (cause) {
      await this.stop()
      throw new Fatal(`${path} cannot be made: ${sentence(cause)}`, { cause })
    }
  }

  /** Calls that are under way are aborted, callers let go. */
  async stop(): Promise<void> {
    const [server, place] = [this.#server, this.#place]
    this.#server = undefined
    this.#place = undefined
    if (server !== undefined) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const caller of this.#callers) caller.destroy()
      await closed
    }
    place?.release()
  }

  get isOpen(): boolean {
    return this.#server?.listening === true
  }

  counters(): Counters {
    return { ...this.#counts }
  }

  #serve(socket: Socket): void {
    this.#callers.add(socket)
    const calls = new Map<number | string, AbortController>()
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#callers.delete(socket)
      for (const call of calls.values()) call.abort(gone())
    })
    lines(socket, LONGEST_REQUEST, (line) => {
      if (line === undefined) {
        this.#refuse(socket, null, `a request has at most ${LONGEST_REQUEST} bytes`)
        socket.end(() => socket.destroy())
        return
      }
      const request = requestIn(line)
      if (request === undefined) {
        this.#refuse(socket, null, 'a request is {"id", "method", "params"} as JSON on one line')
      } else if (request.method === 'end') {
        calls.get(request.id)?.abort(gone())
      } else {
        this.#call(socket, calls, request)
      }
    })
  }

  #call(socket: Socket, calls: Map<number | string, AbortController>, { id, method, params }: Request): void {
    const { methods } = this.#options
    const run = Object.hasOwn(methods, method) ? methods[method] : undefined
    if (run === undefined) {
      const names = Object.keys(methods).join(', ')
      this.#refuse(socket, id, `there is no "${method}" here; there are: ${names}`)
      return
    }
    if (calls.has(id) || calls.size >= MOST_CALLS) {
      const why = calls.has(id) ? `the call ${id} is still under way` : `${MOST_CALLS} calls are still under way`
      this.#refuse(socket, id, why)
      return
    }
    this.#counts.calls++
    const ending = new AbortController()
    calls.set(id, ending)
    const call: Call = { send: (event) => this.#say(socket, { id, event }), signal: ending.signal }
    Promise.try(run, params, call).then(
      (result) => {
        calls.delete(id)
        this.#say(socket, { id, result: result ?? null })
      },
      (thrown) => {
        calls.delete(id)
        const error = described(thrown)
        if (error.remedy === 'restart') this.#counts.faults++
        this.#say(socket, { id, error })
      },
    )
  }

  #refuse(socket: Socket, id: number | string | null, text: string): void {
    this.#counts.refused++
    this.#say(socket, { id, error: { remedy: 'reject', text } })
  }

  #say(socket: Socket, document: Answer): boolean {
    if (!socket.writable) return false
    if (socket.writableLength > this.#mostUnsentBytes) {
      this.#counts.tooSlow++
      socket.destroy()
      return false
    }
    let line: string
    try {
      line = JSON.stringify(document, jsonValue)
    } catch (thrown) {
      this.#counts.faults++
      line = JSON.stringify({ id: document.id, error: described(thrown) })
    }
    return socket.write(`${line}\n`)
  }
}

function requestIn(line: string): Request | undefined {
  try {
    const { id, method, params } = JSON.parse(line) as Record<string, unknown>
    const named = typeof id === 'number' || typeof id === 'string'
    return named && typeof method === 'string' ? { id, method, params } : undefined
  } catch {
    return undefined
  }
}

function gone(): Rejected {
  return new Rejected('the caller has left')
}

/** A socket stands there at once, and is its owner's alone until it has its group. */
function closedToOthers<T>(open: () => T): T {
  const before = process.umask(0o177)
  try {
    return open()
  } finally {
    process.umask(before)
  }
}

function listening(path: string, serve: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(serve)
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}
