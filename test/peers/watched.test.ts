/** The service as systemd sees it: what it is told, what it is fed, what becomes of a reload, and how the service ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GatewayReport, HealthReport } from '../../src/contracts/report.ts'
import { Datagrams } from '../hal/linux/kernel/datagrams.ts'
import { fieldgate, freePort, service, sleep, until } from './processes.ts'
import { keep, newFolder } from './workshop.ts'

const WATCHDOG_MS = 600

type Health = HealthReport['watchdog'] & { readonly errors: readonly string[] }

interface Service {
  readonly child: ChildProcess
  /** Lines on stderr so far. */
  readonly lines: () => readonly { readonly level: number; readonly msg: string; readonly event?: string }[]
  readonly ended: Promise<number | null>
}

describe('the service under a systemd', () => {
  let folder: string
  let file: string
  let systemd: Datagrams
  beforeEach(() => {
    folder = newFolder()
    file = join(folder, 'gateway.yaml')
    systemd = new Datagrams()
  })
  afterEach(() => systemd.close())

  const configure = async (more = ''): Promise<void> => {
    const port = await freePort()
    writeFileSync(
      file,
      `connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 200ms } }
devices: { d: { connection: plc, unitId: 1, groups: { g: { every: 100ms, tags: { n: { address: "40001", type: uint16 } } } } } }
log: { path: ${join(folder, 'log')}, commitEvery: 50ms }
console: { listen: off }
${more}`,
    )
  }
  const start = async (words: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Service> => {
    const [command, all, own] = service('run', ...words, '--config', file)
    const child = spawn(command, all, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...own, NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: String(WATCHDOG_MS * 1000), ...env },
    })
    let said = ''
    child.stderr.on('data', (chunk) => (said += chunk))
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await keep(Promise.resolve(child))
    const lines = () =>
      said
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
    return { child, ended, lines }
  }
  const said = (what: RegExp): number => systemd.take().findIndex((message) => what.test(message))
  const feedings = (): number => systemd.take().filter((message) => message === 'WATCHDOG=1').length
  const fedAgain = (before: number) => until('the watchdog to be fed', () => feedings() >= before + 3)
  const report = async (): Promise<GatewayReport> =>
    JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout)

  it('says when it is ready, feeds, falls silent when it is stopped in its tracks, and says that it ends', async () => {
    await configure()
    const { child, ended, lines } = await start()
    await until('READY=1', () => said(/^READY=1$/) >= 0)
    expect(said(/^EXTEND_TIMEOUT_USEC=60000000$/)).toBeLessThan(said(/^READY=1$/))
    await fedAgain(feedings())
    await until('its status', () => said(/^STATUS=BUS: /) >= 0)

    child.kill('SIGSTOP')
    await until('it to stand', () => / T /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8')))
    const before = feedings()
    await sleep(3 * WATCHDOG_MS)
    expect(feedings()).toBe(before)
    child.kill('SIGCONT')
    await fedAgain(before)
    await until('the line about it', () => lines().find(({ event }) => event === 'loop.stalled'))
    expect(lines().find(({ event }) => event === 'loop.stalled')!.msg).toMatch(/it was not given the processor/)
    const [process] = (await report()).processes!
    expect(process!.health).toMatchObject({ watchdog: { by: ['systemd'], state: { condition: 'fine' } } })
    expect(process!.health!.longestStallMs).toBeGreaterThan(WATCHDOG_MS)
    expect(process!.health!.components.filter(({ stalled }) => stalled)).toEqual([])
    expect(process!.health!.components.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'event loop',
        'time keeper',
        'service',
        'log: writing',
        'log: deleting',
        'log: confirmations',
        'connection plc',
        'pipeline',
        'door',
        'sockets',
      ]),
    )

    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(said(/^STOPPING=1$/)).toBeGreaterThan(0)
    expect(systemd.take().at(-1)).not.toMatch(/^READY/)
  })

  it('takes its file anew on SIGHUP, and stays with what it has where that is not valid', async () => {
    await configure()
    const { child, lines } = await start()
    await until('READY=1', () => said(/^READY=1$/) >= 0)
    const before = (await report()).revision
    const reloads = () =>
      systemd.take().filter((message) => /^(READY=1$|RELOADING=1\nMONOTONIC_USEC=\d+$)/.test(message))

    await configure('x-note: another')
    child.kill('SIGHUP')
    await until('the end of the reload', () => reloads().length === 3)
    expect(reloads().map((message) => message.split('\n')[0])).toEqual(['READY=1', 'RELOADING=1', 'READY=1'])
    const applied = (await report()).revision
    expect(applied).not.toBe(before)

    // Twice, the second while the first is still being carried out: what counts is what stands in the file in the end.
    child.kill('SIGHUP')
    await until('a reload to have begun', () => reloads().length > 3)
    await configure('x-note: yet another')
    child.kill('SIGHUP')
    await until('the last one', () => readFileSync(join(folder, 'log', 'active.yaml'), 'utf8').includes('yet another'))
    const last = await until('it to be in force', async () => {
      const { revision } = await report()
      return revision !== applied && reloads().length % 2 === 1 && revision
    })
    const done = reloads().length

    writeFileSync(file, 'conections: {}\n')
    child.kill('SIGHUP')
    await until('the end of the refused reload', () => reloads().length === done + 2)
    expect(
      lines()
        .filter(({ level, event }) => level === 50 && event !== 'light')
        .map(({ msg }) => msg),
    ).toEqual([
      `${file} is not valid, what was in force stays in force; run "fieldgate check"`,
      expect.stringMatching(/gateway\.yaml:1:1: .*conections.*connections/),
    ])
    // What is in force is known to whoever asks at the same place.
    await configure('x-note: yet another')
    expect((await report()).revision).toBe(last)
  })

  it('is ready as each of two halves, and the uplink gets time as long as it waits for the field', async () => {
    await configure()
    const uplink = await start(['--side', 'uplink'])
    await until('the time it asks for', () => said(/^EXTEND_TIMEOUT_USEC=/) >= 0)
    expect(said(/^READY=1$/)).toBe(-1)
    const field = await start(['--side', 'field'])
    await until('both to be ready', () => systemd.take().filter((message) => message === 'READY=1').length === 2)
    const { processes } = await report()
    expect(processes!.map(({ side, health }) => [side, health!.watchdog.by])).toEqual([
      ['field', ['systemd']],
      ['uplink', ['systemd']],
    ])
    expect(processes![1]!.health!.components.map(({ name }) => name)).toContain('log: following')
    for (const half of [uplink, field]) {
      half.child.kill('SIGTERM')
      expect(await half.ended).toBe(0)
    }
  })

  it('arms the watchdog of the box only where no systemd watches it, and only when it is told to', async () => {
    const alone = { NOTIFY_SOCKET: undefined, WATCHDOG_USEC: undefined }
    const asked = async (more: string, env: NodeJS.ProcessEnv): Promise<Health> => {
      await configure(more)
      const { child, ended, lines } = await start([], env)
      await until('it to run', () => lines().some(({ msg }) => msg === 'running'))
      const health = await until('its report', async () => (await report()).processes?.[0]?.health)
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
      return {
        ...health.watchdog,
        errors: lines()
          .filter(({ level, event }) => level === 50 && event !== 'light')
          .map(({ msg }) => msg),
      }
    }
    const wanted = 'board: simulated\nwatchdog: { hardware: true }'
    expect(await asked('board: simulated', alone)).toMatchObject({ by: [], state: { condition: 'fine' } })
    expect(await asked(wanted, alone)).toMatchObject({ by: ['device'], state: { condition: 'fine' }, errors: [] })
    expect(await asked(wanted, {})).toMatchObject({ by: ['systemd'] })
    const without = await asked('board: generic\nwatchdog: { hardware: true }', alone)
    expect(without).toMatchObject({ by: [], state: { condition: 'refused' } })
    expect(without.errors[0]).toMatch(/^the watchdog of the box cannot be armed: .*; everything else works$/)
  })

  it.each([
    ['is thrown', 'throw new TypeError("x is not a wire")'],
    ['rejects', 'Promise.reject(new TypeError("x is not a wire"))'],
  ])(
    'ends with a line and a status that has it started again when something unexpected %s, and loses nothing',
    async (_, how) => {
      await configure()
      const import_ = `data:text/javascript,process.on('SIGUSR2',()=>{${how}})`
      const { child, ended, lines } = await start([], { NODE_OPTIONS: `--import="${import_.replaceAll('"', '\\"')}"` })
      await until('READY=1', () => said(/^READY=1$/) >= 0)
      const stored = async (): Promise<number> => (await report()).log!.head.seq
      const before = await until('records', async () => (await stored()) > 3 && (await stored()))
      child.kill('SIGUSR2')
      expect(await ended).toBe(1)
      expect(
        lines()
          .filter(({ event }) => event === 'service.crashed')
          .map(({ msg }) => msg),
      ).toEqual(['the service ends, for something went wrong that nobody expected: x is not a wire'])
      const { stdout } = await fieldgate('log', 'status', '--audit', '--json', '--config', file)
      const { log } = JSON.parse(stdout) as { log?: { head: { seq: number } } }
      expect(log?.head.seq ?? JSON.parse(stdout).head?.seq).toBeGreaterThanOrEqual(before)
    },
  )
})
