import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { oven } from '../../src/cli/demo/plant/oven.ts'
import { freePorts, TcpDevice } from '../../src/cli/demo/plant/tcp-device.ts'
import type { TracedFrame } from '../../src/contracts/trace.ts'
import { ended, linesOf, started, until } from '../peers/processes.ts'
import { fieldgate } from './fieldgate.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fieldgate-trace-'))
const file = join(folder, 'gateway.yaml')
const at = ['--config', file]
let gateway: Awaited<ReturnType<typeof started>>
let device: TcpDevice

beforeAll(async () => {
  const [port] = await freePorts(1)
  device = new TcpDevice(oven('oven', 2), port!)
  await device.on()
  writeFileSync(
    file,
    `gateway: { id: test }
connections:
  plc: { driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 300ms, retries: 0 }
devices:
  oven:
    connection: plc
    unitId: 2
    groups: { zones: { every: 100ms, tags: { setpoint: { address: "40001", type: int16 } } } }
  ghost:
    connection: plc
    unitId: 9
    groups: { none: { every: 1h, tags: { nothing: { address: "40001", type: int16 } } } }
log: { path: log, quota: 16MiB }
`,
  )
  gateway = await started(process.execPath, [MAIN, 'run', ...at], /"msg":"running"/)
  await until('frames', async () => {
    return (await fieldgate(['trace', 'plc', '--last', '8', ...at])).out.split('\n').length > 9
  })
})

afterAll(async () => {
  await ended(gateway)
  await device.off()
  rmSync(folder, { recursive: true, force: true })
})

describe('trace', () => {
  it('shows the last frames: time to the microsecond, difference, direction, unit, verdict, response time, decoded', async () => {
    const { status, out, err } = await fieldgate(['trace', 'plc', '--last', '8', ...at])
    expect({ status, err }).toEqual({ status: 0, err: '' })
    const [head, ...lines] = out.trimEnd().split('\n')
    expect(head).toMatch(/^TIME +DELTA ms +UNIT +VERDICT +TOOK ms +FRAME$/)
    expect(lines.length).toBeGreaterThan(2)
    expect(lines.join('\n')).toMatch(/^\d\d:\d\d:\d\d\.\d{6} +(\+\d+\.\d{3} +)?→ +2 +FC03 holding:0$/m)
    expect(lines.join('\n')).toMatch(
      /^\d\d:\d\d:\d\d\.\d{6} +(\+\d+\.\d{3} +)?← +2 +answer +\d+\.\d{3} +FC03 holding:0 = 1800$/m,
    )
  })

  it('follows until it is interrupted, one document a frame with --json', async () => {
    const child = spawn(process.execPath, [MAIN, 'trace', 'plc', '--json', ...at], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exit = new Promise((resolve) => child.once('exit', resolve))
    const lines = linesOf(child)
    await until('six frames', () => lines.length >= 6)
    child.kill('SIGINT')
    expect(await exit).toBe(0)
    const frames = lines.map((line) => JSON.parse(line) as TracedFrame)
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, index) => frames[0]!.seq + index))
    const answer = frames.find(({ verdict }) => verdict === 'answer')!
    expect(answer).toMatchObject({ way: 'received', unit: 2, text: 'FC03 holding:0 = 1800', fault: false })
    expect(answer.bytes).toMatch(/^[0-9a-f]{4}000000050203020708$/)
  })

  it('ends by itself with --for, and writes a fixture and a capture beside what it shows', async () => {
    const [fixture, pcap] = [join(folder, 'wire.txt'), join(folder, 'plc.pcap')]
    const words = ['trace', 'plc', '--for', '600ms', '--fixture', fixture, '--pcap', pcap, '--json', ...at]
    const { status, out } = await fieldgate(words)
    expect(status).toBe(0)
    const frames = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const [comment, ...lines] = readFileSync(fixture, 'utf8').trimEnd().split('\n')
    expect(comment).toMatch(/^# plc/)
    expect(lines).toHaveLength(frames.length)
    for (const line of lines) expect(line).toMatch(/^\+\d+\.\d{3} [<>] [0-9a-f]+ # /)
    const capture = readFileSync(pcap)
    expect(capture.readUInt32LE(0)).toBe(0xa1b2c3d4)
    let packets = 0
    for (let place = 24; place < capture.length; place += 16 + capture.readUInt32LE(place + 8)) packets++
    expect(packets).toBe(frames.length)
  })

  it('says when there was no fault; a unit that never answered is none', async () => {
    await fieldgate(['read', 'plc', '77', '40001', ...at])
    const none = await fieldgate(['trace', 'plc', '--frozen', ...at])
    expect(none).toMatchObject({ status: 0, out: 'no fault has been frozen since the connection was started\n' })
    const { out } = await fieldgate(['trace', 'plc', '--frozen', ...at, '--json'])
    expect(JSON.parse(out)).toEqual({ connection: 'plc', framing: 'tcp', incidents: [] })
  })

  it('says which connection was meant, and what is wrong with an option', async () => {
    const wrong = await fieldgate(['trace', 'plx', '--last', '1', ...at])
    expect(wrong).toMatchObject({ status: 1, err: 'fieldgate: there is no connection "plx": did you mean "plc"?\n' })
    const options = await fieldgate(['trace', 'plc', '--last', 'many', ...at, '--json'])
    expect(options.status).toBe(2)
    expect(JSON.parse(options.out)).toMatchObject({ ok: false, status: 2 })
    const nowhere = await fieldgate(['trace', 'plc', '--last', '1', '--pcap', join(folder, 'no/where'), ...at])
    expect(nowhere.status).toBe(1)
    expect(nowhere.err).toContain('cannot be written')
    const stopped = await fieldgate(['trace', 'plc', '--config', join(folder, 'other', 'gateway.yaml')])
    expect(stopped.status).toBe(4)
    expect(stopped.err).toContain('start one with "fieldgate run"')
  })
})

