/** Waits for a device that calls: a modem without an address of its own. The latest caller counts, because one that was cut off
 *  calls again before its old connection is known to be dead. */
import { createServer, type Server, type Socket } from 'node:net'
import { Reason } from '../../../contracts/batch.ts'
import { Retryable } from '../../../contracts/errors.ts'

export interface ListenAddress {
  /** Of this box; undefined: all. */
  readonly host?: string
  readonly port: number
}

const KEEP_ALIVE_MS = 10_000

/** `:502`, `192.0.2.1:502`, `[::1]:502`; null: it is none. */
export function parseListen(text: string): ListenAddress | null {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port < 1 || port > 65_535) return null
  const host = bracketed ?? plain
  return host === undefined || host === '' || host === '*' ? { port } : { host, port }
}

function listenText({ host = '', port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export class DialIn {
  readonly #address: ListenAddress
  readonly #called: (socket: Socket) => void
  #server: Server | undefined

  constructor(options: { address: ListenAddress; called: (socket: Socket) => void }) {
    this.#address = options.address
    this.#called = options.called
  }

  get text(): string {
    return listenText(this.#address)
  }

  get waiting(): string {
    return `waiting for the device to dial in on ${this.text}`
  }

  /** Throws Retryable when the address cannot be had. */
  open(): Promise<void> {
    if (this.#server !== undefined) return Promise.resolve()
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) => {
      if (server === this.#server) this.#called(socket)
      else socket.destroy()
    })
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (this.#server === server) this.#server = undefined
        reject(new Retryable(fault(error, this.text), { reason: Reason.noConnection }))
      })
      server.listen(this.#address, () => resolve())
    })
  }

  close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return Promise.resolve()
    return new Promise((resolve) => server.close(() => resolve()))
  }
}

function fault({ code, message }: NodeJS.ErrnoException, where: string): string {
  if (code === 'EADDRINUSE') return `cannot wait for calls on ${where}: another program listens there`
  if (code === 'EACCES')
    return `cannot wait for calls on ${where}: ports below 1024 need a right that this service lacks`
  if (code === 'EADDRNOTAVAIL') return `cannot wait for calls on ${where}: this box has no such address`
  return `cannot wait for calls on ${where}: ${message}`
}
