/** Metrics against the report of a gateway that runs: every counter it has is there, described, and in the right form. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import * as catalog from '../../../src/catalog.ts'
import { oven } from '../../../src/cli/demo/plant/oven.ts'
import { TcpDevice } from '../../../src/cli/demo/plant/tcp-device.ts'
import type { GatewayReport } from '../../../src/contracts/report.ts'
import { COUNTERS, described, metricOf, type Scope } from '../../../src/health/metrics/counters.ts'
import { expose, wantsOpenMetrics } from '../../../src/health/metrics/exposition.ts'
import { familiesOf, type Seen } from '../../../src/health/metrics/families.ts'
import { GAUGES } from '../../../src/health/metrics/gauges.ts'
import { ended, fieldgate, freePort, gateway, until } from '../../peers/processes.ts'
import { readMetrics } from './text-format.ts'

/** One gateway with each driver and each sink of the catalog; one of its devices is really there. */
async function reportOfEverything(): Promise<GatewayReport> {
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-metrics-'))
  const port = await freePort()
  const device = new TcpDevice(oven('oven', 2), port)
  await device.on()
  const tag = (address: string) => `groups: { g: { every: 50ms, tags: { t: { ${address} } } } }`
  const file = join(folder, 'gateway.yaml')
  writeFileSync(
    file,
    `connections:
  modbus-tcp: { driver: modbus-tcp, host: 127.0.0.1, port: ${port} }
  modbus-rtu-over-tcp: { driver: modbus-rtu-over-tcp, host: 127.0.0.1, port: 1 }
  modbus-rtu: { driver: modbus-rtu, port: ${join(folder, 'tty1')} }
  modbus-ascii: { driver: modbus-ascii, port: ${join(folder, 'tty2')} }
  blueprint: { driver: blueprint, host: 127.0.0.1, port: 1 }
devices:
  oven: { connection: modbus-tcp, unitId: 2, ${tag('address: "30001", type: int16')} }
  other: { connection: modbus-tcp, unitId: 2, ${tag('address: "30002", type: int16')} }
  away: { connection: modbus-rtu-over-tcp, unitId: 1, ${tag('address: "40001", type: int16')} }
  text: { connection: blueprint, station: 1, ${tag('address: t, type: number')} }
sinks:
  mqtt: { type: mqtt, url: "mqtt://127.0.0.1:1", from: oldest }
console: { listen: off }
log: { path: ${join(folder, 'log')} }
`,
  )
  const child = await gateway(file)
  try {
    return await until('the device to answer, and what it says to be stored', async () => {
      const { stdout } = await fieldgate('status', '--config', file, '--json')
      const report = JSON.parse(stdout) as GatewayReport
      expect(Object.keys(catalog.drivers).sort()).toEqual(report.connections.map(({ driver }) => driver).sort())
      expect(Object.keys(catalog.sinks).sort()).toEqual(report.sinks.map(({ type }) => type).sort())
      const all = report.devices.filter(({ connection }) => connection === 'modbus-tcp')
      const done = all.every(({ answers }) => answers === true) && report.sinks[0]!.receipt!.pending > 1
      return done && report.machine !== undefined && report
    })
  } finally {
    await ended(child)
    await device.off()
    rmSync(folder, { recursive: true, force: true })
  }
}

let seen: Seen
beforeAll(async () => {
  const console = Object.fromEntries(Object.keys(COUNTERS.console).map((name, at) => [name, at]))
  seen = { report: await reportOfEverything(), devices: false, console }
})

async function read(of: Seen, format: 'text' | 'openmetrics' = 'text') {
  const { text } = await expose(familiesOf(of), { openMetrics: format === 'openmetrics' })
  return readMetrics(text, format)
}

/** Every record of counters in a report, wherever it stands, with the scope and labels it is told under. */
function countersIn(report: GatewayReport) {
  const found: { scope: Scope; labels: Record<string, string>; counters: Readonly<Record<string, number>> }[] = []
  const known: Readonly<Record<string, Scope>> = {
    connections: 'connection',
    devices: 'device',
    sinks: 'sink',
    log: 'log',
    processes: 'process',
  }
  const walk = (value: unknown, path: readonly string[], holder: Record<string, unknown>): void => {
    if (typeof value !== 'object' || value === null) return
    if (path.at(-1) === 'counters') {
      const scope = path.length === 1 ? 'gateway' : known[path[0]!]
      if (scope === undefined) throw new Error(`nobody tells the counters at ${path.join('.')}`)
      const name = String(holder.name)
      const labels =
        scope === 'device'
          ? { connection: String(holder.connection), device: name }
          : scope === 'connection' || scope === 'sink'
            ? { [scope]: name }
            : scope === 'process'
              ? { side: 'both' }
              : {}
      found.push({ scope, labels, counters: value as Record<string, number> })
    } else
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key], value as Record<string, unknown>)
  }
  walk(report, [], {})
  return found
}

