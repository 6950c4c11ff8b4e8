import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GatewayReport, Light } from '../../src/contracts/report.ts'
import { fieldgate } from './fieldgate.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fieldgate-lights-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A configuration file with a log of its own. */
function written(name: string, text: string): string[] {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, text.replace('LOG', join(folder, `${name}-log`)))
  return ['--config', file]
}

describe('fieldgate lights --stopped', () => {
  const killed = { SERVICE_RESULT: 'watchdog', EXIT_CODE: 'killed', EXIT_STATUS: 'ABRT' }

  it('says why the service ended, also when its configuration is broken', async () => {
    const at = written('broken', 'board: [nonsense\n  : }\nlog: 7\n')
    const { status, out } = await fieldgate(['lights', '--stopped', ...at], { env: killed })
    expect(out).toContain('SYS: the service hung')
    expect(status).toBe(0)
  })

  it('tells a lamp that cannot be had, and ends well all the same', async () => {
    const at = written('lampless', 'board: { name: generic, leds: { SYS: { red: { led: "no-such-lamp" } } } }\n')
    const { status, out, err } = await fieldgate(['lights', '--stopped', '--json', ...at], { env: killed })
    expect(status).toBe(0)
    const { light, faults } = JSON.parse(out) as { light: Light; faults: string[] }
    expect(light).toMatchObject({ id: 'sys.failed.hung', role: 'SYS', colour: 'red' })
    for (const fault of faults) expect(err).toContain(fault)
  })
})

describe('fieldgate lights without a running gateway', () => {
  it('runs the lamps by itself, where there are any', async () => {
    const at = written('alone', 'log: { path: LOG }\n')
    const { status, out } = await fieldgate(['lights', 'test', ...at])
    expect(out).toContain('the board generic has no lamps')
    expect(status).toBe(0)
  })

  it('has nothing to tell', async () => {
    const at = written('nobody', 'log: { path: LOG }\n')
    expect((await fieldgate(['lights', ...at])).status).toBe(4)
    expect((await fieldgate(['lights', 'stop', ...at])).status).toBe(4)
  })

  it('knows what it can do', async () => {
    const { status, err } = await fieldgate(['lights', 'dance', ...written('nothing', '')])
    expect(status).toBe(2)
    expect(err).toContain('locate, test, stop')
  })
})

describe('fieldgate lights of a running gateway', () => {
  const at = written('running', 'gateway: { id: test }\nboard: simulated\nlog: { path: LOG, quota: 16MiB }\n')
  let gateway: ChildProcess

  beforeAll(async () => {
    gateway = spawn(process.execPath, [MAIN, 'run', ...at], { stdio: 'ignore' })
    const until = performance.now() + 20_000
    while ((await fieldgate(['lights', ...at])).status !== 0) if (performance.now() > until) throw new Error('not up')
  })
  afterAll(async () => {
    const ended = new Promise((resolve) => gateway.once('exit', resolve))
    gateway.kill('SIGTERM')
    await ended
  })

  it('are told with their sentences', async () => {
    const { out } = await fieldgate(['lights', ...at])
    expect(out).toMatch(/^BUS +green, blinking +nothing is configured to read; add devices and apply/m)
    expect(out).toMatch(/^NET +off +no sink is configured/m)
    const lights = JSON.parse((await fieldgate(['lights', '--json', ...at])).out) as Light[]
    expect(lights.map(({ id }) => id)).toEqual([expect.any(String), 'bus.idle', 'net.off', 'ha.off'])
  })

  it('run after each other, are tried, and go back to what they were', async () => {
    expect((await fieldgate(['lights', 'locate', ...at])).out).toContain('the lamps run for 60 s')
    expect((await fieldgate(['lights', 'test', ...at])).out).toContain('SYS, BUS, NET, HA show green, amber, red')
    expect((await fieldgate(['lights', 'stop', ...at])).out).toContain('the lamps show how the gateway is')
    const report = JSON.parse((await fieldgate(['status', '--json', ...at])).out) as GatewayReport
    expect(report.counters).toMatchObject({ locates: 1 })
    expect(report.counters.lampWrites).toBeGreaterThan(0)
  })
})
