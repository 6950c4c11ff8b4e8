import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Batch, Reason, samples, type Value } from '../../src/contracts/batch.ts'
import type { GroupPlan } from '../../src/contracts/driver.ts'
import type { EventNote } from '../../src/contracts/log.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'
import { planOf, rawBatch, type Wanted } from './plans.ts'

function pipelineOf(plan: GroupPlan) {
  const out: Batch[] = []
  const notes: EventNote[] = []
  const pipeline = new Pipeline({
    groups: [plan],
    emit: (batch) => out.push(batch),
    note: (event) => notes.push(event),
  })
  return { pipeline, out, notes }
}

/** One tag, one raw value through the pipeline. */
function mapped(wanted: Wanted, raw: Parameters<typeof rawBatch>[1][number]): { value: Value; quality: number } {
  const plan = planOf([wanted])
  const { pipeline, out } = pipelineOf(plan)
  pipeline.onBatch(rawBatch(plan, [raw]))
  const [sample] = [...samples(out[0]!)]
  return { value: sample!.value, quality: sample!.quality }
}

describe('scaling', () => {
  it('gives the double nearest to the decimal result', () => {
    expect(mapped({ scale: 0.1 }, 301).value).toBe(30.1)
    expect(mapped({ scale: 0.01, offset: -40 }, 6543).value).toBe(25.43)
    expect(mapped({ scale: 0.001 }, 3).value).toBe(0.003)
    expect(mapped({ scale: 1e-7 }, 3).value).toBe(3e-7)
    expect(mapped({ scale: 10 }, -7).value).toBe(-70)
  })

  it('agrees with exact decimal arithmetic for any decimal scale and offset', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 31), max: 2 ** 32 }),
        fc.integer({ min: -99_999, max: 99_999 }),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: -99_999, max: 99_999 }),
        fc.integer({ min: 0, max: 3 }),
        (raw, scale, scaleDecimals, offset, offsetDecimals) => {
          const text = (digits: number, decimals: number) => Number(`${digits}e-${decimals}`)
          const decimals = Math.max(scaleDecimals, offsetDecimals)
          const exact =
            BigInt(raw) * BigInt(scale) * 10n ** BigInt(decimals - scaleDecimals) +
            BigInt(offset) * 10n ** BigInt(decimals - offsetDecimals)
          // Beyond 2^53 the product itself is rounded.
          fc.pre(exact < 2n ** 53n && exact > -(2n ** 53n))
          const wanted = Number(`${exact}e-${decimals}`)
          const { value } = mapped({ scale: text(scale, scaleDecimals), offset: text(offset, offsetDecimals) }, raw)
          expect((value as number) + 0).toBe(wanted + 0)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('shows a float32 as the shortest decimal that is the same float32', () => {
    const float = (value: number) => mapped({ type: 'float32' }, Math.fround(value)).value
    expect(float(0.1)).toBe(0.1)
    expect(float(21.4)).toBe(21.4)
    expect(float(230.15)).toBe(230.15)
    expect(float(16_777_216)).toBe(16_777_216)
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Math.fround(float(value) as number)).toBe(value)
      }),
    )
  })

  it('rounds to the precision and sets what is outside the clamp to its nearer end', () => {
    expect(mapped({ scale: 0.1234, precision: 1 }, 17).value).toBe(2.1)
    expect(mapped({ precision: 0, type: 'float32' }, -2.5).value).toBe(-3)
    expect(mapped({ clamp: [0, 100] }, 120).value).toBe(100)
    expect(mapped({ clamp: [0, 100] }, -1).value).toBe(0)
  })

  it('takes the scale from another register of the same batch', () => {
    const plan = planOf([{ scaleFrom: { index: 1, as: 'pow10' } }, {}, { scaleFrom: { index: 1, as: 'factor' } }])
    const { pipeline, out } = pipelineOf(plan)
    pipeline.onBatch(rawBatch(plan, [2301, -1, 5]))
    expect([...out[0]!.numbers]).toEqual([230.1, -1, -5])
    pipeline.onBatch(rawBatch(plan, [2301, { bad: Reason.noValue }, 5]))
    expect([...out[1]!.quality!]).toEqual([Reason.noScale, Reason.noValue, Reason.noScale])
  })
})

describe('no reading', () => {
  it('is null with a reason: a sentinel, NaN, infinity', () => {
    expect(mapped({ noValue: [-32768], scale: 0.1 }, -32768)).toEqual({ value: null, quality: Reason.noValue })
    expect(mapped({ type: 'float32' }, Number.NaN)).toEqual({ value: null, quality: Reason.noValue })
    expect(mapped({ type: 'float64' }, Number.POSITIVE_INFINITY)).toEqual({ value: null, quality: Reason.noValue })
  })

  it('is not NaN where the tag keeps NaN', () => {
    expect(mapped({ type: 'float32', keepNaN: true }, Number.NaN)).toEqual({ value: Number.NaN, quality: Reason.good })
  })

  it('keeps the reason that the driver gave', () => {
    expect(mapped({ scale: 0.1 }, { bad: Reason.timeout })).toEqual({ value: null, quality: Reason.timeout })
  })
})

describe('enumerations', () => {
  const states = new Map([
    [0, 'off'],
    [1, 'on'],
  ])
  it('become their labels; an unknown code stays a number or is bad', () => {
    expect(mapped({ enum: states, kind: 'text' }, 1).value).toBe('on')
    expect(mapped({ enum: states, kind: 'text' }, 7)).toEqual({ value: 7, quality: Reason.good })
    expect(mapped({ enum: states, kind: 'text', unknown: 'bad' }, 7)).toEqual({
      value: null,
      quality: Reason.outOfRange,
    })
  })
})

