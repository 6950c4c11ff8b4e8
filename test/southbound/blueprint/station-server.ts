/** The other side of the blueprint's protocol: stations with values by name. */
import { createServer, type Server, type Socket } from 'node:net'

export class StationServer {
  readonly stations = new Map<number, Map<string, string>>()
  /** false: questions are heard and never answered. */
  answers = true
  /** Every line that came. */
  readonly heard: string[] = []
  /** Answers instead of the true one, once. */
  nextAnswer: string | null = null
  readonly #sockets = new Set<Socket>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk.toString()
        for (let end = received.indexOf('\n'); end >= 0; end = received.indexOf('\n')) {
          const line = received.slice(0, end)
          received = received.slice(end + 1)
          this.heard.push(line)
          if (this.answers) socket.write(`${this.nextAnswer ?? this.#answer(line)}\n`)
          this.nextAnswer = null
        }
      })
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** Says something unasked on every connection. */
  say(text: string): void {
    for (const socket of this.#sockets) socket.write(text)
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return (this.#server.address() as { port: number }).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #answer(line: string): string {
    const [verb, number, ...words] = line.split(' ')
    const station = this.stations.get(Number(number))
    if (station === undefined) return `ERROR no station ${number}`
    if (verb === 'GET') return `OK ${words.map((name) => `${name}=${station.get(name) ?? '?'}`).join(' ')}`
    const [name, text] = words[0]!.split('=') as [string, string]
    if (!station.has(name) || name === 'serial') return `ERROR ${name} cannot be set`
    station.set(name, text)
    return 'OK'
  }
}
