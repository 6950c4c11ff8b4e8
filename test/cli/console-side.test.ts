/** The third process: it has no devices and no log, and tells what the halves say, also of a half that is away. */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GatewayReport } from '../../src/contracts/report.ts'
import { readMetrics } from '../health/metrics/text-format.ts'
import { ended, fieldgate, freePort, half, linesOf, listeningOf, type User, until } from '../peers/processes.ts'
import { keep, newFolder } from '../peers/workshop.ts'

let file: string
let port: number

function configure(listen: string, more = ''): void {
  writeFileSync(
    file,
    `gateway: { id: test }
connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: 1 } }
devices: { oven: { connection: plc, unitId: 1, groups: { g: { tags: { t: { address: "40001", type: int16 } } } } } }
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:1"${more} } }
${listen === '' ? '' : `console: { listen: "${listen}" }`}
log: { path: log, quota: 16MiB }
`,
  )
}

beforeEach(async () => {
  file = join(newFolder(), 'gateway.yaml')
  port = await freePort()
  configure(`127.0.0.1:${port}`)
})

afterEach(() => void vi.unstubAllEnvs())

const get = (path: string, at = port): Promise<Response> => fetch(`http://127.0.0.1:${at}${path}`)
const health = async (): Promise<string> => {
  const answer = await get('/healthz')
  return `${answer.status} ${await answer.text()}`
}
const halves = async (): Promise<readonly (boolean | undefined)[]> => {
  const { samples } = readMetrics(await (await get('/metrics')).text(), 'text')
  const told = (half: string) =>
    samples.find(({ name, labels }) => name === 'fieldgate_half_running' && labels.half === half)?.value
  return [told('field') === 1, told('uplink') === 1]
}
const killed = async (child: ChildProcess): Promise<void> => {
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}

describe('the console as a process of its own', () => {
  it('tells of the halves as they come and go, and listens where they do not', async () => {
    const console = await keep(half('console', file))
    expect(await health()).toBe(
      '503 field half: not running: no device is read; start it with "fieldgate run --side field"\nuplink half: not running: nothing is delivered; start it with "fieldgate run --side uplink"\n',
    )
    expect(await halves()).toEqual([false, false])

    let field = await keep(half('field', file))
    expect(await health()).toMatch(/^503 uplink half: not running/)
    expect(await halves()).toEqual([true, false])
    const uplink = await keep(half('uplink', file))
    expect(await health()).toBe('200 all is well\n')
    expect([field, uplink, console].map(({ pid }) => listeningOf(pid!))).toEqual([0, 0, 1])

    const report = (await (await get('/status.json')).json()) as GatewayReport
    expect(report).toMatchObject({ gateway: 'test', devices: [{ name: 'oven' }], sinks: [{ name: 's' }] })
    expect(report.processes!.map(({ side }) => side)).toEqual(['field', 'uplink', 'console'])

    await killed(field)
    expect(await health()).toMatch(/^503 field half: not running/)
    // What it knew of the gateway it goes on saying.
    expect((await (await get('/status.json')).json()) as GatewayReport).toMatchObject({ gateway: 'test', log: null })
    field = await keep(half('field', file))
    expect(await health()).toBe('200 all is well\n')
    await ended(console)
    expect(console.exitCode).toBe(0)
    expect(linesOf(console)).toEqual([])
  }, 60_000)

  it('says of a half that hangs that it does not answer', async () => {
    await keep(half('console', file))
    const field = await keep(half('field', file))
    await keep(half('uplink', file))
    field.kill('SIGSTOP')
    try {
      expect(await health()).toMatch(/^503 field half: does not answer within 5 s/)
    } finally {
      field.kill('SIGCONT')
    }
    expect(await health()).toBe('200 all is well\n')
  }, 60_000)

  it('listens where the configuration in force says, not where the file says that nobody has applied', async () => {
    await keep(half('console', file))
    await keep(half('field', file))
    await keep(half('uplink', file))
    const next = await freePort()
    configure(`127.0.0.1:${next}`)
    expect(await health()).toBe('200 all is well\n')
    expect((await fieldgate('apply', '--config', file)).status).toBe(0)
    await until('the console to move', () =>
      get('/healthz', next).then(
        ({ status }) => status === 200,
        () => false,
      ),
    )
    await expect(get('/healthz')).rejects.toThrow()
  }, 60_000)

  it('opens no port where the gateway is one-way, or where it cannot tell', async () => {
    configure('', ', commands: none')
    expect(listeningOf((await keep(half('console', file))).pid!)).toBe(0)
    writeFileSync(file, 'this: is: no: yaml')
    expect(listeningOf((await keep(half('console', file))).pid!)).toBe(0)
  }, 60_000)

  const ROOT = process.getuid?.() === 0
  if (!ROOT) console.error('SKIPPED: the console as a user of its own, for want of root')
  it.skipIf(!ROOT)(
    'needs no right to the log',
    async () => {
      const FIELD: User = { uid: 64_001, gid: 64_000 }
      const CONSOLE: User = { uid: 64_003, gid: 64_000 }
      const folder = join(file, '..')
      const [log, run] = [join(folder, 'log'), join(folder, 'run')]
      chmodSync(folder, 0o755)
      for (const [path, mode] of [
        [log, 0o700],
        [run, 0o755],
      ] as const) {
        mkdirSync(path)
        chmodSync(path, mode)
        chownSync(path, FIELD.uid!, FIELD.gid!)
      }
      vi.stubEnv('FIELDGATE_RUN', run)
      await keep(half('field', file, FIELD))
      await keep(half('uplink', file, FIELD))
      await keep(half('console', file, CONSOLE))
      expect(await health()).toBe('200 all is well\n')
    },
    60_000,
  )
})
