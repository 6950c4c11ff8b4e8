/** The service under a clock that libfaketime holds: booted in 1970, set while it runs, across 2038, in 2099 and back. A real
 *  mosquitto and its subscriber see what comes of it; the device's own ledger says when each number was really read. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect as dial, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { absentMosquitto, type Mosquitto, mosquitto } from './mosquitto.ts'
import { ended, fieldgate, freePort, linesOf, service, sleep, started, until } from './processes.ts'

const FAKETIME = ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path))
const absent = [...absentMosquitto, ...(FAKETIME === undefined ? ['libfaketime'] : [])]
if (absent.length > 0) console.error(`SKIPPED: the service under a faked clock, for want of ${absent.join(', ')}`)

const EVERY_MS = 50
/** From the device's answer to the stamp, on a busy box. */
const LATE_MS = 1000
const YEAR_MS = 365.25 * 86_400_000
const BUILT = Date.UTC(2026, 0, 1)

interface Heard {
  readonly n: number
  readonly timestamp: number
  readonly clock: string | undefined
  readonly boot: string | undefined
  readonly monotonic: number
}

/** A line between gateway and broker that can be cut. */
async function cable(to: number) {
  const sockets = new Set<Socket>()
  let cut = false
  const server = createServer((near) => {
    if (cut) return near.destroy()
    const far = dial(to, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    port,
    pull() {
      cut = true
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    },
    plug() {
      cut = false
    },
    close() {
      this.pull()
      server.close()
    },
  }
}

describe.skipIf(absent.length > 0)('the service', () => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  /** A device, a broker with a subscriber, and a configuration between them. */
  async function site() {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-clock-'))
    ends.push(() => rmSync(folder, { recursive: true, force: true }))
    const broker: Mosquitto = await mosquitto()
    ends.push(() => broker.dispose())
    const words = ['-oL', '/usr/bin/mosquitto_sub', '-p', String(broker.port), '-V', '5', '-q', '1', '-d']
    const subscriber = await started('/usr/bin/stdbuf', [...words, '-t', '#', '-F', '%t|%P|%p'], /SUBACK/)
    ends.push(() => ended(subscriber))
    const lines = linesOf(subscriber)
    const wire = await cable(broker.port)
    ends.push(() => wire.close())
    const [devicePort, ledger] = [await freePort(), join(folder, 'ledger')]
    const device = join(import.meta.dirname, 'counting-device.ts')
    const counting = await started(process.execPath, [device, String(devicePort), ledger], /ready/)
    ends.push(() => ended(counting))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${devicePort} } }
devices:
  d: { connection: plc, unitId: 1, groups: { g: { every: ${EVERY_MS}ms, tags: { n: { address: "40001", type: uint32 } } } } }
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${wire.port}", from: oldest } }
log: { path: ${join(folder, 'log')}, commitEvery: 50ms }
`,
    )
    return {
      file,
      wire,
      heard: (): Heard[] =>
        lines.flatMap((line) => {
          const [topic, properties, payload] = line.split('|')
          if (topic !== '/neuron/s/d/g') return []
          const { timestamp, values } = JSON.parse(payload!) as { timestamp: number; values: { n?: number } }
          const property = (name: string) => new RegExp(`\\b${name}:(\\S+)`).exec(properties!)?.[1]
          const { n } = values
          const [clock, boot, monotonic] = [property('clock'), property('boot'), Number(property('monotonic'))]
          return n === undefined ? [] : [{ n, timestamp, clock, boot, monotonic }]
        }),
      events: () =>
        lines.flatMap((line) =>
          line.startsWith('fieldgate/') ? [JSON.parse(line.split('|')[2]!) as Record<string, unknown>] : [],
        ),
      /** When number `n` was read, UTC. */
      readAt: (n: number): number => {
        const line = readFileSync(ledger, 'utf8').split('\n')[n - 1]!
        return Number(line.split(' ')[2])
      },
    }
  }

  /** The system's clock, off by so much. */
  function faked(offsetMs: number) {
    const folder = mkdtempSync(join(tmpdir(), 'fieldgate-faketime-'))
    ends.push(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'offset')
    const set = (ms: number): void => writeFileSync(file, `${ms < 0 ? '-' : '+'}${(Math.abs(ms) / 1000).toFixed(3)}\n`)
    set(offsetMs)
    const env = {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    }
    return { env, set }
  }

  async function run(file: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
    const [command, words, own] = service('run', '--config', file)
    const child = await started(command, words, /"msg":"running"/, { ...own, ...env })
    ends.push(() => ended(child))
    return child
  }

  async function killed(child: ChildProcess): Promise<void> {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  const near = (time: number, truth: number): void => {
    expect(time - truth).toBeGreaterThanOrEqual(-2)
    expect(time - truth).toBeLessThan(LATE_MS)
  }

  it('booted in 1970 sends no time before it was built, marks it uncertain, and corrects it when the clock is set', async () => {
    const { file, wire, heard, events, readAt } = await site()
    const clock = faked(-Date.now())
    const first = await run(file, clock.env)
    await until('uncertain times', () => heard().length > 10)
    for (const { timestamp, clock } of heard()) {
      expect(timestamp).toBeGreaterThanOrEqual(BUILT)
      expect(timestamp).toBeLessThan(Date.now())
      expect(clock).toBe('unsynced')
    }
    // A backlog of two lives of the process, all before the clock is set.
    wire.pull()
    await sleep(400)
    await killed(first)
    const second = await run(file, clock.env)
    await sleep(700)
    const sentBefore = heard()
    clock.set(0)
    await sleep(700)
    wire.plug()
    await until('certain times', () => heard().filter(({ clock }) => clock === undefined).length > 10, 40_000)
    const told = await until('the clock entry', () => events().find(({ kind }) => kind === 'clock'))

    // What was sent is put right by the entry: UTC = monotonic + offsetMs of its boot.
    for (const { n, monotonic, boot } of sentBefore) {
      expect(boot).toBe(told.boot)
      near(monotonic + (told.offsetMs as number), readAt(n))
    }
    // What was not sent is right when it is sent.
    const corrected = heard().filter(({ clock }) => clock === 'corrected')
    expect(corrected.length).toBeGreaterThan(5)
    for (const { n, timestamp } of corrected) near(timestamp, readAt(n))
    for (const { n, timestamp, clock } of heard()) if (clock === undefined) near(timestamp, readAt(n))
    const numbers = heard().map(({ n }) => n)
    expect([...new Set(numbers)]).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    const stepped = await until('the step', () => events().find(({ name }) => name === 'clock.stepped'))
    expect((stepped.facts as { byMs: number }).byMs).toBeGreaterThan(0)
    const status = JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout)
    expect(Math.abs(status.at - Date.now())).toBeLessThan(5000)
    expect(status.at - status.startedAt).toBeGreaterThan(1000)
    await ended(second)
    expect(second.exitCode).toBe(0)
  }, 120_000)

  it('goes through the last second of 32 bits, 2038-01-19 03:14:07, as through any other', async () => {
    const { file, heard, readAt } = await site()
    const END = 2 ** 31 * 1000
    const offset = END - Date.now() - 4000
    const child = await run(file, faked(offset).env)
    const after = (): Heard[] => heard().filter(({ timestamp }) => timestamp > END)
    await until('times after it', () => after().length > 10, 30_000)
    expect(heard().length).toBeGreaterThan(after().length)
    for (const { n, timestamp, clock } of heard()) {
      near(timestamp, readAt(n) + offset)
      expect(clock).toBeUndefined()
    }
    await ended(child)
    // And it opens what it stored then.
    const count = heard().length
    await run(file, faked(offset).env)
    await until('times of the next run', () => heard().length > count + 10)
    expect(heard().at(-1)!.timestamp).toBeGreaterThan(heard()[count - 1]!.timestamp)
  }, 120_000)

  it('does not keep to a 2099 that it once took for right', async () => {
    const { file, heard, events, readAt } = await site()
    const wrong = Math.round(73 * YEAR_MS)
    const first = await run(file, faked(wrong).env)
    await until('times of 2099', () => heard().length > 5)
    near(heard()[0]!.timestamp, readAt(heard()[0]!.n) + wrong)
    await killed(first)
    const before = heard().length
    await run(file, faked(0).env)
    const now = (): Heard[] => heard().filter(({ timestamp }) => timestamp < Date.now() + 60_000)
    await until('times of today', () => now().length > 10)
    for (const { n, timestamp, clock } of now()) {
      near(timestamp, readAt(n))
      expect(clock).toBeUndefined()
    }
    expect(before).toBeGreaterThan(0)
    const stepped = await until('the step', () => events().find(({ name }) => name === 'clock.stepped'))
    expect(Math.abs((stepped.facts as { byMs: number }).byMs + wrong)).toBeLessThan(1000)
  }, 120_000)
})
