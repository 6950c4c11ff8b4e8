/** What a test with other people's Modbus programs needs: where they are, and that all it started is ended after each test. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { ended, started } from './processes.ts'

export const PYTHON = '/usr/bin/python3'
export const PYMODBUS = '/usr/lib/python3/dist-packages/pymodbus/version.py'
export const ASYNC_SERIAL = '/usr/lib/python3/dist-packages/serial_asyncio/__init__.py'
export const SOCAT = '/usr/bin/socat'
export const MBPOLL = '/usr/bin/mbpoll'
export const CC = '/usr/bin/gcc'
export const LIBMODBUS = '/usr/include/modbus/modbus.h'

/** Says aloud what a test is skipped for. */
export function lacks(what: string, ...parts: readonly string[]): boolean {
  const absent = parts.filter((part) => !existsSync(part))
  if (absent.length > 0) console.error(`SKIPPED: ${what}, for want of ${absent.join(', ')}`)
  return absent.length > 0
}

const clients: { stop(): Promise<void> }[] = []
const children: ChildProcess[] = []
const folders: string[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) await client.stop()
  for (const child of children.splice(0).reverse()) await ended(child)
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A driver or a link of ours, stopped before what it is connected to. */
export function stopAfterwards<T extends { stop(): Promise<void> }>(client: T): T {
  clients.push(client)
  return client
}

export function newFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'fieldgate-peers-'))
  folders.push(made)
  return made
}

export async function keep(child: Promise<ChildProcess>): Promise<ChildProcess> {
  const one = await child
  children.push(one)
  return one
}

/** Two ends of a serial line. */
export async function cable(): Promise<[near: string, far: string]> {
  const folder = newFolder()
  const [near, far] = [join(folder, 'near'), join(folder, 'far')]
  const ends = [near, far].map((end) => `pty,raw,echo=0,link=${end}`)
  await keep(started(SOCAT, ['-d', '-d', ...ends], /starting data transfer loop/))
  return [near, far]
}
