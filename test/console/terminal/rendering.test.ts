import { describe, expect, it } from 'vitest'
import { render } from '../../../src/console/terminal/overview.ts'
import { type ValueRow, valueLine, valueTable } from '../../../src/console/terminal/rows.ts'
import { renderStatus } from '../../../src/console/terminal/status.ts'
import { width } from '../../../src/console/terminal/text.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import { AT, REPORT } from './sample-report.ts'

const PLAIN = { colour: false, unicode: true }
const COLOUR = { colour: true, unicode: true }

function row(over: Partial<ValueRow>): ValueRow {
  return {
    device: 'oven',
    group: 'zones',
    tag: 'zone-1',
    value: 181.2,
    unit: '°C',
    quality: 'good',
    reason: Reason.good,
    at: AT,
    ageMs: 200,
    stored: true,
    ...over,
  }
}

const MANY = Array.from({ length: 40 }, (_, at) => row({ tag: `zone-${at}` }))

describe('a status', () => {
  it('says the budget of a connection and what was learnt of a device', () => {
    const load = (device: string, share: number) => ({
      device,
      group: 'fast',
      everyMs: 100,
      roundMs: 143,
      load: share,
      kept: 1,
    })
    const report = {
      ...REPORT,
      connections: [
        {
          ...REPORT.connections[0]!,
          budget: {
            load: 1.43,
            basis: 'with the response times that were learnt',
            groups: [load('press-3', 1.4), load('press-4', 0.03)],
            dead: [
              { device: 'press-3', load: 0.08, fallMs: 2000 },
              { device: 'press-4', load: 1.45, fallMs: 2000 },
            ],
            cannotKeep: [{ device: 'press-3', group: 'fast', everyMs: 100, kept: 0.7, fitsMs: 150 }],
            slower: 1.5,
            alone: null,
          },
        },
      ],
      devices: [
        {
          ...REPORT.devices[0]!,
          knowledge: { sentences: ['refuses 40007–40009 (no such address)', 'gives at most 64 registers'], keys: {} },
        },
      ],
    }
    const text = renderStatus(report, { columns: 300, style: PLAIN })
    expect(text).toContain(
      'bus1: 143 % of the wire: group fast (100ms) of press-3 cannot keep its interval; 150ms would fit.',
    )
    expect(text).toContain(
      'load with a device dead: 8 % without press-3, 145 % without press-4; one that dies costs up to 2s once',
    )
    expect(text).toContain(
      `${REPORT.devices[0]!.name} refuses 40007–40009 (no such address), gives at most 64 registers`,
    )
    for (const line of renderStatus(report, { columns: 80, style: PLAIN }).split('\n')) {
      expect(width(line)).toBeLessThanOrEqual(80)
    }
  })

  it('says of each process whether it is fed, how late everything was, and who hangs', () => {
    const since = { wall: AT, monotonic: 0, boot: 'b', clock: 'synced' } as const
    const standing = (name: string, stalled: boolean) => ({
      name,
      state: stalled
        ? ({ condition: 'fault', text: 'no progress since 14:03:20 UTC (130 s, 120 s are in order)' } as const)
        : ({ condition: 'fine', text: 'goes on' } as const),
      since,
      ageMs: 0,
      allowanceMs: 1000,
      stalled,
    })
    const vitals = { startedAt: AT, cpuMs: 1, residentBytes: 1, heapBytes: 1 }
    const watchdog = (text: string) => ({ by: ['systemd'], state: { condition: 'fine', text } }) as const
    const report = {
      ...REPORT,
      processes: [
        {
          side: 'field' as const,
          ...vitals,
          health: {
            components: [standing('door', false), standing('connection bus1', true)],
            watchdog: watchdog('fed: systemd'),
            longestStallMs: 0,
            counters: {},
          },
        },
        {
          side: 'uplink' as const,
          ...vitals,
          health: {
            components: [standing('door', false)],
            watchdog: watchdog('fed: systemd'),
            longestStallMs: 812,
            counters: {},
          },
        },
      ],
    }
    const text = renderStatus(report, { columns: 120, style: PLAIN })
    expect(text).toContain(
      'Watchdog, field     not fed: connection bus1: no progress since 14:03:20 UTC (130 s, 120 s are in order)',
    )
    expect(text).toContain('Watchdog, uplink    fed: systemd; everything was late by 812 ms at the most')
  })

  it('says which half of two processes is away, and that their configurations differ', () => {
    const running = { running: true, revision: REPORT.revision, text: 'running' }
    const away = { half: 'field', running: false, revision: null, text: 'not running: no device is read' } as const
    const alone = { ...REPORT, log: null, lights: [], halves: [away, { ...running, half: 'uplink' as const }] }
    const text = renderStatus(alone, { columns: 100, style: PLAIN })
    expect(text).toMatch(/^field +not running: no device is read\nuplink +running$/m)
    expect(text).not.toContain('LOG')
    const other = { ...running, half: 'field' as const, revision: '0123456789abcdef' }
    const mixed = { ...REPORT, halves: [other, { ...running, half: 'uplink' as const }] }
    expect(renderStatus(mixed, { columns: 100, style: PLAIN })).toMatch(
      /^field +running, revision 0123456789ab\nuplink +running, revision 5f2b9c0a7d3e$/m,
    )
  })
})

