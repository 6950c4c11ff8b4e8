/** What goes wrong in a plant, all at once: each fault is said in a sentence with a reason and a counter, and the rest runs. */
import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { GatewayReport } from '../../src/contracts/report.ts'
import { ended, fieldgate, freePort, gateway, started, until } from './processes.ts'

const PEERS = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto_passwd']
const absent = PEERS.filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: bad input, for want of ${absent.join(', ')}`)

/** Answers every request with these bytes, or never. */
function device(port: number, answer: (request: Buffer) => Buffer | undefined): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', (request) => {
      const bytes = answer(request)
      if (bytes !== undefined) socket.write(bytes)
    })
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

describe.skipIf(absent.length > 0)('a plant in which much is wrong', () => {
  const children: ChildProcess[] = []
  const servers: Server[] = []
  let folder = ''
  afterEach(async () => {
    for (const child of children.splice(0).reverse()) await ended(child)
    for (const server of servers.splice(0)) server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is told fault by fault; what is right goes on, and the log grows', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-bad-'))
    const [good, silent, refusing, nonsense, nobody, broker] = await Promise.all(Array.from({ length: 6 }, freePort))
    const header = (request: Buffer, pdu: readonly number[]): Buffer =>
      Buffer.from([...request.subarray(0, 4), 0, pdu.length + 1, request[6]!, ...pdu])
    servers.push(await device(good!, (request) => header(request, [3, 2, 0, 42])))
    servers.push(await device(silent!, () => undefined))
    servers.push(await device(refusing!, (request) => header(request, [0x83, 2])))
    servers.push(await device(nonsense!, (request) => header(request, [3, 4, 0, 1, 0, 2])))
    const passwords = join(folder, 'passwords')
    execFileSync('mosquitto_passwd', ['-b', '-c', passwords, 'gateway', 'right'], { stdio: 'ignore' })
    const conf = join(folder, 'mosquitto.conf')
    writeFileSync(conf, `listener ${broker} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\nuser root\n`)
    children.push(await started('/usr/sbin/mosquitto', ['-c', conf, '-v'], /running/))
    const tcp = (port: number | undefined): string =>
      `{ driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 300ms }`
    const names = ['good', 'silent', 'refusing', 'nonsense', 'nobody', 'portless']
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `connections:
  good: ${tcp(good)}
  silent: ${tcp(silent)}
  refusing: ${tcp(refusing)}
  nonsense: ${tcp(nonsense)}
  nobody: ${tcp(nobody)}
  portless: { driver: modbus-rtu, port: /dev/there-is-no-such-port }
devices:
${names.map((name) => `  ${name}: { connection: ${name}, unitId: 1, groups: { g: { every: 100ms, tags: { n: { address: "40001", type: int16 } } } } }`).join('\n')}
sinks: { s: { type: mqtt, url: "mqtt://127.0.0.1:${broker}", username: gateway, password: wrong } }
log: { path: ${join(folder, 'log')} }
`,
    )
    const service = await gateway(file)
    children.push(service)
    const status = async (): Promise<GatewayReport> =>
      JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as GatewayReport
    const report = await until('every fault to be known', async () => {
      const now = await status()
      const asked = now.devices.every((device) => device.answers !== null)
      return asked && now.sinks[0]!.state.condition === 'refused' && now.sinks[0]!.receipt!.pending > 50 && now
    })
    const connection = (name: string) => report.connections.find((one) => one.name === name)!
    const answers = Object.fromEntries(report.devices.map((one) => [one.name, one.answers]))
    expect(answers).toMatchObject({ good: true, silent: false, refusing: true, nobody: false, portless: false })
    expect(connection('nobody').state).toMatchObject({ condition: 'fault' })
    expect(connection('portless').state).toMatchObject({ condition: 'fault' })
    expect(connection('portless').state.text).toContain('/dev/there-is-no-such-port')
    expect(connection('silent').counters.timeouts).toBeGreaterThan(0)
    expect(connection('refusing').counters.illegalAddresses).toBeGreaterThan(0)
    expect(connection('nonsense').counters.wrongLengths).toBeGreaterThan(0)
    expect(report.sinks[0]!.state.text).toMatch(/user "gateway"/)
    expect(report.lights.find(({ role }) => role === 'NET')).toMatchObject({ colour: 'red', pattern: 'blink' })

    const values = JSON.parse((await fieldgate('values', '--config', file, '--json')).stdout) as {
      device: string
      value: unknown
      quality: string
    }[]
    const shown = Object.fromEntries(values.map(({ device: name, value, quality }) => [name, [value, quality]]))
    expect(shown.good).toEqual([42, 'good'])
    for (const name of names.slice(1)) {
      expect(shown[name]![0], name).toBeNull()
      expect(shown[name]![1], name).not.toBe('good')
    }
    // The good one is on time beside them: ten a second, each stored.
    const before = (await status()).devices.find(({ name }) => name === 'good')!.counters.asked!
    const from = performance.now()
    const after = await until('twenty more polls', async () => {
      const asked = (await status()).devices.find(({ name }) => name === 'good')!.counters.asked!
      return asked >= before + 20 && asked
    })
    expect((after - before) / ((performance.now() - from) / 1000)).toBeGreaterThan(8)
    await ended(service)
    expect(service.exitCode).toBe(0)
  })

  it('ends a service that cannot start with the problems and status 3, and a command without a service with 4', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-bad-'))
    const file = join(folder, 'gateway.yaml')
    writeFileSync(file, `log: { path: ${join(folder, 'log')} }\nsinks: { s: { type: mqtt } }\n`)
    const run = await fieldgate('run', '--config', file)
    expect(run.status).toBe(3)
    expect(run.stderr).toMatch(/gateway\.yaml:2:10: sinks\.s: url is missing/)
    expect((await fieldgate('status', '--config', file)).status).toBe(4)
    expect((await fieldgate('statsu')).status).toBe(2)
  })

  it('starts on the last good configuration when the file is broken, and says so', async () => {
    folder = mkdtempSync(join(tmpdir(), 'fieldgate-bad-'))
    const file = join(folder, 'gateway.yaml')
    const text = `gateway: { id: sound }\nlog: { path: ${join(folder, 'log')} }\n`
    writeFileSync(file, text)
    const first = await gateway(file)
    await ended(first)
    writeFileSync(file, `${text}sinks: { s: { type: mqtt } }\n`)
    children.push(await gateway(file))
    const report = JSON.parse((await fieldgate('status', '--config', file, '--json')).stdout) as GatewayReport
    expect(report.gateway).toBe('sound')
    expect(report.notices.join()).toContain('the last good configuration is in force')
  })
})
