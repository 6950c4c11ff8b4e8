/** A small HTTP server that only tells: GET of a few fixed pages, with limits on everything a stranger could send, and none of it a
 *  reason for the gateway to stumble. Where its address is taken it says so once and tries on. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { hostname } from 'node:os'
import type { Duplex } from 'node:stream'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Counters, Logger, State } from '../../contracts/component.ts'
import { sentence } from '../../contracts/errors.ts'
import type { HealthLedger, Line } from '../../contracts/health.ts'
import { type Listen, spelt, whyNot } from './address.ts'
import { Allowance } from './allowance.ts'
import { refusalOf, TOO_MANY } from './refusal.ts'

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
  /** What went wrong last inside: said once while it stays so. */
  #fault: string | undefined
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
    const { method, url = '', headers } = request
    const { pages } = this.#options
    const refusal = this.#allowance.take()
      ? refusalOf(
          { method, url, headers },
          { names: [hostname(), this.#listen?.host ?? ''], paths: Object.keys(pages) },
        )
      : TOO_MANY
    if (refusal !== undefined) {
      this.#counts[refusal.counter]++
      say(response, refusal.status, `${refusal.text}\n`, { ...refusal.headers, connection: 'close' })
      return
    }
    const [path = '', query = ''] = url.split('?', 2)
    const { clock, log } = this.#options
    const call = { since: clock.monotonic() }
    this.#underWay.add(call)
    try {
      const { status, contentType, text } = await pages[path]!({
        query: new URLSearchParams(query),
        accept: headers.accept,
      })
      this.#fault = undefined
      say(response, status, text, { 'content-type': contentType })
    } catch (thrown) {
      this.#counts.faults++
      const fault = `the console endpoint cannot answer ${path}: ${sentence(thrown)}`
      if (fault !== this.#fault) log.warn(fault)
      this.#fault = fault
      // What went wrong inside is for the journal alone.
      say(response, 500, 'this cannot be told at the moment: see the journal\n')
    } finally {
      this.#underWay.delete(call)
      this.#done = clock.monotonic()
    }
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
