/** Scan, trace and why on a gateway as it runs: a pymodbus slave on a pty, and tshark to read what was captured. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Diagnosis, Scan } from '../../src/contracts/errand.ts'
import { ended, fieldgate, gateway, started, until } from './processes.ts'
import { complaints, decode, TSHARK } from './tshark.ts'

const SOCAT = '/usr/bin/socat'
const PYTHON = '/usr/bin/python3'
const PYMODBUS = '/usr/lib/python3/dist-packages/pymodbus/version.py'
const ASYNC_SERIAL = '/usr/lib/python3/dist-packages/serial_asyncio/__init__.py'
const absent = [SOCAT, PYTHON, PYMODBUS, ASYNC_SERIAL, TSHARK].filter((peer) => !existsSync(peer))
if (absent.length > 0) console.error(`SKIPPED: scan, trace and why on a pty, for want of ${absent.join(', ')}`)

describe.skipIf(absent.length > 0)('a gateway on a line with one pymodbus device and one that is dead', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-diagnosis-'))
  const file = join(folder, 'gateway.yaml')
  const at = ['--config', file] as const
  const children: ChildProcess[] = []
  let slave: ChildProcess

  beforeAll(async () => {
    const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')]
    const pty = (link: string): string => `pty,raw,echo=0,link=${link}`
    children.push(await started(SOCAT, ['-d', '-d', pty(ours), pty(theirs)], /starting data transfer loop/))
    const device = fileURLToPath(new URL('modbus-device.py', import.meta.url))
    slave = await started(PYTHON, [device, join(folder, 'table.json'), 'rtu', theirs, '19200'], /ready/)
    children.push(slave)
    writeFileSync(
      file,
      `gateway: { id: test }
board: generic
connections:
  bus: { driver: modbus-rtu, port: ${ours}, baudRate: 19200, timeout: 300ms, retries: 0 }
devices:
  meter: { connection: bus, unitId: 1, groups: { all: { every: 200ms, tags: { a: { address: "holding:0", type: uint16 }, b: { address: "holding:1", type: uint16 } } } } }
  ghost: { connection: bus, unitId: 2, groups: { all: { every: 1s, tags: { a: { address: "holding:0", type: uint16 } } } } }
log: { path: log, quota: 16MiB }
`,
    )
    children.push(await gateway(file))
    await until('answers', async () => {
      return (await fieldgate('trace', 'bus', '--last', '20', ...at)).stdout.includes(' answer ')
    })
  })

  afterAll(async () => {
    for (const child of children.reverse()) await ended(child)
    rmSync(folder, { recursive: true, force: true })
  })

  test('scan finds the one that is there', async () => {
    const { status, stdout } = await fieldgate('scan', 'bus', '--units', '1-4', '--timeout', '150ms', '--json', ...at)
    expect(status).toBe(0)
    const { found, asked } = JSON.parse(stdout) as Scan
    expect(asked).toBe(4)
    expect(found.map(({ unit, line }) => [unit, line])).toEqual([[1, '19200 8N1']])
    expect(found[0]!.areas).toMatchObject({
      holding: 'answers',
      input: 'answers',
      coil: 'answers',
      discrete: 'answers',
    })
  })

  test('trace writes a capture in which tshark sees units, functions, addresses and values', async () => {
    const pcap = join(folder, 'bus.pcap')
    expect((await fieldgate('trace', 'bus', '--for', '1500ms', '--pcap', pcap, ...at)).status).toBe(0)
    const packets = await decode(pcap)
    expect(packets.length).toBeGreaterThan(6)
    expect(packets).toContainEqual(expect.objectContaining({ unit: 1, function: 3, address: 0, count: 2 }))
    const answer = packets.find((packet) => packet !== null && packet.answers !== null && packet.unit === 1)!
    const { table } = JSON.parse(readFileSync(join(folder, 'table.json'), 'utf8')) as {
      table: { type: string; value: string }[]
    }
    const first = Number(table.find(({ type }) => type === 'int16')!.value) & 0xffff
    expect(answer.registers[0]).toBe(first)
    expect(await complaints(pcap)).toBe('')
  })

  test('why of the dead one ends with its neighbour that answers', async () => {
    const { status, stdout } = await fieldgate('why', 'ghost', '--json', ...at)
    expect(status).toBe(4)
    const found = JSON.parse(stdout) as Diagnosis
    expect(found).toMatchObject({
      branch: 'device dead',
      sentence: 'nothing comes from ghost (unit 2), while meter on the same line answers',
    })
    expect(found.steps).toContainEqual({ question: 'did anything come back?', finding: 'not one byte' })
  })

  test('a device that falls silent leaves the frames around it behind', async () => {
    await ended(slave)
    const frozen = await until('the fault', async () => {
      const { stdout } = await fieldgate('trace', 'bus', '--frozen', ...at)
      return stdout.includes('unit 1 did not answer, and had until then') ? stdout : undefined
    })
    expect(frozen).toMatch(/^> .* × {2,}1 {2}timeout .* no answer$/m)
    expect(frozen).toMatch(/^ {2}.* ← {2,}1 {2}answer .* FC03 holding:0–1 = /m)
  })
})
