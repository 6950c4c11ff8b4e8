/** The other end of a gateway's sockets: calls that are answered, and streams of events. */
import type { Socket } from 'node:net'
import { Reason } from '../contracts/batch.ts'
import { Rejected, Retryable } from '../contracts/errors.ts'
import { type Described, jsonValue, lines, thrownAs } from './frames.ts'
import { connecting } from './place.ts'

const LONGEST_ANSWER = 256 << 20
/** Events that wait for whoever follows; then the gateway has to wait, and lets go of who is too slow. */
const MOST_EVENTS = 1000

interface Answer {
  readonly id: number | null
  readonly result?: unknown
  readonly event?: unknown
  readonly error?: Described
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (why: unknown) => void
  readonly event: ((event: unknown) => void) | undefined
}

export class SocketClient {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      for (const waiting of this.#waiting.values()) waiting.reject(closed())
      this.#waiting.clear()
    })
    lines(socket, LONGEST_ANSWER, (line) => {
      const answer = line === undefined ? undefined : answerIn(line)
      if (answer === undefined) socket.destroy()
      else this.#take(answer)
    })
  }

  /** Resolves with the method's result; throws what the other side threw, as the same class. */
  call(method: string, params: unknown = {}): Promise<unknown> {
    return this.#ask(method, params, undefined).done
  }

  /** Events as they come, until the signal aborts or the other side ends; throws Retryable when the gateway goes away. */
  async *stream(method: string, params: unknown, signal: AbortSignal): AsyncGenerator<unknown, void, void> {
    const events: unknown[] = []
    let wake: () => void = () => {}
    let ended: { readonly failure?: unknown } | undefined
    const end = (how: { readonly failure?: unknown }): void => {
      ended ??= how
      wake()
    }
    const { id, done } = this.#ask(method, params, (event) => {
      if (events.push(event) >= MOST_EVENTS) this.#socket.pause()
      wake()
    })
    done.then(
      () => end({}),
      (failure) => end({ failure }),
    )
    const leave = (): void => {
      if (ended === undefined && this.#socket.writable) this.#say({ id, method: 'end' })
      end({})
    }
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    try {
      for (;;) {
        while (events.length > 0) {
          yield events.shift()
          if (events.length < MOST_EVENTS / 2) this.#socket.resume()
        }
        if (ended !== undefined) {
          if ('failure' in ended) throw ended.failure
          return
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      signal.removeEventListener('abort', leave)
      leave()
      events.length = 0
      this.#socket.resume()
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #ask(method: string, params: unknown, event: Waiting['event']): { id: number; done: Promise<unknown> } {
    const id = ++this.#lastId
    const done = new Promise<unknown>((resolve, reject) => {
      if (!this.#socket.writable) return reject(closed())
      this.#waiting.set(id, { resolve, reject, event })
      this.#say({ id, method, params })
    })
    return { id, done }
  }

  #say(request: object): void {
    this.#socket.write(`${JSON.stringify(request, jsonValue)}\n`)
  }

  #take({ id, result, event, error }: Answer): void {
    if (id === null) return
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    if (event !== undefined) {
      waiting.event?.(event)
      return
    }
    this.#waiting.delete(id)
    if (error === undefined) waiting.resolve(result)
    else waiting.reject(thrownAs(error))
  }
}

/** Throws Retryable when nothing answers at this path, Rejected when it may not be opened. */
export async function connectSocket(path: string): Promise<SocketClient> {
  try {
    return new SocketClient(await connecting(path))
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') {
      throw new Rejected(`${path} may not be opened by this user: join the group it belongs to`, { cause: thrown })
    }
    throw new Retryable(`no gateway answers at ${path}: start one with "fieldgate run"`, {
      reason: Reason.noConnection,
      cause: thrown,
    })
  }
}

function answerIn(line: string): Answer | undefined {
  try {
    const answer = JSON.parse(line) as Answer | null
    return typeof answer === 'object' && answer !== null ? answer : undefined
  } catch {
    return undefined
  }
}

function closed(): Retryable {
  return new Retryable('the gateway closed the connection', { reason: Reason.noConnection })
}
