/** Health as whoever watches over many boxes asks for it: what a restart could mend, and nothing else. */
import { afterEach, describe, expect, it } from 'vitest'
import { openEndpoint } from '../../src/cli/run/pages.ts'
import { absent } from '../../src/cli/status.ts'
import type { GatewayReport } from '../../src/contracts/report.ts'
import { Ledger } from '../../src/health/ledger.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { freePort, until } from '../peers/processes.ts'

const clock = new ManualClock()
const ledger = new Ledger({ clock })
const known = { gateway: 'g', version: '1', revision: 'r', startedAt: 0, at: 0 }
const log = { debug() {}, info() {}, warn() {}, error() {} }
const healthy = {
  watchdog: { by: [], state: { condition: 'waiting', text: '' } },
  longestStallMs: 0,
  counters: {},
} as const
let stop = async (): Promise<void> => {}

afterEach(() => stop())

async function health(report: () => Promise<GatewayReport>): Promise<[number, string]> {
  const endpoint = openEndpoint({ clock, log, health: ledger, report })
  stop = () => endpoint.stop()
  const port = await freePort()
  await endpoint.configure({ host: '127.0.0.1', port })
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`)
  return [answer.status, await answer.text()]
}

const ofOneProcess = (more: Partial<GatewayReport>): GatewayReport => {
  const { halves: _, ...report } = absent(known, '')
  const own = { side: 'both', startedAt: 0, cpuMs: 0, residentBytes: 0, heapBytes: 0 } as const
  return { ...report, processes: [{ ...own, health: { ...healthy, components: ledger.standings() } }], ...more }
}

describe('/healthz', () => {
  it('is 503 with a sentence while a component makes no progress, and 200 again when it does', async () => {
    const line = ledger.enrol({ name: 'connection plc7', allowanceMs: 120_000 })
    line.begin()
    await clock.advance(60_000)
    expect(await health(async () => ofOneProcess({}))).toEqual([200, 'all is well\n'])
    await stop()
    await clock.advance(70_000)
    const [status, text] = await health(async () => ofOneProcess({}))
    expect(status).toBe(503)
    expect(text).toMatch(/^connection plc7: .*progress/)
    await stop()
    line.progress()
    expect((await health(async () => ofOneProcess({})))[0]).toBe(200)
    line.leave()
  })

  it('is 200 while a far side or a device is away: nobody is to restart a gateway for that', async () => {
    const state = { condition: 'fault', text: 'nothing listens there' } as const
    const sinks = [{ name: 's', type: 'mqtt', state, receipt: null, oldest: 0, rate: 0, counters: {} }]
    expect((await health(async () => ofOneProcess({ sinks })))[0]).toBe(200)
  })

  it('is 503 while a half is away', async () => {
    const [status, text] = await health(async () => absent(known, 'nobody'))
    expect(status).toBe(503)
    expect(text).toMatch(/^field half: not running.*\nuplink half: not running/)
  })
})

describe('/metrics', () => {
  it('is made once for all who ask at once', async () => {
    let asked = 0
    let go = (): void => {}
    const gate = new Promise<void>((resolve) => (go = resolve))
    const endpoint = openEndpoint({
      clock,
      log,
      health: ledger,
      report: async () => {
        asked++
        await gate
        return ofOneProcess({})
      },
    })
    stop = () => endpoint.stop()
    const port = await freePort()
    await endpoint.configure({ host: '127.0.0.1', port })
    const answers = Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${port}/metrics`))
    await until('all of them to have asked', () => endpoint.counters().requests === 8)
    go()
    const texts = await Promise.all(answers.map(async (answer) => (await answer).text()))
    expect(new Set(texts).size).toBe(1)
    expect(texts[0]).toContain('fieldgate_build_info{version="1"} 1')
    expect(asked).toBe(1)
    await fetch(`http://127.0.0.1:${port}/metrics`)
    expect(asked).toBe(2)
  })
})