describe('what a double does not carry', () => {
  it('passes whole: bigints, texts, bytes, arrays element by element', () => {
    expect(mapped({ type: 'uint64' }, 2n ** 60n).value).toBe(2n ** 60n)
    expect(mapped({ type: 'uint64', scale: 0.5 }, 2n ** 60n).value).toBe(2 ** 59)
    expect(mapped({ type: 'string', kind: 'text' }, 'abc').value).toBe('abc')
    expect(mapped({ kind: 'array', scale: 0.1 }, [1, 2]).value).toEqual([0.1, 0.2])
  })
})

describe('counters', () => {
  const counter = { counter: { wrap: 65_536, maxStep: 1000 }, type: 'uint16' }
  it('go on through a wrap-around', () => {
    const plan = planOf([counter])
    const { pipeline, out } = pipelineOf(plan)
    for (const raw of [65_500, 65_530, 20, 30]) pipeline.onBatch(rawBatch(plan, [raw]))
    expect(out.map((batch) => batch.numbers[0])).toEqual([65_500, 65_530, 65_556, 65_566])
  })

  it('go on from a reset, which is an event', () => {
    const plan = planOf([counter])
    const { pipeline, out, notes } = pipelineOf(plan)
    for (const raw of [5000, 5100, 40, 50]) pipeline.onBatch(rawBatch(plan, [raw]))
    expect(out.map((batch) => batch.numbers[0])).toEqual([5000, 5100, 5140, 5150])
    expect(notes.map((note) => note.name)).toEqual(['counter.reset'])
  })

  it('survive a restart, and a change of the group, by what the log carries', () => {
    const plan = planOf([{}, { ...counter, name: 'energy' }])
    const first = pipelineOf(plan)
    for (const raw of [65_500, 100]) first.pipeline.onBatch(rawBatch(plan, [0, raw]))
    const changed = planOf([{ ...counter, name: 'energy' }], 'g', 2)
    const second = pipelineOf(changed)
    second.pipeline.restore([first.out.at(-1)!])
    second.pipeline.onBatch(rawBatch(changed, [150]))
    expect(second.out[0]!.numbers[0]).toBe(65_686)
  })
})

describe('reporting', () => {
  it('leaves out what did not change, and repeats it after the heartbeat', () => {
    const plan = planOf([
      { report: 'change', heartbeatMs: 10_000 },
      { report: 'change', heartbeatMs: 10_000 },
    ])
    const { pipeline, out } = pipelineOf(plan)
    pipeline.onBatch(rawBatch(plan, [1, 2], 0))
    pipeline.onBatch(rawBatch(plan, [1, 2], 1000))
    pipeline.onBatch(rawBatch(plan, [1, 3], 2000))
    pipeline.onBatch(rawBatch(plan, [1, 3], 10_000))
    pipeline.onBatch(rawBatch(plan, [1, 3], 12_000))
    expect(
      out.map((batch) => [batch.at.monotonic, batch.tags === null ? null : [...batch.tags], [...batch.numbers]]),
    ).toEqual([
      [0, null, [1, 2]],
      [2000, [1], [3]],
      [10_000, [0], [1]],
      [12_000, [1], [3]],
    ])
  })

  it('always passes a change of quality, either way', () => {
    const plan = planOf([{ report: 'change' }])
    const { pipeline, out } = pipelineOf(plan)
    for (const raw of [1, { bad: Reason.timeout }, { bad: Reason.timeout }, { bad: Reason.deviceSilent }, 1, 1]) {
      pipeline.onBatch(rawBatch(plan, [raw]))
    }
    expect(out.map((batch) => batch.quality?.[0] ?? 0)).toEqual([0, Reason.timeout, Reason.deviceSilent, 0])
  })

  it('measures a deadband from what was reported last, so that a slow drift is seen', () => {
    const plan = planOf([{ deadband: { absolute: 1 } }])
    const { pipeline, out } = pipelineOf(plan)
    for (let raw = 0; raw <= 30; raw++) pipeline.onBatch(rawBatch(plan, [raw / 10]))
    expect(out.map((batch) => batch.numbers[0])).toEqual([0, 1, 2, 3])
  })

  it('takes a deadband in per cent of what was reported last', () => {
    const plan = planOf([{ deadband: { percent: 2 } }])
    const { pipeline, out } = pipelineOf(plan)
    for (const raw of [100, 101, 102, 103, 104, 104.1]) pipeline.onBatch(rawBatch(plan, [raw]))
    expect(out.map((batch) => batch.numbers[0])).toEqual([100, 102, 104.1])
  })

  it('goes on after a restart from what was reported before it', () => {
    const plan = planOf([{ report: 'change' }])
    const before = pipelineOf(plan)
    before.pipeline.onBatch(rawBatch(plan, [5]))
    const after = pipelineOf(plan)
    after.pipeline.restore(before.out)
    after.pipeline.onBatch(rawBatch(plan, [5]))
    after.pipeline.onBatch(rawBatch(plan, [6]))
    expect(after.out.map((batch) => batch.numbers[0])).toEqual([6])
  })
})

describe('a new configuration', () => {
  it('keeps the state of groups that are the same object and drops batches of those that are gone', () => {
    const plan = planOf([{ report: 'change' }])
    const { pipeline, out } = pipelineOf(plan)
    pipeline.onBatch(rawBatch(plan, [5]))
    pipeline.configure([plan, planOf([{}], 'other')])
    pipeline.onBatch(rawBatch(plan, [5]))
    expect(out).toHaveLength(1)
    pipeline.configure([])
    pipeline.onBatch(rawBatch(plan, [6]))
    expect(out).toHaveLength(1)
  })
})
