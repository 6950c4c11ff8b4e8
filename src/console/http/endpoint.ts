/** A small HTTP server that only tells: GET of a few fixed pages, with limits on everything a stranger could send, and none of it a
 *  reason for the gateway to stumble. Where its address is taken it says so once and tries on. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { hostname } from 'node:os'
import type { Duplex } from 'node:stream'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Counters, Logger, State } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import type { HealthLedger, Line } from '../../contracts/health.ts'
import { Allowance } from './allowance.ts'
import { isOurName } from './names.ts'

export interface Listen {
  /** An address or a name of this box; empty: every address. */
  readonly host: string
  readonly port: number
}

export interface Asked {
  readonly query: URLSearchParams
  readonly accept: string | undefined
}

export interface Answer {
  readonly status: 200 | 503
  readonly contentType: string
  readonly text: string
}

export type Pages = Readonly<Record<string, (asked: Asked) => Promise<Answer>>>

interface EndpointOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly health: HealthLedger
  readonly pages: Pages
  /** How long a request may take to say what it wants. */
  readonly headersMs?: number
}

const AGAIN_MS = 10_000
const MOST_CONNECTIONS = 32
const LONGEST_URL = 512
const MOST_HEADER_BYTES = 8192
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
const IDLE_MS = 20_000
/** Nobody who watches asks more often; what asks more often is not to cost the polling its time. */
const PER_SECOND = 10
const AT_ONCE = 20
/** A page that takes longer hangs. */
const ANSWER_MS = 60_000

