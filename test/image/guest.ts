/** A virtual ARM box: QEMU with a console, a root shell of the test's own, and a wire for each serial port. What is asked of it
 *  from outside has a budget of its own: emulation on a loaded machine takes several times as long. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface GuestOptions {
  /** For sockets and the transcript of the console. */
  readonly folder: string
  /** How this box differs from any other: `-kernel`, `-drive`, `-device`, …  */
  readonly words: readonly string[]
  readonly memoryMiB?: number
  /** TCP ports on the loopback that the named serial devices are connected to. */
  readonly wires?: Readonly<Record<'usb' | 'pci', number>>
  /** How many times longer than on an idle machine things may take. */
  readonly patience?: number
}

export interface Answer {
  readonly status: number
  readonly output: string
}

/** What QEMU says by itself: `RESET`, `WATCHDOG`, `SHUTDOWN`, … */
export interface QemuEvent {
  readonly event: string
  readonly data?: unknown
}

export class Guest {
  readonly events: QemuEvent[] = []
  readonly #options: GuestOptions
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  readonly #patience: number
  #console = ''
  #shell: Conversation | undefined
  #monitor: Conversation | undefined
  #calls = 0

  static async start(options: GuestOptions): Promise<Guest> {
    const sockets = ['shell', 'monitor', 'console'].map((name) => join(options.folder, `${name}.sock`))
    for (const path of sockets) rmSync(path, { force: true })
    const [shell, monitor, console] = await Promise.all(sockets.map(Listener.at))
    const guest = new Guest(options, sockets as [string, string, string])
    const record = createWriteStream(join(options.folder, 'console.log'), { flags: 'a' })
    const all = [shell!.first, monitor!.first, console!.first]
    const ended = guest.#gone.then(() => {
      throw new Error(`QEMU ended: ${readFileSync(join(options.folder, 'qemu.log'), 'utf8').slice(-800)}`)
    })
    const [shellSocket, monitorSocket, consoleSocket] = await Promise.race([Promise.all(all), ended])
    guest.#shell = new Conversation(shellSocket!)
    guest.#monitor = new Conversation(monitorSocket!, (line) => guest.#heard(line))
    consoleSocket!.on('data', (chunk: Buffer) => {
      record.write(chunk)
      guest.#console = (guest.#console + chunk.toString('latin1')).slice(-200_000)
    })
    monitorSocket!.write('{"execute":"qmp_capabilities"}\n')
    return guest
  }

  private constructor(options: GuestOptions, [shell, monitor, console]: [string, string, string]) {
    this.#options = options
    this.#patience = options.patience ?? 1
    const { folder, words, memoryMiB = 1024, wires } = options
    const wire = (id: string, port: number): string[] => [
      '-chardev',
      `socket,id=${id},host=127.0.0.1,port=${port},reconnect=1`,
    ]
    const given = [
      ...['-M', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', String(memoryMiB), '-display', 'none', '-nodefaults'],
      ...['-chardev', `socket,id=console,path=${console}`, '-serial', 'chardev:console'],
      ...['-chardev', `socket,id=monitor,path=${monitor}`, '-mon', 'chardev=monitor,mode=control'],
      ...[
        '-device',
        'virtio-serial-pci',
        '-chardev',
        `socket,id=shell,path=${shell}`,
        '-device',
        'virtserialport,chardev=shell,name=harness',
      ],
      ...(wires === undefined
        ? []
        : [
            ...[
              ...wire('usb', wires.usb),
              '-device',
              'qemu-xhci',
              '-device',
              'usb-serial,always-plugged=on,chardev=usb',
            ],
            ...[...wire('pci', wires.pci), '-device', 'pci-serial,chardev=pci'],
          ]),
      ...words,
    ]
    writeFileSync(join(folder, 'qemu.txt'), `qemu-system-aarch64 ${given.join(' ')}\n`)
    const said = createWriteStream(join(folder, 'qemu.log'))
    this.#child = spawn('qemu-system-aarch64', given, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout!.pipe(said)
    this.#child.stderr!.pipe(said)
    this.#gone = new Promise((resolve) => this.#child.once('exit', resolve))
  }

  /** All that the console said, of its last 200,000 bytes. */
  get console(): string {
    return this.#console
  }

  /** Waits for a line of the console. Throws when the budget, in milliseconds of an idle machine, is used up. */
  async said(pattern: RegExp, budgetMs: number): Promise<RegExpExecArray> {
    return this.until(`the console to say ${pattern}`, budgetMs, () => pattern.exec(this.#console) ?? undefined)
  }

  async until<T>(what: string, budgetMs: number, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
    const until = performance.now() + budgetMs * this.#patience
    for (;;) {
      const found = await look()
      if (found !== undefined && found !== false) return found
      if (performance.now() > until) {
        throw new Error(`waited ${Math.round((budgetMs * this.#patience) / 1000)} s in vain for ${what}`)
      }
      if (this.#child.exitCode !== null) throw new Error(`QEMU ended while it was waited for ${what}`)
      await sleep(100)
    }
  }

  /** The root shell answers from here on. */
  async awake(budgetMs: number): Promise<void> {
    await this.until('the shell', budgetMs, async () => {
      await sleep(500)
      const id = `awake-${++this.#calls}`
      this.#shell!.send(`\nprintf '<%s>\\n' ${id}\n`)
      const until = performance.now() + 2000 * this.#patience
      while (performance.now() < until) {
        if (this.#shell!.heard.includes(`<${id}>`)) return true
        await sleep(50)
      }
      return undefined
    })
  }

  /** Runs a command in the root shell. */
  async ask(command: string, budgetMs = 20_000): Promise<Answer> {
    const id = `end-${++this.#calls}`
    this.#shell!.forget()
    this.#shell!.send(`{ ${command}\n} 2>&1; printf '\\n<%s %d>\\n' ${id} $?\n`)
    const end = new RegExp(`\\n?<${id} (\\d+)>`)
    const found = await this.until(
      `"${command.slice(0, 80)}"`,
      budgetMs,
      () => end.exec(this.#shell!.heard) ?? undefined,
    )
    return { status: Number(found[1]), output: this.#shell!.heard.slice(0, found.index).replaceAll('\r', '') }
  }

  /** As `ask`; throws unless the command succeeds. */
  async do(command: string, budgetMs?: number): Promise<string> {
    const { status, output } = await this.ask(command, budgetMs)
    if (status !== 0) throw new Error(`"${command}" ended with ${status}: ${output.slice(-500)}`)
    return output.trim()
  }

  /** A command of the machine protocol: `system_reset`, `nmi`, … */
  tell(execute: string, given: object = {}): void {
    this.#monitor!.send(`${JSON.stringify({ execute, arguments: given })}\n`)
  }

  /** A USB stick with this file as its medium. */
  plug(medium: string): void {
    this.tell('blockdev-add', { driver: 'raw', 'node-name': 'stick', file: { driver: 'file', filename: medium } })
    this.tell('device_add', { driver: 'usb-storage', id: 'stick', drive: 'stick' })
  }

  unplug(): void {
    this.tell('device_del', { id: 'stick' })
  }

  /** The plug is pulled. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
  }

  /** Waits for it to have gone by itself. */
  async gone(budgetMs: number): Promise<void> {
    const ended = await Promise.race([
      this.#gone.then(() => true),
      sleep(budgetMs * this.#patience, false, { ref: false }),
    ])
    if (!ended) throw new Error('the box did not switch itself off')
  }

  get pid(): number {
    return this.#child.pid!
  }

  get folder(): string {
    return this.#options.folder
  }

  #heard(line: string): void {
    try {
      const said = JSON.parse(line) as Partial<QemuEvent>
      if (said.event !== undefined) this.events.push(said as QemuEvent)
    } catch {
      // Half a line at its end.
    }
  }
}

/** Waits for QEMU to connect. */
class Listener {
  readonly first: Promise<Socket>

  static at(path: string): Promise<Listener> {
    const server = createServer()
    const listener = new Listener(server)
    return new Promise((resolve, reject) => server.once('error', reject).listen(path, () => resolve(listener)))
  }

  private constructor(server: Server) {
    this.first = new Promise((resolve) =>
      server.once('connection', (socket) => {
        server.close()
        socket.on('error', () => socket.destroy())
        resolve(socket)
      }),
    )
  }
}

class Conversation {
  heard = ''
  readonly #socket: Socket

  constructor(socket: Socket, onLine?: (line: string) => void) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.heard = (this.heard + chunk.toString('utf8')).slice(-4_000_000)
      if (onLine === undefined) return
      const lines = this.heard.split('\n')
      this.heard = lines.pop()!
      for (const line of lines) onLine(line)
    })
  }

  send(text: string): void {
    this.#socket.write(text)
  }

  forget(): void {
    this.heard = ''
  }
}
