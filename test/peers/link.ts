/** A link between a gateway and a broker that can be cut and mended while both go on: what the broker has taken, it keeps. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Link {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isCut = false

  static to(port: number): Promise<Link> {
    return new Promise((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => resolve(new Link(server, port)))
    })
  }

  private constructor(server: Server, to: number) {
    this.#server = server
    this.port = (server.address() as { port: number }).port
    server.on('connection', (near) => {
      if (this.#isCut) return void near.destroy()
      const far = connect(to, '127.0.0.1')
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one)
        one.setNoDelay(true)
        one.on('error', () => one.destroy())
        one.on('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
