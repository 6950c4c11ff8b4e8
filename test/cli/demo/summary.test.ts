import { describe, expect, it } from 'vitest'
import { statusLine } from '../../../src/cli/demo/lines.ts'
import { moods, proof } from '../../../src/cli/demo/script.ts'
import { summarise, summaryText } from '../../../src/cli/demo/summary.ts'
import { REPORT } from '../../console/terminal/sample-report.ts'

const HAPPENINGS = { cablePulls: 1, deviceDeaths: 1, adapterUnplugs: 0, largestBacklog: 80 }

const HOLDS = { holds: true, differences: [] }

function report(over: Partial<NonNullable<(typeof REPORT)['sinks'][0]['receipt']>>) {
  const sink = REPORT.sinks[0]!
  return { ...REPORT, sinks: [{ ...sink, receipt: { ...sink.receipt!, ...over } }] }
}

const sequence = { device: 'press', group: 'cycle', handedOut: 90, missing: 0, repeated: 2 }

describe('the demo’s summary', () => {
  it('is fine only if all that was stored was delivered and no number of a device is missing', () => {
    const given = { seconds: 20, messages: 110, happenings: HAPPENINGS, audit: HOLDS, sequences: [sequence] }
    const delivered = report({ stored: 105, filtered: 5, delivered: 100, pending: 0 })
    expect(summarise({ ...given, report: delivered })).toMatchObject({
      ok: true,
      stored: 100,
      delivered: 100,
      repeated: 2,
    })
    expect(summarise({ ...given, report: report({ stored: 105, filtered: 5, delivered: 99, pending: 1 }) }).ok).toBe(
      false,
    )
    const differing = { holds: false, differences: ['emqx: 1 quarantined by its receipt, 0 counted'] }
    const wrong = summarise({ ...given, audit: differing, report: delivered })
    expect(wrong.ok).toBe(false)
    expect(summaryText(wrong)).toContain('differs: emqx: 1 quarantined by its receipt, 0 counted')
    const short = { ...given, sequences: [{ ...sequence, missing: 1 }] }
    expect(summarise({ ...short, report: delivered })).toMatchObject({ ok: false, missing: 1 })
  })

  it('is not fine when nothing was read at all: an empty proof is none', () => {
    const empty = {
      seconds: 1,
      messages: 0,
      happenings: HAPPENINGS,
      audit: HOLDS,
      sequences: [{ ...sequence, handedOut: 0 }],
    }
    expect(summarise({ ...empty, report: report({ stored: 0, filtered: 0, delivered: 0, pending: 0 }) }).ok).toBe(false)
  })

  it('says what happened and what it proves', () => {
    const given = { seconds: 20, messages: 110, happenings: HAPPENINGS, audit: HOLDS, sequences: [sequence] }
    const text = summaryText(
      summarise({ ...given, report: report({ stored: 100, filtered: 0, delivered: 100, pending: 0 }) }),
    )
    expect(text).toContain('cable pulled 1 ×')
    expect(text).toContain('missing 0, repeated 2')
    expect(text).toContain('Nothing was lost')
  })
})

describe('the demo without a terminal', () => {
  it('pulls the cable and kills a device within its time, and leaves time to drain', () => {
    const scenes = proof(20_000)
    expect(scenes.map(({ act }) => act)).toEqual(['kill', 'pull', 'revive', 'plug'])
    expect(Math.max(...scenes.map(({ atMs }) => atMs))).toBeLessThan(15_000)
  })

  it('has one device that is sometimes dead and mostly alive', () => {
    const seconds = Array.from({ length: 160 }, (_, at) => moods(at * 1000))
    expect(seconds.filter((mood) => mood === 'kill')).toHaveLength(24)
    expect(moods(0)).toBe('revive')
  })

  it('says in a line what is stored, delivered and waiting, and which light is not fine', () => {
    const line = statusLine(REPORT, 4000)
    expect(line).toContain('stored 10,120')
    expect(line).toContain('waiting 120')
    expect(line).toContain('BUS amber, long on')
    expect(line).not.toContain('SYS')
  })
})
