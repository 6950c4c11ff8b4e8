import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { ConnectionBudget } from '../../src/cli/check.ts'
import { demoConfiguration } from '../../src/cli/demo/configuration.ts'
import { changesText } from '../../src/cli/plan.ts'
import { fieldgate } from './fieldgate.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-check-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const PLACES = { pressPort: 1502, ovenPort: 1503, conveyorPort: 1504, brokerPort: 1883, log: join(folder, 'log') }
const demo = file('demo.yaml', demoConfiguration(PLACES))

describe('check', () => {
  it('prints the requests of every group and the share of the wire they take', async () => {
    const { status, out, err } = await fieldgate(['check', '--config', demo])
    expect({ status, err }).toEqual({ status: 0, err: '' })
    expect(out).toContain('demo.yaml is valid: 4 connections, 5 devices, 6 groups, 44 tags, 1 sink.')
    expect(out).toMatch(/^bus \(modbus-rtu\): \d+ % of the wire’s time, 7 requests\/s$/m)
    expect(out).toContain('    FC04 unit 1, 30001–30012')
  })

  it('gives the same as one JSON document', async () => {
    const { status, out } = await fieldgate(['check', '--config', demo, '--json'])
    expect(status).toBe(0)
    const document = JSON.parse(out) as { ok: boolean; problems: unknown[]; connections: ConnectionBudget[] }
    expect(document).toMatchObject({ ok: true, problems: [] })
    const bus = document.connections.find(({ name }) => name === 'bus')!
    expect(bus.load).toBeGreaterThan(0.05)
    expect(bus.load).toBeLessThan(0.5)
    const meter = bus.groups.find(({ device }) => device === 'meter')!
    expect(meter).toMatchObject({ group: 'power', everyMs: 1000, tags: 11 })
    expect(meter.wireMs).toBeGreaterThan(50)
  })

  it('says when the wire does not have the time', async () => {
    const slow = file('slow.yaml', demoConfiguration(PLACES).replace('baudRate: 19200', 'baudRate: 1200'))
    const { status, out } = await fieldgate(['check', '--config', slow])
    expect(status).toBe(0)
    expect(out).toMatch(/^ {2}bus: \d{3} % of the wire: groups .* cannot keep their interval; .* would fit/m)
    expect(out).toContain('The wire does not have this time')
    const json = await fieldgate(['check', '--config', slow, '--json'])
    const { connections } = JSON.parse(json.out) as { connections: ConnectionBudget[] }
    const bus = connections.find(({ name }) => name === 'bus')!
    expect(bus.load).toBeGreaterThan(1)
    expect(bus.slower).toBeGreaterThan(1)
    expect(bus.cannotKeep[0]).toMatchObject({ device: 'meter', group: 'power', everyMs: 1000 })
    expect(bus.cannotKeep[0]!.fitsMs).toBeGreaterThan(1000)
  })

  it('says what is assumed, what a dead device would cost, and why each request is as it is', async () => {
    const { out } = await fieldgate(['check', '--config', demo])
    expect(out).toContain('(assumed: every device answers after 5 ms)')
    expect(out).toMatch(
      /load with a device dead: \d+ % without meter, \d+ % without tank; one that dies costs up to 1s once/,
    )
    expect(out).toMatch(/^ {6}\d+ tags, neighbours merged$/m)
    const { connections } = JSON.parse((await fieldgate(['check', '--config', demo, '--json'])).out)
    for (const { groups } of connections as ConnectionBudget[]) {
      for (const { why, requests } of groups) {
        expect(why).toHaveLength(requests.length)
        expect(why.every((reasons) => reasons.length > 0)).toBe(true)
      }
    }
  })

  it('reports every problem with its place, and status 3', async () => {
    const wrong = demoConfiguration(PLACES).replace('every: 200ms', 'interval: 200ms').replace('"40002"', '"50002"')
    const path = file('wrong.yaml', wrong)
    const plain = await fieldgate(['check', '--config', path])
    expect(plain.status).toBe(3)
    expect(plain.out).toBe('')
    expect(plain.err).toMatch(/wrong\.yaml:\d+:\d+: .*every/)
    expect(plain.err).toMatch(/wrong\.yaml:\d+:\d+: .*450002/)
    const json = await fieldgate(['check', '--config', path, '--json'])
    expect(json.status).toBe(3)
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [{ line: expect.any(Number) }, {}] })
  })

  it('says which file it cannot read', async () => {
    const { status, err } = await fieldgate(['check', '--config', 'nowhere.yaml'], { cwd: folder })
    expect(status).toBe(3)
    expect(err).toContain(join(folder, 'nowhere.yaml'))
  })

  it('started through npm it looks where the user stood', async () => {
    const env = { npm_lifecycle_event: 'fieldgate', INIT_CWD: folder }
    const { status } = await fieldgate(['check', '--config', 'demo.yaml'], { cwd: '/', env })
    expect(status).toBe(0)
  })
})

