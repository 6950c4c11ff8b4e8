/** Other people's parts and our own, as processes of the test: started until they say they are ready, stopped by pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Absent: whoever runs the test. */
export interface User {
  readonly uid?: number
  readonly gid?: number
}

/** Starts a process that prints `marker` once it is ready. */
export async function started(
  command: string,
  words: readonly string[],
  marker: RegExp,
  env: NodeJS.ProcessEnv = {},
  user: User = {},
): Promise<ChildProcess> {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...user })
  linesOf(child)
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const listen = (chunk: Buffer): void => {
      said += chunk
      if (marker.test(said)) resolve()
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}: ${said}`)))
    child.once('error', reject)
  })
  return child
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await exit
  clearTimeout(late)
}

/** Resolves once `is` gives something; says what it waited for when it does not come. */
export async function until<T>(
  what: string,
  is: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 15_000,
): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const found = await is()
    if (found !== undefined && found !== false) return found as T
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`)
    await sleep(20)
  }
}

const printed = new WeakMap<ChildProcess, string[]>()

/** The lines a process prints, from its first one on, as they come. */
export function linesOf(child: ChildProcess): string[] {
  const known = printed.get(child)
  if (known !== undefined) return known
  const lines: string[] = []
  printed.set(child, lines)
  let rest = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  })
  return lines
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The command as `npm run fieldgate` starts it, npm itself left out, so that the process that is started is the service. */
export function service(
  ...words: string[]
): readonly [command: string, words: readonly string[], env: NodeJS.ProcessEnv] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { fieldgate: string } }
  const parts = scripts.fieldgate.split(' ')
  const assigned = parts.filter((part) => /^[A-Z_]+=/.test(part)).map((part) => part.split('=') as [string, string])
  const env = Object.fromEntries(assigned.map(([name, value]) => [name, join(ROOT, value)]))
  const own = parts.slice(assigned.length + 1).map((part) => (part.endsWith('.ts') ? join(ROOT, part) : part))
  return [process.execPath, [...own, ...words], env]
}

/** `fieldgate run` with this file, once it says that it runs. */
export function gateway(file: string): Promise<ChildProcess> {
  const [command, words, env] = service('run', '--config', file)
  return started(command, words, /"msg":"running"/, env)
}

/** One half of it, as a process of its own. */
export function half(side: 'field' | 'uplink' | 'console', file: string, user: User = {}): Promise<ChildProcess> {
  const [command, words, env] = service('run', '--side', side, '--config', file)
  return started(command, words, /"msg":"running"/, env, user)
}

/** TCP sockets on which a process listens. */
export function listeningOf(pid: number): number {
  const folder = `/proc/${pid}/fd`
  const own = new Set(readdirSync(folder).map((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1]))
  // proc(5), /proc/net/tcp: the fourth field is the state, 0A is LISTEN; the tenth is the inode.
  return ['tcp', 'tcp6']
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && own.has(fields[9]!)).length
}

/** One command line to its end. */
export function fieldgate(...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const [command, all, env] = service(...words)
    const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk) => (stdout += chunk))
    child.stderr.on('data', (chunk) => (stderr += chunk))
    child.once('close', (status) => resolve({ status: status ?? -1, stdout, stderr }))
  })
}
