/** A gateway whose serial adapter is pulled and plugged in again while it is read: each time it is found by its stable name and
 *  read on, nothing is left behind, and the other line is read as if nothing had happened. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Station } from '../../hal/simulated/station.ts'
import { filled } from '../southbound/modbus/rig.ts'
import { ended, gateway, sleep, until } from './processes.ts'

const SOCAT = '/usr/bin/socat'
if (!existsSync(SOCAT)) console.error(`SKIPPED: the adapter that is replugged, for want of ${SOCAT}`)

const TIMES = 100
const EVERY_MS = 25

/** A slave behind a pty that comes and goes under one name, as `/dev/serial/by-id` keeps it. */
class Adapter {
  readonly link: string
  readonly station = new Station({ unit: 1, memory: filled(1) })
  /** The longest time without a question, milliseconds. */
  longestSilenceMs = 0
  #heardAt = 0
  #socat: ChildProcess | undefined
  #server: Server

  constructor(link: string) {
    this.link = link
    this.#server = createServer((socket) => this.#serve(socket))
  }

  async begin(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    await this.plug()
  }

  #serve(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (frame) => {
      const now = performance.now()
      if (this.#heardAt > 0) this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.#heardAt)
      this.#heardAt = now
      const answer = this.station.hear(frame)
      if (answer !== null) socket.write(answer.frame)
    })
  }

  async plug(): Promise<void> {
    const { port } = this.#server.address() as { port: number }
    this.#socat = spawn(SOCAT, [`pty,raw,echo=0,link=${this.link}`, `tcp:127.0.0.1:${port},nodelay`])
    await until('the pty', () => existsSync(this.link))
  }

  async unplug(): Promise<void> {
    const socat = this.#socat!
    const gone = new Promise((resolve) => socat.once('exit', resolve))
    socat.kill('SIGKILL')
    await gone
    rmSync(this.link, { force: true })
  }

  async end(): Promise<void> {
    if (this.#socat?.exitCode === null && this.#socat.signalCode === null) await this.unplug()
    this.#server.close()
  }
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

describe.skipIf(!existsSync(SOCAT))(`an adapter that is replugged ${TIMES} times under load`, () => {
  let folder = ''
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is read again each time; files and memory stay flat, and the other line is untouched', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-replugged-'))
    const [pulled, steady] = ['pulled', 'steady'].map((name) => new Adapter(join(folder, name))) as [Adapter, Adapter]
    for (const adapter of [pulled, steady]) {
      await adapter.begin()
      ends.push(() => adapter.end())
    }
    const file = join(folder, 'gateway.yaml')
    const line = (name: string): string =>
      `  ${name}: { driver: modbus-rtu, port: ${join(folder, name)}, baudRate: 115200, timeout: 300ms }`
    const device = (name: string): string =>
      `  d-${name}: { connection: ${name}, unitId: 1, groups: { g: { every: ${EVERY_MS}ms, tags: { a: { address: "40001", type: uint16 }, b: { address: "40051", type: uint16 } } } } }`
    writeFileSync(
      file,
      `connections:
${line('pulled')}
${line('steady')}
devices:
${device('pulled')}
${device('steady')}
log: { path: ${join(folder, 'log')} }
`,
    )
    const process = await gateway(file)
    ends.push(() => ended(process))
    const pid = process.pid!
    const reads = async (count: number): Promise<void> => {
      const before = pulled.station.heard
      await until('the line is read again', () => pulled.station.heard >= before + count)
    }
    await reads(5)
    const files: number[] = []
    let after20 = 0
    const began = performance.now()
    for (let time = 1; time <= TIMES; time++) {
      await pulled.unplug()
      // Now and then away for longer than the first attempts.
      if (time % 25 === 0) await sleep(400)
      await pulled.plug()
      await reads(2)
      files.push(openFiles(pid))
      if (time === 20) after20 = residentMb(pid)
    }
    const tookMs = performance.now() - began
    const after100 = residentMb(pid)
    expect(process.exitCode).toBeNull()
    expect(Math.max(...files.slice(20))).toBeLessThanOrEqual(Math.max(...files.slice(0, 20)) + 1)
    expect(after100 - after20).toBeLessThan(25)
    expect(steady.longestSilenceMs).toBeLessThan(1000)
    // Found within two seconds of its return, so on average, with what the test itself does, within one.
    expect(tookMs / TIMES).toBeLessThan(1000)
    await ended(process)
    expect(process.exitCode).toBe(0)
    console.log(
      `replugged ${TIMES} times in ${(tookMs / 1000).toFixed(1)} s: ${files.at(-1)} files, ${after20.toFixed(0)} MB after 20, ${after100.toFixed(0)} MB after ${TIMES}; the other line never silent for more than ${steady.longestSilenceMs.toFixed(0)} ms`,
    )
  }, 90_000)
})