export class Endpoint {
  readonly #options: EndpointOptions
  readonly #allowance: Allowance
  readonly #line: Line
  readonly #underWay = new Set<{ readonly since: number }>()
  readonly #counts = {
    requests: 0,
    refusedHosts: 0,
    refusedMethods: 0,
    refusedPaths: 0,
    refusedRates: 0,
    refusedConnections: 0,
    badRequests: 0,
    faults: 0,
    listenFailures: 0,
  }
  /** undefined: nobody has said yet. */
  #listen: Listen | null | undefined
  #server: Server | undefined
  #again: Stop | undefined
  /** Set while it has been said. */
  #trouble: string | undefined
  #state: State = { condition: 'waiting', text: 'not started' }
  #done = 0

  constructor(options: EndpointOptions) {
    this.#options = options
    const { clock } = options
    this.#allowance = new Allowance({ clock, perSecond: PER_SECOND, most: AT_ONCE })
    this.#line = options.health.enrol({
      name: 'console endpoint',
      allowanceMs: ANSWER_MS,
      state: () => this.#state,
      progress: () => {
        const [oldest] = this.#underWay
        return { at: oldest?.since ?? this.#done, due: oldest !== undefined }
      },
    })
  }

  /** Where it is reached from now on; null: nowhere. Resolves when it is open, or when the first try has failed. */
  async configure(listen: Listen | null): Promise<void> {
    const now = this.#listen
    if (now !== undefined && listen?.host === now?.host && listen?.port === now?.port) return
    await this.#close()
    this.#listen = listen
    if (listen === null) this.#state = { condition: 'fine', text: 'switched off in the configuration' }
    else await this.#open(listen)
  }

  async stop(): Promise<void> {
    this.#line.leave()
    this.#listen = null
    await this.#close()
  }

  get isConfigured(): boolean {
    return this.#listen !== undefined
  }

  state(): State {
    return this.#state
  }

  counters(): Counters {
    return { ...this.#counts }
  }

  async #open(listen: Listen): Promise<void> {
    const { clock, log, headersMs = HEADERS_MS } = this.#options
    const server = createServer(
      {
        maxHeaderSize: MOST_HEADER_BYTES,
        headersTimeout: headersMs,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: HEADERS_MS,
        connectionsCheckingInterval: headersMs / 5,
      },
      (request, response) => void this.#serve(request, response),
    )
    server.maxConnections = MOST_CONNECTIONS
    server.timeout = IDLE_MS
    server.on('drop', () => this.#counts.refusedConnections++)
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#offended(error, socket))
    const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once('error', resolve)
      server.listen({ host: listen.host === '' ? undefined : listen.host, port: listen.port }, () => resolve(undefined))
    })
    if (failure === undefined && this.#listen === listen) {
      server.on('error', () => this.#counts.faults++)
      this.#server = server
      this.#state = { condition: 'fine', text: `answers at ${spelt(listen)}` }
      if (this.#trouble !== undefined) log.info(`the console endpoint ${this.#state.text}`)
      this.#trouble = undefined
      return
    }
    server.close()
    if (failure === undefined || this.#listen !== listen) return
    this.#counts.listenFailures++
    const why = whyNot(failure, listen)
    this.#state = { condition: 'degraded', text: why }
    if (this.#trouble !== why)
      log.warn(`the console endpoint is not open: ${why}; it is tried every ${AGAIN_MS / 1000} s`)
    this.#trouble = why
    this.#again = clock.after(AGAIN_MS, () => {
      if (this.#listen === listen) void this.#open(listen)
    })
  }

  async #close(): Promise<void> {
    this.#again?.()
    this.#again = undefined
    this.#trouble = undefined
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#counts.requests++
    response.on('error', () => response.destroy())
    const page = this.#pageFor(request, response)
    if (page === undefined) return
    const { clock, log } = this.#options
    const call = { since: clock.monotonic() }
    this.#underWay.add(call)
    try {
      const { status, contentType, text } = await page()
      say(response, status, text, { 'content-type': contentType })
    } catch (thrown) {
      this.#counts.faults++
      log.debug(`the console endpoint could not answer ${request.url}: ${sentence(thrown)}`)
      // What went wrong inside is for the journal alone.
      say(response, 500, 'this cannot be told at the moment: see the journal\n')
    } finally {
      this.#underWay.delete(call)
      this.#done = clock.monotonic()
    }
  }

  /** undefined: refused, and answered. */
  #pageFor(request: IncomingMessage, response: ServerResponse): (() => Promise<Answer>) | undefined {
    const { method, url = '', headers } = request
    const refuse = (
      kind: keyof Counters,
      status: number,
      text: string,
      more: Record<string, string> = {},
    ): undefined => {
      ;(this.#counts as Record<string, number>)[kind]!++
      say(response, status, `${text}\n`, { ...more, connection: 'close' })
      return undefined
    }
    if (!this.#allowance.take()) return refuse('refusedRates', 429, 'too many requests', { 'retry-after': '1' })
    if (!isOurName(headers.host, [hostname(), this.#listen?.host ?? ''])) {
      return refuse('refusedHosts', 421, 'this box has no such name: ask it by its address')
    }
    if (method !== 'GET' && method !== 'HEAD') {
      return refuse('refusedMethods', 405, 'only GET and HEAD', { allow: 'GET, HEAD' })
    }
    if (url.length > LONGEST_URL) return refuse('badRequests', 414, `an address has at most ${LONGEST_URL} characters`)
    // Whoever only looks sends nothing along.
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
      return refuse('badRequests', 413, 'nothing is taken here')
    }
    const [path = '', query = ''] = url.split('?', 2)
    const { pages } = this.#options
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    if (page === undefined) return refuse('refusedPaths', 404, `there are ${Object.keys(pages).join(', ')}`)
    return () => page({ query: new URLSearchParams(query), accept: headers.accept })
  }

  /** What is no HTTP, too long or too slow. */
  #offended({ code }: NodeJS.ErrnoException, socket: Duplex): void {
    if (code !== 'ECONNRESET') this.#counts.badRequests++
    const status =
      code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request'
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    else socket.destroy()
  }
}

function say(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    ...headers,
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

function spelt({ host, port }: Listen): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function whyNot({ code, message }: NodeJS.ErrnoException, listen: Listen): string {
  const where = spelt(listen)
  if (code === 'EADDRINUSE') {
    return `${where} is taken by another program: stop that, or give console.listen another port, or off`
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `this box has no address ${listen.host} at the moment: correct console.listen`
  }
  if (code === 'EACCES') return `${where} may not be taken by this user: give console.listen a port from 1024 on`
  return `${where} cannot be opened (${code ?? message})`
}