describe('the metrics of a gateway', () => {
  it('tell every counter of its report, by one rule', async () => {
    const { samples } = await read({ ...seen, devices: true })
    const told = new Map(
      samples.map(({ name, labels, value }) => [JSON.stringify([name, Object.entries(labels).sort()]), value]),
    )
    const all = countersIn(seen.report)
    expect(new Set(all.map(({ scope }) => scope))).toEqual(
      new Set(['gateway', 'connection', 'device', 'sink', 'log', 'process']),
    )
    for (const { scope, labels, counters } of all) {
      for (const [counter, count] of Object.entries(counters)) {
        const { name, factor } = metricOf(scope, counter)
        const key = JSON.stringify([name, Object.entries(labels).sort()])
        expect(told.get(key), key).toBeCloseTo(count * factor, 6)
      }
    }
  })

  it('have a sentence for each counter', () => {
    const without = countersIn(seen.report).flatMap(({ scope, counters }) =>
      Object.keys(counters).flatMap((counter) =>
        described(scope, counter) === undefined ? [`${scope}: ${counter}`] : [],
      ),
    )
    expect([...new Set(without)], 'describe them in src/health/metrics/counters.ts').toEqual([])
  })

  it('sum the devices of a connection, unless each device is asked for', async () => {
    const two = seen.report.devices.filter(({ connection }) => connection === 'modbus-tcp')
    const sum = two.reduce((all, { counters }) => all + counters.answered!, 0)
    expect(two.length).toBe(2)
    const of = async (devices: boolean) =>
      (await read({ ...seen, devices })).samples.filter(
        ({ name, labels }) => name === 'fieldgate_device_answered_total' && labels.connection === 'modbus-tcp',
      )
    expect(await of(false)).toEqual([
      { name: 'fieldgate_device_answered_total', labels: { connection: 'modbus-tcp' }, value: sum },
    ])
    expect((await of(true)).map(({ labels }) => labels.device)).toEqual(['oven', 'other'])
  })

  it('have no more series for a thousand devices than for one, and none for tags', async () => {
    const [one] = seen.report.devices
    const many = Array.from({ length: 1000 }, (_, n) => ({ ...one!, name: `d${n}` }))
    const count = async (devices: GatewayReport['devices']): Promise<number> =>
      (await read({ ...seen, report: { ...seen.report, devices } })).samples.length
    expect(await count(many)).toBe(await count([one!]))
    const labels = new Set(
      [...familiesOf({ ...seen, devices: true })].flatMap(({ samples }) =>
        samples.flatMap((one) => Object.keys(one.labels)),
      ),
    )
    expect(labels).not.toContain('tag')
    expect(labels).not.toContain('group')
  })

  it('are read by a strict reader in both formats, with the same figures', async () => {
    const [text, open] = [await read(seen), await read(seen, 'openmetrics')]
    expect(open.samples).toEqual(text.samples)
    expect(open.families.size).toBe(text.families.size)
    expect(text.samples.length).toBeGreaterThan(200)
  })

  it('follow the conventions: prefix, _total for counters alone, base units', () => {
    const families = [...familiesOf({ ...seen, devices: true })]
    for (const { name, type, help } of families) {
      expect(name).toMatch(/^fieldgate_[a-z0-9]+(_[a-z0-9]+)*$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|percent|kb|mb)(_|$)/)
      expect(help, name).toMatch(/^[A-Z0-9+].*[.]$/)
    }
    // OpenMetrics knows a counter by its name without the ending.
    const names = families.map(({ name }) => name.replace(/_total$/, ''))
    expect(new Set(names).size).toBe(names.length)
  })

  it('say in which condition things are, 1 for one of them', async () => {
    const { samples } = await read(seen)
    const [sink] = seen.report.sinks
    const states = samples.filter(({ name }) => name === 'fieldgate_sink_state')
    expect(states.filter(({ value }) => value === 1).map(({ labels }) => labels)).toEqual([
      { sink: 'mqtt', condition: sink!.state.condition },
    ])
    expect(states.length).toBe(5)
    const clock = samples.filter(({ name, value }) => name === 'fieldgate_clock_quality' && value === 1)
    expect(clock.map(({ labels }) => labels.quality)).toEqual([seen.report.clock!.quality])
  })

  it('tell moments in Unix seconds, times in seconds, sizes in bytes, and a log that is never full as +Inf', async () => {
    const { at, startedAt, log } = seen.report
    const full = {
      ...seen.report,
      log: { ...log!, fullInMs: 90_000, bytes: 4096 },
      sinks: [{ ...seen.report.sinks[0]!, oldest: at - 5000 }],
    }
    const value = async (report: GatewayReport, name: string) =>
      (await read({ ...seen, report })).samples.find((sample) => sample.name === name)?.value
    expect(await value(full, 'fieldgate_start_time_seconds')).toBe(startedAt / 1000)
    expect(await value(full, 'fieldgate_log_full_in_seconds')).toBe(90)
    expect(await value(full, 'fieldgate_log_size_bytes')).toBe(4096)
    expect(await value(full, 'fieldgate_sink_oldest_pending_age_seconds')).toBe(5)
    const never = { ...full, log: { ...full.log, fullInMs: null } }
    expect(await value(never, 'fieldgate_log_full_in_seconds')).toBe(Number.POSITIVE_INFINITY)
  })

  it('leave out what is not there, and no more', async () => {
    const {
      processes: _,
      machine: __,
      clock: ___,
      ...report
    } = {
      ...seen.report,
      log: null,
      sinks: [],
      connections: [],
      devices: [],
      counters: {},
      lights: [],
    }
    const { families } = await read({ report, devices: false })
    expect([...families.keys()]).toEqual([
      'fieldgate_build_info',
      'fieldgate_configuration_info',
      'fieldgate_start_time_seconds',
      'fieldgate_time_seconds',
      'fieldgate_notices',
    ])
  })

  it('declare the labels that they have', () => {
    const families = new Map([...familiesOf({ ...seen, devices: true })].map((family) => [family.name, family]))
    for (const { name, labels } of GAUGES) {
      for (const sample of families.get(name)?.samples ?? []) expect(Object.keys(sample.labels), name).toEqual(labels)
    }
  })

  it('take a counter nobody has described all the same, and turn milliseconds into seconds', async () => {
    const report = { ...seen.report, counters: { 'new.waitMs': 1500, oddOnes: 2 } }
    const { samples, families } = await read({ report, devices: false })
    expect(samples.find(({ name }) => name === 'fieldgate_new_wait_seconds_total')?.value).toBe(1.5)
    expect(families.get('fieldgate_odd_ones_total')?.help).toBe('Counts oddOnes.')
  })

  it('let others have their turn between one name and the next', async () => {
    let turns = 0
    const rest = async () => void turns++
    const { text } = await expose(familiesOf(seen), { openMetrics: false, rest })
    expect(turns).toBe(readMetrics(text, 'text').families.size)
  })

  it('are in OpenMetrics for who asks for it', async () => {
    expect(wantsOpenMetrics('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')).toBe(true)
    expect(wantsOpenMetrics('*/*')).toBe(false)
    expect(wantsOpenMetrics(undefined)).toBe(false)
    expect((await expose([], { openMetrics: true })).contentType).toMatch(/^application\/openmetrics-text/)
    expect((await expose([], { openMetrics: false })).contentType).toMatch(/^text\/plain; version=0.0.4/)
  })

  const promtool = process.env.FIELDGATE_PROMTOOL ?? '/usr/bin/promtool'
  const present = spawnSync(promtool, ['--version']).status === 0
  if (!present) console.error('SKIPPED: promtool check metrics, for want of promtool (Debian: prometheus)')
  it.skipIf(!present)('are what promtool finds no fault with', async () => {
    for (const devices of [false, true]) {
      const { text } = await expose(familiesOf({ ...seen, devices }), { openMetrics: false })
      const said = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' })
      expect(said.stderr + said.stdout).toBe('')
      expect(said.status).toBe(0)
    }
  })
})
