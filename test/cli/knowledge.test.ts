/** What a running gateway learns of a device: said by status and check, and known after a restart. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { oven } from '../../src/cli/demo/plant/oven.ts'
import { freePorts, TcpDevice } from '../../src/cli/demo/plant/tcp-device.ts'
import { fieldgate } from './fieldgate.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fieldgate-knowledge-'))
const file = join(folder, 'gateway.yaml')
const kept = join(folder, 'log', 'knowledge.json')
const at = ['--config', file]
let device: TcpDevice
let gateway: ChildProcess | undefined

beforeAll(async () => {
  const [port] = await freePorts(1)
  device = new TcpDevice(oven('oven', 2), port!)
  await device.on()
  writeFileSync(
    file,
    `gateway: { id: test }
connections:
  plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 500ms }
devices:
  oven:
    connection: plc
    unitId: 2
    groups:
      zones:
        every: 100ms
        tags:
          zone-1: { address: "30001", type: int16 }
          zone-2: { address: "30002", type: int16 }
          none:   { address: "30900", type: int16 }
          absent: { address: "30901", type: int16 }
log: { path: log, quota: 16MiB }
`,
  )
})

afterAll(async () => {
  await stop()
  await device.off()
  rmSync(folder, { recursive: true, force: true })
})

function start(): void {
  gateway = spawn(process.execPath, [MAIN, 'run', ...at], { stdio: ['ignore', 'ignore', 'ignore'] })
}

async function stop(): Promise<void> {
  const ending = gateway
  if (ending === undefined || ending.exitCode !== null) return
  const ended = new Promise((resolve) => ending.once('exit', resolve))
  ending.kill('SIGTERM')
  await ended
}

async function status(enough: (out: string) => boolean): Promise<string> {
  const until = performance.now() + 20_000
  for (;;) {
    const { status, out } = await fieldgate(['status', ...at])
    if (status === 0 && enough(out)) return out
    if (performance.now() > until) throw new Error(`status did not come to it: ${out}`)
  }
}

const REFUSES = 'oven refuses 30900–30901 (no such address)'

it('is said by status with the budget, kept beside the log, and planned by after a restart', async () => {
  start()
  const first = await status((out) => out.includes(REFUSES))
  expect(first).toMatch(/plc: .*% planned[ ;]/)
  await stop()
  expect(JSON.parse(readFileSync(kept, 'utf8'))).toMatchObject({
    pages: { 'plc/oven': { unit: 2, facts: [{ kind: 'refused' }, { kind: 'refused' }] } },
  })
  const check = await fieldgate(['check', ...at])
  expect(check.out).toContain(`  learnt: ${REFUSES}`)
  const { connections } = JSON.parse((await fieldgate(['check', ...at, '--json'])).out)
  expect(connections[0].knowledge.oven.keys).toEqual({ omit: ['30900–30901'] })
  start()
  // Known before the device was asked for them.
  await status((out) => out.includes(REFUSES))
  await stop()
}, 60_000)

it('is learnt anew when the file was damaged', async () => {
  writeFileSync(kept, '{"version": 1, "pages": {"plc/oven": ')
  start()
  await status((out) => out.includes(REFUSES))
  await stop()
}, 60_000)
