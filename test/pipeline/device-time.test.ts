import { describe, expect, it } from 'vitest'
import { type Batch, BatchBuilder, Reason } from '../../src/contracts/batch.ts'
import type { Instant } from '../../src/contracts/clock.ts'
import type { EventNote } from '../../src/contracts/log.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'
import { planOf } from './plans.ts'

const NOON = Date.UTC(2026, 2, 1, 12)
const plan = { ...planOf([{ name: 'v' }, { name: 'clock', type: 'datetime', kind: 'text' }]), timeFrom: 1 }

function pipeline() {
  const out: Batch[] = []
  const notes: EventNote[] = []
  const made = new Pipeline({
    groups: [plan],
    emit: (batch) => out.push(batch),
    note: (event) => notes.push(event),
  })
  /** The moment that a reading carries whose device shows `shown`, or has no time to show. */
  const at = (shown: string | Reason, gateway: Partial<Instant> = {}): Instant => {
    const builder = new BatchBuilder(plan.ref)
    builder.number(0, 1)
    if (typeof shown === 'string') builder.other(1, shown)
    else builder.bad(1, shown)
    made.onBatch(builder.finish({ wall: NOON, monotonic: 5, boot: 'b', clock: 'synced', ...gateway }))
    return out.at(-1)!.at
  }
  return { at, notes, counters: () => made.counters(), made, out }
}

describe('a group that carries its device’s time', () => {
  it('has the moment its clock shows, to the millisecond, and the gateway’s monotonic time', () => {
    const { at } = pipeline()
    expect(at('2026-03-01T11:59:58Z')).toEqual({ wall: NOON - 2000, monotonic: 5, boot: 'b', clock: 'device' })
    expect(at('2026-03-01T11:59:58.250Z').wall).toBe(NOON - 1750)
    for (const text of [
      '2000-01-01T00:00:00Z',
      '2024-02-29T23:59:59Z',
      '2023-12-31T00:00:00Z',
      '2026-03-01T00:00:00Z',
    ]) {
      expect(at(text).wall).toBe(Date.parse(text))
    }
  })

  it('has the gateway’s where the device has none to show', () => {
    const { at, notes } = pipeline()
    expect(at(Reason.timeout)).toEqual({ wall: NOON, monotonic: 5, boot: 'b', clock: 'synced' })
    expect(notes).toEqual([])
  })

  it.each([
    ['1999-12-31T23:59:59Z', 'a time it was never set to'],
    ['2100-01-01T00:00:00Z', 'a time it was never set to'],
    ['2026-03-02T12:00:01Z', 'more than a day ahead'],
    ['yesterday', 'which is no time'],
  ])('has the gateway’s when the device shows %s, and says so once', (shown, why) => {
    const { at, notes, counters } = pipeline()
    expect(at(shown)).toMatchObject({ wall: NOON, clock: 'synced' })
    at(shown)
    expect(counters().deviceTimesRefused).toBe(2)
    expect(notes.map(({ name, text }) => [name, text])).toEqual([
      ['device-time.refused', `the clock of d shows ${shown}, ${why}: g carries the gateway's time until it is right`],
    ])
    expect(at('2026-03-01T12:00:00Z').clock).toBe('device')
    expect(notes.map(({ name }) => name)).toEqual(['device-time.refused', 'device-time.accepted'])
  })

  it('takes a time a day ahead, or any of this century where the gateway itself does not know', () => {
    const { at } = pipeline()
    expect(at('2026-03-02T12:00:00Z').clock).toBe('device')
    expect(at('2031-05-05T00:00:00Z', { wall: 0, clock: 'unsynced' })).toMatchObject({
      wall: Date.UTC(2031, 4, 5),
      clock: 'device',
    })
  })

  it('keeps what it knows of the clock when other groups change', () => {
    const { at, notes, made } = pipeline()
    at('1970-01-01T00:00:00Z')
    made.configure([plan, planOf([{}], 'other')])
    at('1970-01-01T00:00:00Z')
    expect(notes).toHaveLength(1)
  })
})