describe('scan', () => {
  it('tells how it goes, names who answers, and ends with 4 when nobody does', async () => {
    const found = await fieldgate(['scan', 'plc', '--units', '1-3', '--timeout', '100ms', ...at])
    expect({ status: found.status, err: found.err }).toEqual({ status: 0, err: '' })
    const lines = found.out.trimEnd().split('\n')
    expect(lines[0]).toBe('asking 3 units from 1 to 3, at most 1 s; polling goes on in between')
    expect(lines.at(-1)).toBe('one unit answers: 2')
    const nobody = await fieldgate(['scan', 'plc', '--units', '7', '--timeout', '100ms', '--json', ...at])
    expect(nobody.status).toBe(4)
    expect(JSON.parse(nobody.out)).toMatchObject({ found: [], asked: 1 })
  })

  it('refuses what it cannot do, and says what it can', async () => {
    const { status, err } = await fieldgate(['scan', 'plc', '--baud', 'all', ...at])
    expect(status).toBe(1)
    expect(err).toBe('fieldgate: --baud and --parity are for a serial line of this box\n')
    expect((await fieldgate(['scan', 'plcc', ...at])).err).toContain('did you mean "plc"?')
  })
})

describe('why', () => {
  it('tells each step, and ends with one sentence and one thing to do', async () => {
    const { status, out, err } = await fieldgate(['why', 'oven', ...at])
    expect({ status, err }).toEqual({ status: 0, err: '' })
    const lines = out.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^does the address take connections\? connected to 127\.0\.0\.1:/)
    expect(lines.slice(-3)).toEqual(['', 'oven answers all that is configured for it', '→ Nothing needs to be done.'])
  })

  it('is one document with --json, and ends with 4 for a device that is not there', async () => {
    const { status, out } = await fieldgate(['why', 'ghost', '--json', ...at])
    expect(status).toBe(4)
    const document = JSON.parse(out)
    expect(document).toMatchObject({ device: 'ghost', branch: 'device dead' })
    expect(document.steps.length).toBeGreaterThan(3)
  })

  it('knows a device by nearly its name', async () => {
    const { status, err } = await fieldgate(['why', 'ovn', ...at])
    expect(status).toBe(1)
    expect(err).toContain('did you mean "oven"?')
  })
})

describe('a gateway whose door is shut', () => {
  const own = join(folder, 'shut.yaml')
  const there = ['--config', own]
  let shut: Awaited<ReturnType<typeof started>>

  beforeAll(async () => {
    const text = readFileSync(file, 'utf8').replace('path: log,', 'path: log-shut,')
    writeFileSync(own, `${text}sinks: { out: { type: mqtt, url: "mqtt://127.0.0.1:1", commands: none } }\n`)
    shut = await started(process.execPath, [MAIN, 'run', ...there], /"msg":"running"/)
    await until('an answer', async () => (await fieldgate(['trace', 'plc', '--last', '2', ...there])).out !== '')
  })

  afterAll(() => ended(shut))

  it('lets itself be looked at: trace, and why by what is known already', async () => {
    const { status, out } = await fieldgate(['why', 'oven', ...there])
    expect(status).toBe(0)
    expect(out).toContain('nothing is asked: the door is shut')
  })

  it('does not scan, and says why', async () => {
    const { status, err } = await fieldgate(['scan', 'plc', ...there])
    expect(status).toBe(1)
    expect(err).toContain('the door of this gateway is shut')
  })
})
