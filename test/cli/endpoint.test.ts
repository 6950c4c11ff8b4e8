/** Metrics, health and status over HTTP, of the real service. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { GatewayReport } from '../../src/contracts/report.ts'
import { readMetrics } from '../health/metrics/text-format.ts'
import { ended, fieldgate, freePort, gateway, listeningOf, service, until } from '../peers/processes.ts'
import { keep, newFolder } from '../peers/workshop.ts'

function configured(listen: string, more = ''): string {
  const file = join(newFolder(), 'gateway.yaml')
  write(file, listen, more)
  return file
}

function write(file: string, listen: string, more = ''): void {
  writeFileSync(
    file,
    `gateway: { id: test }
connections: { plc: { driver: modbus-tcp, host: 127.0.0.1, port: 1 } }
devices: { oven: { connection: plc, unitId: 1, groups: { g: { tags: { t: { address: "40001", type: int16 } } } } } }
${listen === '' ? '' : `console: { listen: "${listen}" }`}
log: { path: log, quota: 16MiB }
${more}
`,
  )
}

const get = (port: number, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers })

describe('the endpoint of a gateway that runs', () => {
  it('tells metrics, health and the report, and moves or closes with the configuration', async () => {
    const port = await freePort()
    const file = configured(`127.0.0.1:${port}`)
    const child = await keep(gateway(file))

    const metrics = await get(port, '/metrics')
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    const { samples } = readMetrics(await metrics.text(), 'text')
    const value = (name: string) => samples.find((sample) => sample.name === name)?.value
    expect(value('fieldgate_connection_devices')).toBe(1)
    expect(value('fieldgate_process_resident_memory_bytes')).toBeGreaterThan(1e7)
    expect(value('fieldgate_console_requests_total')).toBe(1)
    const open = await get(port, '/metrics?devices=1', { accept: 'application/openmetrics-text;version=1.0.0' })
    expect(readMetrics(await open.text(), 'openmetrics').samples.some(({ labels }) => labels.device === 'oven')).toBe(
      true,
    )

    const health = await get(port, '/healthz')
    expect([health.status, await health.text()]).toEqual([200, 'all is well\n'])
    const report = (await (await get(port, '/status.json')).json()) as GatewayReport
    expect(report).toMatchObject({ gateway: 'test', devices: [{ name: 'oven' }], processes: [{ side: 'both' }] })

    const next = await freePort()
    write(file, `127.0.0.1:${next}`)
    expect((await fieldgate('apply', '--config', file)).stderr).toBe('')
    expect((await get(next, '/healthz')).status).toBe(200)
    await expect(get(port, '/healthz')).rejects.toThrow()
    write(file, 'off')
    expect((await fieldgate('apply', '--config', file)).stderr).toBe('')
    await expect(get(next, '/healthz')).rejects.toThrow()
    await ended(child)
    expect(child.exitCode).toBe(0)
  }, 60_000)

  it('is not there where the gateway is one-way and nothing is said of it', async () => {
    const port = await freePort()
    const ordinary = await keep(gateway(configured(`127.0.0.1:${port}`)))
    expect(listeningOf(ordinary.pid!)).toBe(1)
    const oneWay = configured('', 'sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:1", commands: none } }')
    expect(listeningOf((await keep(gateway(oneWay))).pid!)).toBe(0)
  }, 60_000)

  it('leaves the gateway alone where its port is taken, and says so once', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const file = configured(`127.0.0.1:${port}`)
    const [command, words, env] = service('run', '--config', file)
    const child = spawn(command, words, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk) => (said += chunk))
    void keep(Promise.resolve(child))
    await until('the service', () => said.includes('"msg":"running"'))
    const status = async () =>
      JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as GatewayReport
    await until('polls', async () => (await status()).connections[0]!.counters.polls! > 0)
    await ended(child)
    expect(child.exitCode).toBe(0)
    const warnings = said.split('\n').filter((line) => line.includes(`127.0.0.1:${port} is taken`))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('give console.listen another port, or off')
    await new Promise((resolve) => other.close(resolve))
  }, 60_000)

  it('is warned of by check where others can reach it', async () => {
    const said = await fieldgate('check', '--config', configured('0.0.0.0:8080'))
    expect(said.status).toBe(0)
    expect(said.stdout + said.stderr).toContain('without a password')
  })
})
