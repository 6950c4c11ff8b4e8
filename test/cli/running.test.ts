import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { oven } from '../../src/cli/demo/plant/oven.ts'
import { freePorts, TcpDevice } from '../../src/cli/demo/plant/tcp-device.ts'
import type { ValueRow } from '../../src/console/terminal/rows.ts'
import { fieldgate } from './fieldgate.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fieldgate-running-'))
const file = join(folder, 'gateway.yaml')
const at = ['--config', file]
let gateway: ChildProcess
let device: TcpDevice
let said = ''

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
          zone-1:   { address: "30001", type: int16, scale: 0.1, precision: 1, unit: "°C" }
          setpoint: { address: "40001", type: int16, scale: 0.1, unit: "°C", access: rw, limits: [20, 300] }
log: { path: log, quota: 16MiB }
`,
  )
  gateway = spawn(process.execPath, [MAIN, 'run', ...at], { stdio: ['ignore', 'ignore', 'pipe'] })
  gateway.stderr!.on('data', (chunk) => {
    said += chunk
  })
  await answered(
    ['values', 'oven/zones/zone-1', ...at, '--json'],
    (out) => (JSON.parse(out) as ValueRow[]).length === 1,
  )
})

afterAll(async () => {
  const ended = new Promise((resolve) => gateway.once('exit', resolve))
  gateway.kill('SIGTERM')
  await ended
  await device.off()
  rmSync(folder, { recursive: true, force: true })
})

/** Asks until it is so, a real process being on the other end. */
async function answered(args: string[], enough: (out: string) => boolean): Promise<string> {
  const until = performance.now() + 20_000
  for (;;) {
    const { status, out } = await fieldgate(args)
    if (status === 0 && enough(out)) return out
    if (performance.now() > until) throw new Error(`${args.join(' ')} did not come to it: ${out} ${said}`)
  }
}

describe('against a running gateway', () => {
  it('status says who answers, on one screen', async () => {
    const out = await answered(['status', ...at], (text) => text.includes('1 of 1'))
    expect(out).toMatch(/^oven +plc +2 +yes +now/m)
    expect(out).toMatch(/^BUS +green, short gaps/m)
    expect(out).toMatch(/^LOG /m)
  })

  it('status --json is the whole report', async () => {
    const { status, out } = await fieldgate(['status', ...at, '--json'])
    expect(status).toBe(0)
    const report = JSON.parse(out)
    expect(report).toMatchObject({ gateway: 'test', connections: [{ name: 'plc', answering: 1 }], sinks: [] })
    expect(report.lights).toHaveLength(4)
  })

  it('values shows them with age and quality, all or those under a path', async () => {
    const { out } = await fieldgate(['values', ...at])
    expect(out).toMatch(/^oven\/zones\/zone-1 +1\d\d(\.\d)? +°C +now +good$/m)
    const { out: one } = await fieldgate(['values', 'oven/zones/setpoint', ...at, '--json'])
    expect(JSON.parse(one)).toMatchObject([{ tag: 'setpoint', value: 180, quality: 'good', stored: true }])
  })

  it('values says which names there are when one is wrong', async () => {
    const wrong = await fieldgate(['values', 'oven/zones/zone-9', ...at])
    expect(wrong.status).toBe(1)
    expect(wrong.err).toContain('it has: zone-1, setpoint')
    expect((await fieldgate(['values', 'furnace', ...at])).err).toContain('there are: oven')
  })

  it('values --follow prints each as it comes, and Ctrl-C ends it with 0', async () => {
    const follow = spawn(process.execPath, [MAIN, 'values', 'oven/zones/zone-1', '--follow', '--json', ...at])
    const lines: ValueRow[] = []
    let rest = ''
    const ended = new Promise((resolve) => follow.once('exit', resolve))
    await new Promise<void>((resolve) => {
      follow.stdout.on('data', (chunk) => {
        const parts = (rest + chunk).split('\n')
        rest = parts.pop()!
        lines.push(...parts.map((line) => JSON.parse(line) as ValueRow))
        if (lines.length >= 4) resolve()
      })
    })
    follow.kill('SIGINT')
    expect(await ended).toBe(0)
    expect(new Set(lines.map((row) => row.at)).size).toBeGreaterThanOrEqual(3)
  })

  it('read shows every type side by side', async () => {
    const { status, out } = await fieldgate(['read', 'plc', '2', '40001', ...at])
    expect(status).toBe(0)
    expect(out).toContain('1800')
    const { out: json } = await fieldgate(['read', 'plc', '2', '40001', ...at, '--json'])
    expect(JSON.parse(json).rows).toHaveLength(1)
  })

  it('read of what the device does not have fails with its reason; a silent unit is status 4', async () => {
    const refused = await fieldgate(['read', 'plc', '2', '49000', ...at])
    expect(refused.status).toBe(1)
    expect(refused.err).toMatch(/illegal|exception|address/i)
    const silent = await fieldgate(['read', 'plc', '77', '40001', ...at])
    expect(silent.status).toBe(4)
  })

  it('write sets a tag in engineering units, and by hand in raw ones', async () => {
    const named = await fieldgate(['write', 'oven/zones/setpoint', '182.5', ...at])
    expect(named).toMatchObject({ status: 0, err: '' })
    expect(device.machine.registers.read('holding', 0, 1)).toEqual([1825])
    const byHand = await fieldgate(['write', 'plc', '2', '40001', 'int16', '1900', ...at])
    expect(byHand.status).toBe(0)
    expect(device.machine.registers.read('holding', 0, 1)).toEqual([1900])
  })

  it('write refuses what may not be, says why, and ends with 1', async () => {
    const limits = await fieldgate(['write', 'oven/zones/setpoint', '900', ...at])
    expect(limits).toMatchObject({ status: 1, out: '' })
    expect(limits.err).toContain('300')
    const readOnly = await fieldgate(['write', 'oven/zones/zone-1', '5', ...at, '--json'])
    expect(readOnly.status).toBe(1)
    expect(JSON.parse(readOnly.out)).toMatchObject({ outcome: 'refused', text: expect.stringContaining('read-only') })
    const negative = await fieldgate(['write', 'oven/zones/setpoint', '-5', ...at])
    expect(negative.status).toBe(1)
    expect(negative.err).toContain('20')
    expect((await fieldgate(['write', 'oven/zones', '5', ...at])).status).toBe(2)
  })

  it('plan says what a changed file would change, apply changes it', async () => {
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('every: 100ms', 'every: 200ms'))
    const plan = await fieldgate(['plan', ...at])
    expect(plan.status).toBe(0)
    expect(plan.out).toMatch(/^restarted +group oven\/zones/m)
    expect((await fieldgate(['apply', ...at])).status).toBe(0)
    expect((await fieldgate(['plan', ...at])).out).toMatch(/^nothing changes/)
    writeFileSync(file, `${text}connections: [`)
    const broken = await fieldgate(['apply', ...at, '--json'])
    expect(broken.status).toBe(3)
    expect(JSON.parse(broken.out)).toMatchObject({ ok: false })
    writeFileSync(file, text)
  })
})