describe('commands that ask a running gateway', () => {
  it('end with 4 and one sentence when there is none, even when the file is broken', async () => {
    const broken = file('broken.yaml', `log: { path: ${join(folder, 'elsewhere')} }\nconnections: [`)
    for (const args of [
      ['status'],
      ['values'],
      ['read', 'bus', '1', '40001'],
      ['write', 'bus', '1', '40001', 'int16', '-5'],
    ]) {
      const { status, out, err } = await fieldgate([...args, '--config', broken])
      expect({ args, status, out }).toEqual({ args, status: 4, out: '' })
      expect(err).toMatch(/^fieldgate: no gateway is running here: .*elsewhere.*\n$/)
    }
  })

  it('say so in the one document of --json too', async () => {
    const { status, out } = await fieldgate(['status', '--config', demo, '--json'])
    expect(status).toBe(4)
    expect(JSON.parse(out)).toMatchObject({ ok: false, status: 4 })
  })
})

describe('a plan', () => {
  it('names what changes and counts what is kept', () => {
    const text = changesText([
      { component: 'log', change: 'kept', keys: [], text: 'unchanged' },
      { component: 'group oven/zones', change: 'restarted', keys: ['everyMs'], text: 'changed: everyMs' },
      { component: 'sink scada', change: 'added', keys: [], text: 'new' },
    ])
    expect(text.split('\n')).toEqual([
      'CHANGE     COMPONENT',
      'restarted  group oven/zones  changed: everyMs',
      'added      sink scada        new',
      '1 component is kept and misses nothing',
    ])
  })

  it('says that nothing changes', () => {
    expect(changesText([{ component: 'log', change: 'kept', keys: [], text: 'unchanged' }])).toMatch(/^nothing changes/)
  })
})

describe('check --profile', () => {
  it('validates a profile alone, and says what is wrong at its place', async () => {
    const good = file(
      'meter.yaml',
      'title: A meter\ngroups: { g: { tags: { x: { address: "40001", type: int16 } } } }\n',
    )
    const { status, out } = await fieldgate(['check', '--profile', good])
    expect(status).toBe(0)
    expect(out).toContain('meter.yaml is valid')
    expect(out).toContain('FC03 unit 1, 40001')
    const bad = file(
      'broken-meter.yaml',
      'title: 3\ngroups: { g: { tags: { x: { address: "50001", type: int16 } } } }\n',
    )
    const wrong = await fieldgate(['check', '--profile', bad])
    expect(wrong.status).toBe(3)
    expect(wrong.err).toMatch(/broken-meter\.yaml:1:8: .*expected a text/)
    expect(wrong.err).toMatch(/broken-meter\.yaml:2:38: .*450001/)
    const none = await fieldgate(['check', '--profile', 'nowhere.yaml'], { cwd: folder })
    expect(none.status).toBe(3)
    expect(none.err).toContain('nowhere')
  })
})
