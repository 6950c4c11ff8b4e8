/** A mosquitto of the test's own, and mosquitto_sub as a second opinion on what it was sent. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended, freePort, linesOf, started, until } from './processes.ts'

const PEERS = ['mosquitto_sub', 'mosquitto_pub', 'mosquitto_passwd', 'openssl', 'stdbuf'].map(
  (name) => `/usr/bin/${name}`,
)
PEERS.push('/usr/sbin/mosquitto')
/** What of it this machine lacks. */
export const absentMosquitto = PEERS.filter((peer) => !existsSync(peer))

export interface Mosquitto {
  readonly port: number
  readonly folder: string
  /** What it logs, over all its lives. */
  readonly lines: string[]
  /** The topics of the messages it received, in the order of their coming. */
  received(): string[]
  /** SIGKILL: no goodbye. */
  kill(): Promise<void>
  up(): Promise<void>
  signal(signal: NodeJS.Signals): void
  dispose(): Promise<void>
}

/** `lines`: of its configuration, below the listener; they may name files of the folder. */
export async function mosquitto(
  lines: readonly string[] | ((folder: string) => readonly string[]) = ['allow_anonymous true'],
  options: { readonly down?: boolean } = {},
): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-mosquitto-'))
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  const given = typeof lines === 'function' ? lines(folder) : lines
  // It would give its rights away and could then not read the folder.
  writeFileSync(file, [`listener ${port} 127.0.0.1`, ...given, 'user root', ''].join('\n'))
  const said: string[] = []
  let child: ChildProcess | undefined
  const gone = async (): Promise<void> => {
    if (child === undefined) return
    const one = child
    child = undefined
    const exit = new Promise((resolve) => one.once('close', resolve))
    one.kill('SIGKILL')
    await exit
  }
  const broker: Mosquitto = {
    port,
    folder,
    lines: said,
    received: () =>
      said.flatMap((line) => {
        const topic = /Received PUBLISH from \S+ \(d\d, q\d, r\d, m\d+, '([^']*)'/.exec(line)?.[1]
        return topic === undefined ? [] : [topic]
      }),
    kill: gone,
    async up() {
      const one = spawn('/usr/sbin/mosquitto', ['-c', file, '-v'], { stdio: ['ignore', 'pipe', 'pipe'] })
      child = one
      let rest = ''
      const listen = (chunk: Buffer): void => {
        const parts = (rest + chunk).split('\n')
        rest = parts.pop()!
        said.push(...parts)
      }
      one.stdout.on('data', listen)
      one.stderr.on('data', listen)
      const from = said.length
      await until('mosquitto to run', () => said.slice(from).some((line) => / running$/.test(line)))
    },
    signal: (signal) => void child?.kill(signal),
    async dispose() {
      await gone()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  if (options.down !== true) await broker.up()
  return broker
}

export interface Observer {
  /** What came on a topic. */
  of(topic: string): string[]
  readonly lines: string[]
  dispose(): Promise<void>
}

/** Subscribes to everything, or as `words` say, before it resolves. */
export async function observer(port: number, words: readonly string[] = ['-t', '#']): Promise<Observer> {
  const all = ['-h', '127.0.0.1', '-p', String(port), '-q', '2', '-d', '-v', ...words]
  // Into a pipe it would keep its lines until it has many.
  const child = await started('/usr/bin/stdbuf', ['-oL', '/usr/bin/mosquitto_sub', ...all], /SUBACK/)
  const lines = linesOf(child)
  return {
    lines,
    of: (topic) => lines.filter((line) => line.startsWith(`${topic} `)).map((line) => line.slice(topic.length + 1)),
    dispose: () => ended(child),
  }
}