describe('the overview', () => {
  it('fits 80×24 exactly, whatever there is to show', () => {
    const busy = {
      ...REPORT,
      connections: Array.from({ length: 30 }, (_, at) => ({ ...REPORT.connections[1]!, name: `a-long-name-${at}` })),
      sinks: Array.from({ length: 9 }, (_, at) => ({ ...REPORT.sinks[0]!, name: `sink-${at}` })),
    }
    for (const report of [REPORT, busy]) {
      for (const style of [PLAIN, COLOUR, { colour: false, unicode: false }]) {
        const lines = render({
          report,
          values: MANY,
          size: { columns: 80, rows: 24 },
          style,
          atMs: 100,
          footer: 'n network cable  d device  u adapter  q quit',
          notice: 'the cable is pulled',
        }).split('\n')
        expect(lines).toHaveLength(24)
        for (const line of lines) expect(width(line)).toBeLessThanOrEqual(80)
      }
    }
  })

  it('keeps within any terminal, however small', () => {
    for (const size of [
      { columns: 20, rows: 5 },
      { columns: 40, rows: 10 },
      { columns: 200, rows: 60 },
    ]) {
      const lines = render({ report: REPORT, values: MANY, size, style: COLOUR, atMs: 0, footer: 'q quit' }).split('\n')
      expect(lines.length).toBeLessThanOrEqual(size.rows)
      for (const line of lines) expect(width(line)).toBeLessThanOrEqual(size.columns)
    }
  })

  it('says how many lines it has no room for', () => {
    const text = render({ report: REPORT, values: MANY, size: { columns: 80, rows: 24 }, style: PLAIN, atMs: 0 })
    expect(text).toMatch(/and \d+ more values/)
  })

  it('never speaks by colour alone: without colours nothing is lost but the colours', () => {
    const given = { report: REPORT, values: MANY, size: { columns: 100, rows: 40 }, atMs: 0 }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: taking the colours away is the point.
    expect(render({ ...given, style: COLOUR }).replace(/\x1b\[[0-9;]*m/g, '')).toBe(render({ ...given, style: PLAIN }))
    expect(render({ ...given, style: PLAIN })).toContain('fault: 127.0.0.1:1502 refuses')
  })

  it('tells in status what else stands against a light, and what the box is like', () => {
    const [sys, ...others] = REPORT.lights
    const report = {
      ...REPORT,
      lights: [{ ...sys!, also: ['the box is at 91 °C; give it air', 'the clock is not set'] }, ...others],
      machine: {
        celsius: 91,
        throttled: 'heat' as const,
        storages: [
          { path: '/data', readOnly: true, inMemory: false, freeBytes: 2 ** 30, totalBytes: 2 ** 32, lifeUsed: 0.3 },
        ],
        links: [
          { name: 'eth0', carrier: true, addresses: 2 },
          { name: 'eth1', carrier: false, addresses: 0 },
        ],
      },
    }
    const text = renderStatus(report, { columns: 200, style: PLAIN })
    expect(text).toMatch(/^ +also: the box is at 91/m)
    expect(text).toMatch(/^ +also: the clock is not set$/m)
    expect(text).toMatch(
      /^BOX {2}91 .C . slowed down for heat . \/data 1.0 GiB of 4.0 GiB free, read-only, 30 ?% of its life used . eth0 2 addresses . eth1 no link$/m,
    )
  })

  it('blinks: a frame later the double blink looks different', () => {
    const report = {
      ...REPORT,
      lights: [{ id: 'net.credentials', role: 'NET', colour: 'red', pattern: 'double', text: 'credentials refused' }],
    }
    const frame = (atMs: number): string =>
      render({ report: report as typeof REPORT, values: [], size: { columns: 80, rows: 24 }, style: PLAIN, atMs })
    expect(frame(50)).not.toBe(frame(200))
    expect(frame(50)).toContain('● NET')
    expect(frame(200)).toContain('○ NET')
    expect(frame(50)).toContain('red, double blink')
  })

  it('shows only ASCII on a terminal without UTF-8', () => {
    const text = render({
      report: REPORT,
      values: [row({})],
      size: { columns: 80, rows: 24 },
      style: { colour: true, unicode: false },
      atMs: 0,
    })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences.
    expect(text).toMatch(/^[\x00-\x7f]*$/)
    expect(text).toContain('oC')
  })
})

describe('the status', () => {
  it('says who answers, what waits and how long the log lasts', () => {
    expect(renderStatus(REPORT, { columns: 100, style: PLAIN })).toMatchInlineSnapshot(`
      "Fieldgate 0.1.0  gw-01  up 1 h 2 min  revision 5f2b9c0a7d3e

      SYS  green, short gaps   all is well
      BUS  amber, long on      1 of 3 devices is silent: conveyor; is it switched on?
      NET  amber, code 1       buffering for broker: 120 entries wait
      HA   off                 a gateway of its own

      CONNECTION    LOAD          REQ/S   P50/P95  ANSWER  STATE
      bus1          42 %  ███░░░    7.4  38/62 ms  2 of 2  rs485-1 open, 19200 8E1
      conveyor-net   0 %  ░░░░░░    0.0         –  0 of 1  fault: 127.0.0.1:1502 refuses the connection; …
          fault: 127.0.0.1:1502 refuses the connection; next try in 4 s

      DEVICE    ON            TAGS  ANSWERS         LAST
      meter     bus1            11  yes              now  answers
      conveyor  conveyor-net     6  no        1 min 12 s  no connection
      spare     bus1             2  disabled              switched off in the configuration

      SINK  TYPE  PENDING  OLDEST  RATE  STATE
      emqx  mqtt      120    12 s   0/s  degraded: broker away, buffering

      LOG  █░░░░░░░░░ 2 %, 1.3 MiB of 64 MiB, head 1:10120, full in 3 d"
    `)
  })

  it('shows what was lost and what the start had to say', () => {
    const sink = REPORT.sinks[0]!
    const report = {
      ...REPORT,
      notices: ['the file cannot be read, the last good configuration is in force'],
      sinks: [{ ...sink, receipt: { ...sink.receipt!, evicted: 12, quarantined: 3 } }],
    }
    const text = renderStatus(report, { columns: 120, style: PLAIN })
    expect(text).toContain('12 evicted')
    expect(text).toContain('3 in quarantine')
    expect(text).toContain('Note: the file cannot be read')
  })

  it('cuts no line wider than asked, colours included', () => {
    for (const columns of [60, 80, 132]) {
      for (const line of renderStatus(REPORT, { columns, style: COLOUR }).split('\n')) {
        expect(width(line)).toBeLessThanOrEqual(columns)
      }
    }
  })
})

describe('values', () => {
  it('carry their age and quality in words', () => {
    const rows = [
      row({}),
      row({ tag: 'exhaust', value: null, quality: 'device says: no reading', reason: Reason.noValue, ageMs: 72_000 }),
      row({ tag: 'door', value: true, unit: null, stored: false }),
      row({ tag: 'serial', value: 9007199254740993n, unit: null }),
    ]
    expect(valueTable(rows, 80, PLAIN).join('\n')).toMatchInlineSnapshot(`
      "TAG                            VALUE  UNIT         AGE  QUALITY
      oven/zones/zone-1              181.2  °C           now  good
      oven/zones/exhaust                 –  °C    1 min 12 s  device says: no reading
      oven/zones/door                   on               now  good, not stored
      oven/zones/serial   9007199254740993               now  good"
    `)
  })

  it('from a device never move the cursor', () => {
    const evil = row({ value: '\x1b[2Jgone\r\n', unit: '\x9b31m' })
    for (const line of [...valueTable([evil], 80, PLAIN), valueLine(evil)]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there.
      expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/)
    }
  })

  it('say the reason instead of a value when there is none', () => {
    expect(valueLine(row({ value: null, quality: 'no answer in time', reason: Reason.timeout }))).toBe(
      'oven/zones/zone-1 = no answer in time',
    )
    expect(valueLine(row({}))).toBe('oven/zones/zone-1 = 181.2 °C')
  })
})
