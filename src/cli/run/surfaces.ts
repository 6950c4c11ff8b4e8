/** The sockets of a running process, in its own folder: one that only looks, one that changes the configuration or has what
 *  was refused tried once more, one that transmits on demand, and one for the sinks of the other half. */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Method, SocketServer } from '../../commands/socket.ts'
import type { Counters } from '../../contracts/component.ts'

export type Methods = Readonly<Record<string, Method>>
export type SocketName = 'inspect' | 'control' | 'door' | 'command'
export type Sockets = Readonly<Partial<Record<SocketName, Methods>>>

export class Surfaces {
  readonly #folder: string
  readonly #group: number | undefined
  readonly #open = new Map<SocketName, SocketServer>()
  readonly #past: Record<string, number> = {}

  /** `group`: whose members may transmit on demand and change the configuration; undefined: the process's own. */
  constructor(options: { folder: string; group?: number | undefined }) {
    this.#folder = options.folder
    this.#group = options.group
  }

  /** Opens and shuts sockets until there are exactly these. Those that are open go on as they are. */
  async show(sockets: Sockets): Promise<void> {
    await mkdir(dirname(this.#folder), { recursive: true })
    // The other half may come in, and put nothing here.
    await mkdir(this.#folder, { mode: 0o755, recursive: true })
    for (const [name, server] of this.#open) {
      if (sockets[name] !== undefined) continue
      this.#open.delete(name)
      addTo(this.#past, server.counters())
      await server.stop()
    }
    for (const [name, methods] of Object.entries(sockets) as [SocketName, Methods][]) {
      if (this.#open.has(name)) continue
      const group = name === 'door' || name === 'control' ? this.#group : undefined
      const server = new SocketServer({ path: join(this.#folder, `${name}.sock`), mode: 0o660, group, methods })
      await server.start()
      this.#open.set(name, server)
    }
  }

  /** Whether every socket that was opened still takes callers. */
  get areOpen(): boolean {
    return [...this.#open.values()].every(({ isOpen }) => isOpen)
  }

  /** Of all its sockets, those that were shut too. */
  counters(): Counters {
    const sums: Record<string, number> = { ...this.#past }
    for (const server of this.#open.values()) addTo(sums, server.counters())
    return Object.fromEntries(
      Object.entries(sums).map(([name, count]) => [`socket${name[0]!.toUpperCase()}${name.slice(1)}`, count]),
    )
  }

  async stop(): Promise<void> {
    const servers = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(servers.map((server) => server.stop()))
  }
}

function addTo(sums: Record<string, number>, counters: Counters): void {
  for (const [name, count] of Object.entries(counters)) sums[name] = (sums[name] ?? 0) + count
}
